"""Who may do what here (jp.md 2.2).

Trusted peers register and upload. The owner of a job, and nobody else, reads and tags it; option -n lifts that. Index
servers that subscribe to feeds are trusted peers too unless there is a list of their own; the original let anyone in.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from gsi.authz import Access
from gsi.names import same_dn
from gsi.peer import Peer
from jpps.errors import Denied
from jpps.jobs import Job


@dataclass(frozen=True)
class Rights:
    """The policy of one server. `peers`, `index_peers`: DNs; `open_to_all`: no owner checks (option -n)."""

    peers: Container[str]
    index_peers: Container[str]
    open_to_all: bool = False

    def permits(self, access: Access, peer: Peer | None, operation: str, arguments: Mapping[str, Any]) -> bool:
        """See gsi.authz.Policy. Whose job it is, the handler finds out: it looks the job up with `check_owner`."""
        if access is Access.TRUSTED_PEER:
            return peer is not None and peer.dn in self.peers
        return peer is not None and access in (Access.AUTHENTICATED, Access.JOB_OWNER)

    def check_owner(self, peer: Peer | None, job: Job) -> None:
        """Raise Denied unless the peer owns the job."""
        if not self.open_to_all and (peer is None or not same_dn(peer.dn, job.owner)):
            raise Denied("you are not a job owner")

    def check_index(self, peer: Peer | None) -> str:
        """Return the DN of a peer that may subscribe. Raises Denied."""
        if peer is None or not (self.open_to_all or peer.dn in self.index_peers):
            raise Denied("you are not a trusted index server")
        return peer.dn
