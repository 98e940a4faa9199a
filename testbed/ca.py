"""A throwaway certification authority for testbeds and tests. Not for anything that matters.

    authority = new_authority()
    ca_dir = write_ca_directory(Path("ca/certificates"), [authority])
    host = issue_host(authority, "localhost")
    user = issue_user(authority, "/DC=org/DC=example/CN=Test User")
    save_pair(user, Path("usercert.pem"), Path("userkey.pem"))
"""

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from gsi.credential import Credential, PrivateKey, key_to_pem, pem, write_secret
from gsi.names import slash_dn
from gsi.proxy import new_key

DEFAULT_AUTHORITY = "/DC=org/DC=example/CN=Test CA"
DEFAULT_NAMESPACE = "/DC=org/DC=example/*"
_CA_LIFETIME = timedelta(days=3650)
_LIFETIME = timedelta(days=365)
#: Everything is valid from an hour ago, so that differing clocks do no harm.
_BACKDATED = timedelta(hours=1)

_ATTRIBUTES = {
    "C": NameOID.COUNTRY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME, "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT, "UID": NameOID.USER_ID,
    "emailAddress": NameOID.EMAIL_ADDRESS, "Email": NameOID.EMAIL_ADDRESS,
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA: certificate and key; chain: the CAs above it, nearest first; namespace: what its signing policy allows."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()
    namespace: str = DEFAULT_NAMESPACE


def new_authority(dn: str = DEFAULT_AUTHORITY, *, parent: Authority | None = None,
                  namespace: str = DEFAULT_NAMESPACE, key: PrivateKey | None = None,
                  path_length: int | None = None) -> Authority:
    """Return a new root CA, or with `parent` a CA below that one; path_length: how many CAs may be below it."""
    key = key or new_key()
    subject = parse_dn(dn)
    issuer, issuer_key = (parent.certificate.subject, parent.key) if parent else (subject, key)
    certificate = (
        _builder(subject, issuer, key, datetime.now(UTC) - _BACKDATED, datetime.now(UTC) + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage(key_cert_sign=True, crl_sign=True, digital_signature=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    chain = (parent.certificate, *parent.chain) if parent else ()
    return Authority(certificate, key, chain, namespace)


def issue_user(authority: Authority, dn: str, *, lifetime: timedelta = _LIFETIME,
               not_before: datetime | None = None, key: PrivateKey | None = None) -> Credential:
    """Return an end entity credential of a person."""
    return _issue(authority, dn, (ExtendedKeyUsageOID.CLIENT_AUTH,), (), lifetime, not_before, key)


def issue_host(authority: Authority, *names: str, dn: str | None = None, lifetime: timedelta = _LIFETIME,
               not_before: datetime | None = None, key: PrivateKey | None = None) -> Credential:
    """Return a host credential for these DNS names and IP addresses; the first one is the CN. It serves as client too.
    """
    dn = dn or f"/DC=org/DC=example/CN={names[0]}"
    purposes = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    return _issue(authority, dn, purposes, names, lifetime, not_before, key)


def write_ca_directory(directory: Path, authorities: Iterable[Authority],
                       revoked: Sequence[x509.Certificate] = ()) -> Path:
    """Write `<hash>.0`, `<hash>.signing_policy` and the CRL `<hash>.r0` of each CA; return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for authority in authorities:
        base = directory / subject_hash(authority.certificate)
        base.with_suffix(".0").write_bytes(pem(authority.certificate))
        write_signing_policy(directory, authority)
        base.with_suffix(".r0").write_bytes(revocation_list(authority, revoked))
    return directory


def write_signing_policy(directory: Path, authority: Authority) -> None:
    """Write `<hash>.signing_policy` of a CA, whether its certificate is there or not."""
    name = f"{subject_hash(authority.certificate)}.signing_policy"
    (directory / name).write_text(signing_policy(authority))


def revocation_list(authority: Authority, revoked: Iterable[x509.Certificate] = (), *,
                    lifetime: timedelta = _LIFETIME, last_update: datetime | None = None) -> bytes:
    """Return a PEM CRL of the CA, issued an hour ago unless `last_update` says when, with an end `lifetime` from now.

    Of `revoked` only its own certificates are listed.
    """
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(last_update or now - _BACKDATED)
        .next_update(now + lifetime)
    )
    for certificate in revoked:
        if certificate.issuer == authority.certificate.subject:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signing_policy(authority: Authority) -> str:
    """Return the text of the CA's signing policy (EACL syntax of Globus)."""
    return (
        f"access_id_CA   X509    '{slash_dn(authority.certificate.subject)}'\n"
        "pos_rights     globus  CA:sign\n"
        f"cond_subjects  globus  '\"{authority.namespace}\"'\n"
    )


def namespaces(authority: Authority, subject: str, *, action: str = "PERMIT") -> str:
    """Return the text of a `.namespaces` file (EUGridPMA); subject: a regular expression."""
    issuer = slash_dn(authority.certificate.subject)
    return f'#NAMESPACES-VERSION: 1.0\nTO Issuer "{issuer}" \\\n  {action} Subject "{subject}"\n'


def subject_hash(certificate: x509.Certificate) -> str:
    """The eight hex digits by which OpenSSL finds a CA in a directory."""
    return f"{crypto.X509.from_cryptography(certificate).subject_name_hash():08x}"


def save_pair(credential: Credential, certificate_file: Path, key_file: Path) -> None:
    """Write certificate (with its chain) and key to two files, the key with mode 0400."""
    certificate_file.write_bytes(credential.chain_pem())
    write_secret(key_file, key_to_pem(credential.key))
    os.chmod(key_file, 0o400)


def save_authority(authority: Authority, certificate_file: Path, key_file: Path) -> None:
    """Write a root CA so that load_authority finds it again; the key gets mode 0400."""
    certificate_file.write_bytes(pem(authority.certificate))
    write_secret(key_file, key_to_pem(authority.key))
    os.chmod(key_file, 0o400)


def load_authority(certificate_file: Path, key_file: Path, namespace: str = DEFAULT_NAMESPACE) -> Authority:
    """Read what save_authority wrote. Raises gsi.errors.CredentialError."""
    credential = Credential.load_pair(certificate_file, key_file)
    return Authority(credential.certificate, credential.key, credential.chain, namespace)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key: much quicker to make than an RSA key."""
    return ec.generate_private_key(ec.SECP256R1())


def parse_dn(dn: str) -> x509.Name:
    """Make a name of a slash form such as `/DC=org/CN=host/a.example`: a `/` starts a component only before `KEY=`."""
    attributes: list[tuple[str, str]] = []
    for part in dn.lstrip("/").split("/"):
        key, equals, value = part.partition("=")
        if equals and key in _ATTRIBUTES:
            attributes.append((key, value))
        elif attributes:
            attributes[-1] = (attributes[-1][0], f"{attributes[-1][1]}/{part}")
        else:
            raise ValueError(f"not a distinguished name: {dn}")
    return x509.Name([x509.NameAttribute(_ATTRIBUTES[key], value) for key, value in attributes])


def usage(*, digital_signature: bool = True, key_encipherment: bool = False, key_cert_sign: bool = False,
          crl_sign: bool = False) -> x509.KeyUsage:
    """A keyUsage extension with the named bits."""
    return x509.KeyUsage(
        digital_signature=digital_signature, key_encipherment=key_encipherment, key_cert_sign=key_cert_sign,
        crl_sign=crl_sign, content_commitment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )


def _issue(authority: Authority, dn: str, purposes: Iterable[x509.ObjectIdentifier], names: Sequence[str],
           lifetime: timedelta, not_before: datetime | None, key: PrivateKey | None) -> Credential:
    key = key or new_key()
    start = not_before or datetime.now(UTC) - _BACKDATED
    builder = (
        _builder(parse_dn(dn), authority.certificate.subject, key, start, max(start, datetime.now(UTC)) + lifetime
                 if not_before is None else start + lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(key_encipherment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    issuers = (authority.certificate, *authority.chain)[:-1]  # the root is where the verifier is
    return Credential(certificate, key, issuers)


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey, start: datetime,
             end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start).not_valid_after(end)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
