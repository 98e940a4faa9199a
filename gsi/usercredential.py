"""A person's long-lived credential: where grid tools look for it, and how it is opened with a pass phrase.

    UserFiles.find(os.environ).open(lambda path: getpass(f"Pass phrase of {path}: ").encode())

Certificate and key are two PEM files or one PKCS#12 file, the form in which browsers export them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from gsi.certificates import UNREADABLE
from gsi.credential import Credential, PrivateKey, read_secret
from gsi.errors import CredentialError, PassphraseNeeded

#: Names below ~/.globus, in the order of Globus (usercred.p12) and of VOMS' clients (usercert.p12).
PKCS12_NAMES = ("usercred.p12", "usercert.p12")
_DER_SEQUENCE = b"\x30"

Ask = Callable[[Path], bytes]
"""Called with the file that is encrypted, when it is; returns the pass phrase."""


@dataclass(frozen=True, slots=True)
class UserFiles:
    """Where certificate and key are; the same path twice for a file that holds both (PKCS#12, a proxy)."""

    certificate: Path
    key: Path

    @classmethod
    def find(cls, env: Mapping[str, str], certificate: Path | None = None, key: Path | None = None) -> Self:
        """The files given; else what $X509_USER_CERT and $X509_USER_KEY name, else what is in ~/.globus.

        A certificate's file that holds a key too needs no other one. Raises CredentialError.
        """
        globus = Path(env.get("HOME", "~")).expanduser() / ".globus"
        if certificate is None and (named := env.get("X509_USER_CERT")):
            certificate = Path(named)
        if certificate is None:
            names = ("usercert.pem", *PKCS12_NAMES)
            certificate = next((path for name in names if (path := globus / name).exists()), None)
        if certificate is None:
            raise CredentialError(
                f"there is no certificate in {globus}; put usercert.pem and userkey.pem (or usercred.p12) there, "
                "or name them with -cert and -key"
            )
        if key is None and not _holds_key(certificate):
            key = Path(env.get("X509_USER_KEY") or globus / "userkey.pem")
        return cls(certificate, key or certificate)

    def open(self, ask: Ask) -> Credential:
        """Read the credential, asking for the pass phrase if the key is encrypted.

        Raises CredentialError: missing, readable by others, wrong pass phrase, the key of another certificate.
        """
        if self.certificate == self.key and _is_der(read_secret(self.key)):
            return self._open_pkcs12(ask)
        try:
            return Credential.load_pair(self.certificate, self.key)
        except PassphraseNeeded:
            return Credential.load_pair(self.certificate, self.key, ask(self.key))

    def _open_pkcs12(self, ask: Ask) -> Credential:
        octets = read_secret(self.key)
        try:
            found = _unpack(octets, None)
        except UNREADABLE:  # nearly always: cryptography does not tell an encrypted file from a broken one
            try:
                found = _unpack(octets, _utf8(ask(self.key)))
            except UNREADABLE as error:
                raise CredentialError(f"{self.key}: wrong pass phrase, or no PKCS#12 file") from error
        key, certificate, others = found
        if not isinstance(key, PrivateKey) or certificate is None:
            raise CredentialError(f"{self.key} holds no certificate with an RSA or EC key")
        return Credential(certificate, key, tuple(_issuers(certificate, others)))


def _holds_key(path: Path) -> bool:
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise CredentialError(f"{path} cannot be read: {error.strerror}") from error
    return _is_der(octets) or b"PRIVATE KEY-----" in octets


def _is_der(octets: bytes) -> bool:
    return octets.startswith(_DER_SEQUENCE)


def _unpack(octets: bytes, password: bytes | None) -> tuple[object, x509.Certificate | None, list[x509.Certificate]]:
    return pkcs12.load_key_and_certificates(octets, password)


def _utf8(passphrase: bytes) -> bytes:
    """The pass phrase as PKCS#12 wants it. Raises ValueError: the library ends in an accident with another one."""
    if b"\0" in passphrase:
        raise ValueError("a pass phrase with NUL in it")
    passphrase.decode("utf-8")
    return passphrase


def _issuers(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    """The CAs above the certificate, nearest first, without the root: the file has them in any order."""
    left = [other for other in others if other.subject != other.issuer]
    while issuer := next((other for other in left if other.subject == certificate.issuer), None):
        left.remove(issuer)
        yield issuer
        certificate = issuer
