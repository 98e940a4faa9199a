"""Foreign clients against the running services: a gSOAP C program, zeep and curl, with proxies of grid-proxy-init."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import grids
import wsdl
from gsi.credential import Credential
from gsoap import JpClient, build_jp_client, needs_gsoap
from guarded import xml
from httpg.client import session
from soap.client import zeep_client
from soap.contract import load
from testbed.layout import USER_DN, Layout

pytestmark = [pytest.mark.real, needs_gsoap]

JOB = "https://lb.example.org:9000/foreign-clients"
OWNER = "http://egee.cesnet.cz/en/Schema/JP/System:owner"
JOBID = "http://egee.cesnet.cz/en/Schema/JP/System:jobId"
#: WMProxy shares its port with the sandboxes: the service has a path of its own (wms.md 1.1).
PATHS = {"wmproxy": "/glite_wms_wmproxy_server"}
CONTRACTS = {"jpps": "JobProvenancePS", "jpis": "JobProvenanceIS", "lb_ws": "LB", "wmproxy": "WMProxy"}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A running grid."""
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


def globus_proxy(grid: Layout, certificate: Path, key: Path, name: str) -> Path:
    """A proxy made by Globus' own command."""
    path = grid.root / name
    subprocess.run(
        ["grid-proxy-init", "-rfc", "-cert", certificate, "-key", key, "-out", path, "-pwstdin"], input="", text=True,
        env={**os.environ, "X509_CERT_DIR": str(grid.ca_dir)}, check=True, capture_output=True,
    )
    return path


@pytest.fixture(scope="module")
def user_proxy(grid: Layout) -> Path:
    """The user's proxy."""
    return globus_proxy(grid, grid.user_cert, grid.user_key, "globus-user")


@pytest.fixture(scope="module")
def host_proxy(grid: Layout) -> Path:
    """The proxy of a trusted peer."""
    return globus_proxy(grid, grid.host_cert, grid.host_key, "globus-host")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C client, generated from wsdl/ and compiled."""
    return build_jp_client(tmp_path_factory.mktemp("gsoap"))


def test_a_gsoap_client_registers_reads_and_finds_a_job(
    grid: Layout, program: Path, user_proxy: Path, host_proxy: Path
) -> None:
    peer, user = JpClient(program, host_proxy, grid.ca_dir), JpClient(program, user_proxy, grid.ca_dir)
    assert peer("register", grid.url("jpps", "/jpps"), JOB, USER_DN).lines == ["registered"]
    again = peer("register", grid.url("jpps", "/jpps"), JOB, USER_DN)
    assert again.status == 1
    assert any("17 File exists" in line for line in again.lines), again
    refused = user("register", grid.url("jpps"), f"{JOB}-2", USER_DN)
    assert refused.status == 1
    assert any(line.startswith("fault: ") and " 1 Operation not permitted" in line for line in refused.lines), refused
    [value] = user("attributes", grid.url("jpps"), JOB, OWNER).lines
    assert value.startswith(f"{JOB} {OWNER} string={USER_DN} ")
    grids.wait_until(
        lambda: any(line.startswith(f"{JOB} owner={USER_DN}")
                    for line in user("query", grid.url("jpis"), JOBID, JOB, OWNER).lines),
        "the index server to be fed",
    )


@pytest.mark.parametrize("service", list(CONTRACTS))
def test_zeep_calls_every_service(grid: Layout, user_proxy: Path, service: str) -> None:
    connection = session(Credential.load(user_proxy), grid.ca_dir)
    client = zeep_client(load(CONTRACTS[service]), grid.url(service, PATHS.get(service, "/")), connection)
    if service == "jpps":
        found = client.GetJobAttributes(jobid=JOB, attributes=[OWNER])
        assert found[0]["value"]["string"] == USER_DN
    elif service == "jpis":
        answer = client.ServerConfiguration()
        assert OWNER in [attribute["name"] for attribute in answer["attrs"]]
    elif service == "lb_ws":
        assert client.GetVersion()
    else:
        assert client.getVersion().split(".")[0] == "3"


@pytest.mark.parametrize("service", list(CONTRACTS))
def test_curl_fetches_the_contract(grid: Layout, user_proxy: Path, service: str) -> None:
    """Served verbatim; only the address is filled in."""
    served = curl(grid, user_proxy, grid.url(service, PATHS.get(service, "/") + "?wsdl"))
    original = wsdl.read(f"{CONTRACTS[service]}.wsdl")
    ours, theirs = (addresses(document) for document in (original, served))
    assert len(ours) == len(theirs)
    assert all(address.startswith(grid.url(service)) for address in theirs)
    for before, after in zip(ours, theirs, strict=True):
        served = served.replace(after.encode(), before.encode())
    assert served == original


def test_curl_calls_an_operation(grid: Layout, user_proxy: Path) -> None:
    body = (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        '<q:GetVersion xmlns:q="http://glite.org/wsdl/elements/lb"/></SOAP-ENV:Body></SOAP-ENV:Envelope>'
    )
    for options in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "SOAPAction: whatever"]):
        answer = curl(grid, user_proxy, grid.url("lb_ws", "/any/path"), "-H", "Content-Type: text/xml", *options,
                      "--data", body)
        assert xml.parse(answer).findtext(".//version")


def curl(grid: Layout, proxy: Path, url: str, *options: str) -> bytes:
    """What curl gets with a proxy."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--capath", grid.ca_dir, "--cert", proxy, "--key", proxy, *options, url],
        capture_output=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def addresses(document: bytes) -> list[str]:
    """The port addresses of a WSDL."""
    found = xml.parse(document).iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")
    return [element.get("location") or "" for element in found]
