"""A gSOAP C program with Debian's CGSI plug-in (Globus GSSAPI) against the running services, with every tool's proxies.

What the plug-in does on the wire, seen with libcgsi-gsoap 1.3.11 and globus-gssapi-gsi 14:

    CGSI_OPT_SSL_COMPATIBLE  plain TLS; it reads record by record and takes a session ticket for the end of the answer
    neither option           after the handshake a record with the byte 0 (httpg.gsiflag)
    CGSI_OPT_DELEG_FLAG      the byte D, then it delegates

With TLS 1.3 the last two wait for a record of the server before they send the byte, which no server owes them: they
need TLS 1.2, which their users choose with GLOBUS_GSSAPI_MAX_TLS_PROTOCOL.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import grids
from gsi.credential import Credential
from gsoap import build_cgsi_client, needs_gsoap
from httpg.client import session
from soap.client import Client
from soap.contract import load
from soap.delegation import DelegationClient
from testbed.layout import USER_DN, Layout

pytestmark = [
    pytest.mark.real,
    needs_gsoap,
    pytest.mark.skipif(not Path("/usr/include/cgsi_plugin.h").exists() or shutil.which("voms-proxy-fake") is None,
                       reason="libcgsi-gsoap-dev or voms-clients is not installed; `make test` installs them"),
]

TLS_1_2 = {"GLOBUS_GSSAPI_MAX_TLS_PROTOCOL": "TLS1_2_VERSION"}
#: What the plug-in is told, and what its user has to set.
MODES = {"ssl": {}, "ssl, TLS 1.2": TLS_1_2, "gsi": TLS_1_2, "deleg": TLS_1_2}
PROXIES = ["-rfc", "-rfc -limited", "-old", "-old -limited", "-draft", "voms-proxy-fake"]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C client, generated from wsdl/ and compiled."""
    return build_cgsi_client(tmp_path_factory.mktemp("cgsi"))


def make_proxy(grid: Layout, how: str) -> Path:
    """A proxy of the grid's user, made by the tools of others."""
    path = grid.root / "".join(c if c.isalnum() else "-" for c in how)
    key_pair = ["-cert", str(grid.user_cert), "-key", str(grid.user_key), "-out", str(path)]
    command = ["grid-proxy-init", *how.split(), *key_pair, "-pwstdin"]
    if how == "voms-proxy-fake":
        command = [how, "-rfc", *key_pair, "-hostcert", str(grid.host_cert), "-hostkey", str(grid.host_key), "-voms",
                   "testvo", "-fqan", "/testvo/Role=NULL/Capability=NULL", "-uri", "localhost:15000", "-certdir",
                   str(grid.ca_dir)]
    env = {**os.environ, "X509_CERT_DIR": str(grid.ca_dir)}
    if not path.exists():
        subprocess.run(command, env=env, input="", check=True, capture_output=True, text=True)
    return path


def call(program: Path, grid: Layout, mode: str, *arguments: str, proxy: str = "-rfc") -> str:
    """What the client prints."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(grid.root), "X509_CERT_DIR": str(grid.ca_dir),
        "X509_USER_PROXY": str(make_proxy(grid, proxy)), **MODES[mode],
    }
    done = subprocess.run([program, mode.split(",")[0], *arguments], env=env, capture_output=True, text=True,
                          check=False, timeout=grids.PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wmproxy(grid: Layout) -> str:
    return grid.url("wmproxy", "/glite_wms_wmproxy_server")


@pytest.fixture(scope="module")
def jobid(grid: Layout) -> str:
    """A job of the grid's user that LB knows."""
    credential = Credential.load(grid.user_proxy)
    http = session(credential, grid.ca_dir)
    DelegationClient(wmproxy(grid), http, credential).put("cgsi")
    answer = Client(load("WMProxy"), wmproxy(grid), http).call(
        "jobRegister", jdl='[ Executable = "/bin/true"; ]', delegationId="cgsi")
    return str(answer.jobIdStruct.id)


@pytest.mark.parametrize("scheme", ["https", "httpg"])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_reaches_wmproxy_and_lb(grid: Layout, program: Path, jobid: str, mode: str, scheme: str) -> None:
    def address(url: str) -> str:
        return url.replace("https://", f"{scheme}://")

    assert call(program, grid, mode, "version", address(wmproxy(grid))).startswith("3.")
    request = call(program, grid, mode, "request", address(wmproxy(grid)), "by-cgsi")
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert call(program, grid, mode, "lbversion", address(grid.url("lb_ws"))).strip()
    assert call(program, grid, mode, "lbstatus", address(grid.url("lb_ws")), jobid).startswith(f"{USER_DN} ")


@pytest.mark.parametrize("proxy", PROXIES)
def test_every_proxy_is_known_for_its_user(grid: Layout, program: Path, jobid: str, proxy: str) -> None:
    for mode in ("ssl", "gsi"):
        status = call(program, grid, mode, "lbstatus", grid.url("lb_ws"), jobid, proxy=proxy)
        assert status.startswith(f"{USER_DN} ")


@pytest.mark.parametrize("proxy", PROXIES)
def test_curl_with_every_proxy(grid: Layout, jobid: str, proxy: str) -> None:
    path = make_proxy(grid, proxy)
    body = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<q:JobStatus xmlns:q="http://glite.org/wsdl/elements/lb"><jobid>{jobid}</jobid><flags/></q:JobStatus>'
        "</e:Body></e:Envelope>"
    )
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--capath", grid.ca_dir, "--cert", path, "--key", path, "--data", body,
         "-H", "Content-Type: text/xml", grid.url("lb_ws")], capture_output=True, text=True, check=False)
    assert f"<owner>{USER_DN}</owner>" in done.stdout, done.stderr + done.stdout


@pytest.mark.parametrize("service", ["wmproxy", "lb", "lb_store", "lb_ws", "jpps", "jpis"])
def test_no_server_sends_session_tickets(grid: Layout, tmp_path: Path, service: str) -> None:
    """The plug-in would take one for the end of the answer."""
    proxy, session_file = make_proxy(grid, "-rfc"), tmp_path / "session"
    printed = subprocess.run(
        ["openssl", "s_client", "-tls1_3", "-connect", grid.address(service), "-cert", proxy, "-key", proxy,
         "-cert_chain", proxy, "-CApath", grid.ca_dir, "-ign_eof", "-sess_out", session_file],
        input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True, check=False, timeout=grids.PATIENCE_S).stdout
    assert "TLSv1.3" in printed and "New Session Ticket" not in printed
    assert not session_file.exists()
