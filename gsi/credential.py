"""A certificate with its private key: a user's, a host's or a proxy."""

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gsi.certificates import UNREADABLE
from gsi.errors import CredentialError, PassphraseNeeded, VerificationError
from gsi.names import slash_dn
from gsi.verify import leading_proxies

#: The kinds of key that grid certificates have.
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_SYSTEM_CA_DIRECTORY = Path("/etc/grid-security/certificates")
_PEM_BEGIN = b"-----BEGIN "


@dataclass(frozen=True, slots=True)
class Credential:
    """certificate and its key; chain: the issuers above it, nearest first, the root usually left out."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False, compare=False)  # the certificate has its public half
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read one PEM file that holds certificate, key and issuers, as proxies are stored.

        Raises CredentialError, also when others than the owner can read the file.
        """
        octets = read_secret(path)
        first, *chain = _certificates(octets, path)
        return cls(first, _private_key(octets, path, None), tuple(chain))._checked(path)

    @classmethod
    def load_pair(cls, certificate_file: Path, key_file: Path, password: bytes | None = None) -> Self:
        """Read a certificate (with issuers after it, if any) and its key from two PEM files. Raises CredentialError."""
        first, *chain = _certificates(_read(certificate_file), certificate_file)
        key = _private_key(read_secret(key_file), key_file, password)
        return cls(first, key, tuple(chain))._checked(certificate_file)

    @classmethod
    def from_pem(cls, octets: bytes) -> Self:
        """Make a credential of PEM text that holds certificate, key and issuers. Raises CredentialError."""
        origin = Path("the PEM text")
        first, *chain = _certificates(octets, origin)
        return cls(first, _private_key(octets, origin, None), tuple(chain))._checked(origin)

    @classmethod
    def find(cls, env: Mapping[str, str] | None = None) -> Self:
        """Find the user's credential where grid tools look for it.

        In this order: $X509_USER_PROXY, /tmp/x509up_u<uid>, $X509_USER_CERT with $X509_USER_KEY,
        ~/.globus/usercert.pem with userkey.pem. Raises CredentialError when there is none or the one named is unusable.
        """
        env = os.environ if env is None else env
        if named := env.get("X509_USER_PROXY"):
            return cls.load(Path(named))
        if (proxy := Path(f"/tmp/x509up_u{os.getuid()}")).exists():
            return cls.load(proxy)
        if (certificate := env.get("X509_USER_CERT")) and (key := env.get("X509_USER_KEY")):
            return cls.load_pair(Path(certificate), Path(key))
        globus = Path(env.get("HOME", "~")).expanduser() / ".globus"
        if (globus / "usercert.pem").exists():
            return cls.load_pair(globus / "usercert.pem", globus / "userkey.pem")
        raise CredentialError("no credential found: make a proxy (glite-proxy-init) or set X509_USER_PROXY to one")

    @classmethod
    def given(cls, certificate_file: Path | None, key_file: Path | None = None) -> Self:
        """The credential that options name: two files, or one that holds all; what `find` finds when there is none.

        Raises CredentialError.
        """
        if certificate_file is None:
            return cls.find()
        return cls.load(certificate_file) if key_file is None else cls.load_pair(certificate_file, key_file)

    @property
    def dn(self) -> str:
        """Slash form of the end entity's subject: for a proxy that of the user who stands behind it."""
        certificates = (self.certificate, *self.chain)
        return slash_dn(certificates[self.proxies].subject)

    @property
    def proxies(self) -> int:
        """How many proxies stand before the end entity; 0: this is no proxy. Raises CredentialError."""
        try:
            return leading_proxies((self.certificate, *self.chain))
        except (ValueError, VerificationError) as error:
            raise CredentialError(f"unusable chain: {error}") from error

    @property
    def not_after(self) -> datetime:
        """When the first certificate of the chain expires, UTC."""
        return min(certificate.not_valid_after_utc for certificate in (self.certificate, *self.chain))

    def to_pem(self) -> bytes:
        """Certificate, unencrypted key, issuers: the form and order of a proxy file. A secret."""
        return b"".join((pem(self.certificate), key_to_pem(self.key), *map(pem, self.chain)))

    def chain_pem(self) -> bytes:
        """Certificate and issuers, without the key."""
        return b"".join(map(pem, (self.certificate, *self.chain)))

    def save(self, path: Path) -> None:
        """Write the credential as a proxy file, mode 0600, whole or not at all."""
        write_secret(path, self.to_pem())

    def _checked(self, origin: Path) -> Self:
        if not belongs(self.key, self.certificate):
            raise CredentialError(f"{origin}: the private key does not belong to the certificate")
        return self


def ca_directory(env: Mapping[str, str] | None = None) -> Path:
    """Where the trusted CAs are: $X509_CERT_DIR, else ~/.globus/certificates if there, else /etc/grid-security."""
    env = os.environ if env is None else env
    if named := env.get("X509_CERT_DIR"):
        return Path(named)
    private = Path(env.get("HOME", "~")).expanduser() / ".globus" / "certificates"
    return private if private.is_dir() else _SYSTEM_CA_DIRECTORY


def belongs(key: PrivateKey, certificate: x509.Certificate) -> bool:
    """Whether the key is that of the certificate; not so when the certificate's key is of an unknown kind."""
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_to_pem(key: PrivateKey) -> bytes:
    """The key in unencrypted PEM, in the form that all grid tools read. A secret.

    The traditional form for RSA, which old tools need; PKCS#8 for EC, of which Globus' tools read no other form.
    """
    form = serialization.PrivateFormat.PKCS8
    if isinstance(key, rsa.RSAPrivateKey):
        form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def read_certificates(octets: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM text, in order; other blocks are passed over. Raises CredentialError."""
    try:
        return x509.load_pem_x509_certificates(octets)
    except UNREADABLE as error:
        inside = b"-----BEGIN CERTIFICATE" in octets  # else the library's words are about how it reads PEM
        raise CredentialError(f"not a PEM certificate: {error if inside else 'there is none in it'}") from error


def read_key(octets: bytes, password: bytes | None = None) -> PrivateKey:
    """The private key of a PEM text, which may hold certificates too. Raises CredentialError, PassphraseNeeded."""
    try:
        key = serialization.load_pem_private_key(_key_block(octets), password)
    except TypeError as error:  # cryptography's word for "encrypted, and no password" and for the reverse
        raise PassphraseNeeded("the private key is encrypted; make a proxy of it first (glite-proxy-init)") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        cause = "wrong pass phrase, or the key is damaged" if password else "it is damaged, or of an unknown kind"
        raise CredentialError(f"the private key cannot be read: {cause}") from error
    if not isinstance(key, PrivateKey):
        raise CredentialError("the private key is neither RSA nor EC")
    return key


def read_secret(path: Path) -> bytes:
    """Read a file with a private key, which nobody but its owner may be able to read. Raises CredentialError."""
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise CredentialError(f"others can read the key in {path} (mode {mode:04o}); do: chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise CredentialError(f"{path} cannot be read: {error.strerror}") from error


def write_secret(path: Path, octets: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all. Raises CredentialError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CredentialError(f"{path} cannot be written: {error.strerror}") from error


def _key_block(octets: bytes) -> bytes:
    """Only the key: a reader of keys may stop at a certificate before it."""
    for block in octets.split(_PEM_BEGIN)[1:]:
        if b"PRIVATE KEY-----" in block.split(b"\n", 1)[0]:
            return _PEM_BEGIN + block
    raise CredentialError("there is no private key in it")


def _certificates(octets: bytes, origin: Path) -> list[x509.Certificate]:
    try:
        return read_certificates(octets)
    except CredentialError as error:
        raise CredentialError(f"{origin}: {error}") from error


def _private_key(octets: bytes, origin: Path, password: bytes | None) -> PrivateKey:
    try:
        return read_key(octets, password)
    except CredentialError as error:
        raise type(error)(f"{origin}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialError(f"{path} cannot be read: {error.strerror}") from error
