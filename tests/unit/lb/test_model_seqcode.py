"""Sequence codes: forms, order, increments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model.seqcode import (
    BIGHELPER_INITIAL,
    NULL,
    CondorCode,
    PbsCode,
    SeqCode,
    SeqCodeError,
    compare,
    components,
)

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


def test_sources_without_a_counter_change_nothing() -> None:
    assert NULL.increment("CREAMInterface") == NULL


def test_pbs_codes_compare_by_number() -> None:
    low = "CLIENT=000001:SERVER=0000000002:SCHED=000003:SMOM=000004:MOM=000005"
    assert compare(low, low) == 0
    assert compare(low, low.replace("MOM=000005", "MOM=000010")) == -1
    assert compare("CLIENT=1:SMOM=", low) == -1


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
