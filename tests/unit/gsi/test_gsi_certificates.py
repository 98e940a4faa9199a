"""What single certificates say, and that no change of one is believed."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

import chains
import pki
from gsi import certificates
from gsi.certificates import ProxyCertInfo, facts, is_signed_by, parse_proxy_cert_info
from gsi.credential import Credential
from gsi.errors import VerificationError
from gsi.peer import ProxyKind
from gsi.proxy import create_proxy
from gsi.rules import Rules
from gsi.verify import check
from testbed import ca

_LANGUAGES = st.sampled_from([certificates.INHERIT_ALL, certificates.LIMITED, certificates.INDEPENDENT, "1.2.3"])


@given(st.none() | st.integers(0, 1000), _LANGUAGES)
def test_proxy_cert_info_survives_the_round_trip(path_length: int | None, language: str) -> None:
    information = ProxyCertInfo(path_length, language)
    assert parse_proxy_cert_info(information.to_extension().value) == information
    assert parse_proxy_cert_info(information.to_draft_extension().value, ProxyKind.DRAFT) == information


def test_a_draft_extension_may_have_its_members_in_the_order_of_rfc_3820() -> None:
    information = ProxyCertInfo(3, certificates.INHERIT_ALL)
    assert parse_proxy_cert_info(information.to_extension().value, ProxyKind.DRAFT) == information
    with pytest.raises(ValueError):
        parse_proxy_cert_info(information.to_draft_extension().value)


@pytest.mark.parametrize("octets", [
    "3010300a06082b06010505071501020103",  # a second path length, or what else the last member may be
    "300f300d06082b06010505071501040005 00".replace(" ", ""),
    "300c300a06082b0601050507150100",
    "300f0201ff300a06082b06010505071501",
])
def test_members_that_nobody_knows_are_not_passed_over(octets: str) -> None:
    for kind in (ProxyKind.RFC3820, ProxyKind.DRAFT):
        with pytest.raises(ValueError):
            parse_proxy_cert_info(bytes.fromhex(octets), kind)


@given(st.binary(max_size=60), st.sampled_from(ProxyKind))
def test_any_bytes_give_a_proxy_cert_info_or_a_value_error(octets: bytes, kind: ProxyKind) -> None:
    try:
        parse_proxy_cert_info(octets, kind)
    except ValueError:
        return


_KEY = ca.ec_key()
_MAKERS: dict[ProxyKind, Callable[..., Credential]] = {
    ProxyKind.RFC3820: chains.forge, ProxyKind.LEGACY: chains.legacy, ProxyKind.DRAFT: chains.draft,
}


@pytest.fixture(scope="module")
def proxies() -> dict[ProxyKind, bytes]:
    return {kind: make(pki.user(), key=_KEY).certificate.public_bytes(Encoding.DER) for kind, make in _MAKERS.items()}


@settings(max_examples=400, deadline=None)
@given(data=st.data(), kind=st.sampled_from(list(_MAKERS)))
def test_no_change_of_octets_makes_another_proxy(
    proxies: dict[ProxyKind, bytes], data: st.DataObject, kind: ProxyKind,
) -> None:
    octets = bytearray(proxies[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        changed = x509.load_der_x509_certificate(bytes(octets))
        peer = pki.trust().verify([changed, pki.user().certificate])
    except (ValueError, x509.InvalidVersion, VerificationError):
        return
    original = x509.load_der_x509_certificate(proxies[kind])
    assert changed.tbs_certificate_bytes == original.tbs_certificate_bytes
    assert peer.dn == pki.USER_DN


def test_what_kind_a_proxy_is() -> None:
    assert facts(pki.user().certificate).kind is ProxyKind.NONE
    for kind, make in _MAKERS.items():
        assert facts(make(pki.user()).certificate).kind is kind
    limited = facts(chains.legacy(pki.user(), limited=True).certificate)
    assert (limited.kind, limited.last) == (ProxyKind.LEGACY, "limited proxy")


def test_whose_signature_it_is() -> None:
    for make in _MAKERS.values():
        assert is_signed_by(make(pki.user()).certificate, pki.user().certificate)
        assert not is_signed_by(make(pki.user()).certificate, pki.other().certificate)
    ec = create_proxy(pki.user(), key=_KEY)
    assert is_signed_by(chains.forge(ec).certificate, ec.certificate)
    assert not is_signed_by(chains.forge(ec).certificate, pki.user().certificate)
    assert not is_signed_by(pki.proxy().certificate, ec.certificate)
    old = chains.forge(pki.user(), sha1=True)
    assert is_signed_by(old.certificate, pki.user().certificate)
    assert not is_signed_by(old.certificate, pki.other().certificate)


def _nothing(issuer: x509.Certificate, subject: str) -> None:
    """No signing policy objects."""


@pytest.mark.parametrize(("chain", "step"), [
    (list, 1),
    (lambda: [pki.user().certificate] * 100, 1),
    (lambda: [pki.proxy().certificate], 3),
    (lambda: [pki.user().certificate], 12),
    (lambda: [pki.proxy().certificate, pki.user().certificate], 12),
    (lambda: [pki.user().certificate, pki.proxy().certificate, pki.authority().certificate], 12),
    (lambda: [pki.user().certificate, pki.user().certificate], 12),
    (lambda: [chains.legacy(pki.user(), signer=pki.other()).certificate, pki.user().certificate,
              pki.authority().certificate], 20),
    (lambda: [chains.draft(pki.user(), signer=pki.other()).certificate, pki.user().certificate,
              pki.authority().certificate], 20),
])
def test_the_numbered_checks_alone(chain: object, step: int) -> None:
    """They rely on nothing that happened in the handshake, signatures of RFC proxies and of CAs apart."""
    assert callable(chain)
    with pytest.raises(VerificationError) as refusal:
        check(chain(), Rules(), _nothing)
    assert refusal.value.step == step
    assert f"(check {step})" in str(refusal.value)
