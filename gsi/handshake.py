"""What OpenSSL may pass over while it verifies a peer's chain in a handshake, and what happens then.

OpenSSL knows the proxies of RFC 3820 only. For it a legacy or draft proxy is a certificate that an end entity signed as
if it were a CA, so it objects: at the end entity, not at the proxy. Objections are passed over one by one, each under
the narrowest condition that can be seen at that moment, and settled before the handshake ends: OpenSSL reports every
certificate once more, root first, when its signature is found right (number 0), and then the certificate below a
tolerated end entity has to be a legacy or draft proxy of exactly that one. gsi.verify judges the whole chain after that
once more and trusts nothing of this.

    number  of OpenSSL's words             passed over
    79, 26  not a CA; not for this purpose  at depth 1 and on without a gap, for what is no CA and no RFC proxy
    32      may not sign certificates       where 79 was
    25      path length of a CA             for a CA above such: OpenSSL counted the proxies as CAs
    34      unknown critical extension      for a draft proxy with no other one
    3       no revocation list              for the proxies of such a chain; for a CA without one, by the rules
    66, 67  key too small                   if the rules admit it
    68      hash too weak                   SHA-1 under a proxy, if the rules admit it

Never: a wrong signature (7), times (9, 10, 13, 14), unknown CAs (2, 18 to 21), revocation and what is wrong with a list
(8, 11, 12, 15, 16, 23, 33, 35, 36, 44).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from OpenSSL import SSL, crypto

from gsi import certificates
from gsi.cadirectory import Authorities
from gsi.certificates import Facts
from gsi.errors import VerificationError
from gsi.names import slash_dn
from gsi.peer import ProxyKind
from gsi.rules import CrlRule, Rules
from gsi.verify import weak_hash, weak_key

Callback = Callable[[SSL.Connection, crypto.X509, int, int, int], bool]

_OK = 0
_NO_CRL = 3
_PATH_LENGTH = 25
_PURPOSE = 26
_NO_CERT_SIGN = 32
_CRITICAL_EXTENSION = 34
_KEYS_TOO_SMALL = (66, 67)
_HASH_TOO_WEAK = 68
_NO_CA = 79
#: Not an error of OpenSSL: the settlement at the end.
_NO_PROXY = -1


@dataclass(slots=True)
class _Handshake:
    """What has been seen in one handshake. issuers: by depth, the end entity and proxies that signed as if CAs."""

    refusal: str | None = None
    issuers: dict[int, Facts] = field(default_factory=dict)


def callback(authorities: Authorities, rules: Rules) -> Callback:
    """Return the verify callback for contexts that trust these CAs."""

    def verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        if error == _NO_CRL and _needs_no_crl(certificate):
            return True  # twice in each handshake where no CA has a list: nothing else has to be read for it
        seen = connection.get_app_data()
        if not isinstance(seen, _Handshake):
            if ok:
                return True
            seen = _Handshake()
            connection.set_app_data(seen)
        if ok and depth + 1 not in seen.issuers:
            return True
        return _decide(seen, certificate, error, depth)

    def _decide(seen: _Handshake, certificate: crypto.X509, error: int, depth: int) -> bool:
        name = "a certificate that cannot be read"
        try:
            facts = certificates.facts(certificate.to_cryptography())
            name = slash_dn(facts.subject)
            admitted = _is_admitted(seen, facts, certificate, error, depth)
        except (ValueError, x509.InvalidVersion):
            admitted = False
        if not admitted and seen.refusal is None:
            seen.refusal = f"{_error_text(error or _NO_PROXY)}, depth {depth}: {name}"
        return admitted

    def _is_admitted(seen: _Handshake, facts: Facts, certificate: crypto.X509, error: int, depth: int) -> bool:
        if error == _OK:
            return _is_proxy_of(facts, seen.issuers[depth + 1], rules)
        if error == _NO_CA:
            return _may_issue(seen, facts, depth, rules)
        if error in (_PURPOSE, _NO_CERT_SIGN):
            return seen.issuers.get(depth) == facts
        if error == _PATH_LENGTH:
            return bool(seen.issuers) and depth > max(seen.issuers) and facts.is_ca
        if error == _CRITICAL_EXTENSION:
            return _is_draft(facts, rules) and facts.critical <= certificates.UNDERSTOOD
        if error == _NO_CRL:
            return depth + 1 in seen.issuers
        if error in _KEYS_TOO_SMALL:
            return weak_key(facts, rules) is None
        if error == _HASH_TOO_WEAK:
            return facts.kind is not ProxyKind.NONE and weak_hash(facts, sha1=rules.sha1_proxies) is None
        return False

    def _needs_no_crl(certificate: crypto.X509) -> bool:
        return rules.crl is CrlRule.IF_PRESENT and certificate.get_issuer().hash() not in authorities.revocable

    return verify


def verified_chain(connection: SSL.Connection) -> list[x509.Certificate]:
    """The peer's chain after a handshake, leaf first, root last; empty: it showed none. Raises VerificationError."""
    try:
        return list(connection.get_verified_chain(as_cryptography=True) or ())
    except (ValueError, x509.InvalidVersion) as error:
        raise VerificationError(1, f"a certificate cannot be read: {error}") from error


def refusal(connection: SSL.Connection) -> str | None:
    """Why the peer's certificate was refused during the handshake; None when it was not."""
    seen = connection.get_app_data()
    return seen.refusal if isinstance(seen, _Handshake) else None


def _may_issue(seen: _Handshake, facts: Facts, depth: int, rules: Rules) -> bool:
    """Whether this may be the issuer of a legacy or draft proxy; note it, so that the proxy is looked at."""
    if not (rules.legacy_proxies or rules.draft_proxies) or facts.is_ca or facts.kind is ProxyKind.RFC3820:
        return False
    if depth < 1 or (depth > 1 and depth - 1 not in seen.issuers):
        return False
    seen.issuers[depth] = facts
    return True


def _is_draft(facts: Facts, rules: Rules) -> bool:
    return rules.draft_proxies and facts.kind is ProxyKind.DRAFT and facts.one_cn_more


def _is_proxy_of(proxy: Facts, issuer: Facts, rules: Rules) -> bool:
    legacy = rules.legacy_proxies and proxy.kind is ProxyKind.LEGACY
    of_issuer = proxy.one_cn_more and proxy.issuer == issuer.subject
    return (legacy or _is_draft(proxy, rules)) and of_issuer and not proxy.is_ca


def _error_text(error: int) -> str:
    return _ERRORS.get(error, f"certificate verification error {error}")


#: Texts for the numbers of X509_V_ERR_* that a caller meets in practice.
_ERRORS = {
    _NO_PROXY: "signed by an end entity, and no proxy of it",
    2: "unknown CA",
    3: "no certificate revocation list",
    7: "bad signature",
    8: "bad signature of a certificate revocation list",
    9: "not yet valid",
    10: "expired",
    11: "certificate revocation list not yet valid",
    12: "certificate revocation list expired",
    18: "self-signed certificate",
    19: "unknown CA (self-signed)",
    20: "unknown CA",
    21: "unknown CA (only one certificate)",
    22: "chain too long",
    23: "revoked",
    25: "path length exceeded",
    26: "not meant for a TLS client",
    32: "the issuer may not sign certificates",
    34: "unknown critical extension",
    35: "the CA may not sign revocation lists",
    37: "a CA where none may be",
    38: "path length of a proxy exceeded",
    39: "the issuer may not make proxies",
    40: "proxies are not allowed",
    41: "malformed or contradictory extensions",
    66: "key too small",
    67: "CA key too small",
    68: "hash algorithm too weak",
    72: "the subject of a proxy is not its issuer's subject and one CN",
    79: "the issuer is no CA",
}
