"""What a user can do about a refusal: for each reason of gsi one sentence.

The reasons are those of the numbered checks in gsi.verify and those of OpenSSL (number 0, and 22 for revocation). The
sentences speak to the person who has the credential, not to the programmer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gsi.certificates import proxy_kind
from gsi.claims import key_text
from gsi.errors import CredentialError, GsiError, VerificationError
from gsi.peer import ProxyKind

_NEW_PROXY = "make a new proxy with glite-proxy-init"
_OWN_PROXY = "make a proxy of your own certificate with glite-proxy-init, and present that one"
_NEW_CERTIFICATE = "ask your CA for a new certificate, then make a proxy of it with glite-proxy-init"
_FETCH = "run fetch-crl where it was looked at, or tell the administrators there"


@dataclass(frozen=True, slots=True)
class Advice:
    """reason: why it was refused, with the number of the check; remedy: what to do, one sentence."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Either:
    """A remedy for a bad proxy and one for a bad certificate; is_bad tells whether a certificate is it."""

    proxy: str
    certificate: str
    is_bad: Callable[[x509.Certificate], bool]

    def choose(self, chain: Sequence[x509.Certificate]) -> str:
        """What is bad for good has to be replaced first: a certificate before its proxies."""
        if any(_is_no_proxy(certificate) and _safely(self.is_bad, certificate) for certificate in chain):
            return self.certificate
        return self.proxy


def advice(error: GsiError, chain: Sequence[x509.Certificate] = ()) -> Advice:
    """What to do about an error of gsi. chain: the certificates that it is about."""
    if isinstance(error, VerificationError):
        return Advice(str(error), remedy(error.step, error.reason, chain))
    if isinstance(error, CredentialError):
        return Advice(str(error), "name the right file or directory, or mend the one that is named")
    return Advice(str(error), "ask the administrators of the service")


def remedy(step: int, reason: str, chain: Sequence[x509.Certificate] = ()) -> str:
    """What to do about a refusal. step: number of the check in gsi.verify, 0 = OpenSSL; reason: its text."""
    for number, pattern, found in _REMEDIES:
        if (number is None or number == step) and re.search(pattern, reason, re.IGNORECASE):
            return found.choose(chain) if isinstance(found, _Either) else found
    return f"{_NEW_PROXY}; if it is refused as well, show this reason to the administrators of the service"


def _is_no_proxy(certificate: x509.Certificate) -> bool:
    return _safely(lambda each: proxy_kind(each) is ProxyKind.NONE, certificate)


def _safely(test: Callable[[x509.Certificate], bool], certificate: x509.Certificate) -> bool:
    """False for a certificate that cannot be read: then another remedy applies."""
    try:
        return test(certificate)
    except (ValueError, UnsupportedAlgorithm):
        return False


def _is_expired(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc <= datetime.now(UTC)


def _is_short(certificate: x509.Certificate) -> bool:
    algorithm, _, bits = key_text(certificate).partition(" ")
    return algorithm not in ("RSA", "EC") or int(bits) < {"RSA": 2048, "EC": 256}[algorithm]


def _is_old_hash(certificate: x509.Certificate) -> bool:
    algorithm = certificate.signature_hash_algorithm
    return certificate.subject != certificate.issuer and (algorithm is None or algorithm.name in ("md5", "sha1"))


_EXPIRED = _Either(_NEW_PROXY, f"your certificate, or that of its CA, has expired: {_NEW_CERTIFICATE}", _is_expired)
_SHORT = _Either(f"{_NEW_PROXY}, which gives it 2048 bits",
                 f"the key of your certificate is too short: {_NEW_CERTIFICATE}", _is_short)
_OLD_HASH = _Either(f"{_NEW_PROXY}, which signs with SHA-256",
                    f"your certificate is signed in a way that can be forged: {_NEW_CERTIFICATE}", _is_old_hash)
_UNKNOWN_CA = ("the CA of your certificate is not trusted there: use a certificate of one that is in the CA directory, "
               "or have the administrators add yours")
_TOO_MANY = f"there are too many certificates in it, as when a proxy is passed on again and again: {_OWN_PROXY}"
_NO_TRUSTED_END = ("its chain of CAs leads to none that is trusted: use a certificate of a CA that is in the CA "
                   "directory, and present no other CAs with it")
_BAD_NAME = f"a proxy has the name of its issuer and one CN more, this one has another: {_OWN_PROXY}"
_FORGED = ("it is damaged or forged, or of another CA of the same name, such as that of a test grid made anew: "
           f"{_OWN_PROXY}")
_NO_CA = "it was signed by somebody who is no CA: use a certificate that your CA has signed"
_CONDITION = f"it makes a condition that nobody here understands: {_NEW_PROXY}, or ask your CA for one without it"

#: Number of the check (None: any), what the reason says, what to do. The first that fits is taken.
_REMEDIES: tuple[tuple[int | None, str, str | _Either], ...] = (
    # revocation
    (None, r"(revocation list|crl).*expired", f"the revocation list of a CA of yours is too old: {_FETCH}"),
    (None, r"(revocation list|crl).*not yet valid", "the revocation list is from the future: check the clock there"),
    (None, r"no (certificate )?revocation list|unable to get certificate crl",
     f"the site wants a revocation list of your CA and has none that is good: {_FETCH}"),
    (None, r"revocation list|crl", f"the revocation list of a CA of yours is damaged: {_FETCH}"),
    (None, r"revoked", f"your certificate, or one above it, was withdrawn: {_NEW_CERTIFICATE}"),
    # time
    (None, r"expired", _EXPIRED),
    (None, r"not yet valid", f"check the clock of this machine, and of the one where it was made, then {_NEW_PROXY}"),
    (17, r"", "make a shorter proxy, for instance glite-proxy-init -valid 24:00; services renew it while jobs run"),
    # who signed
    (21, r"no signing policy|cannot be read",
     "the signing policy of a CA is missing or broken where it was looked at: have the administrators install that CA "
     "again, with all its files"),
    (21, r"", "your CA may not sign that name there: have the administrators update the CA and its signing policy, or "
              "ask your CA"),
    (16, r"", "the CA above yours does not allow it to sign: ask your CA"),
    (None, r"unknown ca|unable to get (local )?issuer|self[- ]signed|unable to verify the first", _UNKNOWN_CA),
    # strength
    (15, r"signature", _OLD_HASH),
    (15, r"", _SHORT),
    (None, r"(key|ee).* too (small|weak)|key too", _SHORT),
    (None, r"hash|md too weak", _OLD_HASH),
    # proxies
    (2, r"different kinds|not accepted", f"proxies of one kind are accepted only, best RFC 3820: {_OWN_PROXY}"),
    (10, r"", f"one of its proxies may not be passed on so far: {_OWN_PROXY}, with a larger -pathlen or without"),
    (None, r"path length.*prox|prox.*path length",
     f"one of its proxies may not be passed on so far: {_OWN_PROXY}, with a larger -pathlen or without"),
    (1, r"^\d+ proxies|^more than", _TOO_MANY),
    (None, r"chain too long", _NO_TRUSTED_END),
    (4, r"", f"it was made by a faulty program: {_NEW_PROXY}"),
    (5, r"", f"a proxy with a policy of its own does not speak for you: {_NEW_PROXY}"),
    (6, r"", f"it bears the name of a host, which proxies may not: {_NEW_PROXY}"),
    (7, r"", f"a CA has no part in a proxy: {_OWN_PROXY}"),
    (8, r"", _BAD_NAME),
    (None, r"subject of a proxy|proxy subject|and no proxy of it", _BAD_NAME),
    (9, r"", "your certificate may not be used for this: ask your CA for one with digitalSignature, for clients"),
    (None, r"may not make proxies", "your certificate may not be used for signing: ask your CA for one with "
                                    "digitalSignature"),
    (18, r"", f"a limited proxy cannot be made full again: {_OWN_PROXY}"),
    (None, r"issuer of a proxy is not in|no end entity", f"the file lacks your certificate: {_NEW_PROXY}"),
    (3, r"", f"proxies and CAs are mixed up in the file: {_OWN_PROXY}"),
    # the rest of the chain
    (11, r"", "that is the certificate of a CA: use your own"),
    (12, r"", _NO_CA),
    (None, r"no ca\b|invalid ca|may not sign certificates|prox.*not allowed", _NO_CA),
    (None, r"path length", "the CA above yours does not allow it to sign: ask your CA"),
    (13, r"name of a proxy", f"the name can be read in two ways: {_NEW_PROXY}"),
    (13, r"", "the name can be read in two ways: ask your CA for a certificate with a plain name"),
    (14, r"", _CONDITION),
    (None, r"critical extension", _CONDITION),
    (None, r"purpose|not meant for", "the certificate is not meant for clients: use your own, of a person"),
    (None, r"signature", _FORGED),
    (None, r"no certificate", f"{_NEW_PROXY}, and see that X509_USER_PROXY names it"),
    (None, r"cannot be read|malformed", f"the file is damaged: {_NEW_PROXY}"),
)
