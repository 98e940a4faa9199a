"""Who may do what at the index server.

| operation | who |
|---|---|
| UpdateJobs | trusted feeders: the peers file and this server's own identity (the original asked nobody, jp.md 3.5) |
| QueryJobs, ServerConfiguration | any authenticated peer; the query decides which jobs it is told of (jp.md 3.6) |
| AddFeed, DeleteFeed, GetFeedIDs | administrators: the admins file and this server's own identity |
"""

from collections.abc import Mapping
from typing import Any

from gsi.authz import Access, PeerList
from gsi.peer import Peer


class IndexPolicy:
    """The rules above; names of each list may change while the server runs."""

    def __init__(self, feeders: PeerList, admins: PeerList) -> None:
        self._feeders = feeders
        self._admins = admins

    def permits(self, access: Access, peer: Peer | None, operation: str, arguments: Mapping[str, Any]) -> bool:
        """See gsi.authz.Policy."""
        if access is Access.ANYONE:
            return True
        if peer is None:
            return False
        if access is Access.AUTHENTICATED:
            return True
        if access is Access.TRUSTED_PEER:
            return peer.dn in self._feeders
        return access is Access.ADMIN and peer.dn in self._admins
