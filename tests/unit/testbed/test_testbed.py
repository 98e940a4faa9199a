"""The testbed's own parts: layout, configuration, processes. The grid as a whole is shown by tests/chain."""

import socket
import sys
from pathlib import Path

import pytest

from gsi.credential import Credential
from gsi.peer import ProxyKind
from gsi.rules import Rules
from gsi.trust import Trust
from testbed import configuration, main, process
from testbed import grid as grids
from testbed.demo import free_base_port
from testbed.layout import HOST, USER_DN, Choices, Damaged, Layout, NotAGrid
from testbed.process import Process
from testbed.services import SERVICES


def test_a_folder_without_grid_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotAGrid, match="glite-testbed up"):
        Layout.load(tmp_path)


def test_choices_are_remembered(tmp_path: Path) -> None:
    grid = Layout(tmp_path, Choices(20000, 3, None))
    grid.save()
    assert Layout.load(tmp_path) == grid
    assert grid.ports["lb_store"] == grid.ports["lb"] + 1 == 20001
    assert grid.environment["GLITE_WMS_QUERY_SERVER"] == "localhost:20000"


@pytest.mark.parametrize("content", ["{", "[]", '{"colour": "blue"}'])
def test_a_damaged_grid_is_not_taken_for_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "grid.json").write_text(content)
    with pytest.raises(Damaged, match=r"grid\.json"):
        Layout.load(tmp_path)


def glite_testbed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Run glite-testbed in this process; the exit code and what it prints to standard error."""
    monkeypatch.setattr(sys, "argv", ["glite-testbed", *arguments])
    with pytest.raises(SystemExit) as end:
        main.main()
    return int(end.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(("made", "options", "said"), [
    (Choices(20000, 2, None), ["--base-port", "21000"], "was made with --base-port 20000 and keeps that"),
    (Choices(None, 2, None), ["--base-port", "21000"], "was made without --base-port"),
    (Choices(None, 2, None), ["--workers", "3"], "was made with --workers 2"),
    (Choices(None, 2, None), ["--db", "mysql://u:secret@h/d"], "was made without --db"),
    (Choices(None, 2, "mysql://u:secret@h/c"), ["--db", "mysql://u:secret@h/d"], "was made with --db URL of its own"),
])
def test_a_grid_keeps_the_choices_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    made: Choices, options: list[str], said: str,
) -> None:
    Layout(tmp_path, made).save()
    code, error = glite_testbed(monkeypatch, capsys, "up", str(tmp_path), *options)
    assert code == 2 and said in error and "secret" not in error
    assert Layout.load(tmp_path).choices == made


def test_a_folder_or_database_that_cannot_be_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, error = glite_testbed(monkeypatch, capsys, "up", str(tmp_path / "file" / "grid"))
    assert code == 1 and error.startswith("glite-testbed: ") and "Not a directory" in error
    pytest.importorskip("MySQLdb")
    url = f"mysql://u:secret@localhost/x?unix_socket={tmp_path / 'none'}"
    code, error = glite_testbed(monkeypatch, capsys, "up", str(tmp_path / "grid"), "--base-port", str(free_base_port()),
                          "--db", url)
    assert code == 1 and "the database cannot be used" in error and "secret" not in error
    assert not (tmp_path / "grid" / "grid.json").exists()


def test_the_usual_ports_are_the_original_ones(tmp_path: Path) -> None:
    ports = Layout(tmp_path, Choices()).ports
    services = {name: port for name, port in ports.items() if not name.endswith("_status")}
    assert services == {"lb": 9000, "lb_store": 9001, "lb_ws": 9003, "jpps": 8901, "jpis": 8902, "wmproxy": 7443}
    assert len(set(ports.values())) == len(ports) == len(services) + len(SERVICES)


@pytest.mark.parametrize(("db", "found"), [
    (None, "sqlite:////g/lb/lb.db"),
    ("mysql://u:p@h/grid", "mysql://u:p@h/grid_lb"),
    ("mysql://u@localhost/?unix_socket=/s", "mysql://u@localhost/glite_lb?unix_socket=%2Fs"),
])
def test_each_service_has_a_database_of_its_own(db: str | None, found: str) -> None:
    url = Layout(Path("/g"), Choices(db=db)).database("lb")
    assert url.render_as_string(hide_password=False) == found


def test_credentials_are_made_once_and_kept_secret(tmp_path: Path) -> None:
    grid = Layout(tmp_path, Choices(20000))
    configuration.make_directories(grid)
    grids.credentials(grid)
    proxy = Credential.load(grid.user_proxy)
    peer = Trust(grid.ca_dir, Rules()).verify([proxy.certificate, *proxy.chain])
    assert (peer.dn, peer.proxy_kind) == (USER_DN, ProxyKind.RFC3820)
    for path in (grid.user_proxy, grid.user_key, grid.host_key):
        assert path.stat().st_mode & 0o077 == 0
    before = grid.user_cert.read_bytes()
    grids.credentials(grid)
    assert grid.user_cert.read_bytes() == before


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        grid = Layout(tmp_path, Choices(taken.getsockname()[1]))
        with pytest.raises(grids.NotUp, match="in use.*--base-port"):
            grids.up(grid)


def test_processes_are_known_by_pid_and_start_time(tmp_path: Path) -> None:
    mark = tmp_path / "x.json"
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)"
    started = process.start([sys.executable, "-c", code], tmp_path / "log", mark, {})
    assert process.find(mark) == started
    assert started.alive
    assert not Process(started.pid, "1").alive
    process.stop([started])
    assert process.find(mark) is None
