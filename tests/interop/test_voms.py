"""VO attributes through real handshakes: curl with every named proxy, proxies that voms-proxy-fake makes, and what
voms-proxy-info reads in ours.
"""

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import acs
import pki
from gsi.credential import Credential, key_to_pem
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from testbed import ca
from testbed.voms import VomsServer
from tlsserver import Running, running

pytestmark = pytest.mark.real


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers what the server saw of the caller: name, kind of proxy, and each VO with its server and attributes."""
    peer = environ["gsi.peer"]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    lines = [peer.dn, f"{peer.proxy_kind.name} {'limited' if peer.limited else 'full'}", " ".join(peer.fqans)]
    for vo in peer.vos:
        generic = ",".join(f"{one.name}={one.value}({one.qualifier})" for one in vo.attributes)
        lines.append(f"{vo.vo} {vo.server} {vo.issuer} {generic}")
    return ["\n".join(lines).encode()]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("X509_VOMS_DIR", str(acs.vomsdir()))
        listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(who))
        with running([listener], pki.host(), acs.ca_dir()) as process:
            yield process


def curl(server: Running, certificate: Path, key: Path) -> list[str]:
    """What the server saw of who comes with these files."""
    told = subprocess.run(
        ["curl", "--silent", "--show-error", "--capath", acs.ca_dir(), "--max-time", "60", "--cert", certificate,
         "--key", key, server.url()], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return told.stdout.split("\n")


def seen(server: Running, credential: Credential, folder: Path) -> list[str]:
    (folder / "chain.pem").write_bytes(credential.chain_pem())
    (folder / "key.pem").write_bytes(key_to_pem(credential.key))
    return curl(server, folder / "chain.pem", folder / "key.pem")


@pytest.mark.parametrize("name", acs.ACCEPTED)
def test_accepted(server: Running, tmp_path: Path, name: str) -> None:
    fqans, make = acs.ACCEPTED[name]
    told = seen(server, make(), tmp_path)
    assert told[0] == pki.USER_DN
    assert told[1].endswith("limited" if "limited" in name else "full")
    assert told[2] == " ".join(fqans)


@pytest.mark.parametrize("name", acs.REFUSED)
def test_refused(server: Running, tmp_path: Path, name: str) -> None:
    """The identity is accepted, and nothing else is known of the caller."""
    assert seen(server, acs.REFUSED[name][1](), tmp_path) == [pki.USER_DN, "RFC3820 full", ""]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's and the VOMS server's certificates in files."""
    folder = tmp_path_factory.mktemp("voms")
    ca.save_pair(pki.user(), folder / "usercert.pem", folder / "userkey.pem")
    ca.save_pair(acs.server().credential, folder / "vomscert.pem", folder / "vomskey.pem")
    ca.save_pair(pki.other(), folder / "othercert.pem", folder / "otherkey.pem")
    return folder


def voms_proxy_fake(files: Path, out: Path, *options: str, host: str = "voms") -> Path:
    """Make a VOMS proxy of the test user as VOMS' own tool does it without a server."""
    subprocess.run(
        ["voms-proxy-fake", "-cert", files / "usercert.pem", "-key", files / "userkey.pem", "-certdir", acs.ca_dir(),
         "-hostcert", files / f"{host}cert.pem", "-hostkey", files / f"{host}key.pem", "-voms", acs.VO,
         "-uri", f"{acs.HOST}:15000", "-out", out, "-hours", "2", *options],
        env={**os.environ, "HOME": str(files)}, input="", check=True, capture_output=True, text=True)
    return out


KINDS = {"-rfc": "RFC3820", "-proxyver 2": "LEGACY", "-proxyver 3": "DRAFT"}
NAMES = ["-fqan", "/testvo/Role=NULL/Capability=NULL", "-fqan", "/testvo/prod/Role=admin/Capability=NULL"]


@pytest.mark.parametrize("form", ["", "-newformat"])
@pytest.mark.parametrize("limited", ["", "-limited"])
@pytest.mark.parametrize("kind", KINDS)
def test_proxies_of_voms_proxy_fake(
    server: Running, files: Path, tmp_path: Path, kind: str, limited: str, form: str,
) -> None:
    out = voms_proxy_fake(files, tmp_path / "proxy", *NAMES, *kind.split(), *filter(None, (limited, form)))
    assert curl(server, out, out) == [
        pki.USER_DN, f"{KINDS[kind]} {'limited' if limited else 'full'}", "/testvo /testvo/prod/Role=admin",
        f"testvo {acs.HOST}:15000 /DC=org/DC=example/CN={acs.HOST} "]


def test_generic_attributes_of_voms_proxy_fake(server: Running, files: Path, tmp_path: Path) -> None:
    out = voms_proxy_fake(files, tmp_path / "proxy", *NAMES, "-rfc", "-ga", "nickname=joe")
    assert curl(server, out, out)[3].endswith(" nickname=joe(testvo)")


@pytest.mark.parametrize("options", [
    ["-fqan", "/another/Role=admin"],      # another VO
    ["-fqan", "/testvo", "-pastac", "20:00"],  # over
    ["-fqan", "/testvo", "-uri", "unknown.example.org:15000"],
    ["-fqan", "/testvo/Role=a/Role=b"],
    ["-fqan", "testvo"],
])
def test_what_voms_proxy_fake_can_fake(server: Running, files: Path, tmp_path: Path, options: list[str]) -> None:
    out = voms_proxy_fake(files, tmp_path / "proxy", "-rfc", *options)
    assert curl(server, out, out) == [pki.USER_DN, "RFC3820 full", ""]


@pytest.mark.parametrize("host", ["user", "other"])
def test_nobody_fakes_attributes_with_a_user_certificate(
    server: Running, files: Path, tmp_path: Path, host: str,
) -> None:
    out = voms_proxy_fake(files, tmp_path / "proxy", *NAMES, "-rfc", host=host)
    assert curl(server, out, out) == [pki.USER_DN, "RFC3820 full", ""]


def test_a_proxy_of_a_voms_proxy_keeps_the_attributes(server: Running, files: Path, tmp_path: Path) -> None:
    first = voms_proxy_fake(files, tmp_path / "first", *NAMES, "-rfc")
    out = tmp_path / "second"
    subprocess.run(["grid-proxy-init", "-rfc", "-cert", first, "-key", first, "-out", out, "-pwstdin"],
                   env={**os.environ, "X509_CERT_DIR": str(acs.ca_dir())}, input="", check=True, capture_output=True)
    assert Credential.load(out).proxies == 2
    assert curl(server, out, out)[2] == "/testvo /testvo/prod/Role=admin"


def voms_proxy_info(proxy: Path, *options: str) -> dict[str, list[str]]:
    """What VOMS' own tool says of a proxy: values by their names."""
    told = subprocess.run(
        ["voms-proxy-info", "-file", proxy, *options], check=True, capture_output=True, text=True,
        env={**os.environ, "X509_CERT_DIR": str(acs.ca_dir()), "X509_VOMS_DIR": str(acs.vomsdir())})
    found: dict[str, list[str]] = {}
    for name, colon, value in (line.partition(" : ") for line in told.stdout.splitlines()):
        if colon:
            found.setdefault(name.strip(), []).append(value)
    return found


def test_voms_proxy_info_reads_ours(tmp_path: Path) -> None:
    acs.proxy(acs.ac(fqans=["/testvo/Role=admin", "/testvo"], attributes=[acs.NICKNAME])).save(tmp_path / "proxy")
    told = voms_proxy_info(tmp_path / "proxy", "-all")
    assert told["VO"] == ["testvo"]
    assert told["attribute"] == ["/testvo/Role=admin", "/testvo", "nickname = joe (testvo)"]
    assert told["issuer"][-1] == f"/DC=org/DC=example/CN={acs.HOST}"
    assert told["uri"] == [f"{acs.HOST}:15000"]


def test_several_servers_in_one_proxy(server: Running, tmp_path: Path) -> None:
    second: VomsServer = acs.second()
    told = seen(server, acs.ACCEPTED["several VOs"][1](), tmp_path)
    assert [line.split(" ")[:2] for line in told[3:]] == [
        ["testvo", f"{acs.HOST}:15000"], [second.vo, f"{second.host}:15000"]]
