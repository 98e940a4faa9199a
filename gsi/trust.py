"""Whom to believe: the CA directory as it is now, and the verdict on a chain of certificates.

    trust = Trust(ca_directory())
    peer = trust.peer(handshake.verified_chain(tls))   # after a handshake with a context of ours
    peer = trust.verify(read_certificates(pem))        # certificates that came in another way

Make one after a fork and use it from any number of threads.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from cryptography import x509

from gsi import voms
from gsi.cadirectory import LOOK_EVERY_S, Authorities, CaDirectory
from gsi.errors import SigningPolicyError
from gsi.names import slash_dn
from gsi.pathbuilding import PathBuilder
from gsi.peer import Peer, ProxyKind
from gsi.rules import Rules, SigningPolicyRule
from gsi.signingpolicy import permitted
from gsi.verify import Namespaces, check, leading_proxies

_VOMSDIR = Path("/etc/grid-security/vomsdir")
#: Names whose verdict is remembered.
_KNOWN = 1024


class Trust:
    """The CAs of a directory, and the rules. ca_dir, rules and vomsdir are for reading."""

    def __init__(self, ca_dir: Path, rules: Rules | None = None, vomsdir: Path | None = None, *,
                 look_every_s: float = LOOK_EVERY_S) -> None:
        """rules: None = those of this machine (Rules.find); vomsdir: None = $X509_VOMS_DIR, else the usual place;
        look_every_s: how often the CA directory is looked at, at most.

        Raises CredentialError when there is no such CA directory or the rules cannot be read.
        """
        self.ca_dir = ca_dir
        self.rules = Rules.find() if rules is None else rules
        self.vomsdir = Path(os.environ.get("X509_VOMS_DIR", _VOMSDIR)) if vomsdir is None else vomsdir
        self._directory = CaDirectory(ca_dir, look_every_s)
        #: The judge of VO attributes; tools ask it for its reasons.
        self.voms = voms.Verifier(self.vomsdir, self.rules, self._verified, lambda: self.authorities().version)
        self._judge: tuple[int, Namespaces] | None = None
        self._builder: tuple[int, PathBuilder] | None = None

    def authorities(self, *, look: bool = False) -> Authorities:
        """The content of the CA directory; look: as it is this moment, not as it was some seconds ago."""
        return self._directory.current(look=look)

    def peer(self, chain: Sequence[x509.Certificate]) -> Peer:
        """The identity that a chain proves which OpenSSL verified in a handshake, leaf first, root last.

        Raises VerificationError.
        """
        return self._with_attributes(self._checked(chain, self.authorities(), self.rules))

    def verify(self, chain: Sequence[x509.Certificate], *, delegated: bool = False) -> Peer:
        """Verify certificates that did not come through a handshake: signatures, validity, CRLs and all checks.

        chain: leaf first; CAs of the directory may be left out. delegated: admit SHA-1 under proxies: the key is ours,
        so that a collision buys nothing, and htproxyput makes such. Raises VerificationError.
        """
        return self._with_attributes(self._verified(chain, delegated=delegated))

    def _verified(self, chain: Sequence[x509.Certificate], *, delegated: bool = False) -> Peer:
        """The identity, without VO attributes."""
        now = self.authorities()
        rules = replace(self.rules, sha1_proxies=True) if delegated else self.rules
        builder = self._path_builder(now)
        built = builder.build(chain)
        peer = self._checked(built, now, rules)
        builder.check_revocation(built[leading_proxies(built):])
        return peer

    def _checked(self, chain: Sequence[x509.Certificate], now: Authorities, rules: Rules) -> Peer:
        return check(chain, rules, self._namespaces(now))

    def _namespaces(self, now: Authorities) -> Namespaces:
        """The verdicts of the signing policies, remembered until they change."""
        known = self._judge
        if known is None or known[0] != now.version:
            known = self._judge = now.version, lru_cache(_KNOWN)(partial(_objection, now, self.rules))
        return known[1]

    def _with_attributes(self, peer: Peer) -> Peer:
        """The peer with what its VOs say of it; the chain has been verified."""
        if peer.proxy_kind is ProxyKind.NONE:
            return peer
        found = self.voms.judge(peer.chain, leading_proxies(peer.chain))
        believed = peer.with_attributes(tuple(finding.verified for finding in found if finding.verified is not None))
        objections = tuple(finding.objection for finding in found if finding.objection is not None)
        return replace(believed, disbelieved=objections) if objections else believed

    def _path_builder(self, now: Authorities) -> PathBuilder:
        known = self._builder
        if known is None or known[0] != now.version:
            known = self._builder = now.version, PathBuilder(now, self.rules)
        return known[1]


def _objection(now: Authorities, rules: Rules, issuer: x509.Certificate, subject: str) -> str | None:
    """Why this CA may not sign that name; None = it may."""
    name = slash_dn(issuer.subject)
    try:
        policy = now.policy(issuer)
    except SigningPolicyError as error:
        return str(error)
    if policy is not None:
        return None if permitted(policy, subject) else f"the signing policy of {name} does not allow {subject}"
    if rules.signing_policy is SigningPolicyRule.IF_PRESENT and now.has(issuer):
        return None
    return f"there is no signing policy of {name} in the CA directory"
