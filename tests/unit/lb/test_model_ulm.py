"""Event lines: tolerated and refused forms, round trips for every event that can exist and for all real lines."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lbevents
from lb.model import ulm
from lb.model.catalogue import Field, Kind
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.times import DATE_LENGTH, format_date, parse_date
from lb.model.ulm import UlmError, parse, write
from lbrecorded import all_cases, real_lines
from shared import needs_shared

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
    line = LINE.replace(old, new)
    with pytest.raises(UlmError) as caught:
        parse(line)
    assert (caught.value.code, caught.value.field) == (code, field)
    position = caught.value.position
    assert (position >= 0) == (not field or f"{field}=" in line), "a place for what is there"
    assert position < 0 or line[position:].startswith(field)
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
    """A hundred in all may stand in a line, the one that names the event included if it is there."""
    present = len(ulm.split(LINE)[0]) + 1
    full = LINE + " X=1" * (100 - present)
    assert parse(full).name == "Done"
    for line, code in ((full + " X=1", 1401), ("X=1 " * 100, 1402), ("X=1 " * 101, 1401)):
        with pytest.raises(UlmError) as refused:
            parse(line)
        assert refused.value.code == code


def test_bytes_that_are_no_text_survive() -> None:
    raw = LINE.encode().replace(b'REASON=""', b'REASON="\xe9\xff \x01 \xc4\x8d \\n \\" \\\\"')
    event = parse(raw)
    assert event.get("reason") == '\udce9\udcff \x01 \u010d \n " \\'
    assert ulm.encode(write(event)) == raw


def test_an_escape_between_octets_of_one_character() -> None:
    """Without the escape they are a character of UTF-8, and so they have to be read back."""
    event = parse(LINE.encode().replace(b'REASON=""', b'REASON="\xc4\\\x8d"'))
    assert event.get("reason") == "\u010d"
    assert parse(ulm.encode(write(event))) == event


def test_numbers_are_read_from_the_front() -> None:
    for text, number in (
        *(("12abc", 12), ("  -3", -3), ("4294967297", 1), ("9" * 30, -1), ("2147483647", 2**31 - 1), ("+7", 7)),
        *(("0" * 50 + "12", 12), ("\u00a05", 0), ("\u0663", 0), ("-" + "9" * 19, 0), ("x", 0), ("-", 0)),
    ):
        line = LINE.replace('EXIT_CODE="0"', f'EXIT_CODE="{text}"')
        if number == -1:
            with pytest.raises(UlmError):
                parse(line)
        else:
            assert parse(line).get("exit_code") == number


def test_real_numbers_keep_six_decimals_or_as_many_as_they_need() -> None:
    line = LINE[: LINE.index(" DG.DONE")].replace('"Done"', '"ResourceUsage"')
    for text, number, written in (
        *(("1.5", 1.5, "1.500000"), ("  +2.25x", 2.25, "2.250000"), ("1e3", 1000.0, "1000.000000")),
        *((".5", 0.5, "0.500000"), ("-1.", -1.0, "-1.000000"), ("0.123456789", 0.123456789, "0.123456789")),
        *(("1e-9", 1e-9, "0.000000001"), ("0" * 500 + "7", 7.0, "7.000000"), ("1" + "0" * 22, 1e22, f"{1e22:f}")),
        *(("5e-324", 5e-324, format(Decimal("5e-324"), "f")), ("0." + "0" * 390 + "1e390", 0.1, "0.100000")),
    ):
        names = ("RESOURCE", "x"), ("QUANTITY", text), ("UNIT", "s")
        event = parse(line + "".join(f' DG.RESOURCEUSAGE.{name}="{value}"' for name, value in names))
        assert event.get("quantity") == number, text
        assert f'DG.RESOURCEUSAGE.QUANTITY="{written}"' in write(event)
        assert parse(write(event)) == event
    for text in ("", "x", "nan", "inf", "1e999", "9" * 401, "0x10", "-0.0"):
        with pytest.raises(UlmError, match="QUANTITY"):
            parse(line + f' DG.RESOURCEUSAGE.RESOURCE="x" DG.RESOURCEUSAGE.QUANTITY="{text}"')


def test_an_incomplete_line_can_be_looked_at() -> None:
    line = re.sub(r' DG\.(JOBID|USER)="[^"]*"', "", LINE)
    event = parse(line, complete=False)
    assert event.missing == ("DG.JOBID", "DG.USER")
    assert write(event) == line


def test_what_a_logger_puts_in_front() -> None:
    """DG.LLLID is of no use to the reader; DG.USER is the field, so that a line that had one already has two."""
    line = LINE.replace(' DG.USER="/CN=Test User"', "")
    assert parse('DG.LLLID=1234567 DG.USER="/CN=Test User" ' + line) == parse(LINE)
    assert parse('DG.ARRIVED=20260313114126.000000 DG.LLLID=1 DG.USER="/CN=Test User" ' + line).arrived is not None
    with pytest.raises(UlmError) as caught:
        parse('DG.LLLID=1234567 DG.USER="/CN=Test User" ' + LINE)
    assert (caught.value.code, caught.value.field) == (1404, "DG.USER")


def test_arrival_prefix() -> None:
    event = parse("DG.ARRIVED=20260313114126.000000 " + LINE)
    assert event.arrived == (1773402086, 0)
    assert write(event) == LINE
    assert write(event, arrived=True) == "DG.ARRIVED=20260313114126.000000 " + LINE


def test_arrival_prefix_is_no_field_of_the_event() -> None:
    """The original does not know it: nothing that it says is an error, and a real time of arrival counts more."""
    early, late = "DG.ARRIVED=20260313114126.000000 ", "ARR_DATE=20260313114127.000000 "
    for line in (early + late + LINE, late + early + LINE, early + early + late + LINE):
        assert parse(line).arrived == (1773402087, 0)
    assert parse(early + "DG.ARRIVED=x " + LINE).arrived == (1773402086, 0)
    assert parse("DG.ARRIVED=x " + LINE).arrived is None
    with pytest.raises(UlmError, match=r"Key ARR_DATE already exists\."):
        parse(late + late + LINE)


def test_ids_are_written_with_all_that_was_in_them() -> None:
    line = LINE.replace("https://lb.example.org:9000/abc", "https://LB.example.org:9000/abc?def")
    assert write(parse(line)) == line
    assert parse(line) == parse(LINE)


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

@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=15)
@given(data=st.data())
def test_every_event_survives_writing_and_reading(name: str, data: st.DataObject) -> None:
    event = data.draw(lbevents.events_of(EVENTS[name]))
    assert parse(write(event, arrived=True)) == event
    assert parse(ulm.encode(write(event, arrived=True))) == event


@settings(max_examples=200)
@given(lbevents.incomplete_events())
def test_what_an_incomplete_line_has_survives_as_well(event: Event) -> None:
    assert parse(write(event, arrived=True), complete=False) == event


def accepted_lines() -> list[str]:
    """All lines of the oracle that the original stored."""
    rows = [row for case in all_cases() for row in case["events"]]
    return [row["ulm"] for row in rows if row.get("reply", [0]) and row.get("reply", [0])[0] == 0]


def content(line: str) -> dict[str, str]:
    """Upper-case name -> raw value of the fields that are not empty."""
    found = re.findall(r'([\w.-]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line, re.DOTALL)
    return {name.upper(): quoted or bare for name, quoted, bare in found if quoted or bare}


def is_canonical(name: str, before: str, after: str, kinds: dict[str, Field]) -> bool:
    """Whether this is a change that the module text of lb.model.ulm names."""
    kind = kinds[name].kind if name in kinds else None
    if kind in (Kind.INT, Kind.PORT, Kind.DOUBLE):
        return float(before) == float(after) if before else float(after) in (0, kinds[name].null)
    if name == "DATE":
        return parse_date(before) == parse_date(after)
    if name in ("DG.EVNT", "DG.SOURCE", "LVL") or kind in (Kind.ENUM, Kind.SOURCE):
        return before.lower() == after.lower()
    return not after and (kind is None or (kind is Kind.TIME and not kinds[name].required))


@needs_shared
def test_all_real_lines_are_written_as_they_were_read() -> None:
    lines = real_lines()
    assert len(lines) == 2766
    for line in lines:
        event = parse(line, complete=False)
        assert content(write(event, arrived=True)) == content(ulm.decode(line))
        assert parse(write(event, arrived=True), complete=False) == event


@needs_shared
def test_all_lines_that_the_original_took_are_written_as_they_were_read() -> None:
    lines = accepted_lines()
    assert len(lines) > 30_000
    changed = 0
    for line in lines:
        event = parse(line)
        written = write(event)
        assert parse(written) == event
        before, after = content(line), content(written)
        kinds = {field.ulm: field for field in event.type.fields}
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        assert all(is_canonical(name, before.get(name, ""), after.get(name, ""), kinds) for name in names), line
        changed += bool(names)
    assert changed < len(lines) / 50


@pytest.mark.parametrize("text", ["00010101000000", "99981299999999", "99991231235959", "00001301000000"])
def test_every_date_that_is_read_can_be_written(text: str) -> None:
    moment = parse_date(text)
    assert parse_date(format_date(moment)) == moment
    assert len(format_date(moment)) == DATE_LENGTH


@pytest.mark.parametrize(
    "text", ["00010100000000", "99991231235960", "99991300000000", "00000000000000", "00001199999999", "99999999999999"]
)
def test_dates_outside_of_the_calendar_are_none(text: str) -> None:
    """They could be read, but never written again."""
    with pytest.raises(ValueError, match="not in the years 1 to 9999"):
        parse_date(text)


@pytest.mark.parametrize("year", ["0001", "0099", "0999", "1970", "9998"])
def test_early_years_are_written_as_they_are_read(year: str) -> None:
    """An event once stored could not be read again, nor any other of its job."""
    text = f"{year}0203040506.000007"
    assert format_date(parse_date(text)) == text
