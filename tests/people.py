"""Verified peers without a handshake, for what only looks at names and attributes."""

from datetime import UTC, datetime

from gsi.peer import Peer, ProxyKind

USER = "/DC=org/DC=example/CN=Test User"


def peer(dn: str = USER, *fqans: str, limited: bool = False) -> Peer:
    """A peer of that name who has shown those VO attributes, perhaps through a limited proxy."""
    kind = ProxyKind.RFC3820 if limited else ProxyKind.NONE
    return Peer(dn, dn, kind, limited, (), datetime(2100, 1, 1, tzinfo=UTC), fqans)
