"""Whose certificate has to have signed an attribute certificate: what the site says, and what verifies (steps 7 to 9).
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from gsi import certificates
from gsi.errors import AttributeCertificateError, CredentialError, VerificationError
from gsi.peer import Peer, ProxyKind
from gsi.voms import der
from gsi.voms.certificate import AttributeCertificate
from gsi.voms.vomsdir import Chain, Vomsdir, matches

#: A verified issuer is taken for verified this long, s, so that the end of a revocation list is seen as well.
LIFETIME_S = 5.0
#: Issuers that are remembered.
_KNOWN = 256


class Issuers:
    """The VOMS servers that a site knows. For any number of threads."""

    def __init__(self, vomsdir: Vomsdir, verify: Callable[[Sequence[x509.Certificate]], Peer],
                 version: Callable[[], int]) -> None:
        """verify: the full verification of certificates, without VO attributes, raises VerificationError; version:
        another number when CAs or revocation lists are others.
        """
        self._vomsdir = vomsdir
        self._verify = verify
        self._version = version
        self._known: dict[tuple[x509.Certificate, ...], tuple[int, float, Peer]] = {}
        self._lock = threading.Lock()

    def find(self, ac: AttributeCertificate) -> Peer:
        """The verified certificate that has to have signed it (steps 7 to 9). Raises AttributeCertificateError."""
        try:
            chains = self._vomsdir.chains(ac.vo, ac.host)
            server = self._named_in_lsc(ac, chains) if chains else None
            server = server or self._kept_by_site(ac)
        except CredentialError as error:
            raise AttributeCertificateError(7, f"what the site says of VOMS servers is unusable: {error}") from error
        if server is not None:
            return server
        if chains is None:
            raise AttributeCertificateError(
                7, f"{ac.server} is no server of the VO {ac.vo} to this site: there is no {ac.vo}/{ac.host}.lsc")
        raise AttributeCertificateError(9, f"the certificate of its issuer is not the one in {ac.vo}/{ac.host}.lsc")

    def _named_in_lsc(self, ac: AttributeCertificate, chains: Sequence[Chain]) -> Peer | None:
        """The issuer's certificate that came along, if its chain is one of these."""
        for certificate in ac.certificates:
            if der.same_name(der.subject(certificate), ac.issuer):
                server = self._verified(certificate, ac.certificates)
                return server if any(matches(chain, server.chain) for chain in chains) else None
        return None

    def _kept_by_site(self, ac: AttributeCertificate) -> Peer | None:
        """The issuer's certificate that lies in the vomsdir."""
        for certificate in self._vomsdir.certificates(ac.vo):
            if der.same_name(der.subject(certificate), ac.issuer) and is_named(ac, certificate):
                return self._verified(certificate, ac.certificates)
        return None

    def _verified(self, certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> Peer:
        try:
            server = self._verify_once((certificate, *(other for other in others if other != certificate)))
        except VerificationError as error:
            reason = f"the certificate of its issuer is not accepted: {error.reason}"
            raise AttributeCertificateError(8, reason) from error
        if server.proxy_kind is not ProxyKind.NONE:
            raise AttributeCertificateError(8, "it was issued with a proxy")
        return server

    def _verify_once(self, chain: tuple[x509.Certificate, ...]) -> Peer:
        """The verified issuer, remembered for a short while and not beyond a change of CAs or revocation lists: a site
        has few, and verifying one costs more than all other steps. Raises VerificationError.
        """
        version, now = self._version(), time.monotonic()
        if (known := self._known.get(chain)) is not None:
            at_version, at, peer = known
            if at_version == version and now - at < LIFETIME_S and datetime.now(UTC) < peer.not_after:
                return peer
        peer = self._verify(chain)
        with self._lock:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[chain] = version, now, peer
        return peer


def is_named(ac: AttributeCertificate, issuer: x509.Certificate) -> bool:
    """Whether the authorityKeyIdentifier, which every VOMS server writes, means the key of this certificate."""
    return bool(ac.authority_key) and ac.authority_key in _key_identifiers(issuer)


@lru_cache(_KNOWN)
def _key_identifiers(certificate: x509.Certificate) -> frozenset[bytes]:
    """By what the key of a certificate may be called: its hash (RFC 5280 4.2.1.2), or what the certificate says."""
    found = {x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest}
    try:
        extensions = certificates.extensions(certificate)
        found.add(extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest)
    except x509.ExtensionNotFound:
        pass
    return frozenset(found)
