"""What an attribute certificate says. None of this is a verification: see gsi.voms.verification for that.

Shapes, from RFC 5755 and VOMS (src/ac/newformat.c of the VOMS core; the Java API writes the same):

    extension 1.3.6.1.4.1.8005.100.100.5 of a proxy  SEQUENCE OF SEQUENCE OF AttributeCertificate
    attribute 1.3.6.1.4.1.8005.100.100.4             SET of one IetfAttrSyntax: policyAuthority [0] with one URI
                                                     `vo://host:port`, values SEQUENCE OF OCTET STRING: the FQANs
    extension 1.3.6.1.4.1.8005.100.100.10            SEQUENCE of one SEQUENCE OF Certificate: the issuer, then CAs
    extension 1.3.6.1.4.1.8005.100.100.11            SEQUENCE of one SEQUENCE OF holder of tags: GeneralNames with the
                                                     URI, SEQUENCE OF (name, value, qualifier), OCTET STRINGs
    extension 2.5.29.55 (targets)                    SEQUENCE of one SEQUENCE OF [0] GeneralName; VOMS wraps each
                                                     target in one more SEQUENCE
    extensions 2.5.29.35, 2.5.29.56                  authorityKeyIdentifier, noRevAvail
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from gsi.errors import AttributeCertificateError, FqanError
from gsi.fqan import Fqan
from gsi.peer import GenericAttribute
from gsi.voms import der
from gsi.voms.der import SEQUENCE, SET, Value, context, expect, members, only

#: The extension of a proxy that holds the attribute certificates.
ACS = x509.ObjectIdentifier("1.3.6.1.4.1.8005.100.100.5")
_FQANS = der.oid("1.3.6.1.4.1.8005.100.100.4")
_CERTIFICATES = der.oid("1.3.6.1.4.1.8005.100.100.10")
_GENERIC = der.oid("1.3.6.1.4.1.8005.100.100.11")
_AUTHORITY_KEY = der.oid("2.5.29.35")
_TARGETS = der.oid("2.5.29.55")
_NO_REVOCATION = der.oid("2.5.29.56")
_KNOWN_EXTENSIONS = frozenset({_CERTIFICATES, _GENERIC, _AUTHORITY_KEY, _TARGETS, _NO_REVOCATION})

#: Largest extension that is looked at, bytes: a member of hundreds of groups has 20 KB.
MAX_SIZE = 64 * 1024
#: Most of each; people are in a few VOs and in tens of groups.
MAX_ACS, MAX_FQANS, MAX_ATTRIBUTES, MAX_CERTIFICATES = 16, 512, 512, 10
#: RFC 5755 4.2.5: serial numbers have up to 20 octets.
_MAX_SERIAL = 20
#: Extensions whose content is remembered: a client that comes again is not read again.
_REMEMBERED = 256

_AUTHORITY = re.compile(r"(?P<vo>[A-Za-z0-9_][A-Za-z0-9_.-]*)://(?P<server>(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):\d{1,5})")
_DIRECTORY_NAME, _URI, _DNS_NAME = context(4), context(6, constructed=False), context(2, constructed=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom it was given to. name, serial: of a certificate, in DER, both or neither; entity: a name in DER."""

    name: bytes | None
    serial: int | None
    entity: bytes | None


@dataclass(frozen=True, slots=True)
class AttributeCertificate:
    """What one attribute certificate claims.

    version: 1 for v2; issuer: name in DER; algorithm, outer_algorithm: content of the OID; fqans: as written; host:
    that of `server` (host:port); certificates: those of the issuer that came along; targets: hosts that it is meant
    for, None = any; authority_key: key identifier, b"" when there is none in the extension, None when there is no
    such extension; no_revocation: the issuer says that it revokes none; unknown_critical: OIDs of extensions;
    signed, signature: octets.
    """

    version: int
    holder: Holder
    issuer: bytes
    algorithm: bytes
    outer_algorithm: bytes
    serial: int
    not_before: datetime
    not_after: datetime
    vo: str
    server: str
    host: str
    fqans: tuple[Fqan, ...]
    attributes: tuple[GenericAttribute, ...]
    certificates: tuple[x509.Certificate, ...]
    targets: tuple[str, ...] | None
    authority_key: bytes | None
    no_revocation: bool
    unknown_critical: tuple[str, ...]
    signed: bytes
    signature: bytes


def extension_value(certificate: x509.Certificate) -> bytes | None:
    """The octets of the extension with attribute certificates. Raises ValueError when extensions cannot be read."""
    try:
        value = certificate.extensions.get_extension_for_oid(ACS).value
    except x509.ExtensionNotFound:
        return None
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    return value.public_bytes()


@lru_cache(_REMEMBERED)
def parse_extension(octets: bytes) -> tuple[AttributeCertificate | AttributeCertificateError, ...]:
    """Read the attribute certificates of an extension; in place of one that cannot be read stands why."""
    try:
        if len(octets) > MAX_SIZE:
            raise ValueError(f"more than {MAX_SIZE // 1024} KiB")
        groups = der.values(der.whole(octets, SEQUENCE))
        found = [ac for group in groups[:MAX_ACS] for ac in members(group)]
        if not 0 < len(found) <= MAX_ACS or len(groups) > MAX_ACS:
            raise ValueError(f"{len(found)} attribute certificates")
    except ValueError as error:
        return (_unreadable(error),)
    return tuple(map(_parsed, found))


def parse(octets: bytes) -> AttributeCertificate:
    """Read one attribute certificate. Raises AttributeCertificateError."""
    try:
        if len(octets) > MAX_SIZE:
            raise ValueError(f"more than {MAX_SIZE // 1024} KiB")
        return _certificate(only(der.values(octets), SEQUENCE))
    except FqanError as error:
        raise AttributeCertificateError(6, str(error)) from error
    except ValueError as error:
        raise _unreadable(error) from error


def _parsed(value: Value) -> AttributeCertificate | AttributeCertificateError:
    try:
        return parse(value.der)
    except AttributeCertificateError as error:
        return error


def _unreadable(error: ValueError) -> AttributeCertificateError:
    return AttributeCertificateError(1, f"it cannot be read: {error}")


def _certificate(value: Value) -> AttributeCertificate:
    signed, outer, signature = _exactly(members(value), 3)
    version, holder, issuer, algorithm, serial, validity, attributes, *rest = members(signed)
    if len(serial.content) > _MAX_SERIAL:
        raise ValueError("the serial number is too long")
    begin, end = _exactly(members(validity), 2)
    authority, fqans = _attributes(attributes)
    extensions = _extensions(rest)
    bits = expect(signature, der.BIT_STRING).content
    if bits[:1] != b"\0":
        raise ValueError("the signature is no whole number of octets")
    return AttributeCertificate(
        version=der.integer(version), holder=_holder(holder), issuer=_issuer(issuer), algorithm=_algorithm(algorithm),
        outer_algorithm=_algorithm(outer), serial=der.integer(serial), not_before=der.time(begin),
        not_after=der.time(end), vo=authority["vo"], server=authority["server"], host=authority["host"], fqans=fqans,
        attributes=_generic(extensions.get(_GENERIC), authority[0]), targets=_targets(extensions.get(_TARGETS)),
        certificates=_certificates(extensions.get(_CERTIFICATES)),
        authority_key=_key_identifier(extensions.get(_AUTHORITY_KEY)), no_revocation=_NO_REVOCATION in extensions,
        unknown_critical=tuple(der.dotted(oid) for oid, (critical, _) in extensions.items()
                               if critical and oid not in _KNOWN_EXTENSIONS),
        signed=signed.der, signature=bits[1:],
    )


def _exactly(found: list[Value], number: int) -> list[Value]:
    if len(found) != number:
        raise ValueError(f"{len(found)} members instead of {number}")
    return found


def _holder(value: Value) -> Holder:
    name, serial, entity = None, None, None
    for member in members(value):
        if member.tag == context(0):
            names, number = _exactly(members(member, context(0)), 2)
            name, serial = _directory_name(names), der.integer(number)
        elif member.tag == context(1):
            entity = _one_name(members(member, context(1)))
        else:
            raise ValueError("a holder of an unknown kind")
    return Holder(name, serial, entity)


def _issuer(value: Value) -> bytes:
    """v2Form with nothing but issuerName (RFC 5755 4.2.3)."""
    return _directory_name(only(members(value, context(0)), SEQUENCE))


def _directory_name(names: Value) -> bytes:
    return _one_name(members(names))


def _one_name(names: list[Value]) -> bytes:
    """The DER of the one name in GeneralNames, a directoryName."""
    return only(members(only(names, _DIRECTORY_NAME), _DIRECTORY_NAME), SEQUENCE).der


def _algorithm(value: Value) -> bytes:
    return expect((members(value) or [value])[0], der.OID).content


def _attributes(value: Value) -> tuple[re.Match[str], tuple[Fqan, ...]]:
    """Who speaks (vo://host:port) and the names."""
    found = [contents for attribute in members(value) for oid, contents in [_exactly(members(attribute), 2)]
             if oid.content == _FQANS]
    if not found:
        raise ValueError("there are no VO attributes in it")
    syntax = only(members(only(found, SET), SET), SEQUENCE)
    authority, names = _exactly(members(syntax), 2)
    fqans = [expect(name, der.OCTET_STRING).content for name in members(names)]
    if not 0 < len(fqans) <= MAX_FQANS:
        raise ValueError(f"{len(fqans)} names of attributes")
    return _authority(members(authority, context(0))), tuple(Fqan.parse(name.decode("latin-1")) for name in fqans)


def _authority(names: list[Value]) -> re.Match[str]:
    found = _AUTHORITY.fullmatch(der.text(only(names, _URI), _URI))
    if found is None:
        raise ValueError("the VO and its server are not written as vo://host:port")
    return found


def _extensions(rest: list[Value]) -> dict[bytes, tuple[bool, bytes]]:
    """For each OID whether it is critical, and the value. rest: issuerUniqueID if there is one, then extensions."""
    if not rest:
        return {}
    found = {}
    for oid, *critical, value in map(members, members(rest[-1])):
        if oid.content in found or len(critical) > 1:
            raise ValueError("an extension is there twice or is malformed")
        is_critical = bool(critical) and expect(critical[0], der.BOOLEAN).content != b"\0"
        found[expect(oid, der.OID).content] = is_critical, expect(value, der.OCTET_STRING).content
    return found


def _generic(extension: tuple[bool, bytes] | None, authority: str) -> tuple[GenericAttribute, ...]:
    """Old servers write the extension with nothing in it. A server speaks for itself only."""
    if extension is None:
        return ()
    found = []
    for holder in members(only(der.values(der.whole(extension[1], SEQUENCE)), SEQUENCE)):
        names, tags = _exactly(members(holder), 2)
        if der.text(only(members(names), _URI), _URI) != authority:
            raise ValueError("generic attributes of another server")
        found += [GenericAttribute(*map(der.text, _exactly(members(tag), 3))) for tag in members(tags)]
    if len(found) > MAX_ATTRIBUTES:
        raise ValueError(f"{len(found)} generic attributes")
    return tuple(found)


def _certificates(extension: tuple[bool, bytes] | None) -> tuple[x509.Certificate, ...]:
    if extension is None:
        return ()
    found = members(only(der.values(der.whole(extension[1], SEQUENCE)), SEQUENCE))
    if len(found) > MAX_CERTIFICATES:
        raise ValueError(f"{len(found)} certificates of the issuer")
    try:
        return tuple(x509.load_der_x509_certificate(certificate.der) for certificate in found)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


def _targets(extension: tuple[bool, bytes] | None) -> tuple[str, ...] | None:
    """Hosts; of groups and certificates as targets we know nothing, so they name nobody here."""
    if extension is None:
        return None
    found = []
    for target in members(only(der.values(der.whole(extension[1], SEQUENCE)), SEQUENCE)):
        name = only(members(target), context(0)) if target.tag == SEQUENCE else target
        if name.tag == context(0):
            found += [der.text(host, host.tag) for host in members(name, context(0)) if host.tag in (_URI, _DNS_NAME)]
    return tuple(found)


def _key_identifier(extension: tuple[bool, bytes] | None) -> bytes | None:
    if extension is None:
        return None
    found = {member.tag: member.content for member in der.values(der.whole(extension[1], SEQUENCE))}
    return found.get(context(0, constructed=False), b"")
