"""Whom to believe: the CA directory as it is now, and the verdict on a chain of certificates.

    trust = Trust(ca_directory())
    peer = trust.peer(tls.get_verified_chain(as_cryptography=True))   # after a handshake with a context of ours
    peer = trust.verify(read_certificates(pem))                       # certificates that came in another way

Make one after a fork and use it from any number of threads.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from gsi import voms
from gsi.errors import CredentialError
from gsi.peer import Peer, ProxyKind
from gsi.rules import Rules
from gsi.verify import leading_proxies, peer_from_chain, verify_chain

_VOMSDIR = Path("/etc/grid-security/vomsdir")


class Trust:
    """The CAs of a directory, and the rules."""

    def __init__(self, ca_dir: Path, rules: Rules | None = None, vomsdir: Path | None = None) -> None:
        """rules: None = those of this machine (Rules.find); vomsdir: None = $X509_VOMS_DIR, else the usual place.

        Raises CredentialError when there is no such CA directory.
        """
        if not ca_dir.is_dir():
            raise CredentialError(
                f"the CA directory {ca_dir} does not exist; set X509_CERT_DIR or install the CAs there")
        self.ca_dir = ca_dir
        self.rules = Rules.find() if rules is None else rules
        self.vomsdir = Path(os.environ.get("X509_VOMS_DIR", _VOMSDIR)) if vomsdir is None else vomsdir
        #: The judge of VO attributes; tools ask it for its reasons.
        self.voms = voms.Verifier(self.vomsdir, self.rules, self._verified)

    def peer(self, chain: Sequence[x509.Certificate]) -> Peer:
        """The identity that a chain proves which OpenSSL verified in a handshake, leaf first, root last.

        Raises VerificationError.
        """
        return self._with_attributes(peer_from_chain(chain))

    def verify(self, chain: Sequence[x509.Certificate], *, delegated: bool = False) -> Peer:
        """Verify certificates that did not come through a handshake: signatures, validity, CRLs and all checks.

        chain: leaf first; CAs of the directory may be left out. delegated: admit SHA-1 under proxies: the key is ours,
        so that a collision buys nothing, and htproxyput makes such. Raises VerificationError.
        """
        return self._with_attributes(self._verified(chain, delegated=delegated))

    def _verified(self, chain: Sequence[x509.Certificate], *, delegated: bool = False) -> Peer:
        """The identity, without VO attributes."""
        return verify_chain(chain, self.ca_dir)

    def _with_attributes(self, peer: Peer) -> Peer:
        """The peer with what its VOs say of it; the chain has been verified."""
        if peer.proxy_kind is ProxyKind.NONE:
            return peer
        vos = self.voms.attributes(peer.chain, leading_proxies(peer.chain))
        return replace(peer, vos=vos, fqans=tuple(dict.fromkeys(fqan for vo in vos for fqan in vo.fqans)))
