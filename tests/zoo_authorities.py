"""The CAs of the zoo, good, careless and rogue ones, in a directory; each has one peculiarity that its name tells."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

import pki
from chains import HOUR
from gsi.credential import Credential, pem
from testbed import ca

NAMESPACE = "/DC=org/DC=example"
CA_TRUE = x509.BasicConstraints(ca=True, path_length=None)


@cache
def root(name: str, namespace: str = ca.DEFAULT_NAMESPACE, path_length: int | None = None) -> ca.Authority:
    """A CA of that name; the same one for the same arguments."""
    return ca.new_authority(f"{NAMESPACE}/CN={name}", namespace=namespace, key=ca.ec_key(), path_length=path_length)


@cache
def below(name: str, parent: ca.Authority) -> ca.Authority:
    """A CA below that one."""
    return ca.new_authority(f"{NAMESPACE}/CN={name}", parent=parent, key=ca.ec_key())


def intermediate() -> ca.Authority:
    """A CA below the usual one, as it should be."""
    return below("Intermediate CA", pki.authority())


def revoked_intermediate() -> ca.Authority:
    """A CA that its parent has revoked."""
    return below("Revoked Intermediate CA", pki.authority())


@cache
def revoked_user() -> Credential:
    """A user whose certificate is revoked."""
    return ca.issue_user(pki.authority(), f"{NAMESPACE}/CN=Revoked User", key=ca.ec_key())


def _crl(authority: ca.Authority, **options: timedelta | datetime) -> bytes:
    return ca.revocation_list(authority, **options)  # type: ignore[arg-type]


def _bad_signature() -> bytes:
    """A list in the name of one CA that another one signed."""
    victim = root("CA With A Badly Signed CRL")
    return ca.revocation_list(ca.Authority(victim.certificate, ca.ec_key()))


@dataclass(frozen=True)
class Files:
    """What the directory holds of a CA; None = the file is missing, "" = the usual content."""

    crl: bytes | str | None = ""
    signing_policy: bytes | str | None = ""
    namespaces: str | None = None
    certificate: bool = True


@cache
def cas() -> list[tuple[ca.Authority, Files]]:
    """Every CA with what the directory holds of it."""
    now = datetime.now(UTC)
    revoked = [revoked_user().certificate, revoked_intermediate().certificate]
    expired, future = root("CA With An Expired CRL"), root("CA With A Future CRL")
    both, denies = root("CA With Both Policies", "/DC=org/DC=elsewhere/*"), root("CA With A Denial")
    return [
        (pki.authority(), Files(ca.revocation_list(pki.authority(), revoked))),
        (intermediate(), Files()),
        (revoked_intermediate(), Files()),
        (below("Intermediate CA Known By Policy Only", pki.authority()), Files(certificate=False)),
        (root("CA Without CRL"), Files(crl=None)),
        (expired, Files(_crl(expired, last_update=now - 2 * HOUR, lifetime=-HOUR))),
        (future, Files(_crl(future, last_update=now + HOUR, lifetime=2 * HOUR))),
        (root("CA With The CRL Of Another"), Files(ca.revocation_list(pki.authority()))),
        (root("CA With A Badly Signed CRL"), Files(_bad_signature())),
        (root("CA With A Broken CRL"), Files(b"this is no CRL")),
        (root("CA Without Policy"), Files(signing_policy=None)),
        (root("CA With A Broken Policy"), Files(signing_policy=b"permit everything")),
        (root("CA With Another Namespace", "/DC=org/DC=elsewhere/*"), Files()),
        (both, Files(namespaces=ca.namespaces(both, "/DC=org/DC=example/.*"))),
        (denies, Files(namespaces=ca.namespaces(denies, "/.*") + ca.namespaces(denies, ".*Test.*", action="DENY"))),
        (root("CA Of Path Length 0", path_length=0), Files()),
        (cycle()[0], Files()), (cycle()[1], Files()),
    ]


@cache
def ca_dir() -> Path:
    """The directory, with some files that are none of a CA."""
    directory = pki.folder() / "zoo"
    directory.mkdir()
    for authority, files in cas():
        base = directory / ca.subject_hash(authority.certificate)
        _write(base.with_suffix(".0"), pem(authority.certificate) if files.certificate else None)
        _write(base.with_suffix(".r0"), files.crl if files.crl != "" else ca.revocation_list(authority))
        policy = files.signing_policy if files.signing_policy != "" else ca.signing_policy(authority)
        _write(base.with_suffix(".signing_policy"), policy)
        _write(base.with_suffix(".namespaces"), files.namespaces)
    (directory / "ffffffff.0").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (directory / "host.pem").write_bytes(pki.host().chain_pem())
    (directory / "eeeeeeee.0").symlink_to("nowhere")
    return directory


def _write(path: Path, content: bytes | str | None) -> None:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@cache
def cycle() -> tuple[ca.Authority, ca.Authority]:
    """Two CAs that have signed one another, and nobody else has signed them."""
    one, two = root("One Of Two"), root("Two Of Two")

    def signed(subject: ca.Authority, issuer: ca.Authority) -> ca.Authority:
        now = datetime.now(UTC)
        certificate = (
            ca._builder(subject.certificate.subject, issuer.certificate.subject, subject.key, now - HOUR, now + HOUR)
            .add_extension(CA_TRUE, critical=True)
            .add_extension(ca.usage(key_cert_sign=True, crl_sign=True, digital_signature=False), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )
        return ca.Authority(certificate, subject.key)

    return signed(one, two), signed(two, one)
