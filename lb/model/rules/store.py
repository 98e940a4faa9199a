"""What a store of events accepts: place, registration, authors, family, repeated delivery (lb.md 5.3, 7).

Pure functions of what is known of the job, the event and the identities. Each answers None when all is well, and a
``Refusal`` with the original's code and words otherwise. ``lb.model.ledger`` uses them in memory, ``lb.server`` over
its tables. The rules of registration:

==============================  =====================================================================================
job unknown                     registered; a purged job of the same owner lives again, unless exclusive
job known, same owner           one more RegJob event, the state machine takes what is new in it
job known, other owner          EPERM
job known or purged, exclusive  EEXIST
came through a logger           only for a job that is known: a new one has to be registered by its owner himself
parent named, and known here    the parent must have the same owner, and no job is part of itself
==============================  =====================================================================================

Stricter than the original, by intention: nobody but the owner changes rights, whatever source he names; only a trusted
logger says in the owner's name what the job is (``OWNERS_WORDS``); nobody hangs his job into another one's.
"""

import errno
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from lb.model import connections
from lb.model.connections import ConnectionsError
from lb.model.events import Event
from lb.model.jobid import JobId, subjobs
from lb.model.people import ANONYMOUS, same_person
from lb.model.rules.leftovers import job_id
from lb.model.rules.parents import PARENTS
from lb.model.vocabulary import EXCLUSIVE, SERVER, SOURCE_CODES

REGISTRATION: Final = "RegJob"
OWNERS_SOURCES: Final = frozenset({"UserInterface", "LRMS", "Application"})
"""Sources whose events only the owner of the job may log (lb.md 7)."""
OWNERS_EVENTS: Final = frozenset({"ChangeACL", "GrantPayloadOwnership"})
"""Events about rights. The original lets anybody log them from another source (a trap of lb.md 7)."""
OWNERS_WORDS: Final = frozenset({"UserTag", "CurDescr"})
"""What is said in the owner's name. The original takes it from anybody who names another source (lb.md 7)."""
MAX_SUBJOBS: Final = 100_000
"""Most subjobs that one registration may create: a limit of ours, ten times the largest DAG of the test plan."""
MAX_DEPTH: Final = 16
"""Levels of parents above a job that are looked at, and told of its changes: a limit of ours."""

_FAMILIES: Final = PARENTS | {"PARTITIONED"}
_UNIQUE: Final = re.compile(r"[!-.0-~]{1,255}")
"""The unique part is the key of a job in tables and the name of its files: printable ASCII without a slash."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event is not stored.

    ``code``: an errno or an LB code, ``text``: the words of the original, ``why``: what we add for people.
    """

    code: int
    text: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.why}" if self.why else self.text


@dataclass(frozen=True, slots=True)
class Sender:
    """Who delivers an event, as the connection and the policy know him.

    ``dn``: his subject name; ``trusted``: the policy lets him speak for others, see ``lb.server.authority``.
    """

    dn: str
    trusted: bool = False


class Zombie(Enum):
    """What is known of a job that is not here (lb.md 8.3)."""

    NONE = "never seen"
    PURGED = "purged; it was the same owner's, or whose it was is not known"
    FOREIGN = "purged; it was somebody else's"


NOT_REGISTERED: Final = Refusal(errno.ENOENT, "job not registered")
"""For an event of a job that this server does not keep: the sender drops the event (lb.md 5.3)."""
MUST_BE_DIRECT: Final = Refusal(errno.EPERM, "job registration must go directly")
NOT_PERMITTED: Final = Refusal(errno.EPERM, "Not allowed to log events here")
"""For a sender whom the policy does not let log this type of event (lb.md 11.1)."""
NOT_FOR_OTHERS: Final = Refusal(
    errno.EPERM, "DG.USER is not the sender, and the sender is no trusted logger of this server"
)
NOT_OWNER: Final = Refusal(errno.EPERM, "check_auth()", "only the owner of the job may log this event")
NOBODY: Final = Refusal(errno.EPERM, "check_auth()", "the author of the event is not known")
FOREIGN_JOB: Final = Refusal(errno.EPERM, "Job already registered with different owner. Rejecting event.")
FOREIGN_ZOMBIE: Final = Refusal(errno.EPERM, "Job was registered with different owner and purged. Rejecting event.")
FOREIGN_PARENT: Final = Refusal(errno.EPERM, "the parent job belongs to somebody else")
JOB_EXISTS: Final = Refusal(errno.EEXIST, "Job with given jobid already exists. Rejecting event.")
ZOMBIE_EXISTS: Final = Refusal(errno.EEXIST, "Zombie job with given jobid already exists. Rejecting event.")
ENDLESS: Final = Refusal(
    errno.EINVAL, f"a job cannot be part of itself, nor nested deeper than {MAX_DEPTH} levels"
)
BAD_UNIQUE: Final = Refusal(
    errno.EINVAL, "the unique part of a job id is up to 255 printable characters without a slash"
)


# ---- identities -----------------------------------------------------------------------------------------------------


def check_sender(event: Event, sender: Sender) -> Refusal | None:
    """Everybody speaks for himself, a trusted logger for others too."""
    if sender.trusted or same_person(event.user, sender.dn):
        return None
    return MUST_BE_DIRECT if event.name == REGISTRATION else NOT_FOR_OTHERS


# ---- the job --------------------------------------------------------------------------------------------------------


def is_ours(jobid: JobId, server: tuple[str, int]) -> bool:
    """Whether the id names this server (host, port); hosts are compared without case."""
    return jobid.port == server[1] and jobid.host.lower() == server[0].lower()


def check_place(jobid: JobId, server: tuple[str, int]) -> Refusal | None:
    """A job of another server is unknown here, as the original says (lb-oracle README)."""
    if not is_ours(jobid, server):
        return NOT_REGISTERED
    return None if is_key(jobid.unique) else BAD_UNIQUE


def is_key(unique: str) -> bool:
    """Whether the unique part of an id may be the key of a job; with another one no job is ever here."""
    return _UNIQUE.fullmatch(unique) is not None and not unique.startswith(".")


def is_exclusive(event: Event) -> bool:
    """A registration that must be the first one (lb.md 2.2)."""
    return bool(event.priority & EXCLUSIVE)


def check_again(event: Event, owner: str) -> Refusal | None:
    """A registration of a job that is here already."""
    if is_exclusive(event):
        return JOB_EXISTS
    return None if same_person(event.user, owner) else FOREIGN_JOB


def check_new(
    event: Event, *, direct: bool, zombie: Zombie = Zombie.NONE, exclusive_zombies: bool = True
) -> Refusal | None:
    """A registration of a job that is not here.

    ``direct``: the owner registers it himself; ``exclusive_zombies``: a purged job counts as one that exists.
    """
    if event.user == ANONYMOUS:
        return Refusal(errno.EPERM, "can't register jobs anonymously")
    if not direct:
        return MUST_BE_DIRECT
    if zombie is not Zombie.NONE and exclusive_zombies and is_exclusive(event):
        return ZOMBIE_EXISTS
    return FOREIGN_ZOMBIE if zombie is Zombie.FOREIGN else None


Relative = tuple[str, JobId | None]
"""Owner of a job, and the job that it is part of."""


def named_parent(event: Event, jobtype: str | None) -> JobId | None:
    """The job that an event makes the parent of its own, which is of this type as far as that is known.

    A registration does, and a Sandbox event of a transfer that names no compute job.
    """
    if event.type.name == REGISTRATION:
        parent: JobId | None = event.get("parent")
        return parent
    if event.type.name != "Sandbox" or jobtype != "FILE_TRANSFER" or job_id(event.get("compute_job")) is not None:
        return None
    text = job_id(event.get("transfer_job"))
    return None if text is None else JobId.parse(text)


def check_parent(event: Event, parent: JobId | None, find: Callable[[JobId], Relative | None]) -> Refusal | None:
    """Nobody may hang his job into another one's, or into itself and what is to be part of it.

    ``find``: a job that is here, None when it is not.
    """
    for _ in range(MAX_DEPTH):
        if parent == event.jobid:
            return ENDLESS
        known = None if parent is None else find(parent)
        if known is None:
            return ENDLESS if parent is not None and parent in born(event) else None
        owner, parent = known
        if not same_person(owner, event.user):
            return FOREIGN_PARENT
    return ENDLESS


def born(event: Event) -> list[JobId]:
    """The subjobs that a registration creates (lb.md 7); ask ``check_family`` first."""
    count = _subjobs(event)
    return subjobs(event.jobid, event.get("seed"), count) if count else []


def check_family(event: Event) -> Refusal | None:
    """A number of subjobs that cannot be meant is refused."""
    count = _subjobs(event)
    if count > MAX_SUBJOBS:
        return Refusal(errno.E2BIG, f"a job may have {MAX_SUBJOBS} subjobs, not {count}")
    return None


def has_subjobs(event: Event) -> bool:
    """Whether a registration is one of a job with subjobs."""
    return _subjobs(event) > 0


def _subjobs(event: Event) -> int:
    count: int = event.get("nsubjobs") or 0
    return max(count, 0) if event.get("jobtype") in _FAMILIES else 0


# ---- other events ---------------------------------------------------------------------------------------------------


def check_author(event: Event, owner: str, *, trusted: bool, may_tag: bool = False) -> Refusal | None:
    """Who may log which event of a job, whatever the policy says (lb.md 7).

    ``trusted``: it comes from one who may speak for others; ``may_tag``: the author has the permission TAG on the job.
    """
    if event.user == ANONYMOUS:
        return NOBODY
    name = event.type.name
    needs_owner = event.source in OWNERS_SOURCES or name in OWNERS_EVENTS or (name in OWNERS_WORDS and not trusted)
    if not needs_owner or name == "TakePayloadOwnership" or same_person(event.user, owner):
        return None
    return None if name == "UserTag" and may_tag else NOT_OWNER


def check_connection(event: Event, is_registered: Callable[[JobId], bool]) -> Refusal | None:
    """Both ends of a connection must be jobs that are here; when the server says it, only the id must be one."""
    if event.type.name not in connections.EVENT_NAMES:
        return None
    try:
        other = connections.other_job(event)
    except ConnectionsError as error:
        return Refusal(error.code, str(error))
    return None if event.source == SERVER or is_registered(other) else NOT_REGISTERED


def identity(event: Event) -> tuple[Any, ...]:
    """What makes it the same event when it comes again (lb.md 5.3): all common fields but the way of delivery."""
    return (
        event.type.code, SOURCE_CODES[event.source], event.host, *event.timestamp, event.level, event.user,
        event.seqcode,
    )
