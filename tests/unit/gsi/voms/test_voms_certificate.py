"""Reading attribute certificates: what is in a good one, and that any octets give a result or the package's error."""

from datetime import UTC, datetime

import pytest
from asn1crypto import cms
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

import acs
import pki
from gsi.errors import AttributeCertificateError
from gsi.voms import AttributeCertificate, claims, der
from gsi.voms.certificate import MAX_SIZE, extension_value, parse, parse_extension
from testbed.voms import names_attribute, sequence


def test_everything_that_is_said_is_read() -> None:
    ac = parse(acs.ac(fqans=["/testvo/Role=NULL/Capability=NULL", "/testvo/a/Role=b"], attributes=[acs.NICKNAME],
                      targets=["one.example.org", "two.example.org"]))
    holder = pki.user().certificate
    assert (ac.version, ac.vo, ac.server, ac.host) == (1, "testvo", f"{acs.HOST}:15000", acs.HOST)
    assert ac.holder.serial == holder.serial_number and ac.holder.name == holder.issuer.public_bytes()
    assert ac.holder.entity is None
    assert ac.issuer == acs.server().credential.certificate.subject.public_bytes()
    assert [str(fqan) for fqan in ac.fqans] == ["/testvo", "/testvo/a/Role=b"]
    assert ac.attributes == (acs.NICKNAME,)
    assert ac.targets == ("one.example.org", "two.example.org")
    assert ac.certificates == (acs.server().credential.certificate,)
    assert ac.no_revocation and ac.unknown_critical == ()
    assert ac.not_before.tzinfo is UTC and ac.not_after > ac.not_before
    assert ac.signed[:1] == b"\x30" and len(ac.signature) == 256


def test_a_certificate_without_the_extension_claims_nothing() -> None:
    assert extension_value(pki.user().certificate) is None
    assert claims([pki.proxy().certificate]) == ()


def test_what_does_not_verify_is_claimed_all_the_same() -> None:
    claim, = claims([acs.REFUSED["changed"][1]().certificate])
    assert isinstance(claim, AttributeCertificate)
    assert str(claim.fqans[0]) == "/testvo/Role=admin"


def test_the_first_certificate_with_the_extension_is_taken() -> None:
    inner = acs.proxy(acs.ac(fqans=["/testvo/a"]))
    claim, = claims([pki.proxy().certificate, inner.certificate])
    assert isinstance(claim, AttributeCertificate) and str(claim.fqans[0]) == "/testvo/a"


def test_too_much_is_not_looked_at() -> None:
    for read in (parse_extension(bytes(MAX_SIZE + 1))[0], _error(bytes(MAX_SIZE + 1))):
        assert isinstance(read, AttributeCertificateError) and read.step == 1 and "64 KiB" in str(read)


def test_many_small_values_are_not_looked_at() -> None:
    """A parser that went through them all would spend seconds."""
    for many in (b"\5\0" * 30_000, sequence() * 30_000, sequence(b"\5\0" * 30_000), sequence(sequence()) * 15_000):
        error, = parse_extension(sequence(many))
        assert isinstance(error, AttributeCertificateError) and error.step == 1
    many = ac_with(names_attribute(acs.server().authority, ["/testvo"] * 2000))
    assert "1024" in str(_error(many))
    assert "513" in str(_error(ac_with(names_attribute(acs.server().authority, ["/testvo"] * 513))))


def ac_with(names: cms.AttCertAttribute) -> bytes:
    def change(what: cms.AttributeCertificateInfoV2) -> None:
        what["attributes"] = [names]
    return acs.ac(change=change)


def _error(octets: bytes) -> AttributeCertificateError | None:
    try:
        parse(octets)
    except AttributeCertificateError as error:
        return error
    return None


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    assert parse_extension(octets)
    assert _error(octets) is not None


_VALID = acs.ac(attributes=[acs.NICKNAME], targets=["one.example.org"])


@given(st.integers(0, len(_VALID) - 1), st.integers(0, 255), st.integers(0, 8))
def test_a_changed_certificate_is_read_or_refused(at: int, octet: int, cut: int) -> None:
    octets = _VALID[:at] + bytes([octet]) + _VALID[at + 1 + cut:]
    error = _error(octets)
    assert error is None or error.step in (1, 6)


@pytest.mark.parametrize(("text", "expected"), [
    (b"20260101123456Z", datetime(2026, 1, 1, 12, 34, 56, tzinfo=UTC)), (b"20260101123456", None),
    (b"20260101123456.5Z", None), (b"20261301123456Z", None), (b"2026010112345 Z", None), (b"", None),
    (b"20260101123456+0100", None), (b"00000101123456Z", None),
])
def test_times(text: bytes, expected: datetime | None) -> None:
    value = der.Value(der.GENERALIZED_TIME, text, b"")
    if expected:
        assert der.time(value) == expected
    else:
        with pytest.raises(ValueError):  # noqa: PT011  (each has words of its own)
            der.time(value)


def test_names_are_compared_by_what_they_say() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A B"), x509.NameAttribute(
        x509.NameOID.ORGANIZATION_NAME, "C")])
    printable = x509.Name([x509.NameAttribute(part.oid, part.value, x509.name._ASN1Type.PrintableString)
                           for part in name])
    assert name.public_bytes() != printable.public_bytes()
    assert der.same_name(name.public_bytes(), printable.public_bytes())
    for other in (x509.Name(reversed(list(name))), x509.Name(list(name)[:1]), pki.user().certificate.subject):
        assert not der.same_name(name.public_bytes(), other.public_bytes())
    with pytest.raises(ValueError, match=r"."):
        der.same_name(name.public_bytes(), b"garbage")
