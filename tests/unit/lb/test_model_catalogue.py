"""The catalogue of events against the tables of the facts (lb.md 2.1 to 2.4)."""

import re

import pytest

from lb.model import seqcode, vocabulary
from lb.model.catalogue import COMMON, Field, Kind, ws_name
from lb.model.events import EVENTS, EVENTS_BY_CODE, FAMILIES, find_code, find_type
from lb.model.since import LINES, UNKNOWN
from lb.model.vocabulary import (
    FLAGS,
    LEVEL_CODES,
    LEVELS,
    NO_SOURCE,
    SOURCE_BY_NAME,
    SOURCE_CODES,
    SOURCE_ON_WS,
    SOURCE_TABLE,
    SOURCES,
    level_code,
    level_named,
)
from shared import SHARED, needs_shared

ROW = re.compile(r"^\| (\d+) \| (\w+) \| [^|]*\| (.*) \|$")
FIELD = re.compile(r"`(\w+)` (\w+)(\?)?(?: \(null (-?\d+)\))?(?: \{([^}]*)\})?")
SHARED_VALUES = {"as CREAMStore.command": "CMDSTART CMDCANCEL CMDPURGE CMDSUSPEND CMDRESUME"}


def section(start: str, end: str) -> str:
    """The text of lb.md from a heading to the next."""
    text = (SHARED / "facts" / "lb.md").read_text(encoding="utf-8")
    return text[text.index(start) : text.index(end)]


def rows(start: str, end: str) -> list[list[str]]:
    """The cells of all table rows of a section."""
    lines = (line for line in section(start, end).splitlines() if line.startswith("| ") and "|---" not in line)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def facts() -> dict[str, tuple[int, list[tuple[str, str, bool, int, str]]]]:
    """Event name -> (code, [(field, type, required, null or first number, values)]) as lb.md 2.4 has them."""
    found = {}
    for line in section("### 2.4.1", "## 3. Job states").splitlines():
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
def test_meaning_of_every_type_and_field() -> None:
    for row in rows("### 2.4.1", "## 3. Job states"):
        if row[0].isdigit():
            assert row[2], f"{row[1]}: the facts give a meaning"
    for kind in EVENTS.values():
        assert kind.doc.endswith("."), kind.name
        assert kind.doc[0].isupper(), kind.name
        for field in kind.fields:
            assert field.doc and not field.doc.endswith("."), f"{kind.name}.{field.name}"


@needs_shared
def test_families() -> None:
    told = re.findall(r"(\w+) (\d+)", section("### 2.4 Event types", "Enumerations are written").partition("(")[2])
    assert [(name, int(base)) for name, base in told if name[0].isupper() or name == "gLite"] == [
        (kinds[0].family, kinds[0].code - 1) for kinds in FAMILIES
    ]


@needs_shared
def test_common_fields() -> None:
    """Order, names and whether required; the order is that of JSON and XML."""
    told = [row for row in rows("Common fields:", "Notification line") if row[0] != "field"]
    assert [(item.name.lower(), item.ulm, item.xml, item.required) for item in COMMON] == [
        (name.lower(), ulm, xml, required == "yes") for name, ulm, xml, _, required, _ in told
    ]
    kinds = {"time": "timeval", "enum": "level", "int, null -1": "int", "source": "logsrc"}
    assert [item.kind for item in COMMON] == [kinds.get(row[3], row[3]) for row in told]


def test_names_of_the_common_fields() -> None:
    assert [item.xml for item in COMMON] == [
        "timestamp", "arrived", "host", "level", "priority", "jobId", "seqcode", "user", "source", "src_instance",
    ]
    assert [item.ws for item in COMMON][-1] == "srcInstance"


def test_names_of_the_fields() -> None:
    field = EVENTS["CREAMStatus"].by_name["LRMS_jobid"]
    assert (field.ulm, field.xml, field.ws) == ("DG.CREAMSTATUS.LRMS_JOBID", "LRMS_jobid", "LRMSJobid")


@needs_shared
def test_levels() -> None:
    (row,) = [row for row in rows("Common fields:", "Notification line") if row[0] == "level"]
    assert dict(re.findall(r"([A-Z]+) (\d+)", row[5].replace("UNDEFINED 0", ""))) == {
        name: str(code) for name, code in LEVEL_CODES.items()
    }


@needs_shared
def test_sources() -> None:
    told = [row for row in rows("### 2.3", "Name look-up") if row[0].isdigit()]
    assert [int(row[0]) for row in told] == list(range(len(SOURCES) + 1))
    assert told[0][1] == NO_SOURCE
    for (code, name, symbols, component), ours in zip(told[1:], SOURCE_TABLE, strict=True):
        assert (name.split(" ")[0], component) == (ours.name, ours.component)
        assert symbols.replace(",", "").split() == list(ours.symbols)
        assert SOURCE_CODES[ours.name] == int(code)
        spelled = re.search(r"WSDL: (\w+)", name)
        assert ours.ws == (spelled[1] if spelled else ours.name)
    assert SOURCE_ON_WS == {"JobController": "JobSubmission", "PBSMomSuperior": "PBSsMom"}


def test_components_of_sources_are_those_of_the_codes() -> None:
    counters = seqcode.COUNTERS | seqcode.PBS_COUNTERS
    assert {row.name: row.component.lower() for row in SOURCE_TABLE if row.component} == dict(counters)


@needs_shared
def test_flags_of_the_priority() -> None:
    told = [(name, int(value)) for name, value, _ in rows("### 2.2", "Maximum size") if name != "bit"]
    assert told == [(flag.name, flag.value) for flag in FLAGS]
    assert all(flag.doc for flag in FLAGS)
    names = {"EXCL": "EXCLUSIVE"}
    assert all(getattr(vocabulary, names.get(flag.name, flag.name)) == flag.value for flag in FLAGS)


def test_since_is_a_line_or_unknown() -> None:
    known = {*LINES, UNKNOWN}
    assert {flag.since for flag in FLAGS} | {row.since for row in SOURCE_TABLE} <= known
    for kind in EVENTS.values():
        assert kind.since in known, kind.name
        for field in kind.fields:
            assert field.since in known, f"{kind.name}.{field.name}"
            assert {value for value, _ in field.later} <= set(field.values)
            assert {field.value_since(value) for value in field.values} <= known


@needs_shared
def test_lines() -> None:
    told = " ".join(row[0] for row in rows("| product line |", "## 0. Ports") if row[0] != "product line")
    assert told.replace(" / ", " ").split() == list(LINES)


def test_since_when() -> None:
    """The things of which the documents say it."""
    by_name = {name: kind.by_name for name, kind in EVENTS.items()}
    assert EVENTS["Transfer"].since == "1.x"
    assert EVENTS["GrantPayloadOwnership"].since == EVENTS["TakePayloadOwnership"].since == "3.0"
    assert EVENTS["VMCreate"].since == EVENTS["ConnectJob"].since == "3.3"
    assert EVENTS["CREAMStatus"].since == "2.1" and by_name["CREAMStatus"]["failure_reason"].since == UNKNOWN
    assert by_name["RegJob"]["wms_dn"].since == "2.1" and by_name["RegJob"]["seed"].since == "1.x"
    assert by_name["Notification"]["dest_url"].since == "3.0"
    assert by_name["ChangeACL"]["permission"].value_since("TAG") == "3.0"
    assert by_name["ChangeACL"]["permission"].value_since("READ") == "1.x"
    jobtype = by_name["RegJob"]["jobtype"]
    assert [jobtype.value_since(name) for name in ("SIMPLE", "CREAM", "VIRTUAL_MACHINE")] == ["1.x", "2.1", "3.3"]


def test_codes_and_look_up() -> None:
    assert len(EVENTS) == len(EVENTS_BY_CODE) == 79
    assert find_type("reallyrunning") is EVENTS["ReallyRunning"]
    assert find_type("NoSuchEvent") is None
    assert find_code(17) is EVENTS["RegJob"] and find_code(501) is EVENTS["VMCreate"]
    assert find_code(0) is find_code(33) is find_code(-1) is None
    assert SOURCE_BY_NAME["lbserver"] == "LBServer"
    assert [SOURCE_CODES[name] for name in ("UserInterface", "LBServer", "VMSystem")] == [1, 9, 19]
    assert [level_code(name) for name in (None, "EMERGENCY", "SYSTEM", "DEBUG")] == [0, 1, 8, 10]
    assert [level_named(code) for code in (-1, 0, 1, 10, 11)] == [None, None, "EMERGENCY", "DEBUG", None]
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
