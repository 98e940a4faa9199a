"""What one certificate says about itself. None of this is a verification: see gsi.verify for that."""

from dataclasses import dataclass

from asn1crypto import core
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from gsi.peer import ProxyKind

#: RFC 3820, 3.8: the extension that makes a certificate a proxy.
RFC3820_PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
#: The same in the draft that Globus Toolkit 3 shipped (wms.md 1.11).
DRAFT_PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.4.1.3536.1.222")

#: Policy languages, RFC 3820 3.8.2 and, for limited, Globus.
INHERIT_ALL = "1.3.6.1.5.5.7.21.1"
INDEPENDENT = "1.3.6.1.5.5.7.21.2"
LIMITED = "1.3.6.1.4.1.3536.1.1.1.9"

_LEGACY_NAMES = ("proxy", "limited proxy")


class _ProxyPolicy(core.Sequence):  # type: ignore[misc]
    _fields = [("policy_language", core.ObjectIdentifier), ("policy", core.OctetString, {"optional": True})]


class _ProxyCertInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("path_length", core.Integer, {"optional": True}), ("proxy_policy", _ProxyPolicy)]


@dataclass(frozen=True, slots=True)
class ProxyCertInfo:
    """path_length: how many proxies may follow this one, None = any number; language: OID of the policy language."""

    path_length: int | None
    language: str

    def to_extension(self) -> x509.UnrecognizedExtension:
        """Return the RFC 3820 extension; it has to be added as critical."""
        members: dict[str, object] = {"proxy_policy": {"policy_language": self.language}}
        if self.path_length is not None:
            members["path_length"] = self.path_length
        return x509.UnrecognizedExtension(RFC3820_PROXY_CERT_INFO, _ProxyCertInfo(members).dump())


def parse_proxy_cert_info(octets: bytes) -> ProxyCertInfo:
    """Read the DER value of an RFC 3820 ProxyCertInfo. Raises ValueError on anything else."""
    try:
        value = _ProxyCertInfo.load(octets, strict=True)
        path_length = value["path_length"].native
        language = value["proxy_policy"]["policy_language"].dotted
        value["proxy_policy"]["policy"].native  # noqa: B018  (parsing is lazy: the rest has to be well-formed too)
    except TypeError as error:  # asn1crypto's word for some malformed values
        raise ValueError(str(error)) from error
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
    """What kind of proxy this claims to be. Raises ValueError when the extensions cannot be read."""
    oids = {extension.oid for extension in extensions(certificate)}
    if RFC3820_PROXY_CERT_INFO in oids:
        return ProxyKind.RFC3820
    if DRAFT_PROXY_CERT_INFO in oids:
        return ProxyKind.DRAFT
    subject = certificate.subject
    if _last_value(subject) in _LEGACY_NAMES and is_issuer_plus_one_cn(subject, certificate.issuer):
        return ProxyKind.LEGACY
    return ProxyKind.NONE


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether basicConstraints says CA. Raises ValueError when the extensions cannot be read."""
    try:
        constraints = extensions(certificate).get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca


def key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    """The keyUsage extension; None means that every use is allowed."""
    try:
        return extensions(certificate).get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def has_alternative_names(certificate: x509.Certificate) -> bool:
    """Whether it carries a subject or issuer alternative name."""
    oids = {extension.oid for extension in extensions(certificate)}
    return ExtensionOID.SUBJECT_ALTERNATIVE_NAME in oids or ExtensionOID.ISSUER_ALTERNATIVE_NAME in oids


def is_issuer_plus_one_cn(subject: x509.Name, issuer: x509.Name) -> bool:
    """Whether the subject is exactly the issuer's name and one more RDN, which is one CN (RFC 3820, 3.4)."""
    rdns = subject.rdns
    if not rdns or rdns[:-1] != issuer.rdns:
        return False
    last = list(rdns[-1])
    return len(last) == 1 and last[0].oid == NameOID.COMMON_NAME


def _last_value(name: x509.Name) -> str | bytes | None:
    return next(iter(name.rdns[-1])).value if name.rdns else None
