"""Every named chain: the verdict of the whole verification, and of the numbered checks alone."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

import chains
import pki
from gsi.certificates import ProxyCertInfo, parse_proxy_cert_info
from gsi.errors import VerificationError
from gsi.peer import ProxyKind
from gsi.proxy import create_proxy
from gsi.verify import peer_from_chain, verify_chain


def whole_chain(name: str) -> list[x509.Certificate]:
    """The chain of a refused credential with the root, as OpenSSL would give it had it accepted it."""
    credential = chains.REFUSED[name][1]()
    chain = [credential.certificate, *credential.chain]
    root = pki.authority().certificate
    return chain if chain[-1] == root else [*chain, root]


@pytest.mark.parametrize("name", chains.ACCEPTED)
def test_accepted(name: str) -> None:
    credential = chains.ACCEPTED[name]()
    peer = verify_chain([credential.certificate, *credential.chain], pki.ca_dir())
    assert peer.dn == ("/DC=org/DC=example/CN=localhost" if name == "host" else pki.USER_DN)
    assert peer.limited == (name in chains.LIMITED)
    assert peer.proxy_kind is (ProxyKind.RFC3820 if "proxy" in name else ProxyKind.NONE)
    assert peer.chain[0] == credential.certificate
    assert peer.chain[-1] == pki.authority().certificate
    assert peer.not_after == min(c.not_valid_after_utc for c in peer.chain)
    assert peer.fqans == ()


@pytest.mark.parametrize("name", chains.REFUSED)
def test_refused(name: str) -> None:
    credential = chains.REFUSED[name][1]()
    with pytest.raises(VerificationError):
        verify_chain([credential.certificate, *credential.chain], pki.ca_dir())


@pytest.mark.parametrize("name", [name for name, (step, _) in chains.REFUSED.items() if step])
def test_the_numbered_checks_alone_refuse(name: str) -> None:
    with pytest.raises(VerificationError) as refusal:
        peer_from_chain(whole_chain(name))
    assert refusal.value.step == chains.REFUSED[name][0]
    assert str(refusal.value.step) in str(refusal.value)


def test_no_certificate_is_no_peer() -> None:
    with pytest.raises(VerificationError, match="check 1"):
        peer_from_chain([])
    with pytest.raises(VerificationError, match="check 1"):
        verify_chain([], pki.ca_dir())


def test_a_chain_without_end_is_not_walked() -> None:
    with pytest.raises(VerificationError) as refusal:
        peer_from_chain([pki.user().certificate] * 100)
    assert refusal.value.step == 1


def test_only_proxies_are_no_identity() -> None:
    with pytest.raises(VerificationError) as refusal:
        peer_from_chain([pki.proxy().certificate])
    assert refusal.value.step == 3


def test_a_limited_proxy_stays_limited_whatever_follows() -> None:
    credential = create_proxy(chains.proxies(1, limited=True), chains.HOUR, limited=False)
    assert parse_proxy_cert_info(
        credential.certificate.extensions[0].value.public_bytes()
    ).language == "1.3.6.1.4.1.3536.1.1.1.9"
    forged = chains.forge(chains.proxies(1, limited=True))
    assert verify_chain([forged.certificate, *forged.chain], pki.ca_dir()).limited


@given(st.none() | st.integers(0, 1000), st.sampled_from(["1.3.6.1.5.5.7.21.1", "1.2.3", "1.3.6.1.4.1.3536.1.1.1.9"]))
def test_proxy_cert_info_survives_the_round_trip(path_length: int | None, language: str) -> None:
    information = ProxyCertInfo(path_length, language)
    assert parse_proxy_cert_info(information.to_extension().value) == information


@given(st.binary(max_size=60))
def test_any_bytes_give_a_proxy_cert_info_or_a_value_error(octets: bytes) -> None:
    try:
        parse_proxy_cert_info(octets)
    except ValueError:
        return
