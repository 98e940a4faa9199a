"""The testbed's own parts: layout, configuration, processes. The grid as a whole is shown by tests/chain."""

import socket
import sys
from pathlib import Path

import pytest

from gsi.credential import Credential
from gsi.peer import ProxyKind
from gsi.verify import peer_from_chain
from testbed import configuration, process
from testbed import grid as grids
from testbed.layout import HOST, USER_DN, Choices, Layout, NotAGrid
from testbed.process import Process


def test_a_folder_without_grid_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotAGrid, match="glite-testbed up"):
        Layout.load(tmp_path)


def test_choices_are_remembered(tmp_path: Path) -> None:
    grid = Layout(tmp_path, Choices(20000, 3, None))
    grid.save()
    assert Layout.load(tmp_path) == grid
    assert grid.ports["lb_store"] == grid.ports["lb"] + 1 == 20001
    assert grid.environment["GLITE_WMS_QUERY_SERVER"] == "localhost:20000"


def test_the_usual_ports_are_the_original_ones(tmp_path: Path) -> None:
    ports = Layout(tmp_path, Choices()).ports
    assert ports == {"lb": 9000, "lb_store": 9001, "lb_ws": 9003, "jpps": 8901, "jpis": 8902, "wmproxy": 7443}


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
    peer = peer_from_chain([proxy.certificate, *proxy.chain])
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
