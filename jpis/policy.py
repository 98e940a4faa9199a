"""Who may do what at the index server.

| operation | who |
|---|---|
| UpdateJobs | trusted feeders: the peers file and this server's own identity (the original asked nobody, jp.md 3.5) |
| QueryJobs, ServerConfiguration | any authenticated peer; the query decides which jobs it is told of (jp.md 3.6) |
| AddFeed, DeleteFeed, GetFeedIDs | administrators: the admins file and this server's own identity |
"""

from collections.abc import Mapping
from typing import Any

from gsi.authz import Access, Outlook, ServicePolicy, listed
from gsi.peer import Peer
from gsi.peers import PeerList


class IndexPolicy(ServicePolicy):
    """The rules above; the members of each list may change while the server runs."""

    def __init__(self, feeders: PeerList, admins: PeerList) -> None:
        self._lists = {Access.TRUSTED_PEER: feeders, Access.ADMIN: admins}

    def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
        """See gsi.authz.ServicePolicy."""
        if access in self._lists:
            return listed(peer, self._lists[access], access)
        return super().decide(peer, access, arguments)
