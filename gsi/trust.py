"""Whom to believe: the CA directory as it is now, and the verdict on a chain of certificates.

    trust = Trust(ca_directory())
    peer = trust.peer(tls.get_verified_chain(as_cryptography=True))   # after a handshake with a context of ours
    peer = trust.verify(read_certificates(pem))                       # certificates that came in another way

Make one after a fork and use it from any number of threads.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from gsi.errors import CredentialError
from gsi.peer import Peer
from gsi.rules import Rules
from gsi.verify import peer_from_chain, verify_chain

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

    def peer(self, chain: Sequence[x509.Certificate]) -> Peer:
        """The identity that a chain proves which OpenSSL verified in a handshake, leaf first, root last.

        Raises VerificationError.
        """
        return peer_from_chain(chain)

    def verify(self, chain: Sequence[x509.Certificate], *, delegated: bool = False) -> Peer:
        """Verify certificates that did not come through a handshake: signatures, validity, CRLs and all checks.

        chain: leaf first; CAs of the directory may be left out. delegated: admit SHA-1 under proxies: the key is ours,
        so that a collision buys nothing, and htproxyput makes such. Raises VerificationError.
        """
        return verify_chain(chain, self.ca_dir)
