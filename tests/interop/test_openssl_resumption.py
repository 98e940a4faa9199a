"""OpenSSL's own client cannot resume a session: each connection proves anew who it is (stack.md 3)."""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pki
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from testbed import ca
from tlsserver import Running, running

pytestmark = pytest.mark.real


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The name and the length of the chain that this connection came with."""
    peer = environ["gsi.peer"]
    start_response("200 OK", [])
    return [f"you are {peer.dn} by {len(peer.chain)} certificates".encode()]


@dataclass(frozen=True)
class Site:
    process: Running

    def client(self, *options: str, certificate: bool = True) -> str:
        """What s_client prints."""
        return s_client(self.process.ports[0], *options, certificate=certificate)


def s_client(port: int, *options: str, certificate: bool = True) -> str:
    """Run OpenSSL's client, as the user with a proxy or as nobody; return what it prints."""
    proxy = str(pki.proxy_file())
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-ign_eof",
               "-CApath", str(pki.ca_dir()), *options]
    if certificate:
        command += ["-cert", proxy, "-key", proxy, "-cert_chain", proxy]
    request = b"GET / HTTP/1.0\r\n\r\n"
    done = subprocess.run(command, input=request, capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sessions that another server has given out, which has the same certificate: one file for each version."""
    folder = tmp_path_factory.mktemp("sessions")
    ca.save_pair(pki.host(), folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", str(folder / "cert.pem"),
               "-key", str(folder / "key.pem"), "-www", "-naccept", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        while not (line := server.stdout.readline()).startswith("ACCEPT"):
            assert line, "it has ended"
        port = line.rpartition(":")[2]
        for version in ("-tls1_2", "-tls1_3"):
            s_client(int(port), version, "-sess_out", str(folder / version))
            assert (folder / version).exists()
    return folder


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(who))
    with running([listener], pki.host(), pki.ca_dir(), workers=1) as process:
        yield Site(process)


PROOF = f"you are {pki.USER_DN} by 3 certificates"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_session_is_given_out(site: Site, tmp_path: Path, version: str) -> None:
    """Neither a session id nor a ticket: -sess_out has nothing to write."""
    printed = site.client(version, "-sess_out", str(tmp_path / "session"))
    assert PROOF in printed and "\nNew, " in printed
    assert not (tmp_path / "session").exists()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_that_is_offered_all_the_same_is_not_resumed(site: Site, version: str, foreign: Path) -> None:
    printed = site.client(version, "-sess_in", str(foreign / version))
    assert "\nReused, " not in printed and "\nNew, " in printed
    assert PROOF in printed, "it came with its chain, and that was verified"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_reconnection_is_a_resumption(site: Site, version: str) -> None:
    """-reconnect: five more connections that offer the session of the first."""
    printed = site.client(version, "-reconnect")
    assert re.findall(r"^(New|Reused), ", printed, re.MULTILINE).count("New") >= 6
    assert "Reused, " not in printed


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_does_not_replace_a_certificate(site: Site, version: str, foreign: Path) -> None:
    """Who holds a session of a user but not his key is nobody."""
    printed = site.client(version, "-sess_in", str(foreign / version), certificate=False)
    assert "you are" not in printed and "alert" in printed
