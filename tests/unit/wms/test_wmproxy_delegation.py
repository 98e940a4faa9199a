"""Delegation through all three doors, over TLS, with clients that know nothing of the server's insides."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import pki
from gsi.authz import ServicePolicy
from gsi.credential import Credential
from gsi.delegation import DelegationStore
from gsi.proxy import create_proxy, sign_request
from httpg.client import session
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from soap.client import Client
from soap.contract import load
from soap.faults import TypedFault
from soap.service import application, combine
from tlsserver import running
from wms.wmproxy import delegation
from wms.wmproxy.delegation import DELEGATION_1, DELEGATION_2, Delegation1, Delegation2, Delegations


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> DelegationStore:
    return DelegationStore(tmp_path_factory.mktemp("wms") / "proxycache", pki.trust())


@pytest.fixture(scope="module")
def url(store: DelegationStore) -> Iterator[str]:
    def protocol() -> HttpProtocol:
        first, second = load(DELEGATION_1), load(DELEGATION_2)
        ports = ((first, Delegation1(first, Delegations(store))), (second, Delegation2(second, Delegations(store))))
        return HttpProtocol(
            combine(
                [
                    application(one, port, policy=ServicePolicy(), translate=delegation.translator(one))
                    for one, port in ports
                ]
            )
        )

    with running([Listener("127.0.0.1", 0, protocol)], pki.host(), pki.ca_dir(), workers=1) as server:
        yield server.url("/glite_wms_wmproxy_server")


@pytest.fixture(params=[DELEGATION_1, DELEGATION_2])
def client(request: pytest.FixtureRequest, url: str) -> Client:
    return Client(load(request.param), url, session(pki.proxy(), pki.ca_dir()))


def answer(request: str, credential: Credential | None = None) -> str:
    return sign_request(credential or pki.proxy(), request.encode(), timedelta(hours=1)).decode()


def test_a_proxy_is_delegated_inspected_renewed_and_destroyed(client: Client, store: DelegationStore) -> None:
    name = f"one{id(client)}"
    request = client.call("getProxyReq", delegationID=name).getProxyReqReturn
    client.call("putProxy", delegationID=name, proxy=answer(request))
    stored = store.credential(pki.USER_DN, name)
    assert stored.dn == pki.USER_DN
    ends = client.call("getTerminationTime", delegationID=name).getTerminationTimeReturn
    assert ends == stored.not_after and ends > datetime.now(UTC)
    again = client.call("renewProxyReq", delegationID=name).renewProxyReqReturn
    client.call("putProxy", delegationID=name, proxy=answer(again))
    assert store.credential(pki.USER_DN, name).certificate != stored.certificate
    client.call("destroy", delegationID=name)
    with pytest.raises(TypedFault) as caught:
        client.call("getTerminationTime", delegationID=name)
    assert caught.value.name == "DelegationException"


def test_the_server_can_choose_the_id_and_an_empty_one_means_the_same(client: Client, store: DelegationStore) -> None:
    new = client.call("getNewProxyReq").getNewProxyReqReturn
    assert len(new.delegationID) == 16 and set(new.delegationID) <= set("0123456789abcdef")
    client.call("putProxy", delegationID="", proxy=answer(new.proxyRequest))
    assert store.credential(pki.USER_DN, new.delegationID).dn == pki.USER_DN
    client.call("getTerminationTime", delegationID=new.delegationID)


@pytest.mark.parametrize(
    "name, words",
    [("../x", "may only have"), ("a/b", "may only have"), ("never", "no proxy was requested")],
)
def test_bad_ids_and_unasked_proxies_are_refused(client: Client, name: str, words: str) -> None:
    with pytest.raises(TypedFault, match=words):
        client.call("putProxy", delegationID=name, proxy=pki.proxy().chain_pem().decode())


def test_nobody_can_put_another_ones_proxy(client: Client) -> None:
    request = client.call("getProxyReq", delegationID="mine").getProxyReqReturn
    foreign = create_proxy(pki.other(), timedelta(hours=1))
    for proxy, words in (
        (answer(request, foreign), "somebody else"),
        ("", "no PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no PEM"),
    ):
        with pytest.raises(TypedFault, match=words):
            client.call("putProxy", delegationID="mine", proxy=proxy)


def test_a_delegation_belongs_to_its_owner(client: Client, url: str) -> None:
    request = client.call("getProxyReq", delegationID="private").getProxyReqReturn
    client.call("putProxy", delegationID="private", proxy=answer(request))
    stranger = Client(client.contract, url, session(pki.other(), pki.ca_dir()))
    for operation in ("getTerminationTime", "renewProxyReq", "destroy"):
        with pytest.raises(TypedFault, match="no such delegation"):
            stranger.call(operation, delegationID="private")


def test_the_second_port_tells_its_versions_and_has_no_metadata(url: str) -> None:
    client = Client(load(DELEGATION_2), url, session(pki.proxy(), pki.ca_dir()))
    assert client.call("getInterfaceVersion").getInterfaceVersionReturn == "2.0.0"
    assert client.call("getVersion").getVersionReturn
    with pytest.raises(TypedFault, match="Method not supported") as caught:
        client.call("getServiceMetadata", key="x")
    assert caught.value.record.msg == "Method not supported"


def test_what_is_stored_is_private(client: Client, store: DelegationStore, tmp_path: Path) -> None:
    request = client.call("getProxyReq", delegationID="safe").getProxyReqReturn
    client.call("putProxy", delegationID="safe", proxy=answer(request))
    path = store.path(pki.USER_DN, "safe")
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(above.stat().st_mode & 0o077 == 0 for above in list(path.parents)[:2])
