"""The path from a certificate that did not come through a handshake to a CA of ours.

OpenSSL builds and verifies what it understands: the end entity and the CAs. It knows no proxies but those of RFC 3820
and asks no callback here, so the proxies' signatures are verified with their issuers' keys; what they may be is left to
gsi.verify. Revocation follows the rules of the handshake (gsi.handshake): OpenSSL looks at each certificate whose CA
has a revocation list.
"""

from collections.abc import Sequence

from cryptography import x509
from OpenSSL import crypto

from gsi import certificates
from gsi.cadirectory import Authorities, subject_hash
from gsi.errors import VerificationError
from gsi.names import slash_dn
from gsi.peer import ProxyKind
from gsi.rules import CrlRule, Rules
from gsi.verify import MAX_CHAIN_LENGTH

#: Most certificates that somebody's chain may bring, superfluous ones included.
_MAX_BROUGHT = 2 * MAX_CHAIN_LENGTH


class PathBuilder:
    """Builds paths to the CAs that were in the directory at one time."""

    def __init__(self, authorities: Authorities, rules: Rules) -> None:
        self._authorities = authorities
        self._rules = rules
        self._store = store(authorities)
        self._revocation_store = store(authorities, crypto.X509StoreFlags.CRL_CHECK)

    def build(self, chain: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        """Return the path of the first certificate, root last; the others come in any order.

        Signatures are verified, of the end entity and the CAs validity too. Raises VerificationError.
        """
        if not chain:
            raise VerificationError(1, "no certificate")
        if len(chain) > _MAX_BROUGHT:
            raise VerificationError(1, f"more than {_MAX_BROUGHT} certificates")
        path, others = [chain[0]], list(chain[1:])
        try:
            while certificates.proxy_kind(path[-1]) is not ProxyKind.NONE:
                issuer = _issuer(path[-1], others)
                others.remove(issuer)
                path.append(issuer)
        except ValueError as error:
            raise VerificationError(1, f"a certificate cannot be read: {error}") from error
        return path[:-1] + _verified(self._store, path[-1], others)

    def check_revocation(self, path: Sequence[x509.Certificate]) -> None:
        """path: end entity first, root last, as `build` returned them. Raises VerificationError (22)."""
        for place, certificate in enumerate(path):
            issuer = path[min(place + 1, len(path) - 1)]
            if subject_hash(issuer) in self._authorities.revocable:
                try:
                    _verified(self._revocation_store, certificate, path[place + 1:])
                except VerificationError as error:
                    raise VerificationError(22, error.reason) from error
            elif self._rules.crl is CrlRule.REQUIRE:
                raise VerificationError(22, f"no certificate revocation list of {slash_dn(issuer.subject)}")


def store(authorities: Authorities, flags: int = 0) -> crypto.X509Store:
    """An OpenSSL store with all CAs and revocation lists of the directory."""
    made = crypto.X509Store()
    fill(made, authorities)
    if flags:
        made.set_flags(flags)
    return made


def fill(made: crypto.X509Store, authorities: Authorities) -> None:
    """Put all CAs and revocation lists of the directory into a store."""
    for certificate in authorities.authorities:
        made.add_cert(crypto.X509.from_cryptography(certificate))
    for revocations in authorities.revocations:
        made.add_crl(revocations)


def _issuer(proxy: x509.Certificate, others: Sequence[x509.Certificate]) -> x509.Certificate:
    name = certificates.facts(proxy).issuer
    named = [other for other in others if certificates.facts(other).subject == name]
    if not named:
        raise VerificationError(0, "the issuer of a proxy is not in the chain")
    for other in named:
        if certificates.is_signed_by(proxy, other):
            return other
    raise VerificationError(0, "the signature of a proxy is wrong")


def _verified(trusted: crypto.X509Store, certificate: x509.Certificate,
              others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    try:
        first, *untrusted = (crypto.X509.from_cryptography(each) for each in (certificate, *others))
    except crypto.Error as error:  # cryptography reads more than OpenSSL does
        raise VerificationError(1, "a certificate cannot be read by OpenSSL") from error
    context = crypto.X509StoreContext(trusted, first, untrusted)
    try:
        return [found.to_cryptography() for found in context.get_verified_chain()]
    except crypto.X509StoreContextError as error:
        raise VerificationError(0, str(error)) from error
