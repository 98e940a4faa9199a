"""A user at a running grid: makes a proxy, looks at it, asks every service who he is; the machine is checked."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import grids
from grids import run
from gsi.credential import Credential
from testbed.layout import Layout

#: Listener: the contract that it serves.
SERVICES = {"lb": "LB", "lb_ws": "LB", "jpps": "JobProvenancePS", "jpis": "JobProvenanceIS", "wmproxy": "WMProxy"}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


@pytest.fixture(scope="module")
def proxy(grid: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A proxy of the grid's user, made by our own command."""
    path = tmp_path_factory.mktemp("proxy") / "x509up"
    run(grid, "glite-proxy-init", "-cert", str(grid.user_cert), "-key", str(grid.user_key), "-out", str(path),
        "-limited", "-verify")
    return path


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_says_who_one_is(grid: Layout, proxy: Path, service: str) -> None:
    url = grid.url(service, "/glite_wms_wmproxy_server" if service == "wmproxy" else "")
    told = json.loads(run(grid, "glite-ping", "--trace", "--json", "--proxy", str(proxy), url).stdout)
    assert told["result"] == "ok"
    assert told["peer"]["service"]["name"] == SERVICES[service]
    assert told["peer"]["identity"] == Credential.load(proxy).dn
    assert told["peer"]["limited"] is True
    assert {"yes", "depends on the job"} & set(told["peer"]["ports"][0]["operations"].values())


def test_a_port_that_is_no_web_service_is_told_apart(grid: Layout, proxy: Path) -> None:
    done = run(grid, "glite-ping", "--proxy", str(proxy), grid.url("lb_store"), check=False)
    assert done.returncode == 1
    assert "does not speak HTTP" in done.stderr or "closed the connection" in done.stderr


def test_the_proxy_is_verified_with_the_grids_cas(grid: Layout, proxy: Path) -> None:
    told = json.loads(run(grid, "glite-proxy-info", "-file", str(proxy), "--json").stdout)
    assert (told["verified"], told["limited"], told["private"], told["key_matches"]) == (True, True, True, True)


def test_the_grid_is_in_order(grid: Layout) -> None:
    certificate = grid.root / "credentials" / "hostcert.pem"
    done = run(grid, "glite-check-credentials", "--cert", str(certificate), "--key",
               str(certificate.with_name("hostkey.pem")), "--host-name", "localhost", "--json", check=False)
    told = json.loads(done.stdout)
    assert told["state"] in ("OK", "WARN"), told
    assert not [each for each in told["findings"] if each["state"] == "WARN" and each["subject"] != "umask"], told
