"""curl and openssl s_client against our server; the zoo of credentials is in test_zoo_handshakes.py."""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.credential import Credential, key_to_pem
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from tlsserver import Running, running

pytestmark = pytest.mark.real


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers what the server saw of the caller, and the length of the body."""
    size = len(environ["wsgi.input"].read())
    peer = environ["gsi.peer"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{peer.dn}|{peer.proxy_kind.name}|{'limited' if peer.limited else 'full'}|{size}\n".encode()]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], pki.host(), pki.ca_dir()) as process:
        yield process


def curl(server: Running, credential: Credential | None, folder: Path,
         *options: str) -> subprocess.CompletedProcess[str]:
    """Run curl with the credential in the two files that it wants."""
    command = ["curl", "--silent", "--show-error", "--capath", str(pki.ca_dir()), "--max-time", "60", *options]
    if credential is not None:
        (folder / "chain.pem").write_bytes(credential.chain_pem())
        (folder / "key.pem").write_bytes(key_to_pem(credential.key))
        command += ["--cert", str(folder / "chain.pem"), "--key", str(folder / "key.pem")]
    return subprocess.run([*command, server.url()], capture_output=True, text=True)


def test_no_certificate_is_refused(server: Running, tmp_path: Path) -> None:
    answer = curl(server, None, tmp_path)
    assert answer.returncode != 0 and answer.stdout == ""


def test_a_proxy_file_as_it_is(server: Running, tmp_path: Path) -> None:
    """Users give the one file of their proxy for everything."""
    proxy = str(pki.proxy_file())
    answer = curl(server, None, tmp_path, "--cert", proxy, "--key", proxy, "--cacert", proxy)
    assert answer.stdout == f"{pki.USER_DN}|RFC3820|full|0\n", answer.stderr


@pytest.mark.parametrize("options", [
    [], ["--http1.0"], ["--header", "Transfer-Encoding: chunked"], ["--header", "Expect: 100-continue"],
    ["--header", "Connection: close"], ["--http2"],
])
def test_uploads(server: Running, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    answer = curl(server, pki.proxy(), tmp_path, "--upload-file", str(tmp_path / "file"), *options)
    assert answer.stdout == f"{pki.USER_DN}|RFC3820|full|2000000\n", answer.stderr


def test_several_requests_on_one_connection(server: Running, tmp_path: Path) -> None:
    answer = curl(server, pki.proxy(), tmp_path, "--write-out", "%{num_connects}\n", server.url("/first"))
    assert [line for line in answer.stdout.splitlines() if "|" not in line] == ["1", "0"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client(server: Running, version: str) -> None:
    proxy = str(pki.proxy_file())
    answer = subprocess.run(
        ["openssl", "s_client", "-connect", f"localhost:{server.ports[0]}", version, "-cert", proxy, "-key", proxy,
         "-cert_chain", proxy, "-CApath", str(pki.ca_dir()), "-verify_return_error", "-verify_hostname", "localhost",
         "-ign_eof", "-quiet"],
        input="GET / HTTP/1.1\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=60)
    assert f"{pki.USER_DN}|RFC3820|full|0" in answer.stdout, answer.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_not_resumed(server: Running, version: str) -> None:
    proxy = str(pki.proxy_file())
    answer = subprocess.run(
        ["openssl", "s_client", "-connect", f"localhost:{server.ports[0]}", version, "-cert", proxy, "-key", proxy,
         "-cert_chain", proxy, "-CApath", str(pki.ca_dir()), "-reconnect"],
        input="", capture_output=True, text=True, timeout=60)
    assert "New, " in answer.stdout and "Reused, " not in answer.stdout
