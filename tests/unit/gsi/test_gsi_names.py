"""Names as OpenSSL and GSI print them."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

import pki
from gsi.credential import pem
from gsi.names import rfc2253, same_dn, slash_dn, slash_dn_of_der
from testbed import ca


def name(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


@pytest.mark.parametrize("dn", [
    "/DC=org/DC=example/CN=Test User",
    "/C=CZ/O=CESNET/CN=host/skurut1.cesnet.cz",
    "/C=UK/O=eScience/OU=Oxford/L=OeSC/CN=jan croft/emailAddress=a@b.example",
    "/DC=org/UID=u1/CN=Robot: 'x' = \"y\", z; #",
])
def test_the_slash_form_is_what_the_name_was_made_of(dn: str) -> None:
    assert slash_dn(ca.parse_dn(dn)) == dn


def test_an_attribute_without_a_short_name_is_printed_by_number() -> None:
    assert slash_dn(name((x509.ObjectIdentifier("1.2.3.4"), "x"))) == "/1.2.3.4=x"


def test_rfc2253_begins_with_the_last_component() -> None:
    dn = ca.parse_dn("/DC=org/DC=example/CN=Doe, John/emailAddress=j@example.org")
    assert rfc2253(dn) == "emailAddress=j@example.org,CN=Doe\\, John,DC=example,DC=org"


@pytest.mark.parametrize("subject", [
    name((NameOID.COUNTRY_NAME, "CZ"), (NameOID.COMMON_NAME, "Ji\u0159\u00ed Nov\u00e1k")),
    name((NameOID.SURNAME, "S"), (NameOID.GIVEN_NAME, "G"), (NameOID.TITLE, "T"), (NameOID.SERIAL_NUMBER, "1"),
         (NameOID.STREET_ADDRESS, "Str"), (NameOID.POSTAL_CODE, "1"), (NameOID.USER_ID, "u"),
         (NameOID.DN_QUALIFIER, "q"), (NameOID.PSEUDONYM, "p"), (NameOID.INITIALS, "i"),
         (NameOID.ORGANIZATION_IDENTIFIER, "o"), (NameOID.BUSINESS_CATEGORY, "b"),
         (NameOID.UNSTRUCTURED_NAME, "un"), (NameOID.GENERATION_QUALIFIER, "gq")),
    name((NameOID.COMMON_NAME, "tab\there \x7f end")),
    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "\u0160koda", _type=_ASN1Type.BMPString)]),
])
def test_openssl_prints_the_same(subject: x509.Name, tmp_path: Path) -> None:
    authority = pki.authority()
    begin, end = authority.certificate.not_valid_before_utc, authority.certificate.not_valid_after_utc
    builder = ca._builder(subject, authority.certificate.subject, ca.ec_key(), begin, end)
    (tmp_path / "c.pem").write_bytes(pem(builder.sign(authority.key, hashes.SHA256())))
    printed = subprocess.run(["openssl", "x509", "-in", tmp_path / "c.pem", "-noout", "-subject", "-nameopt", "compat"],
                             check=True, capture_output=True, text=True).stdout
    assert printed.removeprefix("subject=").strip("\n") == slash_dn(subject)


def test_only_the_two_spellings_of_email_are_one() -> None:
    assert same_dn("/C=UK/CN=j/emailAddress=a@b", "/C=UK/CN=j/Email=a@b")
    assert same_dn("/CN=x", "/CN=x")
    assert not same_dn("/CN=x", "/CN=X")
    assert not same_dn("/CN=x/E=a@b", "/CN=x/Email=a@b")
    assert not same_dn("/CN=emailAddress=a", "/CN=Email=a")


@given(st.text(min_size=1, max_size=40))
def test_any_value_gives_printable_ascii(value: str) -> None:
    try:
        subject = name((NameOID.COMMON_NAME, value))
        subject.public_bytes()
    except ValueError:
        return  # too long for a CN, or a lone surrogate: there is no such certificate
    printed = slash_dn(subject)
    assert printed.isascii() and printed.isprintable() and printed.startswith("/CN=")


def test_values_may_be_of_any_type() -> None:
    """A CN that is a NumericString, and an integer: neither is in X.520, and both have been seen or forged."""
    component = bytes.fromhex("310b3009 0603550403") + b"\x12\x0212"
    strange = bytes.fromhex("310a3008 0603550403") + b"\x02\x01\xff"
    assert slash_dn_of_der(b"\x30" + bytes([len(component)]) + component) == "/CN=12"
    assert slash_dn_of_der(b"\x30" + bytes([len(strange)]) + strange) == "/CN=\\xFF"
