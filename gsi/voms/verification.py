"""From attribute certificates to attributes that count.

A proxy is made by its holder, so anybody can put anything into its extension: only these checks give it a meaning.
Each has a number that stands in the refusal and in the log, and says what it stops.

     1  it can be read and is within limits           (a parser fed with garbage, memory filled)
     2  version 2, one algorithm, no unknown critical extension
                                                      (a condition of the issuer that we would not keep)
     3  its holder is the end entity of this chain    (attributes taken from somebody else's proxy)
     4  it is valid now                               (membership that has ended)
     5  it is meant for this host, if it names hosts  (a service that uses it at another one)
     6  every name in it belongs to the VO            (the server of one VO that speaks for another)
     7  the site names the server or its certificate  (anybody who opens a VOMS server)
     8  the issuer's certificate is there, it verifies with CRLs, and is no proxy
                                                      (a stranger's or revoked server, a user posing as one)
     9  its chain is the one that the site names      (another certificate of a trusted CA posing as the server)
    10  the issuer may sign, its key is the one named (keyUsage; another key under the same name)
    11  the signature algorithm is admitted           (collisions under MD5 and SHA-1)
    12  the signature is right                        (changed or invented attributes)

One that does not pass counts for nothing; the others and the identity stand. Which are looked at: those of the first
proxy from the leaf on that carries the extension, as the VOMS libraries do (vomsdata::retrieve with RECURSE_CHAIN of
the core, LeafACLookupStrategy of the Java API): a proxy made of a VOMS proxy keeps the attributes, one that was made
with others has only those. The VOMS core gives up at the first bad one; here each stands for itself.
"""

import hashlib
import logging
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from gsi import certificates
from gsi.errors import AttributeCertificateError
from gsi.names import slash_dn
from gsi.peer import Peer, VoAttributes
from gsi.rules import Rules
from gsi.voms import der
from gsi.voms.certificate import AttributeCertificate, extension_value, parse_extension
from gsi.voms.issuers import Issuers, is_named
from gsi.voms.vomsdir import Vomsdir

log = logging.getLogger(__name__)

#: The clock of a VOMS server may be ahead of ours by this; RFC 5755 has nothing, the VOMS core the same.
CLOCK_SKEW = timedelta(minutes=5)
#: Signatures and refusals that are remembered.
_KNOWN = 256

_RSA, _EC = rsa.RSAPublicKey, ec.EllipticCurvePublicKey
_ALGORITHMS: dict[bytes, tuple[type[rsa.RSAPublicKey | ec.EllipticCurvePublicKey], hashes.HashAlgorithm]] = {
    der.oid("1.2.840.113549.1.1.11"): (_RSA, hashes.SHA256()),
    der.oid("1.2.840.113549.1.1.12"): (_RSA, hashes.SHA384()),
    der.oid("1.2.840.113549.1.1.13"): (_RSA, hashes.SHA512()),
    der.oid("1.2.840.10045.4.3.2"): (_EC, hashes.SHA256()),
    der.oid("1.2.840.10045.4.3.3"): (_EC, hashes.SHA384()),
    der.oid("1.2.840.10045.4.3.4"): (_EC, hashes.SHA512()),
}
_SHA1_ALGORITHMS: dict[bytes, tuple[type[rsa.RSAPublicKey | ec.EllipticCurvePublicKey], hashes.HashAlgorithm]] = {
    der.oid("1.2.840.113549.1.1.5"): (_RSA, hashes.SHA1()),
    der.oid("1.2.840.10045.4.1"): (_EC, hashes.SHA1()),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one attribute certificate of a chain.

    claimed: what it says, None when it cannot be read; verified: the same when it counts, None when it does not;
    error: why it does not.
    """

    claimed: AttributeCertificate | None
    verified: VoAttributes | None = None
    error: AttributeCertificateError | None = None

    @property
    def objection(self) -> str | None:
        """Why it does not count, for the eyes of its holder."""
        if self.error is None:
            return None
        return f"{self.claimed.vo}: {self.error}" if self.claimed else str(self.error)


class Verifier:
    """Verifies attribute certificates for one site. For any number of threads."""

    def __init__(self, vomsdir: Path, rules: Rules, verify: Callable[[Sequence[x509.Certificate]], Peer],
                 version: Callable[[], int], hosts: Callable[[], Collection[str]] | None = None) -> None:
        """verify: the full verification of certificates, without their attributes, raises VerificationError; version:
        another number when it may have changed its mind; hosts: the names of this host, in small letters, as targets
        have them (None: what the system says).
        """
        self._rules = rules
        self._hosts = hosts or host_names
        self._issuers = Issuers(Vomsdir(vomsdir), verify, version)
        self._told = _Told()

    def attributes(self, chain: Sequence[x509.Certificate], proxies: int) -> tuple[VoAttributes, ...]:
        """The attributes of a verified chain that count; the log says why others do not.

        chain: leaf first; proxies: how many stand before the end entity.
        """
        return tuple(finding.verified for finding in self.judge(chain, proxies) if finding.verified is not None)

    def judge(self, chain: Sequence[x509.Certificate], proxies: int) -> tuple[Finding, ...]:
        """A verdict on each attribute certificate of a verified chain, with a line in the log for each that is bad."""
        found = self.examine(chain, proxies)
        for finding in found:
            if finding.error is not None:
                self._told.once(finding, chain[proxies])
        return found

    def examine(self, chain: Sequence[x509.Certificate], proxies: int) -> tuple[Finding, ...]:
        """A verdict on each attribute certificate of the chain, in their order."""
        return tuple(self._finding(claim, chain[proxies]) for claim in claims(chain[:proxies]))

    def _finding(self, claim: AttributeCertificate | AttributeCertificateError, holder: x509.Certificate) -> Finding:
        if isinstance(claim, AttributeCertificateError):
            return Finding(None, error=claim)
        try:
            return Finding(claim, verified=self._verified(claim, holder))
        except AttributeCertificateError as error:
            return Finding(claim, error=error)
        except ValueError as error:
            return Finding(claim, error=AttributeCertificateError(1, f"it cannot be read: {error}"))

    def _verified(self, ac: AttributeCertificate, holder: x509.Certificate) -> VoAttributes:
        """Steps 2 to 12. Raises AttributeCertificateError, ValueError."""
        _check_form(ac)
        _check_holder(ac, holder)
        _check_validity(ac, datetime.now(UTC))
        if ac.targets is not None:
            self._check_targets(ac.targets)
        _check_names(ac)
        server = self._issuers.find(ac)
        _check_issuer(ac, server.chain[0])
        _check_signature(ac, server.chain[0], self._rules)
        return VoAttributes(
            vo=ac.vo, fqans=tuple(map(str, ac.fqans)), attributes=ac.attributes, issuer=server.dn,
            not_after=min(ac.not_after, server.not_after), server=ac.server,
        )

    def _check_targets(self, targets: Collection[str]) -> None:
        ours = self._hosts()
        if not any(target.lower() in ours for target in targets):
            raise AttributeCertificateError(5, f"it is meant for {', '.join(targets) or 'no host'}, not for this host")


def claims(proxies: Sequence[x509.Certificate]) -> tuple[AttributeCertificate | AttributeCertificateError, ...]:
    """What the attribute certificates say that proxies carry, leaf first. This is not a verification."""
    for proxy in proxies:
        try:
            octets = extension_value(proxy)
        except ValueError as error:
            return (AttributeCertificateError(1, f"it cannot be read: {error}"),)
        if octets is not None:
            return parse_extension(octets)
    return ()


@cache
def host_names() -> frozenset[str]:
    """The names of this host, in small letters."""
    return frozenset(name.lower() for name in (socket.gethostname(), socket.getfqdn()))


def _check_form(ac: AttributeCertificate) -> None:
    if ac.version != 1:
        raise AttributeCertificateError(2, f"it is of version {ac.version + 1}, not 2")
    if ac.algorithm != ac.outer_algorithm:
        raise AttributeCertificateError(2, "it names two signature algorithms")
    if ac.unknown_critical:
        raise AttributeCertificateError(2, f"unknown critical extension {', '.join(ac.unknown_critical)}")
    if not ac.no_revocation:
        raise AttributeCertificateError(2, "its issuer may revoke it, and does not say where")


def _check_holder(ac: AttributeCertificate, holder: x509.Certificate) -> None:
    """VOMS writes the holder's own name where RFC 5755 wants that of its issuer, unless asked for the new format."""
    given = ac.holder
    if given.name is None and given.entity is None:
        raise AttributeCertificateError(3, "it names no holder")
    own_name = der.subject(holder)
    if given.name is not None and (given.serial != holder.serial_number or not (
            der.same_name(given.name, own_name) or der.same_name(given.name, der.issuer(holder)))):
        raise AttributeCertificateError(3, "it was given to the holder of another certificate")
    if given.entity is not None and not der.same_name(given.entity, own_name):
        raise AttributeCertificateError(3, "it was given to somebody else")


def _check_validity(ac: AttributeCertificate, now: datetime) -> None:
    if now + CLOCK_SKEW < ac.not_before:
        raise AttributeCertificateError(4, f"it is not valid before {ac.not_before:%Y-%m-%d %H:%M:%S} UTC")
    if now >= ac.not_after:
        raise AttributeCertificateError(4, f"it has expired at {ac.not_after:%Y-%m-%d %H:%M:%S} UTC")


def _check_names(ac: AttributeCertificate) -> None:
    for fqan in ac.fqans:
        if fqan.vo != ac.vo:
            raise AttributeCertificateError(6, f"a server of the VO {ac.vo} speaks for {fqan}")


def _check_issuer(ac: AttributeCertificate, issuer: x509.Certificate) -> None:
    usage = certificates.facts(issuer).usage
    if usage is not None and not usage.digital_signature:
        raise AttributeCertificateError(10, "its issuer may not sign")
    if not is_named(ac, issuer):
        raise AttributeCertificateError(10, "it names another key of its issuer")


def _check_signature(ac: AttributeCertificate, issuer: x509.Certificate, rules: Rules) -> None:
    known = _ALGORITHMS | _SHA1_ALGORITHMS if rules.sha1_attributes else _ALGORITHMS
    key = issuer.public_key()
    if ac.algorithm not in known or not isinstance(key, known[ac.algorithm][0]):
        raise AttributeCertificateError(11, f"signature algorithm {der.dotted(ac.algorithm)} is not accepted")
    if not _is_signed(issuer, known[ac.algorithm][1].name, ac.signed, ac.signature):
        raise AttributeCertificateError(12, "its signature is wrong")


@lru_cache(_KNOWN)
def _is_signed(issuer: x509.Certificate, hash_name: str, signed: bytes, signature: bytes) -> bool:
    """Whether the signature is right; this depends on nothing but the arguments."""
    key, algorithm = issuer.public_key(), _HASHES[hash_name]
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        else:
            return False
    except InvalidSignature:
        return False
    return True


_HASHES = {algorithm.name: algorithm for _, algorithm in (_ALGORITHMS | _SHA1_ALGORITHMS).values()}


class _Told:
    """What the log has said already: a client that comes a hundred times a second fills no disk."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._lock = threading.Lock()

    def once(self, finding: Finding, holder: x509.Certificate) -> None:
        """Log a refusal, unless this certificate was refused for the same reason before."""
        signed = finding.claimed.signed if finding.claimed else b""
        mark = hashlib.sha256(f"{slash_dn(holder.subject)}\n{finding.error}\n".encode() + signed).digest()
        with self._lock:
            if mark in self._known:
                return
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known.add(mark)
        vo = f"of the VO {finding.claimed.vo} " if finding.claimed else ""
        log.warning("%s: attributes %sin the proxy count for nothing: %s", slash_dn(holder.subject), vo, finding.error)
