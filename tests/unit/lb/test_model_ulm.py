"""Event lines: tolerated and refused forms, round trips for every event that can exist and for all real lines."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lb.model import ulm
from lb.model.catalogue import LEVELS, SOURCES, EventType, Field, Kind
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.times import format_date, parse_date
from lb.model.ulm import UlmError, parse, write
from shared import SHARED, needs_shared

CODE = "UI=000003:NS=0000000000:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
LINE = (
    'DATE=20260313114125.327248 HOST="ui.example.org" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="LogMonitor"'
    f' DG.SRC_INSTANCE="" DG.EVNT="Done" DG.JOBID="https://lb.example.org:9000/abc" DG.SEQCODE="{CODE}"'
    ' DG.USER="/CN=Test User" DG.DONE.STATUS_CODE="OK" DG.DONE.REASON="" DG.DONE.EXIT_CODE="0"'
)


def test_a_line() -> None:
    event = parse(LINE)
    assert event.name == "Done"
    assert event.timestamp == (1773402085, 327248)
    assert (event.host, event.level, event.priority, event.source) == ("ui.example.org", "SYSTEM", 4, "LogMonitor")
    assert event.jobid == JobId("lb.example.org", 9000, "abc")
    assert event.fields == {"status_code": "OK", "exit_code": 0}
    assert event.get("reason") is None
    assert write(event) == LINE
    assert parse(LINE.encode()) == parse("  " + LINE + " \r\n") == event


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DG.DONE.STATUS_CODE", "dg.done.Status_Code"),
        ('"OK"', '"ok"'),
        ("LVL=SYSTEM", "LVL=Usage"),
        (" LVL=SYSTEM", ""),
        (" HOST", " \t HOST"),
        ('"Done"', '"DONE"'),
        ('"LogMonitor"', '"logmonitor"'),
        ("DATE=", "DG.LLLID=17 DG.TYPE=x UNKNOWN.NAME=1 DATE="),
        (CODE, ""),
        (CODE, "garbage"),
        ("/CN=Test User", ""),
        ("DATE=20260313114125.327248", "DATE=20260313114125"),
        ("DATE=20260313114125.327248", "DATE=20260230999999.5"),
    ],
)
def test_tolerated(old: str, new: str) -> None:
    assert parse(LINE.replace(old, new)).name == "Done"


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ('"Done"', '"Done"x', 1401, ""),
        ('"0"', '"0', 1401, ""),
        ("PROG=edg-wms", "PROG=edg\\wms", 1401, ""),
        ("PROG=edg-wms", "PROG edg-wms", 1401, ""),
        ("PROG=edg-wms", "PROG =edg-wms", 1401, ""),
        ('"Done"', '"NoSuchEvent"', 1402, "DG.EVNT"),
        ('DG.EVNT="Done" ', "", 1402, "DG.EVNT"),
        ('"Done"', '"Done" DG.EVNT="Done"', 1404, "DG.EVNT"),
        ("DATE=20260313114125.327248 ", "", 1403, "DATE"),
        ("20260313114125.327248", "yesterday", 1403, "DATE"),
        ('HOST="ui.example.org" ', "", 1403, "HOST"),
        ("https://lb.example.org:9000/abc", "not a job id", 1403, "DG.JOBID"),
        ('"LogMonitor"', '"Nobody"', 1403, "DG.SOURCE"),
        ("DG.PRIORITY=4 ", "", 1403, "DG.PRIORITY"),
        (' DG.USER="/CN=Test User"', "", 1403, "DG.USER"),
        (f' DG.SEQCODE="{CODE}"', "", 1403, "DG.SEQCODE"),
        ('"OK"', '"PERHAPS"', 1403, "DG.DONE.STATUS_CODE"),
        ('EXIT_CODE="0"', 'EXIT_CODE="-1"', 1403, "DG.DONE.EXIT_CODE"),
        ("PROG=", 'HOST="second" PROG=', 1404, "HOST"),
        ("PROG=", "DG.CLEAR.REASON=USER PROG=", 1405, "DG.CLEAR.REASON"),
    ],
)
def test_refused(old: str, new: str, code: int, field: str) -> None:
    assert old in LINE
    with pytest.raises(UlmError) as caught:
        parse(LINE.replace(old, new))
    assert (caught.value.code, caught.value.field) == (code, field)
    assert (caught.value.position >= 0) == (code != 1403 and "DG.EVNT=" in LINE.replace(old, new))
    assert str(code) in caught.value.explain()


def test_positions_point_at_the_trouble() -> None:
    with pytest.raises(UlmError) as caught:
        parse(LINE.replace('"Done"', '"Done"x'))
    assert LINE[caught.value.position :].startswith("DG.EVNT")


def test_an_unset_value_may_come_again() -> None:
    assert parse(LINE + ' DG.DONE.REASON="why"').get("reason") == "why"
    with pytest.raises(UlmError, match=r"Key DG\.DONE\.REASON already exists\."):
        parse(LINE + ' DG.DONE.REASON="why" DG.DONE.REASON="not"')


def test_more_than_100_fields() -> None:
    fine = LINE + "".join(f" X{number}=1" for number in range(100 - LINE.count("=") + LINE.count(CODE) * 9))
    assert parse(fine).name == "Done"
    with pytest.raises(UlmError, match="ULM parse error"):
        parse(fine + " X=1 Y=2")


def test_bytes_that_are_no_text_survive() -> None:
    raw = LINE.encode().replace(b'REASON=""', b'REASON="\xe9\xff \x01 \xc4\x8d \\n \\" \\\\"')
    event = parse(raw)
    assert event.get("reason") == '\udce9\udcff \x01 \u010d \n " \\'
    assert ulm.encode(write(event)) == raw


def test_numbers_are_read_from_the_front() -> None:
    for text, number in (("12abc", 12), ("  -3", -3), ("4294967297", 1), ("9" * 30, -1), ("2147483647", 2**31 - 1)):
        line = LINE.replace('EXIT_CODE="0"', f'EXIT_CODE="{text}"')
        if number == -1:
            with pytest.raises(UlmError):
                parse(line)
        else:
            assert parse(line).get("exit_code") == number


def test_an_incomplete_line_can_be_looked_at() -> None:
    line = re.sub(r' DG\.(JOBID|USER)="[^"]*"', "", LINE)
    event = parse(line, complete=False)
    assert event.missing == ("DG.JOBID", "DG.USER")
    assert write(event) == line


def test_arrival_prefix() -> None:
    event = parse("DG.ARRIVED=20260313114126.000000 " + LINE)
    assert event.arrived == (1773402086, 0)
    assert write(event) == LINE
    assert write(event, arrived=True) == "DG.ARRIVED=20260313114126.000000 " + LINE


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_our_error(raw: bytes) -> None:
    with pytest.raises(UlmError):
        parse(raw)


@settings(max_examples=300)
@given(st.integers(0, len(LINE)), st.integers(0, 40), st.binary(max_size=20))
def test_damaged_lines_are_an_event_or_our_error(start: int, length: int, patch: bytes) -> None:
    raw = LINE.encode()
    try:
        event = parse(raw[:start] + patch + raw[start + length :])
    except UlmError:
        return
    assert parse(write(event)) == event


def test_long_lines_take_linear_time() -> None:
    """A quadratic matcher would need minutes for these."""
    for filler in ("a" * 300_000, '"' * 300_000, "=" * 300_000, 'A="' + "\\" * 300_000, " " * 300_000, "a=b" * 100_000):
        with pytest.raises(UlmError):
            parse(filler)


# ---- round trips ----------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
MOMENT = st.tuples(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
JOB = st.builds(JobId, st.just("lb.example.org"), st.integers(1, 65535), st.from_regex(r"[\w-]{1,30}", fullmatch=True))
NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


def value(field: Field) -> st.SearchStrategy[Any]:
    numbers = st.integers(-(2**31), 2**31 - 1).filter(lambda number: number != field.null)
    by_kind: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.TEXT: TEXT,
        Kind.INT: numbers,
        Kind.PORT: st.integers(1, 65535),
        Kind.DOUBLE: st.integers(1, 10**9).map(lambda number: number / 64),
        Kind.ENUM: st.sampled_from(field.values or ("",)),
        Kind.SOURCE: st.sampled_from(SOURCES),
        Kind.JOBID: JOB,
        Kind.TIME: MOMENT,
        Kind.TAGS: st.lists(st.tuples(NAME, NAME), min_size=1, max_size=3).map(tuple),
    }
    return by_kind[field.kind]


@st.composite
def events(draw: st.DrawFn, kind: EventType) -> Event:
    fields = {field.name: draw(value(field)) for field in kind.fields if field.required or draw(st.booleans())}
    return Event(
        kind,
        draw(MOMENT),
        draw(st.text(st.characters(codec="utf-8"), max_size=10)),
        draw(st.none() | st.sampled_from(LEVELS)),
        draw(st.integers(0, 255)),
        draw(JOB),
        draw(st.just(CODE) | TEXT),
        draw(TEXT),
        draw(st.sampled_from(SOURCES)),
        draw(st.none() | st.just("") | TEXT),
        fields,
        draw(st.none() | MOMENT),
    )


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_event_survives_writing_and_reading(name: str, data: st.DataObject) -> None:
    event = data.draw(events(EVENTS[name]))
    assert parse(write(event, arrived=True)) == event
    assert parse(ulm.encode(write(event, arrived=True))) == event


def real_lines() -> list[bytes]:
    folders = (SHARED / "data" / "lb-traces", SHARED / "data" / "challenge-2006")
    files = [path for folder in folders for path in sorted(folder.glob("*.log"))]
    return [line for path in files for line in path.read_bytes().split(b"\n") if line.strip()]


def content(line: str) -> dict[str, str]:
    """Name -> raw value of the fields that are not empty; a field that younger producers added is left out."""
    found = re.findall(r'([\w.-]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line, re.DOTALL)
    return {name: quoted or bare for name, quoted, bare in found if quoted or bare}


@needs_shared
def test_all_real_lines_are_written_as_they_were_read() -> None:
    lines = real_lines()
    assert len(lines) == 2766
    for line in lines:
        event = parse(line, complete=False)
        assert content(write(event, arrived=True)) == content(ulm.decode(line))


@pytest.mark.parametrize("year", ["0001", "0099", "0999", "1970", "9998"])
def test_early_years_are_written_as_they_are_read(year: str) -> None:
    """An event once stored could not be read again, nor any other of its job."""
    text = f"{year}0203040506.000007"
    assert format_date(parse_date(text)) == text
