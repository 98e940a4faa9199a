"""From a delivered line to an event that may be stored: form, sender, rights (lb.md 2.1, 5.3, 7, 11.1).

Everything that needs no look at the database is decided here, before the event waits for its turn to be written. What
depends on the job (does it exist, who owns it) is decided in lb.server.batch.
"""

import errno
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from gsi.peer import Peer
from lb.model import ulm
from lb.model.catalogue import SOURCE_CODES
from lb.model.events import EXCLUSIVE, Event
from lb.model.jobid import JobId, parse_server
from lb.server.authority import Authority, same_person
from lb.server.errors import LbError, not_allowed

#: The key of a job in the database and the name of its files: printable ASCII without a slash.
_UNIQUE: Final = re.compile(r"[!-.0-~]{1,255}")
REGISTRATION: Final = "RegJob"


def not_registered() -> LbError:
    """The answer to an event of a job that this server does not keep: the sender drops the event (lb.md 5.3)."""
    return LbError(errno.ENOENT, "job not registered")


def must_be_direct() -> LbError:
    """The answer to a registration that came through somebody else (lb.md 7)."""
    return not_allowed("job registration must go directly")


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

    @property
    def exclusive(self) -> bool:
        """A registration that must be the first one (lb.md 2.2)."""
        return bool(self.event.priority & EXCLUSIVE)


class Admission:
    """Admits events to the server called `server` (host:port, as job ids name it)."""

    def __init__(self, server: str, authority: Authority) -> None:
        self._host, self._port = parse_server(server)
        self._authority = authority

    @property
    def server(self) -> str:
        return f"{self._host}:{self._port}"

    def admit(self, line: bytes, peer: Peer | None, arrived: int) -> Admitted:
        """Read a line and check what can be checked without its job; `arrived`: seconds since 1970, the server's clock.

        Raises LbError, ulm.UlmError.
        """
        if peer is None:
            raise not_allowed("logging needs an authenticated connection")
        event = ulm.parse(line)
        event.arrived = (arrived, 0)
        self._check_place(event)
        trusted = self._authority.is_trusted_logger(peer)
        direct = self._check_sender(event, peer, trusted)
        text = ulm.encode(ulm.write(event))
        return Admitted(event, text, digest_of(event), peer, direct, trusted)

    def is_ours(self, jobid: JobId) -> bool:
        """Whether the id names this server."""
        return (jobid.host.lower(), jobid.port) == (self._host.lower(), self._port)

    def _check_place(self, event: Event) -> None:
        """An id of another server is unknown here, as the original says (lb-oracle README)."""
        if not self.is_ours(event.jobid):
            raise not_registered()
        if not _UNIQUE.fullmatch(event.jobid.unique) or event.jobid.unique.startswith("."):
            raise LbError(errno.EINVAL, "the unique part of a job id is up to 255 printable characters without a slash")

    def _check_sender(self, event: Event, peer: Peer, trusted: bool) -> bool:
        """Whether the sender speaks for himself; raises LbError when he speaks for others and may not."""
        if not self._authority.may_log(peer, event.name):
            raise not_allowed("Not allowed to log events here")
        direct = same_person(event.user, peer.dn)
        if not direct and not trusted:
            raise must_be_direct() if event.name == REGISTRATION else not_allowed(
                "DG.USER is not the sender, and the sender is no trusted logger of this server"
            )
        return direct


def digest_of(event: Event) -> bytes:
    """16 bytes over what the duplicate check compares: all common fields but the way of delivery (lb.md 5.3)."""
    parts = (
        event.type.code, SOURCE_CODES[event.source], event.host, *event.timestamp, event.level, event.user,
        event.seqcode,
    )
    return hashlib.md5(ulm.encode("\0".join(map(str, parts))), usedforsecurity=False).digest()
