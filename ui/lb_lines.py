"""Event lines of files: an event, or why there is none, in words and with the place."""

import io
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import click

from lb.model import eventjson, ulm
from lb.model.errors import ModelError
from lb.model.events import Event
from lb.model.jobid import JobId, JobIdError
from lb.model.times import Timestamp, format_date
from lb.model.ulm import PARSE_BROKEN_ULM, PARSE_MSG_INCOMPLETE, UlmError
from ui.frame import visible
from ui.lb_files import Line, shown_name

CODE_NAMES: Final[Mapping[int, str]] = {
    ulm.PARSE_BROKEN_ULM: "PARSE_BROKEN_ULM",
    ulm.PARSE_EVENT_UNDEF: "PARSE_EVENT_UNDEF",
    ulm.PARSE_MSG_INCOMPLETE: "PARSE_MSG_INCOMPLETE",
    ulm.PARSE_KEY_DUPLICITY: "PARSE_KEY_DUPLICITY",
    ulm.PARSE_KEY_MISUSE: "PARSE_KEY_MISUSE",
}
"""Names of the codes of refused lines (lb.md 15)."""

EXIT_USAGE: Final = 2
"""Exit code of wrong usage, as of all that works on files; the commands that ask services say ``frame.EXIT_USAGE``."""

JOBID, USER = "DG.JOBID", "DG.USER"
JOBID_KEY: Final = "jobId"
"""The same in JSON."""
TOLD: Final = 10
"""Bad lines of a file that are told one by one, if not all are asked for."""


class Complaints:
    """Tells what is wrong with lines: of each file the first ones, and how many there are besides.

    ``everything``: all of them, one by one; ``err``: on standard error.
    """

    def __init__(self, everything: bool, err: bool = True) -> None:
        self.count = 0
        self._everything = everything
        self._err = err
        self._file = ""
        self._in_file = 0

    def tell(self, line: Line, texts: Iterable[str], always: bool = False) -> None:
        """One more bad line; ``always``: it is told whatever was told before."""
        if line.file != self._file:
            self.end()
            self._file = line.file
        self.count += 1
        self._in_file += not always
        if always or self._everything or self._in_file <= TOLD:
            for text in texts:
                click.echo(text, err=self._err)

    def end(self) -> None:
        """The file is at its end; so is this, when there is no other."""
        more = self._in_file - TOLD
        if more > 0 and not self._everything:
            lines = "1 more bad line" if more == 1 else f"{more} more bad lines"
            click.echo(f"{shown_name(self._file)}: {lines}; --all tells of each", err=self._err)
        self._in_file = 0


def is_json(octets: bytes) -> bool:
    """Whether the line can only be an event in JSON; no name of a field in ULM begins so."""
    return octets.lstrip().startswith(b"{")


class Supply:
    """What lines are taken to say that do not name their job or their author.

    Event files of producers lack them: who keeps the file knows the job, and the logger that takes the line over knows
    the author.
    """

    def __init__(self, jobid: str | None, user: str | None) -> None:
        given = {JOBID: jobid, USER: user}
        self.values = {name: value for name, value in given.items() if value is not None}

    def event(self, line: Line) -> tuple[Event, bool]:
        """The event of a line, and whether something had to be supplied. Raises UlmError."""
        _check_length(line)
        text = ulm.decode(line.octets)
        try:
            return ulm.parse(text), False
        except UlmError as error:
            if error.code != PARSE_MSG_INCOMPLETE or error.field not in self.values:
                raise
        return self._completed(text), True

    def any_event(self, line: Line) -> tuple[Event, bool]:
        """The same of a line of either form. Raises UlmError or EventJsonError."""
        if not is_json(line.octets):
            return self.event(line)
        event = self.json_event(line)
        return event, not event.user

    def _completed(self, text: str) -> Event:
        pairs, kind = ulm.split(text)
        if kind is None:
            return ulm.parse(text)
        present = {name for name, _, _ in pairs}
        pairs += [(name, value, -1) for name, value in self.values.items() if name not in present]
        return ulm.event_of(pairs, kind, True)

    def json_event(self, line: Line) -> Event:
        """The event of a line of JSON. Raises EventJsonError, or UlmError for a line that is too long."""
        _check_length(line)
        event = eventjson.from_json(line.octets, complete=False)
        if not event.missing:
            return event
        if any(name not in self.values for name in event.missing):
            return eventjson.from_json(line.octets)
        jobid, user = self.values.get(JOBID), self.values.get(USER)
        return replace(
            event, missing=(), user=user if USER in event.missing and user is not None else event.user,
            jobid=JobId.parse(jobid) if JOBID in event.missing and jobid is not None else event.jobid,
        )


def _check_length(line: Line) -> None:
    if line.too_long:
        text = f"ULM parse error: the line is longer than {ulm.MAX_LINE} octets"
        raise UlmError(PARSE_BROKEN_ULM, text, position=ulm.MAX_LINE)


class JobIdType(click.ParamType[str]):
    """A job id, as text."""

    name = "ID"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id with its port."""
        try:
            return str(JobId.parse(value))
        except JobIdError as error:
            self.fail(str(error), param, ctx)


def short_reason(error: ModelError) -> str:
    """What is wrong with a line, in one."""
    name = CODE_NAMES.get(error.code, "")
    where = f" in {shown(error.field)}" if error.field and error.field not in str(error) else ""
    place = f" at character {error.position + 1}" if error.position >= 0 else ""
    return f"{shown(str(error))}{where} ({name} {error.code}{place})"


def is_nameless(error: ModelError) -> bool:
    """Whether the line does not say whose event it is."""
    return error.code == PARSE_MSG_INCOMPLETE and error.field in (JOBID, JOBID_KEY)


def escape_output() -> None:
    """What a terminal of another encoding cannot show comes as escapes, not as an exception."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def shown(text: str) -> str:
    r"""The text for a terminal: octets that are no UTF-8 as ``\xNN``, control characters as escapes."""
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return visible(text)


def moment_text(moment: Timestamp | None) -> str:
    """``YYYY-MM-DD HH:MM:SS.uuuuuu``."""
    if moment is None:
        return ""
    text = format_date(moment)
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:]}"
