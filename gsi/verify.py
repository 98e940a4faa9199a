"""From certificates to an identity: the numbered checks.

In a handshake OpenSSL has verified signatures, validity, CRLs and that the chain ends in a CA of ours (gsi.handshake);
for certificates that came another way gsi.trust has seen to that. What both let through is more than the grid may
accept: the checks below decide. Each has a number that stands in the refusal and in the log, and says what it stops.

     1  a chain that can be read, of sane length        (work without end; what one parser skips and another believes)
     2  one kind of proxy, and one that the site admits (rules of one kind evaded by those of another)
     3  proxies first, then the end entity, then CAs    (an end entity or a CA in the middle: someone signs as a CA)
     4  ProxyCertInfo is critical and well-formed       (a verifier that skips it takes a proxy for an end entity)
     5  a policy that we understand                     (independent and restricted proxies do not speak for the user)
     6  a proxy carries no alternative name             (a user posing as a host)
     7  neither a proxy nor its issuer is a CA          (a CA's key must not act as a user, nor a user as a CA)
     8  a proxy's subject = issuer's subject + one CN   (a self-made proxy that bears somebody else's name)
     9  the issuer of a proxy may sign                  (keyUsage, extendedKeyUsage: a key for other things)
    10  path length of proxies, RFC and draft           (a proxy that was not to be delegated further)
    11  the end entity is no CA                         (a CA is not a person)
    12  everything above is a CA with keyCertSign       (an end entity posing as a CA)
    13  names that read in one way                      (NUL, "/CN=", escapes: a name that looks like another one)
    14  no critical extension that nobody understands   (a restriction that we would pass over)
    15  keys and hashes of enough strength              (forged or factored certificates)
    16  path length of CAs                              (a CA that was not to have CAs below it)
    17  a proxy lives no longer than the site allows    (a stolen proxy that opens doors for years)
    18  a limited legacy proxy makes limited ones only  (what was limited made full again)
    19  every certificate is valid now                  (expired, or from the future)
    20  legacy and draft proxies: the signature         (OpenSSL was told to go on at these; nothing rests on that)
    21  the signing policy of every CA                  (a CA that issues names of others)
    22  revocation lists, as in a handshake             (gsi.trust, for certificates that came another way)

A limited proxy anywhere makes the whole identity limited. Sources: RFC 3820 section 4, RFC 5280 section 6, facts in
stack.md 3.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509

from gsi import certificates
from gsi.certificates import Facts, ProxyCertInfo
from gsi.errors import VerificationError
from gsi.names import rfc2253, slash_dn
from gsi.peer import Peer, ProxyKind
from gsi.rules import Rules

#: Longest chain that is looked at: GridSite allows 6 proxies (wms.md 1.12) and CAs are rarely more than 3 deep.
MAX_CHAIN_LENGTH = 20
#: Names that are remembered.
_KNOWN = 1024
_HOUR = timedelta(hours=1)
#: What the slash form of another name may have in the same place: it shows what is not ASCII as \xHH.
_TWO_WAYS = re.compile(r"\0|/[Cc][Nn]=|\\x[0-9A-F]{2}")
#: What a signature may rest on; SHA-1 where the rules say so.
_HASHES = frozenset({"sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"})


#: Says why a CA may not sign a name (slash form); None = it may.
Namespaces = Callable[[x509.Certificate, str], str | None]


def check(chain: Sequence[x509.Certificate], rules: Rules, namespaces: Namespaces, *,
          now: datetime | None = None) -> Peer:
    """Return the identity that `chain` proves. Signatures (but of legacy and draft proxies) are verified elsewhere.

    chain: leaf first, root last; now: UTC. Raises VerificationError.
    """
    read = _read(chain)
    proxies = _count_proxies(read, rules)
    kind = read[0].kind
    limited = False
    for depth in range(proxies):
        limited |= _check_proxy(chain, read, depth, rules, limited_above=_legacy_limited(read[depth + 1]))
    dn, rfc2253_dn = _check_end_entity(chain[proxies])
    _check_authorities(read, proxies + 1)
    _check_everywhere(read, proxies, rules, datetime.now(UTC) if now is None else now)
    _check_namespaces(chain[proxies:], namespaces)
    return Peer(dn, rfc2253_dn, kind, limited, tuple(chain), min(facts.not_after for facts in read))


def leading_proxies(chain: Sequence[x509.Certificate]) -> int:
    """How many proxies stand before the end entity. Raises VerificationError, ValueError. Not a verification."""
    for number, certificate in enumerate(chain):
        if certificates.proxy_kind(certificate) is ProxyKind.NONE:
            return number
    raise VerificationError(3, "only proxies and no end entity certificate in the chain")


def information_of(proxy: Facts) -> ProxyCertInfo:
    """What the ProxyCertInfo says; of a legacy proxy, what its name says. Raises VerificationError (4)."""
    if proxy.information is None:
        return ProxyCertInfo(None, certificates.LIMITED if _legacy_limited(proxy) else certificates.INHERIT_ALL)
    critical, octets = proxy.information
    if not critical:
        raise VerificationError(4, "ProxyCertInfo is not critical")
    try:
        return certificates.parse_proxy_cert_info(octets, proxy.kind)
    except ValueError as error:
        raise VerificationError(4, f"malformed ProxyCertInfo: {error}") from error


def _read(chain: Sequence[x509.Certificate]) -> list[Facts]:
    if not chain:
        raise VerificationError(1, "no certificate")
    if len(chain) > MAX_CHAIN_LENGTH:
        raise VerificationError(1, f"more than {MAX_CHAIN_LENGTH} certificates in the chain")
    try:
        return [certificates.facts(certificate) for certificate in chain]
    except ValueError as error:
        raise VerificationError(1, f"a certificate cannot be read: {error}") from error


def _count_proxies(read: Sequence[Facts], rules: Rules) -> int:
    kind = read[0].kind
    proxies = next((number for number, facts in enumerate(read) if facts.kind is ProxyKind.NONE), None)
    if proxies is None:
        raise VerificationError(3, "only proxies and no end entity certificate in the chain")
    if any(facts.kind is not kind for facts in read[:proxies]):
        raise VerificationError(2, "proxies of different kinds in one chain")
    if kind is ProxyKind.LEGACY and not rules.legacy_proxies or kind is ProxyKind.DRAFT and not rules.draft_proxies:
        raise VerificationError(2, f"{kind.value}s are not accepted here; make an RFC 3820 proxy")
    if proxies > rules.max_proxies:
        raise VerificationError(1, f"{proxies} proxies in the chain; {rules.max_proxies} are the most")
    return proxies


def _check_proxy(chain: Sequence[x509.Certificate], read: Sequence[Facts], depth: int, rules: Rules, *,
                 limited_above: bool) -> bool:
    """Check one proxy against its issuer; `depth` is also the number of proxies below it. Return: is it limited?"""
    proxy, issuer = read[depth], read[depth + 1]
    information = information_of(proxy)
    if information.language not in (certificates.INHERIT_ALL, certificates.LIMITED):
        raise VerificationError(5, f"proxy policy {information.language} is not accepted")
    if proxy.alternative_names:
        raise VerificationError(6, "a proxy with an alternative name")
    if proxy.is_ca or issuer.is_ca:
        raise VerificationError(7, "a proxy issued by a CA")
    if proxy.issuer != issuer.subject or not proxy.one_cn_more:
        raise VerificationError(8, "the subject of a proxy is not its issuer's subject and one CN")
    if (issuer.usage is not None and not issuer.usage.digital_signature) or not issuer.tls_client:
        raise VerificationError(9, "the issuer of a proxy may not sign, or not be a client")
    if information.path_length is not None and depth > information.path_length:
        raise VerificationError(10, "more proxies than the path length of a proxy allows")
    if _is_ambiguous(proxy.last):
        raise VerificationError(13, "the name of a proxy can be read in two ways")
    limit = rules.max_proxy_lifetime
    if limit is not None and proxy.not_after - proxy.not_before > limit:
        raise VerificationError(17, f"a proxy that is valid for more than {limit / _HOUR:g} hours")
    limited = information.language == certificates.LIMITED
    if proxy.kind is ProxyKind.LEGACY and limited_above and not limited:
        raise VerificationError(18, "a full proxy made of a limited one")
    if proxy.kind is not ProxyKind.RFC3820 and not certificates.is_signed_by(chain[depth], chain[depth + 1]):
        raise VerificationError(20, "the signature of a proxy is wrong")
    return limited


def _legacy_limited(facts: Facts) -> bool:
    return facts.kind is ProxyKind.LEGACY and facts.last == certificates.LEGACY_LIMITED


@lru_cache(_KNOWN)
def _check_end_entity(certificate: x509.Certificate) -> tuple[str, str]:
    """Return the names in the slash form and in that of RFC 2253."""
    facts = certificates.facts(certificate)
    if facts.is_ca:
        raise VerificationError(11, "the certificate of a CA is not accepted as an identity")
    if not facts.subject.rdns:
        raise VerificationError(13, "the certificate has no subject name")
    if any(_is_ambiguous(attribute.value) for attribute in facts.subject):
        raise VerificationError(13, "the name can be read in two ways: NUL, /CN= or \\x.. within a component")
    return slash_dn(facts.subject), rfc2253(facts.subject)


def _is_ambiguous(value: str | bytes | None) -> bool:
    return not isinstance(value, str) or _TWO_WAYS.search(value) is not None


def _check_authorities(read: Sequence[Facts], first: int) -> None:
    """Check what stands above the end entity."""
    if first == len(read):
        raise VerificationError(12, "no CA stands above the certificate")
    below = 0  # CAs below this one, but for those that a CA issued to itself
    for facts in read[first:]:
        if not facts.is_ca or (facts.usage is not None and not facts.usage.key_cert_sign):
            raise VerificationError(12, f"{slash_dn(facts.subject)} is no CA and has signed a certificate")
        if facts.kind is not ProxyKind.NONE:
            raise VerificationError(3, f"{slash_dn(facts.subject)} is a proxy and stands among CAs")
        if facts.path_length is not None and below > facts.path_length:
            raise VerificationError(16, f"{slash_dn(facts.subject)} may not have {below} CAs below it")
        below += not facts.self_issued


def _check_everywhere(read: Sequence[Facts], proxies: int, rules: Rules, now: datetime) -> None:
    """What holds for each certificate, whatever it is."""
    for place, facts in enumerate(read):
        if unknown := facts.critical - certificates.UNDERSTOOD:
            raise VerificationError(14, f"unknown critical extension {next(iter(unknown)).dotted_string}")
        if objection := weak_key(facts, rules):
            raise VerificationError(15, objection)
        root = place == len(read) - 1 and facts.self_issued  # its own signature proves nothing
        if not root and (objection := weak_hash(facts, sha1=rules.sha1_proxies and place < proxies)):
            raise VerificationError(15, objection)
        if not facts.not_before <= now <= facts.not_after:
            what = "expired" if now > facts.not_after else "not yet valid"
            raise VerificationError(19, f"{what}: {slash_dn(facts.subject)}")


def weak_key(facts: Facts, rules: Rules) -> str | None:
    """What is wrong with the size of a key, None = nothing."""
    least = {"RSA": rules.min_rsa_bits, "EC": rules.min_ec_bits}.get(facts.key_type)
    if least is None:
        return f"a key of type {facts.key_type}"
    if facts.key_bits < least:
        return f"a key of {facts.key_bits} bits ({facts.key_type}); {least} are the least"
    return None


def weak_hash(facts: Facts, *, sha1: bool) -> str | None:
    """What is wrong with the hash of a signature, None = nothing; sha1: admit that."""
    if facts.hash in _HASHES or (sha1 and facts.hash == "sha1"):
        return None
    return f"a signature with {facts.hash or 'an unknown hash'}"


def _check_namespaces(chain: Sequence[x509.Certificate], namespaces: Namespaces) -> None:
    """chain: end entity first. What a CA issued to itself is no name of others."""
    for certificate, issuer in zip(chain, chain[1:], strict=False):
        if not certificates.facts(certificate).self_issued:
            objection = namespaces(issuer, _slash(certificate))
            if objection is not None:
                raise VerificationError(21, objection)


@lru_cache(_KNOWN)
def _slash(certificate: x509.Certificate) -> str:
    return slash_dn(certificates.facts(certificate).subject)
