"""What one certificate says about itself. None of this is a verification: see gsi.verify for that."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from gsi.peer import ProxyKind

#: RFC 3820, 3.8: the extension that makes a certificate a proxy.
RFC3820_PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
#: The same in the draft that Globus Toolkit 3 shipped (wms.md 1.11).
DRAFT_PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.4.1.3536.1.222")

#: Policy languages, RFC 3820 3.8.2 and, for limited, Globus.
INHERIT_ALL = "1.3.6.1.5.5.7.21.1"
INDEPENDENT = "1.3.6.1.5.5.7.21.2"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"

#: The last CN of a legacy proxy, full and limited.
LEGACY_FULL, LEGACY_LIMITED = "proxy", "limited proxy"

#: An extension of the nineties that says what a certificate is for; OpenSSL minds it and so do we.
NETSCAPE_CERT_TYPE = x509.ObjectIdentifier("2.16.840.1.113730.1.1")

#: Critical extensions that OpenSSL or gsi.verify act on; any other one may mean what nobody here understands.
UNDERSTOOD = frozenset({
    ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.CERTIFICATE_POLICIES, ExtensionOID.POLICY_MAPPINGS,
    ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.INHIBIT_ANY_POLICY, ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CRL_DISTRIBUTION_POINTS, NETSCAPE_CERT_TYPE,
    RFC3820_PROXY_CERT_INFO, DRAFT_PROXY_CERT_INFO,
})

_ALTERNATIVE_NAMES = (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.ISSUER_ALTERNATIVE_NAME)

#: What cryptography raises for octets that are no certificate or list: a version that does not exist has its own word.
UNREADABLE = (ValueError, x509.InvalidVersion)

#: Certificates whose reading is remembered: CAs and users come again and again.
_KNOWN = 1024


Value = TypeVar("Value", bound=x509.ExtensionType)


class _ProxyPolicy(core.Sequence):  # type: ignore[misc]
    _fields = [("policy_language", core.ObjectIdentifier), ("policy", core.OctetString, {"optional": True})]


class _ProxyCertInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("path_length", core.Integer, {"optional": True}), ("proxy_policy", _ProxyPolicy)]


class _DraftProxyCertInfo(core.Sequence):  # type: ignore[misc]
    """As Globus Toolkit 3 wrote it: the policy first, the path length after it with a tag."""

    _fields = [("proxy_policy", _ProxyPolicy), ("path_length", core.Integer, {"explicit": 1, "optional": True})]


@dataclass(frozen=True, slots=True)
class ProxyCertInfo:
    """path_length: how many proxies may follow this one, None = any number; language: OID of the policy language."""

    path_length: int | None
    language: str

    def to_extension(self) -> x509.UnrecognizedExtension:
        """Return the RFC 3820 extension; it has to be added as critical."""
        return x509.UnrecognizedExtension(RFC3820_PROXY_CERT_INFO, _ProxyCertInfo(self._members()).dump())

    def to_draft_extension(self) -> x509.UnrecognizedExtension:
        """Return the extension of the GSI-3 draft; it has to be added as critical."""
        return x509.UnrecognizedExtension(DRAFT_PROXY_CERT_INFO, _DraftProxyCertInfo(self._members()).dump())

    def _members(self) -> dict[str, object]:
        members: dict[str, object] = {"proxy_policy": {"policy_language": self.language}}
        if self.path_length is not None:
            members["path_length"] = self.path_length
        return members


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says, read once.

    kind: what kind of proxy it claims to be; information: (critical, DER value) of its ProxyCertInfo, None = none;
    one_cn_more: its subject is its issuer's name and one CN more; self_issued: its subject is its issuer's name;
    last: value of the last component of the subject; path_length: that of basicConstraints; critical: OIDs of the
    critical extensions; alternative_names: has it any; tls_client: no extension says that it is for other purposes
    than that; key_type: "RSA", "EC" or another name; key_bits; hash: of the signature, "sha256", "" = a scheme without.
    """

    kind: ProxyKind
    information: tuple[bool, bytes] | None
    subject: x509.Name
    issuer: x509.Name
    one_cn_more: bool
    self_issued: bool
    last: str | bytes | None
    is_ca: bool
    path_length: int | None
    usage: x509.KeyUsage | None
    critical: frozenset[x509.ObjectIdentifier]
    alternative_names: bool
    tls_client: bool
    key_type: str
    key_bits: int
    hash: str
    not_before: datetime
    not_after: datetime


@lru_cache(_KNOWN)
def facts(certificate: x509.Certificate) -> Facts:
    """Read a certificate. Raises ValueError when it cannot be read, or an extension is there twice."""
    found = extensions(certificate)
    information = _proxy_information(found)
    subject, issuer = _names(certificate)
    constraints = _value(found, x509.BasicConstraints)
    key_type, key_bits = _key(certificate)
    return Facts(
        kind=_kind(information, subject, issuer),
        information=None if information is None else (information.critical, information.value.public_bytes()),
        subject=subject,
        issuer=issuer,
        one_cn_more=is_issuer_plus_one_cn(subject, issuer),
        self_issued=subject == issuer,
        last=last_value(subject),
        is_ca=constraints is not None and constraints.ca,
        path_length=None if constraints is None else constraints.path_length,
        usage=_value(found, x509.KeyUsage),
        critical=frozenset(extension.oid for extension in found if extension.critical),
        alternative_names=any(extension.oid in _ALTERNATIVE_NAMES for extension in found),
        tls_client=_may_be_tls_client(found),
        key_type=key_type,
        key_bits=key_bits,
        hash=_hash_name(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


@lru_cache(_KNOWN)
def parse_proxy_cert_info(octets: bytes, kind: ProxyKind = ProxyKind.RFC3820) -> ProxyCertInfo:
    """Read the DER value of a ProxyCertInfo, of RFC 3820 or of the draft. Raises ValueError on anything else.

    Some tools put the members of a draft extension in the order of RFC 3820: both are read there.
    """
    if kind is not ProxyKind.DRAFT:
        return _parsed(_ProxyCertInfo, octets)
    try:
        return _parsed(_DraftProxyCertInfo, octets)
    except ValueError:
        return _parsed(_ProxyCertInfo, octets)


def _parsed(structure: type[core.Sequence], octets: bytes) -> ProxyCertInfo:
    try:
        value = structure.load(octets, strict=True)
        path_length = value["path_length"].native
        language = value["proxy_policy"]["policy_language"].dotted
        value["proxy_policy"]["policy"].native  # noqa: B018  (parsing is lazy: the rest has to be well-formed too)
    except (TypeError, OverflowError) as error:  # asn1crypto's words for some malformed values
        raise ValueError(str(error)) from error
    if len(value.children) > len(value._fields) or len(value["proxy_policy"].children) > len(_ProxyPolicy._fields):
        raise ValueError("unknown members")  # the parser passes over them, and they may restrict
    if path_length is not None and path_length < 0:
        raise ValueError("negative path length")
    return ProxyCertInfo(path_length, language)


def extensions(certificate: x509.Certificate) -> x509.Extensions:
    """The extensions. Raises ValueError when they cannot be read or one of them is there twice."""
    try:
        return certificate.extensions
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error


def proxy_kind(certificate: x509.Certificate) -> ProxyKind:
    """What kind of proxy this claims to be. Raises ValueError when the certificate cannot be read."""
    return facts(certificate).kind


def is_issuer_plus_one_cn(subject: x509.Name, issuer: x509.Name) -> bool:
    """Whether the subject is exactly the issuer's name and one more RDN, which is one CN (RFC 3820, 3.4)."""
    rdns = subject.rdns
    if not rdns or rdns[:-1] != issuer.rdns:
        return False
    last = list(rdns[-1])
    return len(last) == 1 and last[0].oid == NameOID.COMMON_NAME


def last_value(name: x509.Name) -> str | bytes | None:
    """The value of the last component, such as "proxy"; None for an empty name."""
    return next(iter(name.rdns[-1])).value if name.rdns else None


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key made the signature; names are not compared. SHA-1 is verified too: see gsi.verify."""
    try:
        key, scheme = issuer.public_key(), certificate.signature_algorithm_parameters
        algorithm = certificate.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey) and isinstance(scheme, padding.PKCS1v15 | padding.PSS) and algorithm:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, scheme, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(scheme, ec.ECDSA):
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, scheme)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _proxy_information(found: x509.Extensions) -> x509.Extension[x509.ExtensionType] | None:
    """The ProxyCertInfo. A certificate with one of either kind has two."""
    both = [e for e in found if e.oid in (RFC3820_PROXY_CERT_INFO, DRAFT_PROXY_CERT_INFO)]
    if len(both) > 1:
        raise ValueError("two ProxyCertInfo extensions")
    return both[0] if both else None


def _kind(information: x509.Extension[x509.ExtensionType] | None, subject: x509.Name, issuer: x509.Name) -> ProxyKind:
    if information is not None:
        return ProxyKind.RFC3820 if information.oid == RFC3820_PROXY_CERT_INFO else ProxyKind.DRAFT
    if last_value(subject) in (LEGACY_FULL, LEGACY_LIMITED) and is_issuer_plus_one_cn(subject, issuer):
        return ProxyKind.LEGACY
    return ProxyKind.NONE


def _names(certificate: x509.Certificate) -> tuple[x509.Name, x509.Name]:
    """Subject and issuer."""
    try:
        return certificate.subject, certificate.issuer
    except TypeError as error:  # the library's word for some malformed components
        raise ValueError(f"a name that cannot be read: {error}") from error


def _value(found: x509.Extensions, kind: type[Value]) -> Value | None:
    try:
        return found.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _may_be_tls_client(found: x509.Extensions) -> bool:
    purposes = _value(found, x509.ExtendedKeyUsage)
    if purposes is not None and not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {
            *purposes}:
        return False
    netscape = next((e.value.public_bytes() for e in found if e.oid == NETSCAPE_CERT_TYPE), None)
    return netscape is None or (len(netscape) == 4 and bool(netscape[3] & 0x80))  # a bit string; the first bit


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    """Type and size in bits of the public key."""
    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm as error:
        raise ValueError(f"a kind of key that is not known: {error}") from error
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    return type(key).__name__.removesuffix("PublicKey"), 0


def _hash_name(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        raise ValueError(f"a signature scheme that is not known: {error}") from error
    return algorithm.name if algorithm is not None else ""
