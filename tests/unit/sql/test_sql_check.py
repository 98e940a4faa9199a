"""The check of a database for monitors."""

from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

import sql


def test_a_database_that_answers(db_url: str) -> None:
    with sql.engine(db_url).connect():
        pass  # a file is made by the first who writes
    check = sql.check(db_url)
    check()
    check()


def test_a_file_that_has_gone_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    check = sql.check(f"sqlite:///{path}")
    with pytest.raises(OSError, match="x.db"):
        check()
    assert not path.exists()
    path.write_bytes(b"this is no database, whatever its name says")
    with pytest.raises(SQLAlchemyError):
        check()


def test_a_server_that_is_away() -> None:
    with pytest.raises(SQLAlchemyError):
        sql.check("mysql://nobody:secret@127.0.0.1:1/nothing")()


def test_a_url_that_is_none() -> None:
    with pytest.raises(sql.DatabaseUrlError):
        sql.check("oracle://x/y")
