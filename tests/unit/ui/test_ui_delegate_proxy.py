"""glite-wms-job-delegate-proxy against a running WMProxy, as a user calls it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import chains
import pki
import tlsserver
from gsi.credential import Credential
from gsi.delegation import DelegationStore
from gsi.errors import CredentialError, DelegationError
from gsi.peer import ProxyKind
from gsi.proxy import create_proxy, rights
from httpg.client import session
from shared import ROOT
from soap.delegation import DELEGATION_1, DELEGATION_2, DelegationClient
from soap.faults import TypedFault
from testbed import ca
from unit.wms import wmproxy_support as support
from wms.config import Settings

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    chosen = support.settings(tmp_path_factory.mktemp("wms"))
    with support.wmproxy_server(chosen):
        yield chosen


@pytest.fixture(scope="module")
def store(settings: Settings) -> DelegationStore:
    return DelegationStore(settings.common.proxy_cache, pki.trust())


def run(
    settings: Settings | None, *options: str, proxy: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(pki.folder()), "X509_CERT_DIR": str(pki.ca_dir()),
        "X509_USER_PROXY": str(proxy or pki.proxy_file()), **environment,
    }
    if settings is not None:
        env["GLITE_WMS_WMPROXY_ENDPOINT"] = settings.endpoint
    command = [sys.executable, "-m", "ui.job_delegate_proxy", *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)


def test_delegate_renew_look_and_destroy(settings: Settings, store: DelegationStore, tmp_path: Path) -> None:
    done = run(settings, "-d", "mine", "--lifetime", "1:00", "--noint", "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert settings.endpoint in done.stdout and "with the delegation identifier: mine" in done.stdout
    assert (tmp_path / "out").read_text() == done.stdout.removesuffix("\n")
    first = store.credential(pki.USER_DN, "mine")
    assert first.not_after <= datetime.now(UTC) + HOUR
    assert f"valid until {first.not_after:%Y-%m-%d %H:%M:%S} UTC (0:" in run(settings, "-d", "mine", "--time").stdout
    done = run(settings, "-d", "mine", "--renew")
    assert done.returncode == 0 and "renewed" in done.stdout
    assert store.credential(pki.USER_DN, "mine").not_after > first.not_after
    assert run(settings, "-d", "mine", "--destroy").returncode == 0
    with pytest.raises(DelegationError):
        store.path(pki.USER_DN, "mine")
    for action in ("--renew", "--destroy", "--time"):
        refused = run(settings, "-d", "mine", action)
        assert refused.returncode == 1
        assert "Operation refused by the server" in refused.stderr and "no such delegation" in refused.stderr


def test_an_identifier_is_made_up_and_json_is_printed(settings: Settings, store: DelegationStore) -> None:
    answer = json.loads(run(settings, "-a", "--limited", "--json").stdout)
    [server] = answer["servers"]
    stored = store.credential(pki.USER_DN, answer["delegationid"])
    assert (answer["result"], server["endpoint"]) == ("success", settings.endpoint)
    assert datetime.fromisoformat(server["expires"]) == stored.not_after and rights(stored).limited


@pytest.mark.parametrize("options", [
    [], ["-a", "-d", "x"], ["-a", "--renew"], ["-a", "--destroy"], ["-d", "x", "--time", "--limited"],
    ["-d", "x", "--destroy", "--lifetime", "1:00"], ["-d", "x", "-e", "https://localhost:1/", "--all"],
    ["-d", "x", "--lifetime", "soon"], ["-d", "x", "--lifetime", "0:00"], ["-d", "x", "--lifetime", "1:60"],
    ["-d", "x", "--renew", "--destroy"],
])  # fmt: skip
def test_wrong_usage(settings: Settings, options: list[str]) -> None:
    assert run(settings, *options).returncode == 255


def test_all_servers_of_the_configuration(settings: Settings, store: DelegationStore, tmp_path: Path) -> None:
    config, away = tmp_path / "glite_wmsui.conf", f"https://localhost:{tlsserver.free_port()}/"
    config.write_text(f'[ WmProxyEndPoints = {{ "{settings.endpoint}", "{away}" }}; ]')
    done = run(None, "-d", "both", "--all", "-c", str(config), "--json")
    assert done.returncode == 1 and f"Warning - {away}" in done.stderr
    answer = json.loads(done.stdout)
    assert answer["result"] == "failure"
    assert [server["endpoint"] for server in answer["servers"]] == [settings.endpoint]
    assert store.credential(pki.USER_DN, "both").dn == pki.USER_DN


def test_an_expiring_proxy_is_not_delegated(settings: Settings, tmp_path: Path) -> None:
    create_proxy(pki.user(), timedelta(seconds=20)).save(tmp_path / "short")
    done = run(settings, "-d", "mine", proxy=tmp_path / "short")
    assert done.returncode == 1 and "Error - " in done.stderr and "Traceback" not in done.stderr


def test_a_server_that_refuses_the_proxy(settings: Settings, tmp_path: Path) -> None:
    """It only closes the connection; the user is told what his proxy is refused for."""
    chains.forge(pki.user(), begin=-2 * HOUR, end=-HOUR).save(tmp_path / "expired")
    done = run(settings, "-d", "mine", proxy=tmp_path / "expired")
    assert done.returncode == 1 and "it refuses your credential: expired: /DC=" in done.stderr
    assert "\nmake a new proxy with glite-proxy-init\n" in done.stderr and "Pool" not in done.stderr


def test_a_server_of_another_ca(settings: Settings, tmp_path: Path) -> None:
    ca.write_ca_directory(tmp_path, [ca.new_authority("/DC=org/DC=example/CN=Another CA")])
    done = run(settings, "-d", "mine", X509_CERT_DIR=str(tmp_path))
    assert done.returncode == 1 and "the certificate of the server is not accepted: " in done.stderr
    assert "glite-ping --trace, with the same address, tells more" in done.stderr


def test_nobody_listens(settings: Settings) -> None:
    done = run(settings, "-d", "mine", "-e", "https://localhost:1/")
    assert done.returncode == 1 and "https://localhost:1/: Connection refused; check the address" in done.stderr


def test_the_log_file(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(settings, "-d", "mine", "--logfile", str(log)).returncode == 0
    assert " -I- PID: " in log.read_text() and "PRIVATE KEY" not in log.read_text()
    assert run(settings, "-d", "mine", "--logfile", "/nowhere/log").returncode == 1


# ---- the class ------------------------------------------------------------------------------------------------------


def client(settings: Settings, credential: Credential, contract: str) -> DelegationClient:
    return DelegationClient(settings.endpoint, session(credential, pki.ca_dir()), credential, contract=contract)


@pytest.mark.parametrize("contract", [DELEGATION_1, DELEGATION_2])
def test_both_ports(settings: Settings, store: DelegationStore, contract: str) -> None:
    port = client(settings, pki.proxy(), contract)
    made = port.new(HOUR)
    assert port.termination_time(made.id) == made.expires == store.termination_time(pki.USER_DN, made.id)
    assert port.renew(made.id).expires > made.expires
    port.destroy(made.id)
    with pytest.raises(TypedFault, match="no such delegation"):
        port.renew(made.id)


@pytest.mark.parametrize("kind", [ProxyKind.RFC3820, ProxyKind.LEGACY, ProxyKind.DRAFT])
def test_every_kind_of_proxy_is_delegated_further(settings: Settings, store: DelegationStore, kind: ProxyKind) -> None:
    proxy = create_proxy(pki.user(), 2 * HOUR, kind=kind)
    client(settings, proxy, DELEGATION_2).put("kind")
    found = store.credential(pki.USER_DN, "kind")
    assert (rights(found).kind, found.proxies) == (kind, 2)
    assert found.not_after < proxy.not_after


def test_an_expired_credential_signs_nothing(settings: Settings) -> None:
    expired = create_proxy(pki.user(), timedelta(seconds=-1))
    port = DelegationClient(settings.endpoint, session(pki.proxy(), pki.ca_dir()), expired)
    with pytest.raises(CredentialError, match="expired"):
        port.put("mine")


def test_a_limited_caller_touches_no_full_delegation(settings: Settings, store: DelegationStore) -> None:
    """Whoever steals the limited proxy of a job must not get at the user's full ones."""
    proxies = (create_proxy(pki.user(), HOUR, limited=limited) for limited in (False, True))
    full, limited = (client(settings, proxy, DELEGATION_2) for proxy in proxies)
    full.put("precious")
    before = store.credential(pki.USER_DN, "precious")
    for attempt in (limited.put, limited.renew, limited.destroy):
        with pytest.raises(TypedFault, match="limited proxy cannot touch a full one"):
            attempt("precious")
    assert store.credential(pki.USER_DN, "precious") == before
    limited.put("its.own")
    limited.renew("its.own")
    limited.destroy("its.own")
