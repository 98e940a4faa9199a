"""Sequence codes: forms, order, increments."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model import seqcode
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.seqcode import (
    BIGHELPER_INITIAL,
    COUNTERS,
    NULL,
    PBS_COUNTERS,
    SEQ_ABORT,
    SEQ_CLEAR,
    USUAL_FIRST,
    CondorCode,
    Form,
    PbsCode,
    SeqCode,
    SeqCodeError,
    compare,
    compare_events,
    components,
    form_of,
    in_order,
    taken_over,
)
from lb.model.vocabulary import SOURCES

OLD = "UI=000002:NS=0000000004:WM=000010:BH=0000000000:JSS=000004:LM=000005:LRMS=000000:APP=000000"
CODES = st.builds(SeqCode, *[st.integers(0, 999_999)] * 9)


def test_forms() -> None:
    code = SeqCode.parse(OLD)
    assert str(code) == OLD + ":LBS=000000"
    assert SeqCode.parse(str(code)) == code
    assert code.wm == 10
    assert str(BIGHELPER_INITIAL) == (
        "UI=000002:NS=0000000000:WM=000000:BH=0000000001:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
    )
    pbs = PbsCode.parse("CLIENT=000001:SERVER=0000000002:SCHED=000003:SMOM=000004:MOM=000005")
    assert pbs == (1, 2, 3, 4, 5)
    assert str(pbs.increment("PBSMomSuperior")).endswith("SMOM=000005:MOM=000005")
    condor = "TIMESTAMP=20260218215512:POS=0000000100:EV.CODE=017:SRC=C"
    assert str(CondorCode.parse(condor)) == condor


@pytest.mark.parametrize("text", ["", "garbage", "UI=1:NS=2", OLD[:-11], "LBS=1"])
def test_unreadable(text: str) -> None:
    for form in (SeqCode, PbsCode, CondorCode):
        with pytest.raises(SeqCodeError):
            form.parse(text)
    assert compare(text, OLD) == -1
    assert compare(OLD, text) == 1
    assert compare(text, text) == -1


@given(CODES, CODES)
def test_order_is_by_component_from_the_left(left: SeqCode, right: SeqCode) -> None:
    expected = (tuple(left) > tuple(right)) - (tuple(left) < tuple(right))
    assert compare(str(left), str(right)) == expected
    assert components(str(left)) == tuple(left)


def test_missing_lbs_counts_as_zero() -> None:
    assert compare(OLD, OLD + ":LBS=000000") == 0
    assert compare(OLD, OLD + ":LBS=000001") == -1


@pytest.mark.parametrize(
    ("source", "counter"),
    [("UserInterface", "ui"), ("NetworkServer", "ns"), ("WorkloadManager", "wm"), ("BigHelper", "bh")]
    + [("JobController", "jss"), ("LogMonitor", "lm"), ("LRMS", "lrms"), ("Application", "app"), ("LBServer", "lbs")],
)
def test_increment(source: str, counter: str) -> None:
    assert NULL.increment(source) == SeqCode(**{counter: 1})


def test_constants_as_the_facts_write_them() -> None:
    rest = ":WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
    assert str(NULL) == "UI=000000:NS=0000000000" + rest
    assert str(SEQ_CLEAR) == "UI=000009:NS=0000096669" + rest
    assert str(SEQ_ABORT) == "UI=000000:NS=0000096660" + rest
    assert str(USUAL_FIRST) == "UI=000003:NS=0000000000" + rest
    assert len(str(NULL)) == seqcode.LENGTH


def test_sources_without_a_counter_change_nothing() -> None:
    counting = {*COUNTERS, *PBS_COUNTERS}
    assert [source for source in SOURCES if source not in counting] == [
        "CREAMInterface", "CREAMExecutor", "CloudManager", "VMManager", "VMSystem"
    ]
    for source in SOURCES:
        assert (NULL.increment(source) != NULL) == (source in COUNTERS)
        assert (PbsCode().increment(source) != PbsCode()) == (source in PBS_COUNTERS)
        assert (NULL.duplicate(source, 7) != NULL) == (source in COUNTERS)
        assert CONDOR.increment(source) is CONDOR


CONDOR = CondorCode("20260218215512", "0000000100", "202", "C")


def test_a_duplicate_has_the_time_in_the_counter_of_its_source() -> None:
    code = SeqCode.parse(OLD).duplicate("LRMS", 1_770_000_000)
    assert code == SeqCode.parse(OLD)._replace(lrms=1_770_000_000)
    assert SeqCode.parse(str(code)) == code
    assert compare(OLD, str(code)) == -1
    assert compare(str(code), str(code.duplicate("LRMS", 1_770_000_001))) == -1


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (OLD, Form.NORMAL),
        (str(NULL), Form.NORMAL),
        ("", Form.NORMAL),
        (str(PbsCode()), Form.PBS),
        ("CLIENT=1:SMOM=", Form.PBS),
        (str(CONDOR), Form.CONDOR),
    ],
)
def test_the_form_of_a_text(text: str, form: Form) -> None:
    assert form_of(text) is form


def test_the_numbers_of_the_forms() -> None:
    assert {form.name: form.value for form in Form} == {"NORMAL": 1, "PBS": 2, "CONDOR": 3, "CREAM": 4, "DUPLICATE": 11}


@pytest.mark.parametrize(
    ("given", "source", "expected"),
    [
        (None, "UserInterface", SeqCode(ui=1)),
        ("", "CREAMExecutor", NULL),
        (None, "PBSServer", PbsCode(server=1)),
        (OLD, "LogMonitor", SeqCode.parse(OLD)._replace(lm=6)),
        (str(PbsCode(1, 2, 3, 4, 5)), "PBSMom", PbsCode(1, 2, 3, 4, 6)),
        (str(CONDOR), "LRMS", CONDOR),
    ],
)
def test_who_takes_a_job_over_advances_his_own_counter(given: str | None, source: str, expected: object) -> None:
    assert taken_over(given, source) == expected
    assert seqcode.read(str(expected)) == expected


def test_nobody_takes_over_what_he_cannot_read() -> None:
    for text in ("garbage", "SMOM=", "EV.CODE="):
        with pytest.raises(SeqCodeError):
            taken_over(text, "UserInterface")


def test_the_original_looks_at_102_characters_and_at_32_bits() -> None:
    wide = str(NULL._replace(ui=1_770_000_000, lbs=12))
    assert len(wide) == 106
    assert SeqCode.parse(wide).lbs == 12
    assert components(wide) == (1_770_000_000, 0, 0, 0, 0, 0, 0, 0, 0), "LBS=000012 is cut to LBS=00"
    assert compare(OLD.replace("UI=000002", "UI=-00001"), OLD) == 1, "without the sign it is the largest number"
    assert compare(OLD.replace("UI=000002", f"UI={2**32}"), OLD) == -1
    assert components(OLD + " ") is None, "LBS is appended, and then it is not where it is looked for"
    assert components(str(NULL) + "garbage") == NULL
    assert components(OLD.replace("UI=", "UI= \t+")) == SeqCode.parse(OLD)
    assert components(OLD.replace("UI=000002", "UI=" + "1" * 19)) is None


def test_what_is_remembered_is_bounded() -> None:
    before = seqcode._remembered.cache_info().currsize
    for length in (1, 1000):
        assert components(str(NULL) + "x" * length) == NULL
    assert seqcode._remembered.cache_info().currsize <= before + 1


@given(st.lists(st.tuples(CODES, st.integers(0, 3), st.integers(0, 3)), max_size=8))
def test_in_order(rows: list[tuple[SeqCode, int, int]]) -> None:
    """By code, ties by seconds and microseconds, full ties as they came."""
    job = JobId("h", 9000, "a")
    events = [Event(EVENTS["Purge"], (at, part), str(number), None, 0, job, str(code), "u", "LRMS")
              for number, (code, at, part) in enumerate(rows)]
    found = in_order(events)
    assert found == sorted(events, key=lambda event: (SeqCode.parse(event.seqcode), event.timestamp))
    assert all(compare_events(one, other) <= 0 for one, other in pairwise(found))
    assert all(compare(event.seqcode, event.seqcode) == compare_events(event, event) == 0 for event in events)


def test_pbs_codes_compare_by_number() -> None:
    low = "CLIENT=000001:SERVER=0000000002:SCHED=000003:SMOM=000004:MOM=000005"
    assert compare(low, low) == 0
    assert compare(low, low.replace("MOM=000005", "MOM=000010")) == -1
    assert compare("CLIENT=1:SMOM=", low) == compare(low, "CLIENT=1:SMOM=") == -1, "unreadable on either side"
    assert compare(low, OLD) == -1, "codes of two forms compare as the usual one"
    assert compare(OLD, low) == 1


def test_condor_codes() -> None:
    def code(at: int, position: int, event: str, source: str) -> str:
        return f"TIMESTAMP=202602182155{at:02d}:POS={position:010d}:EV.CODE={event}:SRC={source}"

    assert compare(code(30, 1, "017", "C"), code(10, 1, "202", "C")) == -1, "a registration comes first"
    assert compare(code(10, 1, "202", "m"), code(11, 1, "202", "C")) == -1
    assert compare(code(10, 2, "202", "C"), code(10, 1, "203", "C")) == 1, "same daemon: position"
    assert compare(code(10, 1, "202", "m"), code(10, 2, "203", "S")) == 1, "the matchmaker is last"
    assert compare(code(10, 1, "202", "s"), code(10, 2, "203", "S")) == 1
    assert compare(code(10, 1, "202", "s"), code(10, 2, "203", "m")) == -1


def test_any_bytes_compare() -> None:
    for left in ("", "SMOM=", "EV.CODE=", "UI=99999999999999999999999:NS=1"):
        for right in ("", "SMOM=", "EV.CODE=", OLD):
            assert compare(left, right) in (-1, 0, 1)
