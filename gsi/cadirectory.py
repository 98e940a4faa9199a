"""The directory of trusted CAs, as IGTF and OpenSSL lay it out, read again when its files change.

    <hash>.0  <hash>.1 …       a CA's certificate, PEM or DER; <hash>: `openssl x509 -hash` or -subject_hash_old
    <name>.pem                 the same under a name; usually what the hash is a link to
    <hash>.r0  <hash>.r1 …     its revocation list, PEM or DER
    <hash>.signing_policy      which names it may sign (gsi.signingpolicy)
    <hash>.namespaces          the same in another language (gsi.namespaces); when both speak of a CA, this one counts

Revocation lists and policies may also bear the name of the CA's .pem file. What cannot be read is logged and takes
nothing else along; but a CA whose revocation list or policy is unreadable has lost our trust until it can be read.
"""

import hashlib
import logging
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import crypto

from gsi import certificates, namespaces, signingpolicy
from gsi.errors import CredentialError, SigningPolicyError
from gsi.names import slash_dn
from gsi.signingpolicy import Entry

log = logging.getLogger(__name__)

#: How often the files are looked at, at most, s: a look at 400 files takes about a millisecond.
LOOK_EVERY_S = 3.0
#: Largest file that is read, bytes: revocation lists of large CAs have some megabytes.
_MAX_SIZE = 64 * 1024 * 1024

_AUTHORITY = re.compile(r"[0-9a-f]{8}\.[0-9]+|.+\.pem")
_REVOCATIONS = re.compile(r".+\.r[0-9]+")

#: Of a file: when it changed, ns; its size; its inode and device.
_Version = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _File:
    """What a file holds; error: why it cannot be read."""

    authorities: tuple[x509.Certificate, ...] = ()
    revocations: tuple[x509.CertificateRevocationList, ...] = ()
    policy: tuple[Entry, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Authorities:
    """The content of the directory at one time. version: another number, another content.

    authorities: certificates of CAs; revocations: readable CRLs; revocable: hashes of the CAs for which a file of
    revocations is there, readable or not, and of those that issued one under another name.
    """

    version: int
    authorities: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]
    revocable: frozenset[int]
    #: By the hash of the CA: entries of .namespaces and of .signing_policy files; None = unreadable.
    _namespaces: dict[int, tuple[Entry, ...] | None] = field(repr=False)
    _signing_policies: dict[int, tuple[Entry, ...] | None] = field(repr=False)

    def policy(self, issuer: x509.Certificate) -> tuple[Entry, ...] | None:
        """What the CA may sign, None = no file says so. Raises SigningPolicyError for files that cannot be read."""
        number, name = subject_hash(issuer), slash_dn(issuer.subject)
        named = {authority.subject for authority in self.authorities if subject_hash(authority) == number}
        owner = not named or issuer.subject in named  # a hash has 32 bits: somebody else's is soon found
        for policies in (self._namespaces, self._signing_policies):
            entries = policies.get(number, ())
            if entries is None:
                raise SigningPolicyError(f"the signing policy of {name} cannot be read")
            if found := tuple(entry for entry in entries if entry.concerns(name, owner)):
                return found
        return None

    def has(self, authority: x509.Certificate) -> bool:
        """Whether the directory has this certificate."""
        return authority in self.authorities


class CaDirectory:
    """Reads the directory; for any number of threads."""

    def __init__(self, path: Path, look_every_s: float = LOOK_EVERY_S) -> None:
        """Raises CredentialError when there is no such directory."""
        if not path.is_dir():
            raise CredentialError(
                f"the CA directory {path} does not exist; set X509_CERT_DIR or install the CAs there")
        self.path = path
        self._look_every_s = look_every_s
        self._lock = threading.Lock()
        self._looked = -look_every_s
        self._versions: dict[str, _Version] = {}
        self._files: dict[str, tuple[_Version, _File]] = {}
        self._now = Authorities(0, (), (), frozenset(), {}, {})

    def current(self, *, look: bool = False) -> Authorities:
        """The content; look: look at the files now, however short ago that was. Never raises: what is known stays."""
        if (look or self._is_due()) and self._lock.acquire(blocking=look or not self._now.version):
            try:
                if look or self._is_due():  # another thread may have looked meanwhile
                    self._look()
                    self._looked = time.monotonic()
            finally:
                self._lock.release()
        return self._now

    def _is_due(self) -> bool:
        return not self._now.version or time.monotonic() - self._looked >= self._look_every_s

    def _look(self) -> None:
        try:
            versions = _versions(self.path)
        except OSError as error:
            log.error("the CA directory %s cannot be read, what was read before holds: %s", self.path, error.strerror)
            return
        if self._now.version and versions == self._versions:
            return
        known, self._versions = self._files, versions
        self._files = {name: known[name] if known.get(name, (None,))[0] == version else (version, self._load(name))
                       for name, version in versions.items()}
        self._now = _gathered(self._now.version + 1, {name: file for name, (_, file) in self._files.items()})

    def _load(self, name: str) -> _File:
        read, parse = self.path / name, _parser(name)
        try:
            with open(read, "rb") as file:
                octets = file.read(_MAX_SIZE + 1)
            if len(octets) > _MAX_SIZE:
                raise ValueError("too large")
            return parse(octets)
        except OSError as error:
            reason = error.strerror or "cannot be read"
        except (ValueError, x509.InvalidVersion, CredentialError) as error:
            reason = str(error)
        log.error("%s is passed over: %s", read, reason)
        return _File(error=reason)


@lru_cache(1024)
def subject_hash(certificate: x509.Certificate) -> int:
    """The number that OpenSSL makes of the subject: names that OpenSSL takes for the same have the same."""
    return int(crypto.X509.from_cryptography(certificate).subject_name_hash())


def old_subject_hash(certificate: x509.Certificate) -> int:
    """The number that OpenSSL before 1.0 made of it; IGTF installs both."""
    digest = hashlib.md5(certificate.subject.public_bytes(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "little")


def _versions(path: Path) -> dict[str, _Version]:
    """The files that matter. A name that goes nowhere, such as a link whose end is missing, is left out."""
    found = {}
    with os.scandir(path) as entries:
        for entry in entries:
            if _is_of_interest(entry.name):
                try:
                    is_now = entry.stat()
                except OSError:
                    continue
                found[entry.name] = (is_now.st_mtime_ns, is_now.st_size, is_now.st_ino, is_now.st_dev)
    return found


@lru_cache(8192)
def _is_of_interest(name: str) -> bool:
    return not name.startswith(".") and (
        name.endswith((".signing_policy", ".namespaces"))
        or bool(_AUTHORITY.fullmatch(name)) or bool(_REVOCATIONS.fullmatch(name)))


def _parser(name: str) -> Callable[[bytes], _File]:
    if name.endswith(".signing_policy"):
        return lambda octets: _File(policy=signingpolicy.parse(octets))
    if name.endswith(".namespaces"):
        return lambda octets: _File(policy=namespaces.parse(octets))
    return _revocations if _REVOCATIONS.fullmatch(name) else _authorities


def _authorities(octets: bytes) -> _File:
    """The CAs of a file; what is no CA is not trusted, wherever it lies."""
    is_pem = b"-----BEGIN" in octets
    read = x509.load_pem_x509_certificates(octets) if is_pem else [x509.load_der_x509_certificate(octets)]
    found = tuple(certificate for certificate in read if certificates.facts(certificate).is_ca)
    if not found:
        raise ValueError("not the certificate of a CA")
    _let_openssl_read(found, ())
    return _File(authorities=found)


def _revocations(octets: bytes) -> _File:
    is_pem = b"-----BEGIN" in octets
    read = x509.load_pem_x509_crl(octets) if is_pem else x509.load_der_x509_crl(octets)
    _let_openssl_read((), (read,))
    try:
        read.issuer, read.last_update_utc, read.next_update_utc  # noqa: B018  (what is asked for later is readable)
    except TypeError as error:  # the library's word for some malformed names
        raise ValueError(f"a name that cannot be read: {error}") from error
    return _File(revocations=(read,))


def _let_openssl_read(authorities: Iterable[x509.Certificate],
                      revocations: Iterable[x509.CertificateRevocationList]) -> None:
    """Raise ValueError for what cryptography reads and OpenSSL does not: in a store it would take all others along."""
    store = crypto.X509Store()
    try:
        for certificate in authorities:
            store.add_cert(crypto.X509.from_cryptography(certificate))
        for crl in revocations:
            store.add_crl(crl)
    except crypto.Error as error:
        raise ValueError("OpenSSL cannot read it") from error


def _gathered(version: int, files: dict[str, _File]) -> Authorities:
    authorities = tuple(dict.fromkeys(c for file in files.values() for c in file.authorities))
    revocations: dict[bytes, x509.CertificateRevocationList] = {}
    for file in files.values():
        for crl in file.revocations:
            revocations.setdefault(crl.fingerprint(hashes.SHA256()), crl)
    owners = _owners(files, authorities)
    return Authorities(
        version, authorities, tuple(revocations.values()),
        frozenset(number for name in files if _REVOCATIONS.fullmatch(name) for number in owners(name))
        | _issuers(revocations.values(), authorities),
        _policies(files, ".namespaces", owners), _policies(files, ".signing_policy", owners),
    )


def _issuers(revocations: Iterable[x509.CertificateRevocationList],
             authorities: Iterable[x509.Certificate]) -> frozenset[int]:
    """The hashes of the CAs that issued the lists: OpenSSL finds those in a store under whatever name a file has."""
    issuers = {crl.issuer for crl in revocations}
    return frozenset(subject_hash(certificate) for certificate in authorities if certificate.subject in issuers)


def _owners(files: dict[str, _File],
            authorities: Iterable[x509.Certificate]) -> Callable[[str], set[int]]:
    """Return a function that gives the hashes of the CAs to whom a file belongs by its name."""
    by_old_hash = {old_subject_hash(certificate): subject_hash(certificate) for certificate in authorities}
    by_stem: dict[str, set[int]] = defaultdict(set)
    for name, file in files.items():
        by_stem[_stem(name)].update(map(subject_hash, file.authorities))

    def owners(name: str) -> set[int]:
        stem = _stem(name)
        numbers = set(by_stem[stem])
        if re.fullmatch("[0-9a-f]{8}", stem):
            numbers |= {int(stem, 16), by_old_hash.get(int(stem, 16), int(stem, 16))}
        return numbers

    return owners


def _policies(files: dict[str, _File], suffix: str,
              owners: Callable[[str], set[int]]) -> dict[int, tuple[Entry, ...] | None]:
    found: dict[int, tuple[Entry, ...] | None] = {}
    for name, file in files.items():
        if name.endswith(suffix):
            for number in owners(name):
                before = found.get(number, ())
                unreadable = file.error is not None or before is None
                found[number] = None if unreadable else tuple(dict.fromkeys((before or ()) + file.policy))
    return found


def _stem(name: str) -> str:
    return name.rpartition(".")[0]
