"""Debian's htproxyput and its sisters, a gSOAP client of the delegation-1 port, against the WMProxy.

The tool does not wait for the answer to putProxy (it calls it one-way), prints the id and ends with 0 in any case: what
became of it is seen at the server.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import pki
import tlsserver
from gsi.delegation import DelegationStore
from gsi.errors import DelegationError
from gsi.peer import ProxyKind
from gsi.proxy import Rights, create_proxy, rights, sign_request
from httpg.client import session
from soap.client import Client
from soap.contract import load
from soap.faults import TypedFault
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
    return DelegationStore(settings.common.proxy_cache, pki.trust())


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


@pytest.fixture(scope="module")
def user_file() -> Path:
    """The end entity's certificate and key in one file."""
    path = pki.folder() / "user.pem"
    pki.user().save(path)
    return path


@pytest.fixture
def put(settings: Settings, store: DelegationStore, user_file: Path) -> str:
    """The id of what htproxyput delegated with the user's certificate."""
    return put_with(settings, store, user_file)


def put_with(settings: Settings, store: DelegationStore, credential: Path) -> str:
    """Delegate with htproxyput; the id, once the proxy is stored."""
    before = stored(settings)
    for path in before:
        path.unlink()  # the tool gets the same id for the same credential
    [found] = re.findall("^[0-9a-f]{16}$", tool("htproxyput", settings, credential=credential), re.MULTILINE)
    tlsserver.wait_for(lambda: [path.parent.name for path in stored(settings)] == [found])
    return str(found)


def test_it_delegates_a_legacy_proxy(settings: Settings, store: DelegationStore, put: str) -> None:
    credential = store.credential(pki.USER_DN, put)
    assert (credential.dn, rights(credential)) == (pki.USER_DN, Rights(ProxyKind.LEGACY, False, None))
    hash_ = credential.certificate.signature_hash_algorithm
    assert hash_ is not None and hash_.name == "sha1", "the tool has learnt: this test needs no old hash any more"


def test_it_renews_and_destroys_what_it_put(
    settings: Settings, store: DelegationStore, put: str, user_file: Path
) -> None:
    first = store.credential(pki.USER_DN, put)
    tool("htproxyrenew", settings, "--delegation-id", put, "--valid", "900", credential=user_file)
    tlsserver.wait_for(lambda: store.credential(pki.USER_DN, put) != first)
    assert store.termination_time(pki.USER_DN, put) > first.not_after
    tool("htproxydestroy", settings, "--delegation-id", put, credential=user_file)
    with pytest.raises(DelegationError, match="no such delegation"):
        store.path(pki.USER_DN, put)


def test_it_tells_the_time_of_what_it_put(
    settings: Settings, store: DelegationStore, put: str, user_file: Path
) -> None:
    ends = store.termination_time(pki.USER_DN, put)
    printed = tool("htproxyunixtime", settings, "--delegation-id", put, credential=user_file)
    assert str(int(ends.timestamp())) in printed.split()


def test_it_delegates_a_legacy_proxy_further(settings: Settings, store: DelegationStore, tmp_path: Path) -> None:
    path = tmp_path / "legacy"
    create_proxy(pki.user(), kind=ProxyKind.LEGACY).save(path)
    found = store.credential(pki.USER_DN, put_with(settings, store, path))
    assert (found.proxies, rights(found).kind, found.dn) == (2, ProxyKind.LEGACY, pki.USER_DN)


def test_its_info_reads_what_the_server_stores(settings: Settings, store: DelegationStore, put: str) -> None:
    path = store.path(pki.USER_DN, put)
    done = subprocess.run(["htproxyinfo", "--capath", pki.ca_dir(), "--cert", path], capture_output=True, text=True,
                          check=True, timeout=120)
    assert f"(PC) {pki.USER_DN}/CN=proxy" in done.stdout and f"(EEC) {pki.USER_DN}" in done.stdout


def test_what_it_makes_of_an_rfc_proxy_is_refused_with_a_reason(settings: Settings) -> None:
    """Signing with an RFC 3820 proxy, this build of the tool forgets the extension that makes a certificate a proxy
    (seen with gridsite-clients 3.0.0~20230214): no verifier can take that for one."""
    before = stored(settings)
    printed = tool("htproxyput", settings)
    [name] = re.findall("^[0-9a-f]{16}$", printed, re.MULTILINE)
    answer = printed[printed.index("-----BEGIN CERTIFICATE-----"):]
    assert answer.count("-----BEGIN CERTIFICATE-----") == 3
    client = Client(load(DELEGATION_1), settings.endpoint, session(pki.proxy(), pki.ca_dir()))
    with pytest.raises(TypedFault, match="lacks ProxyCertInfo.*glite-wms-job-delegate-proxy"):
        client.call("putProxy", delegationID=name, proxy=answer)
    assert stored(settings) == before


def test_a_sha1_proxy_is_good_for_no_job_and_the_user_is_told_what_to_do(settings: Settings, put: str) -> None:
    """It would be refused by LB, long after the submission."""
    client = Client(load("WMProxy"), settings.endpoint, session(pki.user(), pki.ca_dir()))
    for operation in ("jobRegister", "jobListMatch"):
        with pytest.raises(TypedFault, match="signed with SHA-1.*glite-wms-job-delegate-proxy.*sha1_proxies"):
            client.call(operation, jdl=support.HELLO, delegationId=put)


@pytest.fixture
def sha1_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A WMProxy and an LB server of a site that admits SHA-1 under proxies."""
    rules = tmp_path / "gsi.toml"
    rules.write_text("sha1_proxies = true\n")
    monkeypatch.setenv("GLITE_GSI_RULES", str(rules))
    with support.lb_server(tmp_path / "lb") as name:
        chosen = support.settings(tmp_path / "wms", name)
        with support.wmproxy_server(chosen):
            yield chosen


def test_where_the_site_admits_sha1_a_job_is_submitted_with_such_a_proxy(sha1_site: Settings, user_file: Path) -> None:
    store = DelegationStore(sha1_site.common.proxy_cache, pki.trust())
    name = put_with(sha1_site, store, user_file)
    client = Client(load("WMProxy"), sha1_site.endpoint, session(pki.user(), pki.ca_dir()))
    jobid = client.call("jobSubmit", jdl=support.HELLO, delegationId=name).jobIdStruct.id
    user = support.User(sha1_site, pki.proxy())
    assert user.lb(jobid).job_status(jobid).owner == pki.USER_DN
