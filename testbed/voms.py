"""A throwaway VOMS server without the server: it signs attribute certificates. Not for anything that matters.

    server = VomsServer("testvo", ca.issue_host(authority, "voms.example.org"))
    write_vomsdir(Path("vomsdir"), [server])
    proxy = create_proxy(user, extensions=[extension([attribute_certificate(server, user.certificate, ["/testvo"])])])
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import cms, core, parser
from asn1crypto import x509 as der
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gsi.credential import Credential, PrivateKey
from gsi.names import slash_dn
from gsi.peer import GenericAttribute
from gsi.voms.certificate import ACS

#: What VOMS servers give.
LIFETIME = timedelta(hours=12)
#: Valid from a little before now, so that differing clocks do no harm.
_BACKDATED = timedelta(minutes=5)
PORT = 15000

FQANS = "1.3.6.1.4.1.8005.100.100.4"
CERTIFICATES = "1.3.6.1.4.1.8005.100.100.10"
GENERIC = "1.3.6.1.4.1.8005.100.100.11"


@dataclass(frozen=True, slots=True)
class VomsServer:
    """Who signs for a VO, under the name host:port."""

    vo: str
    credential: Credential
    host: str = "localhost"
    port: int = PORT

    @property
    def authority(self) -> str:
        """How it names itself in what it signs."""
        return f"{self.vo}://{self.host}:{self.port}"

    @property
    def lsc(self) -> str:
        """The content of its LSC file."""
        chain = (self.credential.certificate, *self.credential.chain)
        return "".join(f"{slash_dn(link.subject)}\n{slash_dn(link.issuer)}\n" for link in chain)


def attribute_certificate(
    server: VomsServer, holder: x509.Certificate, fqans: Sequence[str], *,
    attributes: Iterable[GenericAttribute] = (), targets: Sequence[str] = (), lifetime: timedelta = LIFETIME,
) -> bytes:
    """Return an attribute certificate in DER for the end entity `holder`.

    fqans: the first is primary; targets: hosts that it is meant for, none = any.
    """
    return sign(information(server, holder, fqans, attributes=attributes, targets=targets, lifetime=lifetime),
                server.credential.key)


def information(
    server: VomsServer, holder: x509.Certificate, fqans: Sequence[str], *,
    attributes: Iterable[GenericAttribute] = (), targets: Sequence[str] = (), lifetime: timedelta = LIFETIME,
) -> cms.AttributeCertificateInfoV2:
    """Return what is to be signed; it can still be changed."""
    now = datetime.now(UTC).replace(microsecond=0)
    what = cms.AttributeCertificateInfoV2({
        "version": "v2",
        "holder": {"base_certificate_id": {"issuer": [_name(holder.issuer)], "serial": holder.serial_number}},
        "issuer": cms.AttCertIssuer("v2_form", {"issuer_name": [_name(server.credential.certificate.subject)]}),
        "signature": {"algorithm": _algorithm(server.credential.key, hashes.SHA256())},
        "serial_number": secrets.randbits(64),
        "att_cert_validity_period": {"not_before_time": now - _BACKDATED, "not_after_time": now + lifetime},
        "attributes": [names_attribute(server.authority, fqans)],
        "extensions": [],
    })
    _extensions(what, server, list(attributes), targets)
    return what


def sign(what: cms.AttributeCertificateInfoV2, key: PrivateKey,
         algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """Return the attribute certificate in DER; algorithm: None = SHA-256."""
    algorithm = algorithm or hashes.SHA256()
    what["signature"] = {"algorithm": _algorithm(key, algorithm)}
    signed = what.dump(force=True)
    signature = (key.sign(signed, padding.PKCS1v15(), algorithm) if isinstance(key, rsa.RSAPrivateKey)
                 else key.sign(signed, ec.ECDSA(algorithm)))
    return bytes(cms.AttributeCertificateV2({
        "ac_info": what, "signature_algorithm": {"algorithm": _algorithm(key, algorithm)}, "signature": signature,
    }).dump())


def extension(certificates: Iterable[bytes]) -> x509.UnrecognizedExtension:
    """Return the extension of a proxy that carries these attribute certificates."""
    return x509.UnrecognizedExtension(ACS, sequence(sequence(*certificates)))


def write_vomsdir(directory: Path, servers: Iterable[VomsServer]) -> Path:
    """Write `<vo>/<host>.lsc` for each server; return the directory."""
    for server in servers:
        (directory / server.vo).mkdir(parents=True, exist_ok=True)
        (directory / server.vo / f"{server.host}.lsc").write_text(server.lsc)
    return directory


def sequence(*members: bytes) -> bytes:
    """DER of a SEQUENCE of these values."""
    return bytes(parser.emit(0, 1, 16, b"".join(members)))


def add_extension(what: cms.AttributeCertificateInfoV2, oid: str, value: bytes, *, critical: bool = False) -> None:
    """Add an extension with this DER value to what is to be signed."""
    what["extensions"].append(
        der.Extension({"extn_id": oid, "critical": critical, "extn_value": core.ParsableOctetString(value)}))


def uri(text: str) -> bytes:
    """DER of a GeneralName that is a URI."""
    return bytes(parser.emit(2, 0, 6, text.encode()))


def names_attribute(authority: str, fqans: Sequence[str]) -> cms.AttCertAttribute:
    """The attribute with the FQANs."""
    syntax = sequence(parser.emit(2, 1, 0, uri(authority)), sequence(*map(_octets, fqans)))
    values = bytes(parser.emit(0, 1, 17, syntax))
    return cms.AttCertAttribute.load(sequence(core.ObjectIdentifier(FQANS).dump(), values))


def tags(authority: str, attributes: Iterable[GenericAttribute]) -> bytes:
    """DER of the extension with generic attributes."""
    found = (sequence(_octets(one.name), _octets(one.value), _octets(one.qualifier)) for one in attributes)
    return sequence(sequence(sequence(sequence(uri(authority)), sequence(*found))))


def _extensions(what: cms.AttributeCertificateInfoV2, server: VomsServer, attributes: list[GenericAttribute],
                targets: Sequence[str]) -> None:
    credential = server.credential
    chain = (certificate.public_bytes(Encoding.DER) for certificate in (credential.certificate, *credential.chain))
    key = x509.SubjectKeyIdentifier.from_public_key(credential.certificate.public_key()).digest
    add_extension(what, CERTIFICATES, sequence(sequence(*chain)))
    add_extension(what, "2.5.29.56", core.Null().dump())
    add_extension(what, "2.5.29.35", der.AuthorityKeyIdentifier({"key_identifier": key}).dump())
    if attributes:
        add_extension(what, GENERIC, tags(server.authority, attributes))
    if targets:  # VOMS has one SEQUENCE more around each target than RFC 5755
        hosts = (sequence(parser.emit(2, 1, 0, uri(host))) for host in targets)
        add_extension(what, "2.5.29.55", sequence(sequence(*hosts)), critical=True)


def _octets(text: str) -> bytes:
    return bytes(core.OctetString(text.encode()).dump())


def _name(name: x509.Name) -> der.GeneralName:
    return der.GeneralName("directory_name", der.Name.load(name.public_bytes()))


def _algorithm(key: PrivateKey, algorithm: hashes.HashAlgorithm) -> str:
    return f"{algorithm.name}_{'rsa' if isinstance(key, rsa.RSAPrivateKey) else 'ecdsa'}"
