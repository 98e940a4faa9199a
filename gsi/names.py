"""Distinguished names as text.

The grid identifies people by the slash form that OpenSSL's X509_NAME_oneline prints and GSI shows, for instance
`/DC=org/DC=example/CN=Test User`. Such texts stand in gridmap files, job records and trusted-peers files, so the form
must be the same byte for byte.
"""

import re

from asn1crypto import core, parser
from cryptography import x509
from cryptography.x509.oid import NameOID

#: OpenSSL's short names; an attribute that is not here is printed as its dotted number.
_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.STREET_ADDRESS: "street",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN",
    NameOID.TITLE: "title",
    NameOID.INITIALS: "initials",
    NameOID.GENERATION_QUALIFIER: "generationQualifier",
    NameOID.X500_UNIQUE_IDENTIFIER: "x500UniqueIdentifier",
    NameOID.DN_QUALIFIER: "dnQualifier",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.USER_ID: "UID",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.BUSINESS_CATEGORY: "businessCategory",
    NameOID.POSTAL_ADDRESS: "postalAddress",
    NameOID.POSTAL_CODE: "postalCode",
    NameOID.UNSTRUCTURED_NAME: "unstructuredName",
    x509.ObjectIdentifier("2.5.4.41"): "name",
    x509.ObjectIdentifier("2.5.4.13"): "description",
}
_RFC2253_NAMES = {oid: short for oid, short in _SHORT_NAMES.items() if short not in ("street", "UID")}

_EMAIL = re.compile("/(?:emailAddress|Email)=")


class _Attribute(core.Sequence):  # type: ignore[misc]
    """Its value may be any type: CAs have put more into names than X.520 allows, and attackers do."""

    _fields = [("type", core.ObjectIdentifier), ("value", core.Any)]


class _Component(core.SetOf):  # type: ignore[misc]
    _child_spec = _Attribute


class _Name(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Component


def slash_dn(name: x509.Name) -> str:
    """Return the name as OpenSSL's one-line form: `/DC=org/DC=example/CN=Test User`.

    Bytes outside printable ASCII appear as `\\xHH`. A `/` inside a value is not marked: the form is for comparison
    and display, never to be taken apart.
    """
    texts = [attribute.value for attribute in name]
    if all(isinstance(text, str) and text.isascii() and text.isprintable() for text in texts):
        values = [str(text) for text in texts]
    else:
        values = [printable(octets) for octets in _raw_values(name)]
    return "".join(
        f"/{_SHORT_NAMES.get(attribute.oid, attribute.oid.dotted_string)}={value}"
        for attribute, value in zip(name, values, strict=True)
    )


def slash_dn_of_der(name: bytes) -> str:
    """The same of a name in DER. Raises ValueError."""
    try:
        parts = [(part["type"].dotted, _octets(part)) for rdn in _Name.load(name, strict=True) for part in rdn]
    except (TypeError, KeyError) as error:  # asn1crypto's words for some malformed values
        raise ValueError(f"not a name: {error}") from error
    return "".join(f"/{_SHORT_NAMES.get(x509.ObjectIdentifier(oid), oid)}={printable(text)}" for oid, text in parts)


def rfc2253(name: x509.Name) -> str:
    """Return the name in the RFC 2253 form, last component first: `CN=Test User,DC=example,DC=org`."""
    return name.rfc4514_string(_RFC2253_NAMES)


def same_dn(a: str, b: str) -> bool:
    """Whether two slash forms name the same entity.

    Exact, but for `/emailAddress=` and `/Email=`, which are one attribute under two names (OpenSSL renamed it).
    """
    return a == b or folded(a) == folded(b)


def folded(dn: str) -> str:
    """The text that is the same for all spellings of a slash form that `same_dn` takes for one: a key for tables."""
    return _EMAIL.sub("/Email=", dn)


def printable(octets: bytes) -> str:
    """Return bytes of a name as the slash form shows them: what is not printable ASCII as `\\xHH`."""
    return "".join(chr(o) if 0x20 <= o <= 0x7E else f"\\x{o:02X}" for o in octets)


def _raw_values(name: x509.Name) -> list[bytes]:
    return [_octets(attribute) for rdn in _Name.load(name.public_bytes()) for attribute in rdn]


def _octets(attribute: _Attribute) -> bytes:
    """The contents of the value, without its tag and length."""
    return bytes(parser.parse(attribute["value"].dump())[4])
