"""The catalogue of events against the tables of the facts (lb.md 2.1 to 2.4)."""

import re

import pytest

from lb.model.catalogue import COMMON, LEVEL_CODES, LEVELS, SOURCE_CODES, SOURCES, Field, Kind, ws_name
from lb.model.events import EVENTS, EVENTS_BY_CODE, find_type
from shared import SHARED, needs_shared

ROW = re.compile(r"^\| (\d+) \| (\w+) \| [^|]*\| (.*) \|$")
FIELD = re.compile(r"`(\w+)` (\w+)(\?)?(?: \(null (-?\d+)\))?(?: \{([^}]*)\})?")
SHARED_VALUES = {"as CREAMStore.command": "CMDSTART CMDCANCEL CMDPURGE CMDSUSPEND CMDRESUME"}


def facts() -> dict[str, tuple[int, list[tuple[str, str, bool, int, str]]]]:
    """Event name -> (code, [(field, type, required, null or first number, values)]) as lb.md 2.4 has them."""
    text = (SHARED / "facts" / "lb.md").read_text(encoding="utf-8")
    section = text[text.index("### 2.4.1") : text.index("## 3. Job states")]
    found = {}
    for line in section.splitlines():
        row = ROW.match(line)
        if row is not None:
            fields = [] if row[3].strip() == "-" else [_field(part) for part in row[3].split("; ") if "`" in part]
            found[row[2]] = (int(row[1]), fields)
    return found


def _field(part: str) -> tuple[str, str, bool, int, str]:
    match = FIELD.search(part)
    assert match is not None, part
    name, kind, optional, null, values = match.groups()
    first = 1
    if values and ":" in values:
        first, values = 0, values.partition(": ")[2]
    return name, kind, optional is None, int(null) if null else first, SHARED_VALUES.get(values, values or "")


@needs_shared
def test_all_types_and_fields() -> None:
    told = facts()
    assert list(told) == list(EVENTS)
    for name, (code, fields) in told.items():
        assert EVENTS[name].code == code
        assert [field.name for field in EVENTS[name].fields] == [row[0] for row in fields], name
        for field, row in zip(EVENTS[name].fields, fields, strict=True):
            compare(name, field, *row)


def compare(event: str, field: Field, name: str, kind: str, required: bool, number: int, values: str) -> None:
    place = f"{event}.{name}"
    same_kind = {"notifid": "string"}.get(kind, kind)
    assert field.kind.value == same_kind, place
    assert field.required == required, place
    assert field.ulm == f"DG.{event}.{name}".upper()
    if field.kind is Kind.ENUM:
        assert " ".join(field.values) == values, place
        assert field.base == number, place
    elif kind == "int":
        assert field.null == (-1 if number == -1 else 0), place


@needs_shared
def test_common_fields() -> None:
    text = (SHARED / "facts" / "lb.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| ([A-Z._]+) \| (\w+) \| [^|]+ \| (yes|no) \|", text, re.MULTILINE)
    ours = [(item.ulm, item.required) for item in COMMON]
    assert [(ulm, needed == "yes") for _, ulm, _, needed in rows][: len(ours)] == ours


def test_codes_and_look_up() -> None:
    assert len(EVENTS) == len(EVENTS_BY_CODE) == 79
    assert find_type("reallyrunning") is EVENTS["ReallyRunning"]
    assert find_type("NoSuchEvent") is None
    assert SOURCE_CODES["UserInterface"] == 1
    assert SOURCE_CODES["LBServer"] == 9
    assert SOURCE_CODES["VMSystem"] == len(SOURCES) == 19
    assert LEVEL_CODES["EMERGENCY"] == 1
    assert LEVEL_CODES["SYSTEM"] == 8
    assert len(LEVELS) == 10


def test_numbers_of_enumerations() -> None:
    result = EVENTS["Transfer"].by_name["result"]
    assert [result.number(name) for name in (None, "START", "FAIL")] == [0, 1, 4]
    assert [result.named(number) for number in (0, 1, 4, 5)] == [None, "START", "FAIL", None]
    operation = EVENTS["ChangeACL"].by_name["operation"]
    assert [operation.number(name) for name in (None, "ADD", "REMOVE")] == [-1, 0, 1]


@pytest.mark.parametrize(
    ("native", "wire"), [("children_num", "childrenNum"), ("LRMS_jobid", "LRMSJobid"), ("jobId", "jobId")]
)
def test_names_on_the_web_service(native: str, wire: str) -> None:
    assert ws_name(native) == wire


def test_everything_is_documented() -> None:
    for kind in EVENTS.values():
        assert kind.doc.endswith("."), kind.name
        assert all(field.doc for field in kind.fields)
