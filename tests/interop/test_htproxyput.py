"""Debian's htproxyput and its sisters, a gSOAP client of the delegation-1 port, against the WMProxy."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import pki
from gsi.credential import Credential
from gsi.delegation import DelegationStore
from gsi.errors import DelegationError
from gsi.proxy import sign_request
from httpg.client import session
from soap.client import Client
from soap.contract import load
from unit.wms import wmproxy_support as support
from wms.config import Settings
from wms.wmproxy.delegation import DELEGATION_1

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("htproxyput") is None, reason="gridsite-clients is not installed; run `make test`"),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    chosen = support.settings(tmp_path_factory.mktemp("wms"))
    with support.wmproxy_server(chosen):
        yield chosen


@pytest.fixture(scope="module")
def store(settings: Settings) -> DelegationStore:
    return DelegationStore(settings.common.proxy_cache, pki.ca_dir())


def tool(name: str, settings: Settings, *options: str, credential: Path | None = None) -> str:
    """Run one of the tools with a credential in one file; its output, errors too."""
    path = str(credential or pki.proxy_file())
    command = [name, "-v", "--capath", str(pki.ca_dir()), "--cert", path, "--key", path, *options, settings.endpoint]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout + done.stderr


def stored(settings: Settings) -> set[Path]:
    """All delegated proxies."""
    return set(settings.common.proxy_cache.glob("%2F*/*/userproxy.pem"))


@pytest.fixture
def delegated(settings: Settings, request: pytest.FixtureRequest) -> str:
    """A delegation made by a client of ours."""
    client = Client(load(DELEGATION_1), settings.endpoint, session(pki.proxy(), pki.ca_dir()))
    name = f"by-{request.node.originalname}".replace("test_", "")
    asked = client.call("getProxyReq", delegationID=name).getProxyReqReturn
    proxy = sign_request(pki.proxy(), asked.encode(), timedelta(hours=2)).decode()
    client.call("putProxy", delegationID=name, proxy=proxy)
    return name


def test_it_asks_how_long_a_delegation_lasts(settings: Settings, store: DelegationStore, delegated: str) -> None:
    ends = store.termination_time(pki.USER_DN, delegated)
    printed = tool("htproxyunixtime", settings, "--delegation-id", delegated)
    assert str(int(ends.timestamp())) in printed.split()
    assert datetime.strftime(ends.astimezone(), "%H:%M:%S") in tool(
        "htproxytime", settings, "--delegation-id", delegated
    )


def test_it_destroys_a_delegation(settings: Settings, store: DelegationStore, delegated: str) -> None:
    tool("htproxydestroy", settings, "--delegation-id", delegated)
    with pytest.raises(DelegationError, match="no such delegation"):
        store.path(pki.USER_DN, delegated)


def test_it_reads_the_typed_fault(settings: Settings) -> None:
    for name in ("htproxytime", "htproxydestroy", "htproxyrenew"):
        assert "there is no such delegation" in tool(name, settings, "--delegation-id", "never")


def test_it_gets_a_request_and_an_id_and_signs_it(settings: Settings) -> None:
    printed = tool("htproxyput", settings)
    assert "-----BEGIN CERTIFICATE REQUEST-----" in printed and "-----BEGIN CERTIFICATE-----" in printed


def test_a_proxy_without_proxy_cert_info_is_not_stored(settings: Settings) -> None:
    """Signing with an RFC 3820 proxy, this build of the tool forgets the extension that makes a certificate a proxy
    (seen with gridsite-clients 3.0.0~20230214): no verifier can take that for one."""
    before = stored(settings)
    tool("htproxyput", settings)
    assert stored(settings) == before


@pytest.mark.xfail(strict=True, reason="with an end entity's key it makes legacy proxies; gsi does not admit them yet")
def test_it_delegates_a_legacy_proxy(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "user.pem"
    pki.user().save(path)
    before = stored(settings)
    tool("htproxyput", settings, credential=path)
    [new] = stored(settings) - before
    assert Credential.load(new).dn == pki.USER_DN
