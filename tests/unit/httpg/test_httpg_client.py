"""The client session: whom it trusts, what it presents, what has no influence on it."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import chains
import pki
from gsi.errors import CredentialError
from httpg.client import session
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from testbed import ca
from tlsserver import Running, running


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers the caller's DN and the length of the body."""
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [("X-Size", str(size)), ("X-Port", environ["REMOTE_PORT"])])
    return [environ["gsi.peer"].dn.encode()]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], pki.host(), pki.ca_dir()) as process:
        yield process


def test_it_presents_the_credential(server: Running) -> None:
    for credential, dn in ((pki.proxy(), pki.USER_DN), (pki.other(), pki.OTHER_DN)):
        with session(credential, pki.ca_dir()) as http:
            assert http.get(server.url()).text == dn


def test_connections_are_kept(server: Running) -> None:
    with session(pki.proxy(), pki.ca_dir()) as http:
        assert len({http.get(server.url()).headers["X-Port"] for _ in range(3)}) == 1


def test_it_streams_files(server: Running, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    with session(pki.proxy(), pki.ca_dir()) as http, path.open("rb") as file:
        assert http.put(server.url("/file"), data=file).headers["X-Size"] == "3000000"


def test_a_proxy_is_not_needed(server: Running) -> None:
    with session(None, pki.ca_dir()) as http, pytest.raises(requests.exceptions.SSLError):
        http.get(server.url())


def test_the_name_of_the_server_is_checked() -> None:
    elsewhere = ca.issue_host(pki.authority(), "elsewhere.example", key=ca.ec_key())
    with (running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], elsewhere, pki.ca_dir()) as process,
          session(pki.proxy(), pki.ca_dir()) as http,
          pytest.raises(requests.exceptions.SSLError, match="Hostname mismatch")):
        http.get(process.url())


def test_a_proxy_with_the_name_of_a_host_is_no_server() -> None:
    """Any user can make one: neither proxies nor names in the subject may count."""
    posing = [chains.forge(pki.user(), "localhost"),
              ca.issue_user(pki.authority(), "/DC=org/DC=example/CN=localhost", key=ca.ec_key())]
    for credential in posing:
        with (running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], credential, pki.ca_dir()) as process,
              session(pki.proxy(), pki.ca_dir()) as http,
              pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED")):
            http.get(process.url())


def test_a_server_of_an_unknown_ca_is_not_spoken_to(tmp_path: Path) -> None:
    host = ca.issue_host(pki.stranger(), "localhost", key=ca.ec_key())
    with (running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], host, pki.ca_dir()) as process,
          session(pki.proxy(), pki.ca_dir()) as http,
          pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED")):
        http.get(process.url())


def test_a_revoked_server_is_not_spoken_to(tmp_path: Path) -> None:
    """While the session lives the CA revokes the server: the next connection fails, and no request is sent."""
    authority = ca.new_authority(key=ca.ec_key())
    host = ca.issue_host(authority, "localhost", key=ca.ec_key())
    mine = ca.write_ca_directory(tmp_path / "mine", [authority])
    with (running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], host, pki.ca_dir()) as process,
          session(pki.proxy(), mine) as http):
        assert http.get(process.url()).text == pki.USER_DN
        ca.write_ca_directory(mine, [authority], [host.certificate])
        with session(pki.proxy(), mine) as another, pytest.raises(requests.exceptions.SSLError, match="revoked"):
            another.get(process.url())


def test_a_server_outside_the_namespace_of_its_ca_is_not_spoken_to(tmp_path: Path) -> None:
    authority = ca.new_authority(namespace="/DC=org/DC=elsewhere/*", key=ca.ec_key())
    host = ca.issue_host(authority, "localhost", key=ca.ec_key())
    mine = ca.write_ca_directory(tmp_path / "mine", [authority])
    with (running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], host, pki.ca_dir()) as process,
          session(pki.proxy(), mine) as http, pytest.raises(requests.exceptions.SSLError, match="check 21")):
        http.get(process.url())


def test_no_other_cas_creep_in(server: Running) -> None:
    """requests would add its bundle of public CAs to the context at the first connection."""
    with session(pki.proxy(), pki.ca_dir()) as http:
        http.get(server.url())
        context = http.get_adapter(server.url())._context  # type: ignore[attr-defined]
        assert [dict(entry[0] for entry in c["subject"])["commonName"] for c in context.get_ca_certs()] == ["Test CA"]


def test_verification_cannot_be_turned_off(server: Running) -> None:
    with session(pki.proxy(), pki.ca_dir()) as http:
        with pytest.raises(CredentialError):
            http.get(server.url(), verify=False)
        with pytest.raises(CredentialError):
            http.get(server.url(), cert="/some/file")


def test_the_environment_has_no_influence(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with session(pki.proxy(), pki.ca_dir()) as http:
        assert http.get(server.url()).text == pki.USER_DN


def test_silence_ends_in_a_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=silent.accept, daemon=True).start()
        with session(None, pki.ca_dir(), timeout=0.2) as http, pytest.raises(requests.exceptions.RequestException):
            http.get(f"https://localhost:{silent.getsockname()[1]}/")
