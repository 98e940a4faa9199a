r"""The lines that travel beside events: notifications and commands; and what a logger puts in front of a line.

=================  ================================================================================================
line               who writes it, for whom (lb.md 2.1)
=================  ================================================================================================
event              producers, for the LB server: ``lb.model.ulm``
``Notification``   the LB server, for the notification interlogger and the subscriber (lb.md 10.2)
``Command``        clients, for the interlogger: deliver what you have, and say when you have done so (lb.md 5.2)
=================  ================================================================================================

``read`` tells them apart by ``DG.TYPE``. All raise ``UlmError`` for a line that is none of theirs, with the codes of
event lines. The original accepts a notification without any of its fields; we want to know which one it is, whence and
of when. One without a status is for the interlogger itself: a new address for what waits, or, when it expired long ago,
the end of it (lb.md 10.1).
"""

import re
from dataclasses import dataclass
from typing import Final

from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, JobIdError
from lb.model.people import ANONYMOUS
from lb.model.times import DateError, Timestamp, format_date, parse_date
from lb.model.ulm import (
    PARSE_EVENT_UNDEF,
    PARSE_KEY_DUPLICITY,
    PARSE_MSG_INCOMPLETE,
    PROGRAM,
    Pair,
    UlmError,
    event_of,
    parse,
    quote,
    split,
)
from lb.model.vocabulary import SERVER, SYNC_COMPAT

NOTIFICATION: Final = "notification"
COMMAND: Final = "command"
"""The values of DG.TYPE; in any case of letters."""
COMMAND_PROGRAM: Final = "internal"
"""PROG of a command."""
COMMAND_LEVEL: Final = "system"
"""LVL of a command, as the original spells it there."""
FLUSH: Final = "flush"
"""The one command there is."""
MAX_TIMEOUT_S: Final = 2**31 - 1
"""Longest time-out of a command in seconds: C's ``int``."""
LLLID_FACTOR: Final = 1000
"""A logger numbers its lines from 1000 times its process id (lb.md 5.1)."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One change of a job on its way to one subscriber.

    ``notifid``: the registration; ``owner``: DN of the subscriber; ``jobstat``: the ``jobStat`` element as plain XML
    (the line has it with its entities written once more); ``expires``: UNIX time after which it is not worth
    delivering; ``dest_url`` counts more than ``dest_host`` and ``dest_port``. Empty and 0 are unset.
    """

    timestamp: Timestamp
    host: str
    notifid: JobId
    owner: str = ""
    jobstat: str = ""
    expires: int = 0
    dest_host: str = ""
    dest_port: int = 0
    dest_url: str = ""
    level: str | None = "SYSTEM"
    source: str = SERVER
    src_instance: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """Deliver all waiting events, those of one job if one is named; answered within ``timeout_s`` seconds."""

    timestamp: Timestamp
    host: str
    timeout_s: int
    jobid: JobId | None = None
    name: str = FLUSH


Line = Event | Notification | Command


def read(line: str | bytes) -> Line:
    """Whatever the line is. Raises ``UlmError``."""
    pairs, _ = split(line)
    kind = _value(pairs, "DG.TYPE").lower()
    if kind == NOTIFICATION:
        return parse_notification(line)
    return parse_command(line) if kind == COMMAND else parse(line)


def logger_prefix(number: int, user: str = ANONYMOUS) -> str:
    """What a logger puts in front of a line: its own number for it and the DN of the peer that sent it."""
    return f"DG.LLLID={number} DG.USER={quote(user)} "


# ---- notifications --------------------------------------------------------------------------------------------------

_TYPE = EVENTS["Notification"]
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_CHARACTERS: Final = {entity: character for character, entity in _ENTITIES.items()}
_SPECIAL = re.compile(r"[&<>\"']")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos);")


def escape(xml: str) -> str:
    """The five entities, as the fields of a notification have them (lb.md 2.1, 4.3)."""
    return _SPECIAL.sub(lambda match: _ENTITIES[match[0]], xml)


def unescape_once(text: str) -> str:
    """One round of entities undone; what only looks like one stays."""
    return _ENTITY.sub(lambda match: _CHARACTERS[match[0]], text)


def write_notification(notification: Notification) -> str:
    """One line without its line end, fields in the original's order."""
    fields = (
        ("NOTIFID", str(notification.notifid)),
        ("OWNER", notification.owner),
        ("DEST_HOST", notification.dest_host),
        ("DEST_PORT", str(notification.dest_port)),
        ("EXPIRES", str(notification.expires)),
        ("JOBSTAT", escape(notification.jobstat)),
        ("DEST_URL", notification.dest_url),
    )
    level = "" if notification.level is None else f"LVL={notification.level} "
    return (
        f"DATE={format_date(notification.timestamp)} HOST={quote(notification.host)} PROG={PROGRAM} {level}"
        f"DG.SOURCE={quote(notification.source)} DG.SRC_INSTANCE={quote(notification.src_instance)} "
        f"DG.TYPE={quote(NOTIFICATION)} " + " ".join(f"DG.NOTIFICATION.{name}={quote(value)}" for name, value in fields)
    )


def parse_notification(line: str | bytes) -> Notification:
    """Read a notification line. Raises ``UlmError``."""
    pairs, kind = split(line)
    _must_be(pairs, NOTIFICATION)
    if kind is not None and kind is not _TYPE:
        raise UlmError(PARSE_KEY_DUPLICITY, "Key DG.EVNT already exists.", "DG.EVNT")
    event = event_of(pairs, _TYPE, complete=False)
    get = event.fields.get
    for name in ("DATE", "HOST", "DG.SOURCE"):
        if name in event.missing:
            raise _incomplete(pairs, name)
    return Notification(
        timestamp=event.timestamp,
        host=event.host,
        notifid=_notification_id(pairs),
        owner=get("owner", ""),
        jobstat=unescape_once(get("jobstat", "")),
        expires=get("expires", 0),
        dest_host=get("dest_host", ""),
        dest_port=get("dest_port", 0),
        dest_url=get("dest_url", ""),
        level=event.level,
        source=event.source,
        src_instance=event.src_instance or "",
    )


def _notification_id(pairs: list[Pair]) -> JobId:
    name = "DG.NOTIFICATION.NOTIFID"
    try:
        notifid = JobId.parse(_value(pairs, name))
    except JobIdError:
        raise _incomplete(pairs, name) from None
    if not notifid.is_notification:
        raise _incomplete(pairs, name)
    return notifid


# ---- commands -------------------------------------------------------------------------------------------------------


def write_command(command: Command) -> str:
    """One line without its line end."""
    line = (
        f"DATE={format_date(command.timestamp)} HOST={quote(command.host)} PROG={COMMAND_PROGRAM} LVL={COMMAND_LEVEL} "
        f"DG.PRIORITY={SYNC_COMPAT} DG.TYPE={quote(COMMAND)} DG.COMMAND={quote(command.name)} "
        f"DG.TIMEOUT={quote(str(command.timeout_s))}"
    )
    return line if command.jobid is None else f"{line} DG.JOBID={quote(str(command.jobid))}"


def parse_command(line: str | bytes) -> Command:
    """Read a command line. Raises ``UlmError``; a command of another name than ``flush`` is one that nobody knows."""
    pairs, _ = split(line)
    _must_be(pairs, COMMAND)
    _once(pairs)
    name, timeout = _value(pairs, "DG.COMMAND").lower(), _value(pairs, "DG.TIMEOUT")
    if name != FLUSH:
        raise UlmError(PARSE_EVENT_UNDEF, "Unknown or missing command", "DG.COMMAND", _place(pairs, "DG.COMMAND"))
    if not re.fullmatch("[0-9]{1,10}", timeout) or int(timeout) > MAX_TIMEOUT_S:
        raise _incomplete(pairs, "DG.TIMEOUT")
    try:
        timestamp = parse_date(_value(pairs, "DATE"))
    except DateError:
        raise _incomplete(pairs, "DATE") from None
    return Command(timestamp, _value(pairs, "HOST"), int(timeout), _job(pairs))


def _job(pairs: list[Pair]) -> JobId | None:
    text = _value(pairs, "DG.JOBID")
    if not text:
        return None
    try:
        return JobId.parse(text)
    except JobIdError:
        raise _incomplete(pairs, "DG.JOBID") from None


# ---- fields ---------------------------------------------------------------------------------------------------------


def _value(pairs: list[Pair], name: str) -> str:
    """The first value of that name, empty when there is none."""
    return next((value for key, value, _ in pairs if key == name), "")


def _place(pairs: list[Pair], name: str) -> int:
    return next((position for key, _, position in pairs if key == name), -1)


def _must_be(pairs: list[Pair], kind: str) -> None:
    if _value(pairs, "DG.TYPE").lower() != kind:
        raise UlmError(PARSE_EVENT_UNDEF, f"Not a {kind}", "DG.TYPE", _place(pairs, "DG.TYPE"))


_COMMAND_FIELDS: Final = frozenset({"DATE", "HOST", "DG.TYPE", "DG.COMMAND", "DG.TIMEOUT", "DG.JOBID"})


def _once(pairs: list[Pair]) -> None:
    """Nothing that a command is made of comes twice."""
    seen: set[str] = set()
    for name, _, position in pairs:
        if name in seen:
            raise UlmError(PARSE_KEY_DUPLICITY, f"Key {name} already exists.", name, position)
        if name in _COMMAND_FIELDS:
            seen.add(name)


def _incomplete(pairs: list[Pair], name: str) -> UlmError:
    text = f"Message incomplete, missing or empty field {name}."
    return UlmError(PARSE_MSG_INCOMPLETE, text, name, _place(pairs, name))
