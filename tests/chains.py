"""Credentials with one thing wrong, as no decent tool makes them. The named ones are in zoo.py."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import x509 as der
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

import pki
from gsi import certificates
from gsi.certificates import ProxyCertInfo
from gsi.credential import Credential, PrivateKey
from gsi.proxy import create_proxy
from testbed import ca

HOUR = timedelta(hours=1)
_INFORMATION = ProxyCertInfo(None, certificates.INHERIT_ALL)
_UNSET: Any = object()


def forge(issuer: Credential, cn: str = "12345", *, subject: x509.Name | None = None, information: Any = _UNSET,
          critical: bool = True, others: tuple[tuple[x509.ExtensionType, bool], ...] = (),
          begin: timedelta = -HOUR, end: timedelta = HOUR, signer: Credential | None = None,
          key: PrivateKey | None = None, sha1: bool = False) -> Credential:
    """A proxy of `issuer` with one thing wrong. information: None = no ProxyCertInfo; signer: whose key signs."""
    key = key or ca.ec_key()
    last = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject)
        .subject_name(subject or x509.Name([*issuer.certificate.subject.rdns, last]))
        .public_key(key.public_key())
        .serial_number(12345)
        .not_valid_before(datetime.now(UTC) + begin)
        .not_valid_after(datetime.now(UTC) + end)
        .add_extension(ca.usage(key_encipherment=True), critical=True)
    )
    information = _INFORMATION if information is _UNSET else information
    if information is not None:
        extension = information if isinstance(information, x509.ExtensionType) else information.to_extension()
        builder = builder.add_extension(extension, critical=critical)
    for extension, its_critical in others:
        builder = builder.add_extension(extension, critical=its_critical)
    signing_key = (signer or issuer).key
    certificate = builder.sign(signing_key, hashes.SHA256())
    if sha1:
        certificate = signed_with_sha1(certificate, signing_key)
    return Credential(certificate, key, (issuer.certificate, *issuer.chain))


def signed_with_sha1(certificate: x509.Certificate, key: PrivateKey) -> x509.Certificate:
    """The same certificate with a signature of the past, which builders refuse to make."""

    def sha1(read: der.Certificate) -> None:
        read["signature_algorithm"] = read["tbs_certificate"]["signature"] = {"algorithm": "sha1_rsa"}

    return changed(certificate, key, sha1, hashes.SHA1())


def changed(certificate: x509.Certificate, key: PrivateKey, change: Callable[[der.Certificate], None],
            algorithm: hashes.HashAlgorithm | None = None) -> x509.Certificate:
    """The certificate after `change`, signed again with an RSA key."""
    assert isinstance(key, rsa.RSAPrivateKey)
    read = der.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    change(read)
    tbs = read["tbs_certificate"].dump(force=True)
    read["signature_value"] = key.sign(tbs, padding.PKCS1v15(), algorithm or hashes.SHA256())
    return x509.load_der_x509_certificate(read.dump(force=True))


def unknown_to_openssl(certificate: x509.Certificate) -> x509.Certificate:
    """The certificate with a string type in its names that cryptography reads and OpenSSL does not."""
    return _with_other_names(certificate, b"\x04\x03org")


def with_unreadable_names(certificate: x509.Certificate) -> x509.Certificate:
    """The certificate with a bit string in its names: OpenSSL takes that, cryptography raises TypeError."""
    return _with_other_names(certificate, b"\x03\x03\0rg")


def _with_other_names(certificate: x509.Certificate, org: bytes) -> x509.Certificate:
    octets = certificate.public_bytes(serialization.Encoding.DER)
    return x509.load_der_x509_certificate(octets.replace(b"\x16\x03org", org))


def legacy(issuer: Credential, *, limited: bool = False, **options: Any) -> Credential:
    """A proxy as Globus Toolkit 2 made them."""
    return forge(issuer, "limited proxy" if limited else "proxy", information=None, **options)


def draft(issuer: Credential, *, language: str = certificates.INHERIT_ALL, path_length: int | None = None,
          **options: Any) -> Credential:
    """A proxy as Globus Toolkit 3 made them."""
    information = ProxyCertInfo(path_length, language).to_draft_extension()
    return forge(issuer, information=information, **options)


def proxies(levels: int, **options: Any) -> Credential:
    """A proxy of a proxy of a …"""
    credential = pki.user()
    for _ in range(levels):
        credential = create_proxy(credential, HOUR, **options)
    return credential
