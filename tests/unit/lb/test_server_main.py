"""The daemons' command lines: what they understand, and how they refuse."""

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

import pki
from lb.logger.main import command as interlogd
from lb.server.main import LimitsParam, _listen
from lb.server.main import command as bkserverd
from lb.server.queries import Limits
from lb.storeclient import StoreConnection, StoreError
from testbed import ca
from tlsserver import free_port


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    """Options for the server's credential."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ca.save_pair(pki.host(), certificate, key)
    return ["-c", str(certificate), "-k", str(key), "-C", str(pki.ca_dir())]


def refuse(*options: str) -> str:
    """Start the server with options that cannot do; what it says."""
    done = CliRunner().invoke(bkserverd, ["-d", "-a", "localhost", *options])
    assert done.exit_code in (1, 2), done.output
    assert "Traceback" not in done.output
    return done.output


def test_help_has_examples() -> None:
    for command in (bkserverd, interlogd):
        done = CliRunner().invoke(command, ["--help"])
        assert done.exit_code == 0 and "Examples:" in done.output


def test_a_bad_policy_file_stops_the_start(tmp_path: Path, pair: list[str]) -> None:
    policy = tmp_path / "authz.conf"
    policy.write_text('resource "LB" {\n  action "FLY" { }\n}\n')
    said = refuse(*pair, "-m", f"sqlite:///{tmp_path / 'lb.db'}", "-l", str(policy))
    assert f"{policy}, line 2: there is no action \"FLY\"" in said
    assert "cannot be read" in refuse(*pair, "-m", f"sqlite:///{tmp_path / 'lb.db'}", "-l", str(tmp_path / "none"))


@pytest.mark.parametrize(("options", "says"), [
    (["-m", "oracle://x/y"], "no support for oracle databases"),
    (["-m", "nothing"], "cannot read the database URL"),
    (["--export-dir", "/tmp/x"], "belong together"),
    (["-L", "a:b"], "is no list of limits"),
    (["-p", "70000"], "70000 is not in the range"),
])
def test_bad_options_are_explained(pair: list[str], options: list[str], says: str) -> None:
    assert says in refuse(*pair, *options)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, pair: list[str]) -> None:
    os.chmod(tmp_path / "key.pem", 0o644)
    assert "chmod 600" in refuse(*pair, "-m", f"sqlite:///{tmp_path / 'lb.db'}")


def test_a_port_that_is_taken(tmp_path: Path, pair: list[str]) -> None:
    base = free_port(1, 3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 1))
        taken.listen()
        said = refuse(*pair, "-m", f"sqlite:///{tmp_path / 'lb.db'}", "-p", str(base), "-w", str(base + 3))
    assert "in use" in said


def test_limits_are_read_in_the_order_of_the_code() -> None:
    assert LimitsParam().convert("10:20:30", None, None) == Limits(10, 20)
    assert LimitsParam().convert("10", None, None) == Limits(10, 0)


def test_a_loopback_name_is_served_on_the_loopback_only() -> None:
    assert [_listen(name) for name in ("localhost", "127.0.0.1", "::1", "lb.example.org", "192.0.2.1")] == [
        "127.0.0.1", "127.0.0.1", "::1", "", ""]


def test_the_interlogger_needs_a_credential(tmp_path: Path) -> None:
    done = CliRunner().invoke(interlogd, ["-d", "-f", str(tmp_path / "x"), "-c", str(tmp_path / "none")])
    assert done.exit_code == 1 and "cannot be read" in done.output


@pytest.mark.parametrize("server", ["localhost:65535", f"{'a' * 70}.example.org:9000", "no-such-host.invalid:9000"])
def test_a_server_that_cannot_be_one_is_a_store_error(server: str) -> None:
    connection = StoreConnection(server, pki.user(), pki.ca_dir())
    with pytest.raises(StoreError, match="no answer from the store port"):
        connection.deliver(b"x")
