"""Who may do what here (jp.md 2.2).

Trusted peers register and upload. The owner of a job, and nobody else, reads and tags it; option -n lifts that. Index
servers that subscribe to feeds are trusted peers too unless there is a list of their own; the original let anyone in.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from gsi.authz import Access, Outlook, ServicePolicy, depends, listed, yes
from gsi.names import same_dn
from gsi.peer import Peer
from jpps.errors import Denied
from jpps.jobs import Job


@dataclass(frozen=True)
class Rights(ServicePolicy):
    """The policy of one server. `peers`, `index_peers`: lists of peers; `open_to_all`: no owner checks (option -n)."""

    peers: Container[object]
    index_peers: Container[object]
    open_to_all: bool = False

    def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
        """Whose job or feed it is, the operation finds out: it looks it up, and the job with `check_owner`."""
        if access is Access.TRUSTED_PEER:
            return listed(peer, self.peers, access)
        if access in (Access.JOB_OWNER, Access.SUBSCRIBER, Access.FEED_OWNER) and self.open_to_all:
            return yes("this server is open to every authenticated peer")
        if access is Access.SUBSCRIBER:
            return listed(peer, self.index_peers, access)
        if access is Access.FEED_OWNER:
            return depends("for the feeds that you have subscribed")
        return depends("for your own jobs") if access is Access.JOB_OWNER else super().decide(peer, access, arguments)

    def check_owner(self, peer: Peer | None, job: Job) -> None:
        """Raise Denied unless the peer owns the job."""
        if not self.open_to_all and (peer is None or not same_dn(peer.dn, job.owner)):
            raise Denied("you are not a job owner")
