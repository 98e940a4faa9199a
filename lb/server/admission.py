"""From a delivered line to an event that may be stored: form, sender, rights (lb.md 2.1, 5.3, 7, 11.1).

Everything that needs no look at the database is decided here, before the event waits for its turn to be written. What
depends on the job (does it exist, who owns it) is decided in lb.server.batch. The rules are in lb.model.rules.store.
"""

import hashlib
from dataclasses import dataclass

from gsi.peer import Peer
from lb.model import ulm
from lb.model.events import Event
from lb.model.jobid import JobId, parse_server
from lb.model.people import same_person
from lb.model.rules import store
from lb.model.rules.store import REGISTRATION, Sender
from lb.server.authority import Authority
from lb.server.errors import heed, not_allowed


@dataclass(frozen=True, slots=True)
class Admitted:
    """An event that may be stored if its job allows it.

    line: its canonical text; digest: what makes it the same event when it comes again (lb.md 5.3, duplicate check);
    peer: who delivered it; direct: the sender speaks for himself; trusted: he may speak for others.
    """

    event: Event
    line: bytes
    digest: bytes
    peer: Peer
    direct: bool
    trusted: bool = False

    @property
    def key(self) -> str:
        """Database key of the job."""
        return self.event.jobid.unique

    @property
    def registers(self) -> bool:
        return self.event.name == REGISTRATION


class Admission:
    """Admits events to the server called `server` (host:port, as job ids name it)."""

    def __init__(self, server: str, authority: Authority) -> None:
        self._server = parse_server(server)
        self._authority = authority

    @property
    def server(self) -> str:
        return f"{self._server[0]}:{self._server[1]}"

    def admit(self, line: bytes, peer: Peer | None, arrived: int) -> Admitted:
        """Read a line and check what can be checked without its job; `arrived`: seconds since 1970, the server's clock.

        Raises LbError, ulm.UlmError.
        """
        if peer is None:
            raise not_allowed("logging needs an authenticated connection")
        event = ulm.parse(line)
        event.arrived = (arrived, 0)
        heed(store.check_place(event.jobid, self._server))
        if not self._authority.may_log(peer, event.name):
            heed(store.NOT_PERMITTED)
        sender = Sender(peer.dn, trusted=self._authority.is_trusted_logger(peer))
        heed(store.check_sender(event, sender))
        direct = same_person(event.user, peer.dn)
        text = ulm.encode(ulm.write(event))
        return Admitted(event, text, digest_of(event), peer, direct, sender.trusted)

    def is_ours(self, jobid: JobId) -> bool:
        """Whether the id names this server."""
        return store.is_ours(jobid, self._server)


def digest_of(event: Event) -> bytes:
    """16 bytes over what the duplicate check compares."""
    return hashlib.md5(ulm.encode("\0".join(map(str, store.identity(event)))), usedforsecurity=False).digest()
