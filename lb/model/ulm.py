r"""Event lines: ``NAME=VALUE`` separated by blanks, in both directions (lb.md 2.1).

Text and bytes: real lines hold control characters and bytes that are no UTF-8. A line is handled as ``str`` decoded
from UTF-8 with ``surrogateescape``, which loses nothing: ``encode(decode(raw)) == raw`` for every byte string.

What is tolerated, exactly as the original does:

* blanks and tabs before, between and after the fields, names in any case, fields in any order;
* unknown names, among them ``DG.LLLID`` and ``DG.TYPE``; of ``DG.ARRIVED`` we do take the time;
* a date with overflowing parts or without fraction (``times.parse_date``);
* an empty or unreadable sequence code, an empty ``DG.USER``: whether they are any good is not a question of form.

What an unreadable value of a specific field becomes: unset, so it is an error only where the field is required.
Numbers are read as C's ``atoi`` reads them, the digits in front.

Intended differences from the original:

* A field of another event type is always 1405. The original answers 1404 when that other field happens to share memory
  with one that was set before.
* A date that is not all digits is none (1403). The original computes some time from whatever stands there.
* ``DG.ARRIVED``, which dump files have in front, is taken for the time of arrival where no ``ARR_DATE`` says otherwise.

What ``write`` makes canonical, so that a line that was read is written the same but for this: the order of the fields
and single blanks between them; fields that are unknown, empty and not required of the type, or given again, go; fields
of the type that were absent come as empty or null; names of fields, events, sources, levels and enumerations in their
own spelling; PROG; numbers without what stood before and after their digits; six digits of microseconds; ids with
their port; quotes around values and the three escapes, no others. ``parse(write(event)) == event`` for every event that
can be read.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from lb.model.atoi import atoi
from lb.model.catalogue import COMMON, EventType, Field, Kind
from lb.model.errors import ModelError
from lb.model.eventforms import write_tags
from lb.model.events import EVENTS, NO_JOB, Event, find_type
from lb.model.jobid import JobId, JobIdError
from lb.model.times import DateError, Timestamp, format_date, parse_date
from lb.model.vocabulary import LEVELS, SOURCE_BY_NAME

PARSE_BROKEN_ULM: Final = 1401
PARSE_EVENT_UNDEF: Final = 1402
PARSE_MSG_INCOMPLETE: Final = 1403
PARSE_KEY_DUPLICITY: Final = 1404
PARSE_KEY_MISUSE: Final = 1405

MAX_FIELDS: Final = 100
"""Fields in one line (lb.md 2.1); the original dies beyond that, we answer 1401."""
MAX_LINE: Final = 102_400_000
"""Characters of one line: the largest message the protocols carry (lb.md 2.2)."""
PROGRAM: Final = "edg-wms"
"""The constant value of PROG."""

_FIELD = re.compile(r'([A-Za-z0-9._-]++)=(?:"((?:[^"\\]++|\\.)*+)"|([^ \t\n\v\f\r"\\=]*+))(?:[ \t]++|\Z)', re.DOTALL)
_BLANKS = " \t\r\n"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REAL = re.compile(r"[ \t\n\v\f\r]*+([+-]?+)0*+([0-9]{0,400}+)((?:\.[0-9]*+)?+)((?:[eE][+-]?+[0-9]{1,4}+)?+)")
_REAL_DIGITS: Final = 400
"""Digits of a fraction that are looked at; the smallest double has its first one at place 324."""


class UlmError(ModelError):
    """A line that is no event. The text is the one that the original server answers.

    ``code``: 1401 to 1405 (lb.md 15); ``field``: ULM name, empty for 1401; ``position``: -1 for what is not there.
    """

    def __init__(self, code: int, text: str, field: str = "", position: int = -1) -> None:
        super().__init__(text, code=code, field=field, position=position)

    def explain(self) -> str:
        """The text with the place, for people."""
        place = f" at character {self.position}" if self.position >= 0 else ""
        return f"{self} (code {self.code}{place})"


def decode(raw: bytes) -> str:
    """Bytes of a line as text, losslessly."""
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that ``decode`` came from."""
    return text.encode("utf-8", "surrogateescape")


def joined(text: str) -> str:
    """The text as ``decode`` gives it, bytes that together are a character made one.

    ``UnicodeEncodeError`` for half a character that stands for no byte.
    """
    return text if text.isascii() else decode(encode(text))


def parse(line: str | bytes, *, complete: bool = True) -> Event:
    """Read one event line, without or with its line end.

    With ``complete=False`` required fields may be absent and are listed in ``Event.missing``; that is for looking at
    recorded lines, never for storing. Raises ``UlmError``.
    """
    pairs, kind = split(line)
    if kind is None:
        raise UlmError(PARSE_EVENT_UNDEF, "Unknown or missing event type", "DG.EVNT")
    return event_of(pairs, kind, complete)


Pair = tuple[str, str, int]
"""Upper-case name, value without quotes and escapes, position of the field in the line."""


def split(line: str | bytes) -> tuple[list[Pair], EventType | None]:
    """All fields of a line but DG.EVNT, and the type that this one names; no DG.EVNT, no type. Raises ``UlmError``."""
    text = line if isinstance(line, str) else decode(line)
    if len(text) > MAX_LINE:
        raise UlmError(PARSE_BROKEN_ULM, "ULM parse error", position=MAX_LINE)
    if isinstance(line, str) and not text.isascii():
        _check_characters(text)
    position, end = len(text) - len(text.lstrip(_BLANKS)), len(text.rstrip(_BLANKS))
    text = text[:end] if end < len(text) else text
    pairs: list[Pair] = []
    kind: EventType | None = None
    match_field = _FIELD.match
    while position < end:
        match = match_field(text, position)
        if match is None or len(pairs) > MAX_FIELDS:
            raise UlmError(PARSE_BROKEN_ULM, "ULM parse error", position=position)
        name, quoted, bare = match.groups()
        value = bare if quoted is None else _unescape(quoted) if "\\" in quoted else quoted
        name = name.upper()
        if name == "DG.EVNT":
            kind = _the_type(value, kind, position)
        else:
            pairs.append((name, value, position))
        position = match.end()
    if len(pairs) + (kind is not None) > MAX_FIELDS:
        raise UlmError(PARSE_BROKEN_ULM, "ULM parse error", position=pairs[-1][2])
    return pairs, kind


def _check_characters(text: str) -> None:
    """Half a character that stands for no byte cannot come from a line, nor be written into one."""
    try:
        encode(text)
    except UnicodeEncodeError as error:
        raise UlmError(PARSE_BROKEN_ULM, "ULM parse error", position=error.start) from None


def _the_type(value: str, before: EventType | None, position: int) -> EventType:
    if before is not None:
        raise UlmError(PARSE_KEY_DUPLICITY, "Key DG.EVNT already exists.", "DG.EVNT", position)
    kind = find_type(value)
    if kind is None:
        raise UlmError(PARSE_EVENT_UNDEF, "Unknown or missing event type", "DG.EVNT", position)
    return kind


def _unescape(value: str) -> str:
    plain = _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else match[1], value)
    return joined(plain)  # an escape may have kept apart what is UTF-8 together


def event_of(pairs: list[Pair], kind: EventType, complete: bool) -> Event:
    """The event that these fields make; see ``parse``."""
    common, specific = _read_fields(pairs, kind)
    missing = _missing(kind, common, specific)
    if missing and complete:
        where = next((position for name, _, position in pairs if name == missing[0]), -1)
        text = f"Message incomplete, missing or empty field {missing[0]}."
        raise UlmError(PARSE_MSG_INCOMPLETE, text, missing[0], where)
    get = common.get
    return Event(
        kind,
        get("timestamp", _EPOCH),
        get("host", ""),
        get("level"),
        get("priority", -1),
        get("jobid", NO_JOB),
        get("seqcode", ""),
        get("user", ""),
        get("source", ""),
        get("src_instance"),
        specific,
        get("arrived") or get("dumped"),
        missing,
    )


_EPOCH: Final[Timestamp] = (0, 0)


def _read_fields(pairs: list[Pair], kind: EventType) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values that are set: of the common fields, of the specific ones."""
    common: dict[str, Any] = {}
    specific: dict[str, Any] = {}
    own = _FIELDS_OF[kind.name]
    for name, value, position in pairs:
        known, target = own.get(name), specific
        if known is None:
            known, target = _COMMON_KEYS.get(name), common
            if known is None:
                if name in _ALL_FIELDS:
                    text = f"Key {name} shouldn't be used for event type {kind.name}."
                    raise UlmError(PARSE_KEY_MISUSE, text, name, position)
                continue
        key, read, null = known
        if key in target:
            if name == "DG.ARRIVED":
                continue
            raise UlmError(PARSE_KEY_DUPLICITY, f"Key {name} already exists.", name, position)
        result = read(value)
        if result is not None and result != null:
            target[key] = result
    return common, specific


def _missing(kind: EventType, common: dict[str, Any], specific: dict[str, Any]) -> tuple[str, ...]:
    absent = [ulm for key, ulm in _REQUIRED_COMMON if key not in common]
    absent += [ulm for key, ulm in _REQUIRED_OF[kind.name] if key not in specific]
    return tuple(absent)


# ---- values ---------------------------------------------------------------------------------------------------------


def _read_int(value: str) -> int:
    if len(value) < 10 and value.isdigit() and value.isascii():
        return int(value)
    return atoi(value)


def _read_port(value: str) -> int:
    return _read_int(value) & 0xFFFF


def _read_real(value: str) -> float:
    match = _REAL.match(value)
    if match is None:
        return 0.0
    sign, whole, fraction, exponent = match.groups()
    number = float(f"{sign}0{whole}{fraction[: 1 + _REAL_DIGITS]}{exponent}")
    return number if abs(number) < float("inf") else 0.0


def _read_text(value: str) -> str | None:
    return value or None


def _read_plain(value: str) -> str:
    return value


def _read_source(value: str) -> str | None:
    return SOURCE_BY_NAME.get(value.lower()) if value.isascii() else None


def _read_level(value: str) -> str | None:
    upper = value.upper()
    return upper if value.isascii() and upper in LEVELS else None


def _read_job(value: str) -> JobId | None:
    try:
        return JobId.parse(value)
    except JobIdError:
        return None


def _read_date(value: str) -> Timestamp | None:
    try:
        return parse_date(value)
    except DateError:
        return None


def _read_tags(value: str) -> tuple[tuple[str, str], ...] | None:
    pairs = (item.partition("=") for item in value.split(",") if "=" in item)
    return tuple((name, text) for name, _, text in pairs) or None


def _read_choice(field: Field) -> Callable[[str], str | None]:
    values = {value: value for value in field.values}

    def read(value: str) -> str | None:
        return values.get(value) or (values.get(value.upper()) if value.isascii() else None)

    return read


Known = tuple[str, Callable[[str], Any], Any]

_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: _read_text,
    Kind.INT: _read_int,
    Kind.PORT: _read_port,
    Kind.DOUBLE: _read_real,
    Kind.SOURCE: _read_source,
    Kind.JOBID: _read_job,
    Kind.TIME: _read_date,
    Kind.TAGS: _read_tags,
}


def _known(field: Field) -> Known:
    if field.kind is Kind.ENUM:
        return field.name, _read_choice(field), None
    numeric = field.kind in (Kind.INT, Kind.PORT, Kind.DOUBLE)
    return field.name, _READERS[field.kind], field.null if numeric else None


_FIELDS_OF: dict[str, dict[str, Known]] = {
    kind.name: {field.ulm: _known(field) for field in kind.fields} for kind in EVENTS.values()
}
_ALL_FIELDS = frozenset(field.ulm for kind in EVENTS.values() for field in kind.fields)
_COMMON_KEYS: dict[str, Known] = {
    "DATE": ("timestamp", _read_date, None),
    "ARR_DATE": ("arrived", _read_date, None),
    "DG.ARRIVED": ("dumped", _read_date, None),
    "HOST": ("host", _read_plain, None),
    "LVL": ("level", _read_level, None),
    "DG.PRIORITY": ("priority", _read_int, -1),
    "DG.JOBID": ("jobid", _read_job, None),
    "DG.SEQCODE": ("seqcode", _read_plain, None),
    "DG.USER": ("user", _read_plain, None),
    "DG.SOURCE": ("source", _read_source, None),
    "DG.SRC_INSTANCE": ("src_instance", _read_plain, None),
}
_REQUIRED_COMMON = tuple((field.name, field.ulm) for field in COMMON if field.required)
_REQUIRED_OF = {
    kind.name: tuple((field.name, field.ulm) for field in kind.fields if field.required) for kind in EVENTS.values()
}

# ---- writing --------------------------------------------------------------------------------------------------------


def quote(value: str) -> str:
    """A value in quotes; only backslash, quote and line feed are escaped (lb.md 2.1)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def write(event: Event, *, arrived: bool = False) -> str:
    """One line without its line end; with ``arrived`` the DG.ARRIVED prefix of dump files, if the time is known.

    Every specific field of the type is written, an unset one as an empty text or as its null number.
    """
    missing = event.missing
    parts = [f"DG.ARRIVED={format_date(event.arrived)}"] if arrived and event.arrived is not None else []
    values = (
        ("DATE", format_date(event.timestamp)),
        ("HOST", quote(event.host)),
        ("PROG", PROGRAM),
        ("LVL", event.level),
        ("DG.PRIORITY", str(event.priority)),
        ("DG.SOURCE", quote(event.source)),
        ("DG.SRC_INSTANCE", None if event.src_instance is None else quote(event.src_instance)),
        ("DG.EVNT", quote(event.type.name)),
        ("DG.JOBID", quote(event.jobid.uri)),
        ("DG.SEQCODE", quote(event.seqcode)),
        ("DG.USER", quote(event.user)),
    )
    parts += [f"{name}={value}" for name, value in values if value is not None and name not in missing]
    fields = event.fields
    parts += [f"{field.ulm}={quote(value_text(field, fields.get(field.name)))}" for field in event.type.fields]
    return " ".join(parts)


def value_text(field: Field, value: Any) -> str:
    """The text of a specific field's value as it stands in a line, before quoting."""
    kind = field.kind
    if kind in (Kind.INT, Kind.PORT):
        return str(field.null if value is None else value)
    if kind is Kind.DOUBLE:
        return _real(float(field.null) if value is None else value)
    if value is None:
        return ""
    if kind is Kind.TIME:
        return format_date(value)
    if kind is Kind.TAGS:
        return write_tags(value)
    return value.uri if isinstance(value, JobId) else str(value)


def _real(number: float) -> str:
    """Six decimals, as C's ``%f`` writes it; more where these would lose something."""
    text = f"{number:f}"
    return text if float(text) == number else format(Decimal(repr(number)), "f")
