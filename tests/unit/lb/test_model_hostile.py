"""What somebody could think of to break the rules: values at their ends, and stored states that nobody stored."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model import machine, native, ulm
from lb.model.atoi import atoi
from lb.model.catalogue import Field, Kind
from lb.model.events import EVENTS, Event, find_type
from lb.model.jobid import JobId
from lb.model.jobstate import JobState, StateVersionError
from lb.model.status import ATTRIBUTES, find_state
from lb.model.status import Kind as StatusKind
from lb.model.vocabulary import SOURCES

JOB = JobId("h", 9000, "job")
FIRST, LAST = (-62135596800, 0), (253402300799, 999999)
"""The first and the last moment of a date with four digits."""
CODE = "UI=000003:NS=0000000004:WM=000002:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
CODES = (
    "",
    "x",
    CODE,
    CODE.replace("WM=000002", "WM=999999999999999999"),
    CODE.replace("NS=0000000004", "NS=-1"),
    "TIMESTAMP=20260101000000:POS=0000000100:EV.CODE=017:SRC=C",
    "TIMESTAMP=20260101000001:POS=0000000100:EV.CODE=205:SRC=s",
    "EV.CODE=",
    "CLIENT=000001:SERVER=0000000001:SCHED=000001:SMOM=000001:MOM=000001",
    "SMOM=",
)
TEXTS = (
    "a",
    "\0",
    "\x85\u2028",
    "\udc80",
    "9" * 5000,
    "-" + "9" * 30,
    "+-5",
    "--3",
    "\u0663",
    "1_0",
    "N/A",
    "\n",
    "\u0130",
)
WORDS = ("Running", "UNDEFINED", "Purged", "unknown", "pending", "Really-Running", "done-ok", "https://h/u?i", "")
INT_MAX = (1 << 31) - 1


# ---- events of every type with every sort of value ------------------------------------------------------------------


def values(field: Field) -> st.SearchStrategy[Any]:
    match field.kind:
        case Kind.INT:
            return st.sampled_from([0, 1, -1, 2, 6, 7, INT_MAX, -INT_MAX - 1])
        case Kind.PORT:
            return st.sampled_from([0, 1, 65535])
        case Kind.DOUBLE:
            return st.sampled_from([0.0, 1.5, -1e300, 1e-300])
        case Kind.ENUM:
            return st.sampled_from(field.values)
        case Kind.SOURCE:
            return st.sampled_from(SOURCES)
        case Kind.JOBID:
            return st.sampled_from([JobId("h", 9000, "parent"), JOB])
        case Kind.TIME:
            return st.sampled_from([FIRST, LAST])
        case Kind.TAGS:
            return st.lists(st.tuples(texts, texts), min_size=1, max_size=3).map(tuple)
    return texts


texts = st.sampled_from((*TEXTS, *WORDS))


@st.composite
def events(draw: st.DrawFn, names: tuple[str, ...] = tuple(EVENTS)) -> Event:
    kind = EVENTS[draw(st.sampled_from(names))]
    fields = {}
    for field in kind.fields:
        value = draw(values(field)) if field.required or draw(st.booleans()) else None
        if field.required and value in ("", field.null):
            value = {Kind.TEXT: "t", Kind.INT: 3, Kind.PORT: 1, Kind.DOUBLE: 1.0}[field.kind]
        if value is not None and value != "":
            fields[field.name] = value
    moment, source = draw(st.sampled_from([(0, 0), (1, 1), FIRST, LAST])), draw(st.sampled_from(SOURCES))
    instance = draw(st.sampled_from([None, *TEXTS]))
    code, user = draw(st.sampled_from(CODES)), draw(texts)
    return Event(kind, moment, draw(texts), None, 0, JOB, code, user, source, instance, fields)


lives = st.tuples(events(("RegJob",)), st.lists(events(), max_size=20)).map(lambda life: [life[0], *life[1]])


def check(job: JobState) -> None:
    """A status is of 32-bit numbers, can be shown, and is the same when it was stored."""
    for attribute in ATTRIBUTES:
        if attribute.kind is StatusKind.INT:
            assert -INT_MAX - 1 <= getattr(job.status, attribute.name) <= INT_MAX, attribute.name
    native.to_object(job.status)
    assert JobState.load(job.dump()) == job


@given(lives)
def test_any_events_make_a_status_that_can_be_stored(life: list[Event]) -> None:
    job = machine.new_status(JOB, "owner")
    for event in life:
        job = machine.apply(job, event)
        check(job)
    check(machine.recompute(life, "owner"))


def test_an_empty_code_is_a_code_after_storing_too() -> None:
    """It compares with others, as no code does not: so it must not be lost."""
    registration = ulm.parse(
        'DATE=20260101000000 HOST="h" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=1 DG.SOURCE="UserInterface"'
        ' DG.SRC_INSTANCE="" DG.EVNT="RegJob" DG.JOBID="https://h:9000/job" DG.SEQCODE="" DG.USER="" DG.REGJOB.NS="NS"'
        ' DG.REGJOB.JOBTYPE="SIMPLE"'
    )
    job = machine.apply(machine.new_status(JOB, "o"), registration)
    assert job.last_seqcode == "" == JobState.load(job.dump()).last_seqcode


# ---- numbers in texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("", 0), ("0", 0), ("-0", 0), ("12", 12), (" \t+12", 12), ("-12", -12), ("12abc", 12), ("1 2", 1)),
        *(("+-5", 0), ("--3", 0), ("- 3", 0), ("abc", 0), ("0x10", 0), ("\u0663", 0), ("\u00a05", 0)),
        *(("1_000", 1), ("000000000000000000000007", 7)),
        *(("2147483647", INT_MAX), ("2147483648", -INT_MAX - 1), ("4294967297", 1), ("-4294967297", -1)),
        *(("9" * 5000, -1), ("-" + "9" * 5000, 0), ("0" * 5000 + "7", 7)),
    ],
)  # fmt: skip
def test_numbers_as_c_reads_them(text: str, number: int) -> None:
    assert atoi(text) == number


@given(st.text())
def test_any_text_has_a_number(text: str) -> None:
    assert -INT_MAX - 1 <= atoi(text) <= INT_MAX


# ---- names of tags --------------------------------------------------------------------------------------------------


def test_only_ascii_letters_have_a_case_in_names_of_tags() -> None:
    fields = {"jobtype": "SIMPLE", "ns": "NS"}
    job = machine.new_status(JOB, "o")
    job = machine.apply(job, Event(EVENTS["RegJob"], (0, 0), "h", None, 0, JOB, CODE, "o", "UserInterface", "", fields))
    for name in ("K", "\u212a", "\u0130x", "\u00c9T"):
        tag = {"name": name, "value": "v"}
        job = machine.apply(job, Event(EVENTS["UserTag"], (0, 0), "h", None, 0, JOB, CODE, "o", "LRMS", "", tag))
    assert list(job.status.user_tags or ()) == ["k", "\u212a", "\u0130x", "\u00c9t"]


# ---- stored states that nobody stored -------------------------------------------------------------------------------

STORED = {
    "state": "Running",
    "jobId": str(JOB),
    "jobtype": "SIMPLE",
    "owner": "/CN=u",
    "exit_code": 1,
    "resubmitted": True,
    "lastUpdateTime": [1, 2],
    "stateEnterTimes": [0, 1, *[0] * 10],
    "possible_destinations": ["ce"],
    "user_tags": {"a": "b"},
}
BOOK = {"last_seqcode": CODE, "branches": {"2": ["ce", None, None]}, "tag_codes": {"a": CODE}}


def stored(status: dict[str, Any], book: dict[str, Any]) -> str:
    version = json.loads(machine.new_status(JOB, "o").dump())["v"]
    return json.dumps({"v": version, "s": {**STORED, **status}, "b": {**BOOK, **book}})


def test_what_is_changed_below_is_a_stored_state() -> None:
    job = JobState.load(stored({}, {}))
    assert (job.status.state, job.branches[2]) == ("Running", ("ce", None, None))


@pytest.mark.parametrize(
    "status",
    [
        *({"state": "Flying"}, {"state": 5}, {"state": None}, {"state": ["Done"]}, {"state": "running"}),
        *({"jobtype": "OTHER"}, {"jobtype": "_PARTITIONED_UNUSED"}, {"jobtype": None}, {"jobtype": {}}),
        *({"owner": 5}, {"owner": None}, {"owner": "\ud800"}, {"jdl": ["a"]}, {"jdl": "\udbff"}),
        *({"exit_code": "1"}, {"exit_code": 1.0}, {"exit_code": True}, {"exit_code": 1 << 31}, {"exit_code": None}),
        *({"resubmitted": "yes"}, {"resubmitted": 2}, {"resubmitted": []}),
        *({"lastUpdateTime": 5}, {"lastUpdateTime": [1]}, {"lastUpdateTime": [1, "2"]}, {"lastUpdateTime": [1, 2, 3]}),
        *({"stateEnterTimes": [0] * 11}, {"stateEnterTimes": ["0"] * 12}, {"stateEnterTimes": 5}),
        *({"possible_destinations": [5]}, {"possible_destinations": 5}, {"possible_destinations": ["\ud800"]}),
        *({"user_tags": ["a"]}, {"user_tags": {"a": 5}}, {"user_tags": {"\ud800": "a"}}),
        *({"children_states": []}, {"jdl_classad": "x"}, {"nonsense": 1}),
    ],
)  # fmt: skip
def test_no_status_of_a_stored_state(status: dict[str, Any]) -> None:
    with pytest.raises(StateVersionError):
        JobState.load(stored(status, {}))


@pytest.mark.parametrize(
    "book",
    [
        *({"last_seqcode": 5}, {"last_seqcode": None}, {"last_seqcode": "\ud800"}, {"resubmit_type": []}),
        *({"branches": []}, {"branches": {"x": ["a", None, None]}}, {"branches": {"9" * 5000: ["a", None, None]}}),
        *({"branches": {"2": ["a"]}}, {"branches": {"2": [5, None, None]}}, {"branches": {"2": "abcd"}}),
        *({"tag_codes": {"a": 5}}, {"tag_codes": ["a"]}, {"outcome": "x"}, {"nonsense": "x"}),
    ],
)  # fmt: skip
def test_no_bookkeeping_of_a_stored_state(book: dict[str, Any]) -> None:
    with pytest.raises(StateVersionError):
        JobState.load(stored({}, book))


def test_a_stored_state_is_ascii() -> None:
    text = stored({"owner": "\u00e9"}, {})
    assert JobState.load(text).status.owner == "\u00e9"
    with pytest.raises(StateVersionError):
        JobState.load(text.replace("\\u00e9", "\u00e9"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*STORED, "pbs_pid", "cream_state", "children_hist"]), json_values, events())
def test_a_state_that_is_loaded_goes_on(name: str, value: Any, event: Event) -> None:
    try:
        job = JobState.load(stored({name: value}, {}))
    except StateVersionError:
        return
    check(machine.apply(job, event))


# ---- lines ----------------------------------------------------------------------------------------------------------

LINE = (
    'DATE=20260313114125.5 HOST="h" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="NetworkServer" DG.SRC_INSTANCE=""'
    f' DG.EVNT="Done" DG.JOBID="{JOB}" DG.SEQCODE="x" DG.USER="/CN=u" DG.DONE.STATUS_CODE="KILLED"'
    ' DG.DONE.EXIT_CODE="0"'
)


@pytest.mark.parametrize("text", ["\ud800", "\\x\udbff", "\udfff\\x", "\ud83d\ude00"])
def test_half_a_character_breaks_a_line(text: str) -> None:
    """Given as text a line can hold what no bytes mean, and nobody could write it again."""
    line = LINE.replace("/CN=u", text)
    with pytest.raises(ulm.UlmError) as caught:
        ulm.parse(line)
    assert caught.value.code == ulm.PARSE_BROKEN_ULM
    assert "\ud800" <= line[caught.value.position] <= "\udfff"


@pytest.mark.parametrize("text", ["a\u00a0b", "a\x85", "a\x1fb", "\u2003", "\u3000"])
def test_only_the_blanks_of_ascii_end_a_value(text: str) -> None:
    assert ulm.parse(LINE.replace('HOST="h"', f"HOST={text}")).host == text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(('"NetworkServer"', '"Networ\u212aServer"'), ('"Done"', '"\u0244one"'), ("KILLED", "\u212aILLED")),
        *(("KILLED", "K\u0131LLED"), ('DG.EVNT="Done"', 'DG.EVNT="Clo\u017fe"')),
    ],
)  # fmt: skip
def test_only_the_letters_of_ascii_have_a_case(old: str, new: str) -> None:
    assert old in LINE
    with pytest.raises(ulm.UlmError):
        ulm.parse(LINE.replace(old, new))


def test_names_in_any_case_of_ascii() -> None:
    assert find_type("tran\u017ffer") is find_type("no such") is None
    assert find_type("TRANSFER") is find_type("transfer") is EVENTS["Transfer"]
    assert (find_state("UN\u212aNOWN"), find_state("unKNOWN")) == (None, "Unknown")
    assert ulm.parse(LINE.replace("SYSTEM", "\u017fYSTEM")).level is None


def test_ids_of_many_servers_are_found_at_once() -> None:
    """A table of jobs must not become a list because their unique parts are the same."""
    assert len({hash(JobId(f"h{number}", 9000, "same")) for number in range(1000)}) > 990
    assert hash(JobId("Host", 9000, "a")) == hash(JobId("hOST", 9000, "a"))
