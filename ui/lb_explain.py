"""What is wrong with an event line, where, and what to do; what a good line leaves to be desired."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from rich.cells import cell_len

from lb.model import ulm
from lb.model.catalogue import COMMON, Common, EventType, Field, Kind
from lb.model.eventjson import EventJsonError
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, JobIdError
from lb.model.seqcode import CondorCode, PbsCode, SeqCode, SeqCodeError
from lb.model.times import DateError, parse_date
from lb.model.ulm import Pair, UlmError
from lb.model.vocabulary import LEVELS, SOURCES
from ui.lb_files import Line
from ui.lb_lines import JOBID, USER, short_reason, shown

BEFORE: Final = 36
AFTER: Final = 36
"""Characters of a line that are shown on either side of the place."""
VALUE_SHOWN: Final = 60
"""Characters of a value that are shown."""
SIMILAR: Final = 0.65
"""From 0 to 1: names that are as alike as this may have been mistaken for each other."""

NUMBERS: Final = (Kind.INT, Kind.PORT, Kind.DOUBLE)
BYTE_ORDER_MARK: Final = "\ufeff"

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+', re.DOTALL)
_BARE = re.compile(r'[^\s"\\=]*+')
_EVENT_VALUE = re.compile(r'DG\.EVNT="?([^"\s]*)', re.IGNORECASE)
_OTHER_LINE = re.compile(r'DG\.TYPE="?(notification|command)', re.IGNORECASE)

_SILENT: Final = frozenset({"PROG", "DG.TYPE", "DG.LLLID", "DG.ARRIVED", "ARR_DATE"})
"""Names that are no field of an event and stand in lines all the same (lb.md 2.1)."""
_COMMON: Final = {field.ulm: field for field in COMMON}
_OWNERS: Final = {field.ulm: kind for kind in EVENTS.values() for field in kind.fields}


@dataclass(frozen=True, slots=True)
class Problem:
    """``position``: index of the character at fault, -1 where there is none; ``remedy``: what to do."""

    text: str
    position: int
    remedy: str


_TOO_LONG: Final = Problem(f"no line has more than {ulm.MAX_LINE} octets", -1, "shorten what it carries")


def report(line: Line, error: UlmError, supplied: Container[str] = ()) -> Iterator[str]:
    """All that can be said of a bad line, in lines: the reason, the place with a caret below it, what to do.

    ``supplied``: fields that need not be there.
    """
    text = "" if line.too_long else ulm.decode(line.octets).rstrip("\r\n")
    yield f"{line.place}: {short_reason(error)}"
    for problem in [_TOO_LONG] if line.too_long else problems(text, error, supplied):
        if problem.position >= 0:
            yield from (f"    {part}" for part in excerpt(text, problem.position))
        yield f"    {shown(problem.text)}"
        yield f"    what to do: {shown(problem.remedy)}"


def report_json(line: Line, error: EventJsonError) -> Iterator[str]:
    """The same of a line that is no event in JSON."""
    text = ulm.decode(line.octets).rstrip("\r\n")
    yield f"{line.place}: {short_reason(error)}"
    if error.position >= 0:
        yield from (f"    {part}" for part in excerpt(text, error.position))
    yield f"    what to do: {_JSON_REMEDIES[error.code]}"


_JSON_REMEDIES: Final = {
    ulm.PARSE_BROKEN_ULM: "write an event as --json does, one object per line; jq -c makes one line of many",
    ulm.PARSE_EVENT_UNDEF: 'write "type": "NAME"; glite-lb-event --list tells all names',
    ulm.PARSE_MSG_INCOMPLETE: "add it; glite-lb-event --describe NAME tells what a type has to have",
    ulm.PARSE_KEY_DUPLICITY: "leave only one of them",
    ulm.PARSE_KEY_MISUSE: "leave it out, or correct the type; glite-lb-event --describe NAME tells its fields",
}


def excerpt(text: str, position: int) -> tuple[str, str]:
    """The surroundings of a place, and the line with the caret that belongs below."""
    start, end = max(0, position - BEFORE), min(len(text), position + AFTER)
    before = ("…" if start else "") + "".join(map(shown, text[start:position]))
    after = "".join(map(shown, text[position:end])) + ("…" if end < len(text) else "")
    return before + after, " " * cell_len(before) + "^"


def problems(text: str, error: UlmError, supplied: Container[str] = ()) -> Iterator[Problem]:
    """What is wrong with the line; more than one thing only where several fields are missing."""
    if error.code == ulm.PARSE_BROKEN_ULM:
        yield _broken(text, max(error.position, 0))
    elif error.code == ulm.PARSE_EVENT_UNDEF:
        yield _no_event(text, error)
    elif error.code == ulm.PARSE_MSG_INCOMPLETE:
        yield from _incomplete(text, supplied)
    elif error.code == ulm.PARSE_KEY_DUPLICITY:
        first = re.search(rf"(?:^|\s){re.escape(error.field)}=", text, re.IGNORECASE)
        where = f", first at character {first.end() - len(error.field)}" if first else ""
        yield Problem(f"{error.field} stands here once more{where}", error.position, "leave only one of them")
    else:
        yield _misplaced(text, error)


def _broken(text: str, position: int) -> Problem:
    """Which rule of the form the field at this place breaks."""
    name = _NAME.match(text, position)
    if text.startswith(BYTE_ORDER_MARK, position):
        return Problem("this mark, which some editors put in front of a file, is no part of an event", position,
                       "remove it: sed '1s/^\\xEF\\xBB\\xBF//'")
    if name is None:
        return Problem("the name of a field should stand here", position, 'write NAME="VALUE" and one blank after each')
    at = name.end()
    if text[at : at + 1] != "=":
        return Problem(f"there is no = after {name[0]}", at, f'write {name[0]}="VALUE", without a blank around the =')
    quoted = _QUOTED.match(text, at + 1)
    if quoted is None:
        bare = _BARE.match(text, at + 1)
        end = at + 1 if bare is None else bare.end()
        if end >= len(text) or text[end].isspace():
            return Problem(f"there are more than {ulm.MAX_FIELDS} fields", position, "leave the superfluous ones away")
        return Problem(f"{text[end]} cannot stand in a value without quotes", end, f'write {name[0]}="VALUE"')
    end = quoted.end()
    escape = 'inside of a value write \\" for a quote and \\\\ for a backslash'
    if text[end : end + 1] != '"':
        return Problem(f"the quote that opens the value of {name[0]} is never closed", at + 1,
                       f"close it; if the line is cut off, get it once more; {escape}")
    if end + 1 < len(text) and not text[end + 1].isspace():
        return Problem(f"the value of {name[0]} ended with the quote before this character", end + 1, escape)
    return Problem(f"there are more than {ulm.MAX_FIELDS} fields", position, "leave the superfluous ones away")


def _no_event(text: str, error: UlmError) -> Problem:
    listed = "glite-lb-event --list tells all names"
    found = _EVENT_VALUE.match(text, error.position) if error.position >= 0 else None
    if found is not None:
        return Problem(f"no type of event is called {_value(found[1])}", found.start(1), _meant(found[1], listed))
    other = _OTHER_LINE.search(text)
    if other is not None:
        return Problem(f"this is a {other[1].lower()}, which travels in lines of the same form", other.start(),
                       "leave it out, it tells nothing of a job")
    return Problem("the line does not say which event it is", -1, f'add DG.EVNT="NAME"; {listed}')


def _meant(name: str, otherwise: str) -> str:
    close = similar(name, EVENTS)
    return f"did you mean {close}?" if close else otherwise


def similar(name: str, known: Iterable[str]) -> str:
    """Those of the known names that may have been meant: ``Done or CREAMDone``; empty when there is none."""
    by_lower = {each.lower(): each for each in known}
    return " or ".join(by_lower[each] for each in get_close_matches(name.lower(), by_lower, 3, SIMILAR))


def _misplaced(text: str, error: UlmError) -> Problem:
    owner = _OWNERS.get(error.field)
    kind = ulm.split(text)[1]
    remedy = "leave it out, or correct DG.EVNT"
    if kind is not None:
        remedy += f"; glite-lb-event --describe {kind.name} tells the fields of this one"
    return Problem(f"{error.field} belongs to {owner.name if owner else 'another event'}, "
                   f"and this is {kind.name if kind else 'another one'}", error.position, remedy)


# ---- values ---------------------------------------------------------------------------------------------------------


def _incomplete(text: str, supplied: Container[str]) -> Iterator[Problem]:
    """Every field that is missing, or as good as missing."""
    pairs, kind = ulm.split(text)
    if kind is None:
        return
    places = {name: (value, position) for name, value, position in reversed(pairs)}
    own = {field.ulm: field for field in kind.fields}
    for name in ulm.event_of(pairs, kind, False).missing:
        value, position = places.get(name, (None, -1))
        if value is None and name in supplied:
            continue
        field: Field | Common = own[name] if name in own else _COMMON[name]
        wanted = f"{field.doc}; {values_text(field)}"
        if value is None or position < 0:
            yield Problem(f"{name} is required and not there: {wanted}", -1, _supply(name, f'add {name}="VALUE"'))
        else:
            why = "is empty" if not value else f"{_value(value)} counts as none"
            yield Problem(f"{name} {why}: {wanted}", position + len(name) + 1, _better(field, value))


def _supply(name: str, otherwise: str) -> str:
    option = {JOBID: "--assume-jobid", USER: "--assume-user"}.get(name)
    return otherwise if option is None else f"{otherwise}, or say it with {option}"


def _better(field: Field | Common, value: str) -> str:
    close = similar(value, _names(field))
    if close:
        return f"did you mean {close}?"
    if isinstance(field, Common) and field.kind == "jobid":
        try:
            JobId.parse(value)
        except JobIdError as error:
            return f"write a job id: {error}"
    if isinstance(field, Field) and field.kind in NUMBERS:
        return f"write a number other than {field.null}"
    return "write a value of that kind"


def _names(field: Field | Common) -> Sequence[str]:
    """The words that can stand as the value of a field, none where it is free."""
    kind = field.kind if isinstance(field, Common) else field.kind.value
    if isinstance(field, Field) and field.values:
        return field.values
    return {"logsrc": SOURCES, "level": LEVELS}.get(kind, ())


def values_text(field: Field | Common) -> str:
    """What can stand as the value of a field, in words."""
    if isinstance(field, Field) and field.kind is Kind.ENUM:
        return f"one of {', '.join(_choice_text(field, value) for value in field.values)}"
    if isinstance(field, Field) and field.kind in NUMBERS:
        return f"{_KINDS[field.kind.value]}, {field.null} is none"
    return _KINDS[field.kind if isinstance(field, Common) else field.kind.value]


def _choice_text(field: Field, value: str) -> str:
    since = field.value_since(value)
    return f"{value} ({field.number(value)}{f', since {since}' if since != field.since else ''})"


_KINDS: Final = {
    "string": "text", "int": "number", "port": "number up to 65535", "double": "number with decimals",
    "logsrc": "name of a component (--describe common)", "level": "name of a level (--describe common)",
    "jobid": "job id https://HOST:PORT/UNIQUE", "timeval": "time YYYYMMDDHHMMSS.uuuuuu in UTC",
    "taglist": "NAME=VALUE,NAME=VALUE",
}


def _value(text: str) -> str:
    return f'"{text[:VALUE_SHOWN]}{"…" if len(text) > VALUE_SHOWN else ""}"'


# ---- good lines -----------------------------------------------------------------------------------------------------


def remarks(pairs: Sequence[Pair], event: Event) -> Iterator[str]:
    """What stands in a good line and counts for nothing."""
    own = {field.ulm: field for field in event.type.fields}
    for name, value, _ in pairs:
        field = own.get(name)
        if field is not None:
            numeric = field.kind in NUMBERS
            if value and not numeric and event.get(field.name) is None:
                yield f"{name} {_value(value)} counts as none: not {values_text(field)}"
        elif name == "LVL" and event.level is None:
            yield f"LVL {_value(value)} counts as none: not one of {', '.join(LEVELS)}"
        elif name in ("DG.ARRIVED", "ARR_DATE") and not _is_date(value):
            yield f"{name} {_value(value)} counts as none: not a {_KINDS['timeval']}"
        elif name not in _COMMON and name not in _SILENT:
            yield f"{name} is no field of an event and passed over"
    if not _is_code(event.seqcode):
        yield f"DG.SEQCODE {_value(event.seqcode)} is of no known form: the event has no place in the order of codes"


def _is_date(value: str) -> bool:
    try:
        parse_date(value)
    except DateError:
        return False
    return True


def _is_code(text: str) -> bool:
    for form in (SeqCode, PbsCode, CondorCode):
        try:
            form.parse(text)
        except SeqCodeError:
            continue
        return True
    return False


def described(kind: EventType) -> str:
    """``Done (10, gLite): The execution has ended, for good or ill.``"""
    return f"{kind.name} ({kind.code}, {kind.family}): {kind.doc}"
