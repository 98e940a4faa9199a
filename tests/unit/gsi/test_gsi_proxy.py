"""Making proxies of every kind: one kind along a chain, limited stays limited, path lengths count."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

import pki
from gsi import certificates
from gsi.credential import Credential
from gsi.errors import CredentialError
from gsi.names import slash_dn
from gsi.peer import ProxyKind
from gsi.proxy import Rights, certificate_request, create_proxy, new_key, rights, sign_request

KINDS = [ProxyKind.RFC3820, ProxyKind.LEGACY, ProxyKind.DRAFT]
HOUR = timedelta(hours=1)


def made(levels: int, kind: ProxyKind, **options: Any) -> Credential:
    credential = pki.user()
    for _ in range(levels):
        credential = create_proxy(credential, HOUR, kind=kind, **options)
    return credential


def delegated(issuer: Credential, **options: Any) -> Credential:
    """What a service has after it was delegated to."""
    key = new_key(2048)
    chain = x509.load_pem_x509_certificates(sign_request(issuer, certificate_request(key), HOUR, **options))
    return Credential(chain[0], key, tuple(chain[1:]))


def test_an_end_entity_has_the_choice_and_gets_an_rfc_proxy_otherwise() -> None:
    assert rights(pki.user()) == Rights(ProxyKind.NONE, False, None)
    assert rights(create_proxy(pki.user(), HOUR)).kind is ProxyKind.RFC3820


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_of_a_proxy_is_of_its_kind(kind: ProxyKind) -> None:
    for second in (create_proxy(made(1, kind), HOUR), delegated(made(1, kind))):
        assert [certificates.proxy_kind(one) for one in (second.certificate, *second.chain)] == [
            kind, kind, ProxyKind.NONE]
        assert rights(second) == Rights(kind, False, None)
        assert second.dn == pki.USER_DN


@pytest.mark.parametrize("kind", KINDS)
def test_no_chain_has_two_kinds(kind: ProxyKind) -> None:
    for other in set(KINDS) - {kind}:
        with pytest.raises(CredentialError, match="same kind"):
            create_proxy(made(1, kind), HOUR, kind=other)
        with pytest.raises(CredentialError, match="same kind"):
            delegated(made(1, kind), kind=other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [1, 2])
def test_limited_stays_limited(kind: ProxyKind, levels: int) -> None:
    first = create_proxy(made(levels - 1, kind), HOUR, kind=kind, limited=True)
    for made_of_it in (create_proxy(first, HOUR), delegated(first), create_proxy(create_proxy(first, HOUR), HOUR)):
        assert rights(made_of_it).limited
    if kind is ProxyKind.LEGACY:
        assert slash_dn(delegated(first).certificate.subject).endswith("/CN=limited proxy/CN=limited proxy")


def test_names_of_legacy_proxies() -> None:
    full = made(1, ProxyKind.LEGACY)
    assert slash_dn(full.certificate.subject) == f"{pki.USER_DN}/CN=proxy"
    oids = {extension.oid for extension in full.certificate.extensions}
    assert not oids & {certificates.RFC3820_PROXY_CERT_INFO, certificates.DRAFT_PROXY_CERT_INFO}
    assert isinstance(full.certificate.signature_hash_algorithm, hashes.SHA256)


@pytest.mark.parametrize("kind", [ProxyKind.RFC3820, ProxyKind.DRAFT])
def test_path_lengths_count_down(kind: ProxyKind) -> None:
    first = made(1, kind, path_length=1)
    assert rights(first).path_length == 1
    second = create_proxy(first, HOUR)
    assert rights(second).path_length == 0
    with pytest.raises(CredentialError, match="path length"):
        create_proxy(second, HOUR)
    with pytest.raises(CredentialError, match="path length"):
        delegated(made(1, kind, path_length=0))


def test_a_legacy_proxy_has_no_path_length() -> None:
    with pytest.raises(CredentialError, match="no path length"):
        made(1, ProxyKind.LEGACY, path_length=1)


def test_a_mixed_chain_is_not_continued() -> None:
    rfc, legacy = made(1, ProxyKind.RFC3820), made(1, ProxyKind.LEGACY)
    mixed = Credential(rfc.certificate, rfc.key, (legacy.certificate, *legacy.chain))
    with pytest.raises(CredentialError):
        create_proxy(mixed, HOUR)
