"""Proxies of every kind that Globus tools make open our door."""

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.credential import Credential
from gsi.proxy import create_proxy
from httpg.client import session
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from tlsserver import Running, running

pytestmark = pytest.mark.real


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers what the server saw of the caller."""
    peer = environ["gsi.peer"]
    start_response("200 OK", [])
    return [f"{peer.dn}|{peer.proxy_kind.name}|{'limited' if peer.limited else 'full'}".encode()]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], pki.host(), pki.ca_dir()) as process:
        yield process


def environment(**more: Path) -> dict[str, str]:
    return {**os.environ, "X509_CERT_DIR": str(pki.ca_dir()), **{name: str(path) for name, path in more.items()}}


def grid_proxy_init(path: Path, *options: str) -> Path:
    """Make a proxy of the test user with Globus' own command."""
    certificate, key = pki.user_files()
    subprocess.run(["grid-proxy-init", "-cert", certificate, "-key", key, "-out", path, "-pwstdin", *options],
                   env=environment(), input="", check=True, capture_output=True, text=True)
    return path


def curl(server: Running, proxy: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--capath", pki.ca_dir(), "--cert", proxy, "--key", proxy, "--max-time",
         "60", server.url()], capture_output=True, text=True)


@pytest.mark.parametrize(("options", "kind", "limited"), [
    (["-rfc"], "RFC3820", "full"), ([], "RFC3820", "full"), (["-rfc", "-limited"], "RFC3820", "limited"),
    (["-rfc", "-bits", "4096"], "RFC3820", "full"),
    (["-old"], "LEGACY", "full"), (["-old", "-limited"], "LEGACY", "limited"),
    (["-draft"], "DRAFT", "full"), (["-draft", "-limited"], "DRAFT", "limited"),
    (["-draft", "-path-length", "3"], "DRAFT", "full"),
])
def test_accepted(server: Running, tmp_path: Path, options: list[str], kind: str, limited: str) -> None:
    proxy = grid_proxy_init(tmp_path / "proxy", *options)
    expected = f"{pki.USER_DN}|{kind}|{limited}"
    answer = curl(server, proxy)
    assert answer.stdout == expected, answer.stderr
    with session(Credential.load(proxy), pki.ca_dir()) as http:
        assert http.get(server.url()).text == expected


@pytest.mark.parametrize("option", ["-old", "-draft"])
def test_a_site_may_refuse_old_kinds(tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gsi.toml").write_text("legacy_proxies = false\ndraft_proxies = false\n")
    monkeypatch.setenv("GLITE_GSI_RULES", str(tmp_path / "gsi.toml"))
    proxy = grid_proxy_init(tmp_path / "proxy", option)
    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], pki.host(), pki.ca_dir()) as server:
        answer = curl(server, proxy)
        assert answer.returncode != 0 and answer.stdout == ""
        assert curl(server, pki.proxy_file()).stdout == f"{pki.USER_DN}|RFC3820|full"


def test_a_proxy_of_theirs_can_be_delegated_further(server: Running, tmp_path: Path) -> None:
    proxy = create_proxy(Credential.load(grid_proxy_init(tmp_path / "proxy", "-rfc")))
    with session(proxy, pki.ca_dir()) as http:
        assert http.get(server.url()).text == f"{pki.USER_DN}|RFC3820|full"


def test_their_tools_read_our_proxies(tmp_path: Path) -> None:
    pki.proxy().save(tmp_path / "proxy")
    told = subprocess.run(["grid-proxy-info", "-file", tmp_path / "proxy", "-identity", "-type"],
                          env=environment(), check=True, capture_output=True, text=True).stdout
    assert told.splitlines()[0] == pki.USER_DN
    assert "RFC 3820 compliant impersonation proxy" in told
    limited = create_proxy(pki.user(), limited=True)
    limited.save(tmp_path / "limited")
    told = subprocess.run(["grid-proxy-info", "-file", tmp_path / "limited", "-type"],
                          env=environment(), check=True, capture_output=True, text=True).stdout
    assert "RFC 3820 compliant limited proxy" in told


def test_their_tools_make_proxies_of_our_proxies(server: Running, tmp_path: Path) -> None:
    pki.proxy().save(tmp_path / "first")
    subprocess.run(["grid-proxy-init", "-rfc", "-cert", tmp_path / "first", "-key", tmp_path / "first", "-out",
                    tmp_path / "second", "-pwstdin"], env=environment(), input="", check=True, capture_output=True)
    assert Credential.load(tmp_path / "second").proxies == 2
    with session(Credential.load(tmp_path / "second"), pki.ca_dir()) as http:
        assert http.get(server.url()).text == f"{pki.USER_DN}|RFC3820|full"
