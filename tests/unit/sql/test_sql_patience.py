"""What starts waits for its database server, for a while, and says so."""

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

import mariadb
import sql
from sql.patience import FIRST_PAUSE_S, LONGEST_PAUSE_S, PATIENCE_S


def absent(tmp_path: Path) -> str:
    return f"mysql://nobody:secret@localhost/x?unix_socket={tmp_path / 'socket'}"


def test_a_server_that_is_there_is_not_waited_for(db_url: str) -> None:
    pauses: list[float] = []
    sql.await_server(sql.engine(db_url), pauses.append)
    assert pauses == []


@pytest.mark.mariadb
def test_a_server_that_comes_is_waited_for(
    mariadb_server: mariadb.Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = mariadb_server.new_database()
    here = tmp_path / "socket"
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            here.symlink_to(mariadb_server.socket)

    try:
        sql.await_server(sql.engine(url.replace(str(mariadb_server.socket), str(here))), pause)
    finally:
        mariadb_server.drop(url)
    assert pauses == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert [record.levelname for record in caplog.records if record.name == "sql.patience"] == ["WARNING"] * 3


@pytest.mark.parametrize("more", ["", "&password=secret", "&passwd=secret"])
def test_patience_has_an_end(tmp_path: Path, caplog: pytest.LogCaptureFixture, more: str) -> None:
    pauses: list[float] = []
    with pytest.raises(OperationalError):
        sql.await_server(sql.engine(absent(tmp_path) + more), pauses.append)
    assert PATIENCE_S <= sum(pauses) < PATIENCE_S + LONGEST_PAUSE_S
    assert max(pauses) == LONGEST_PAUSE_S and pauses == sorted(pauses)
    assert "secret" not in caplog.text and "does not answer, trying again in 30 s" in caplog.text


@pytest.mark.mariadb
def test_a_server_that_refuses_is_not_waited_for(mariadb_server: mariadb.Server) -> None:
    url = f"mysql://root:wrong@localhost/x?unix_socket={mariadb_server.socket}"
    with pytest.raises(OperationalError, match="Access denied"):
        sql.await_server(sql.engine(url), lambda _: pytest.fail("it waits"))


def test_a_file_that_cannot_be_opened_is_not_waited_for() -> None:
    with pytest.raises(OperationalError, match="unable to open"):
        sql.await_server(sql.engine("sqlite:////nonexistent/x.db"), lambda _: pytest.fail("it waits"))
