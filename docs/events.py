"""docs/events.md from the catalogue of events and the table of the status: all that the wire can name.

Part of `make docs` (docs.generate).
"""

from collections.abc import Iterable, Iterator, Sequence

from docs import markdown
from lb.model import jobid, seqcode, ulm
from lb.model.catalogue import COMMON, EventType, Field
from lb.model.catalogue import Kind as EventKind
from lb.model.events import FAMILIES
from lb.model.seqcode import Form
from lb.model.since import LINES, UNKNOWN
from lb.model.status import ATTRIBUTES, STATE_CODES, STATE_DOC, STATES, TERMINAL, Attribute
from lb.model.status import Kind as StatusKind
from lb.model.vocabulary import FLAGS, LEVEL_CODES, NO_SOURCE, SOURCE_CODES, SOURCE_TABLE

INTRODUCTION = """\
# Events and statuses

Written by `make docs` from the tables in `lb/model`: every event type and field that a line, the native XML, JSON or
the web service can name, and every attribute of a status. How a status follows from events is in `docs/states.md`.

| what | where it is declared |
|---|---|
| event types and their fields | `lb/model/families/`, one module per family |
| sources, levels, flags | `lb/model/vocabulary.py` |
| attributes of the status | `lb/model/status.py` |
| sequence codes | `lb/model/seqcode.py` |
| since when, and how that is known | `lb/model/since.py` |
"""

LINES_TEXT = """\
"Since" names the first product line of the original that is known to have a thing. An older line is possible, but for
1.x, the oldest.
"""

LINE_TEXT = """\
One event is one line of `NAME=VALUE` separated by blanks. The name of a specific field in a line is
`DG.<EVENT>.<FIELD>`, all in upper case. Names are read in any case, unknown ones are passed over. Enumerations stand by
name in a line and in JSON, by number in the native XML.
"""

SOURCES_TEXT = """\
Components that log. The component of a source is the part of a sequence code that it advances. Names are read in any
case.
"""

CODES_TEXT = """\
The form is seen from the text: `SMOM=` is of PBS, `EV.CODE=` of Condor. Full ties go by the time of the event. A code
that cannot be read counts as less where it stands left; where it stands right of one that can be read, as less among
usual codes, as greater among those of PBS and Condor. Codes that have a name:
"""

STATUS_TEXT = """\
Its attributes after the state, in the order of XML, JSON and the web service. Index: the server can be told to keep one
for the attribute. On the web service those with `?` may be absent, the others are always there; in the native XML an
attribute equal to its null is left out.
"""

ENUMERATIONS_TEXT = """\
Enumerations of the status, numbered from 0. The web service writes the values with the prefix given. CANCELLED and
PURGED of `cream_state` came with 4.0, what has to do with virtual machines with 3.3.
"""

KINDS = {
    EventKind.TEXT: "text; an empty one counts as unset",
    EventKind.INT: "whole number of 32 bits; one equal to its null counts as unset",
    EventKind.PORT: "whole number of 16 bits without sign",
    EventKind.DOUBLE: "number, written with six decimals",
    EventKind.ENUM: "one of the values listed, in upper case",
    EventKind.SOURCE: "name of a source, see below",
    EventKind.JOBID: "job id, `https://HOST:PORT/UNIQUE`",
    EventKind.TIME: "`YYYYMMDDHHMMSS.uuuuuu`, UTC, in a line; `seconds.microseconds` in the native XML",
    EventKind.TAGS: "`name=value,name=value`",
}
STATUS_KINDS = {
    StatusKind.JOBID: "job id",
    StatusKind.TEXT: "text",
    StatusKind.INT: "whole number",
    StatusKind.BOOL: "true or false: 1 or 0 in the native XML",
    StatusKind.ENUM: "one of the values below",
    StatusKind.TIME: "seconds and microseconds",
    StatusKind.TEXTS: "list of texts",
    StatusKind.TAGS: "list of names with values",
    StatusKind.COUNTS: f"{len(STATES)} numbers, one per state by its code",
    StatusKind.STATUSES: "list of statuses",
    StatusKind.OPAQUE: "internal, on no wire",
}
CODE_FORMS = (
    (Form.NORMAL, str(seqcode.SeqCode()), "counter by counter from the left; a code without `LBS` has 0 there"),
    (Form.PBS, str(seqcode.PbsCode()), "counter by counter from the left"),
    (
        Form.CONDOR,
        str(seqcode.CondorCode("YYYYMMDDHHMMSS", "0000000000", "000", "L")),
        "`EV.CODE=017` first, then the time, then of one daemon the position, of several `s` after others, `m` last",
    ),
    (Form.CREAM, "as NORMAL", "jobs of CREAM do not go by it"),
    (Form.DUPLICATE, "as NORMAL, the counter of the one who logs is the time", "as NORMAL"),
)
KNOWN_CODES = (
    ("null", seqcode.NULL),
    ("usual first one after a registration", seqcode.USUAL_FIRST),
    ("first of a helper", seqcode.BIGHELPER_INITIAL),
    ("clear", seqcode.SEQ_CLEAR),
    ("abort", seqcode.SEQ_ABORT),
)
_BROKEN = f"code {ulm.PARSE_BROKEN_ULM}"
LIMITS = (
    ("fields in one line", f"{ulm.MAX_FIELDS}", _BROKEN),
    ("characters of one line", f"{ulm.MAX_LINE:,}", _BROKEN),
    ("characters of a job id", f"{jobid.MAX_LENGTH:,}", "none: it counts as unset"),
    ("port in a job id", f"{jobid.MAX_PORT:,}", "none: the id counts as unset"),
    ("digits of one counter of a sequence code", f"{seqcode.MAX_DIGITS}", "none: the code cannot be read"),
)


def events_document() -> str:
    """docs/events.md."""
    parts = (
        [INTRODUCTION],
        _lines(),
        _event_line(),
        *(_family(kinds) for kinds in FAMILIES),
        _sources(),
        _codes(),
        _states(),
        _status(),
    )
    return "\n".join(block for part in parts for block in part)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as a block, with its line end."""
    return markdown.table(head, rows) + "\n"


# ---- events ---------------------------------------------------------------------------------------------------------


def _lines() -> Iterator[str]:
    yield "## Product lines\n"
    yield LINES_TEXT
    yield table(("line", "shipped with"), LINES.items())


def _event_line() -> Iterator[str]:
    yield "## An event\n"
    yield LINE_TEXT
    yield "Fields that every event has, in the order of XML and JSON:\n"
    yield table(
        ("ULM name", "XML, JSON", "web service", "type", "needed", "meaning"),
        (
            (_code(item.ulm), _code(item.xml), _code(item.ws), item.kind, _yes(item.required), item.doc)
            for item in COMMON
        ),
    )
    yield "Types of the specific fields:\n"
    yield table(("type", "value"), ((kind.value, KINDS[kind]) for kind in EventKind))
    yield "Levels (`LVL`):\n"
    yield table(("number", "level"), [(0, "UNDEFINED"), *((code, name) for name, code in LEVEL_CODES.items())])
    yield "Flags of `DG.PRIORITY`, which is their sum:\n"
    yield table(
        ("value", "flag", "since", "meaning"), ((flag.value, flag.name, flag.since, flag.doc) for flag in FLAGS)
    )
    yield "Limits, and what a line beyond them is answered:\n"
    yield table(("what", "limit", "refused with"), LIMITS)


def _family(kinds: Sequence[EventType]) -> Iterator[str]:
    yield f"## Events of {kinds[0].family}\n"
    yield table(
        ("number", "event", "since", "meaning"),
        ((kind.code, f"[{kind.name}](#{_anchor(kind)})", kind.since, kind.doc) for kind in kinds),
    )
    for kind in kinds:
        yield from _event(kind)


def _heading(kind: EventType) -> str:
    return f"{kind.code} {kind.name}"


def _anchor(kind: EventType) -> str:
    return _heading(kind).lower().replace(" ", "-")


def _event(kind: EventType) -> Iterator[str]:
    yield f"### {_heading(kind)}\n"
    yield f"{kind.doc} Since {kind.since}.\n" if kind.since != UNKNOWN else f"{kind.doc} Since when is unknown.\n"
    if not kind.fields:
        yield "It has no fields of its own.\n"
        return
    yield table(
        ("ULM name", "XML, JSON", "web service", "type", "null", "needed", "since", "meaning"),
        (_field(field) for field in kind.fields),
    )


def _field(field: Field) -> tuple[str, ...]:
    names = (_code(field.ulm), _code(field.xml), _code(field.ws))
    return (*names, field.kind.value, _null(field), _yes(field.required), field.since, field.doc + _values(field))


def _null(field: Field) -> str:
    numeric = field.kind in (EventKind.INT, EventKind.PORT, EventKind.DOUBLE, EventKind.ENUM)
    return str(field.null) if numeric else "absent"


def _values(field: Field) -> str:
    if not field.values:
        return ""
    return ": " + ", ".join(f"{value} {field.number(value)}{_later(field, value)}" for value in field.values)


def _later(field: Field, value: str) -> str:
    since = field.value_since(value)
    return "" if since == field.since else f" (since {since})"


# ---- sources and sequence codes -------------------------------------------------------------------------------------


def _sources() -> Iterator[str]:
    yield "## Sources\n"
    yield SOURCES_TEXT
    rows = [(0, NO_SOURCE, "", "", "", "", "no source; in no event")]
    for item in SOURCE_TABLE:
        number, symbols = SOURCE_CODES[item.name], ", ".join(map(_code, item.symbols))
        rows.append((number, item.name, item.ws, symbols, item.component, item.since, item.doc))
    yield table(("number", "source", "web service", "symbols", "component", "since", "meaning"), rows)


def _codes() -> Iterator[str]:
    yield "## Sequence codes\n"
    yield table(
        ("number", "form", "text", "order"),
        ((form.value, form.name, _code(text) if "=" in text else text, order) for form, text, order in CODE_FORMS),
    )
    yield CODES_TEXT
    yield table(("name", "code"), ((name, _code(str(code))) for name, code in KNOWN_CODES))


# ---- the status -----------------------------------------------------------------------------------------------------


def _states() -> Iterator[str]:
    yield "## States\n"
    yield "A job in a final state is not expected to change any more.\n"
    yield table(
        ("number", "state", "web service", "final", "meaning"),
        ((STATE_CODES[name], name, name.upper() if code else "", _yes(name in TERMINAL), STATE_DOC[name])
         for code, name in enumerate(STATES)),
    )


def _status() -> Iterator[str]:
    yield "## The status\n"
    yield STATUS_TEXT
    yield table(
        ("#", "attribute", "web service", "type", "null", "index", "meaning"),
        (_attribute(place, item) for place, item in enumerate(ATTRIBUTES, 1)),
    )
    yield "Types:\n"
    yield table(("type", "value"), ((kind.value, STATUS_KINDS[kind]) for kind in StatusKind))
    yield ENUMERATIONS_TEXT
    yield table(
        ("attribute", "prefix", "values"),
        ((_code(item.name), item.prefix, _numbered(item.values)) for item in ATTRIBUTES if item.values),
    )


def _attribute(place: int, item: Attribute) -> tuple[object, ...]:
    wire = "" if item.kind is StatusKind.OPAQUE else _code(item.ws_name) + ("" if item.required else "?")
    return place, _code(item.name), wire, item.kind.value, _status_null(item), _yes(item.indexable), item.doc


def _status_null(item: Attribute) -> str:
    return str(item.null) if item.kind in (StatusKind.INT, StatusKind.BOOL, StatusKind.ENUM) else "absent"


def _numbered(values: Sequence[str]) -> str:
    return ", ".join(f"{value} {number}" for number, value in enumerate(values))


def _code(text: str) -> str:
    return f"`{text}`"


def _yes(value: bool) -> str:
    return "yes" if value else ""
