"""The native forms of a status, both ways: the XML of the original octet for octet, and all that can exist."""

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captures import body
from lb.model import native, nativexml
from lb.model.native import from_object, from_xml, to_object, to_xml, trouble_of
from lb.model.nativexml import NativeError, escape, unescape
from lb.model.status import Status
from lbrecorded import FILES, cases
from lbstatuses import SHOWN, statuses, values
from shared import needs_shared

CLOCK = 1 << 34
"""Stands for the server's clock; the oracle has the word SERVER-TIME there."""


@cache
def recorded(name: str) -> tuple[tuple[str, dict[str, Any], str], ...]:
    """(case, object, XML) of every status of the original."""
    found = []
    for case in cases(name):
        for row in (case, *case.get("others", {}).values()):
            if row.get("status_xml"):
                found.append((case["name"], row["status"], row["status_xml"]))
    return tuple(found)


def timed(text: str) -> str:
    """With a time for the word SERVER-TIME, whole seconds among the times of states."""
    text = re.sub("(<(?:stateEnterTime|lastUpdateTime)>)SERVER-TIME", rf"\g<1>{CLOCK}.000000", text)
    text = re.sub('("(?:stateEnterTime|lastUpdateTime)": ")SERVER-TIME', rf"\g<1>{CLOCK}.000000", text)
    return text.replace('"SERVER-TIME"', str(CLOCK)).replace("SERVER-TIME", str(CLOCK))


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_statuses_of_the_original(name: str) -> None:
    for case, shown, xml in recorded(name):
        shown, xml = json.loads(timed(json.dumps(shown))), timed(xml)
        status = from_object(shown)
        assert to_object(status) == shown, case
        assert to_xml(status) == xml, case
        assert from_xml(xml) == from_xml(xml.encode("latin-1")) == status, case
    assert len(recorded(name)) > 20


ANSWERS = (
    *("02-status-submitted", "04-status-cleared", "06-user-jobs", "53-user-jobs-after-purge", "64-status-after-load"),
    "67b-status-owner-after-acl",
)


@needs_shared
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_the_original(name: str) -> None:
    whole = body(f"{name}.txt")
    lines = ["<edg_wll_QueryJobsResult>"]
    jobs = list(nativexml.parse(whole))
    for job in jobs:
        lines.append("\t<edg_wll_Job>")
        lines += [f"\t\t<jobId>{escape(item.text)}</jobId>" for item in job.iterchildren("jobId")]
        lines += [f"\t\t{to_xml(from_xml(item))}\t</edg_wll_Job>" for item in job.iterchildren("jobStat")]
    lines.append("</edg_wll_QueryJobsResult>\r\n")
    assert "\r\n".join(lines).encode("latin-1") == whole
    assert jobs


@needs_shared
def test_an_answer_without_states() -> None:
    states = [from_xml(item) for item in nativexml.parse(body("07-user-jobs-no-states.txt")).iter("jobStat")]
    assert states and all(status == Status(state="Unknown") for status in states)


@settings(max_examples=150)
@given(statuses(), st.integers(0, 5))
def test_every_status_there_and_back(status: Status, indent: int) -> None:
    shown = to_object(status)
    assert from_object(shown) == status
    assert from_object(json.loads(json.dumps(shown))) == status
    xml = to_xml(status, indent=indent)
    assert from_xml(xml) == from_xml(xml.encode("latin-1")) == status
    assert to_object(from_xml(xml)) == shown


@pytest.mark.parametrize("name", [attribute.name for attribute in SHOWN])
@settings(max_examples=15)
@given(data=st.data())
def test_every_attribute_there_and_back(name: str, data: st.DataObject) -> None:
    attribute = next(item for item in SHOWN if item.name == name)
    status = Status(**{name: data.draw(values(attribute, st.builds(Status, state=st.just("Done"))))})
    assert from_object(to_object(status)) == from_xml(to_xml(status)) == status


def test_what_is_not_sent() -> None:
    unsaid = {"exit_code": 0, "cpuTime": -1, "jw_status": "UNKNOWN", "pbs_resource_usage": {}}
    status = Status(user_fqans=("/vo",), jdl_classad="[]", **unsaid)
    assert to_object(status) == {"@name": "Undefined"}
    assert to_xml(status) == '<jobStat name="Undefined">\r\n</jobStat>'
    assert from_xml('<jobStat name="Purged"/>') == Status(state="Purged")


def test_texts() -> None:
    assert escape("a<b>&\"'%\n\udc85") == "a&lt;b&gt;&amp;&quot;&apos;%25%0a%85"
    assert escape("ž") == "\xc5\xbe"
    assert escape("\x7f\udca0") == "\x7f\xa0"
    assert unescape("a%25%0a%85%zz%") == "a%\n\udc85%zz%"
    assert unescape("\xc5\xbe") == unescape("\u017e") == unescape("%c5%be") == "ž"
    assert unescape("\u017e%0a\xe9") == "ž\n\udce9"
    assert unescape(None) == unescape("") == ""


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_any_octets_survive_as_a_text(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    status = Status(reason=text, user_tags={text: text}, children=(text,))
    assert from_xml(to_xml(status)) == status


def test_trouble_with_one_job() -> None:
    xml = to_xml(Status(state="Undefined"), trouble=(2, 'no "job"'))
    assert xml == '<jobStat name="Undefined" code="2" desc="no &quot;job&quot;">\r\n</jobStat>'
    element = nativexml.parse(xml)
    assert trouble_of(element) == (2, 'no "job"')
    assert from_xml(element) == Status()
    assert trouble_of(nativexml.parse('<jobStat name="Done"/>')) is None
    with pytest.raises(NativeError, match="jobStat: a number"):
        trouble_of(nativexml.parse('<jobStat name="Done" code="x"/>'))


@pytest.mark.parametrize(
    ("xml", "element"),
    [
        ("", ""),
        ("<jobStat", ""),
        ("\u017e", ""),
        ("<!DOCTYPE a><jobStat/>", ""),
        ("<jobstat/>", "jobstat"),
        ("<jobStat/>", "jobStat"),
        ('<jobStat name="Gone"/>', "jobStat"),
        ("<owner/><owner/>", "owner"),
        ("<nobody/>", "nobody"),
        ("<user_fqans/>", "user_fqans"),
        ("<owner><a/></owner>", "owner"),
        ("<exit_code>x</exit_code>", "exit_code"),
        ("<exit_code/>", "exit_code"),
        ("<exit_code>4294967296</exit_code>", "exit_code"),
        ("<exit_code>1_0</exit_code>", "exit_code"),
        ("<done_code>3</done_code>", "done_code"),
        ("<sandbox_retrieved>-1</sandbox_retrieved>", "sandbox_retrieved"),
        ("<stateEnterTime>12</stateEnterTime>", "stateEnterTime"),
        ("<children><name>a</name></children>", "name"),
        ("<children_hist><Gone>1</Gone></children_hist>", "children_hist"),
        ("<children_hist><Done>x</Done></children_hist>", "Done"),
        ("<children_hist><Done>1</Done><Done>1</Done></children_hist>", "Done"),
        ("<children_hist><Done>1<a/></Done></children_hist>", "Done"),
        ("<children_hist><Done>-1</Done></children_hist>", "Done"),
        ("<stateEnterTimes><Done>253402300800</Done></stateEnterTimes>", "Done"),
        ("<lastUpdateTime>253402300800.000000</lastUpdateTime>", "lastUpdateTime"),
        ("<children_states><a/></children_states>", "a"),
        ("<user_tags><name>a</name></user_tags>", "name"),
        ('<user_tags><tag name="a"/><tag name="a"/></user_tags>', "user_tags"),
        ("<pbs_resource_usage>a</pbs_resource_usage>", "pbs_resource_usage"),
        ('<children_states><jobStat name="Done">' * 100 + "</jobStat></children_states>" * 100, "children_states"),
        ('<children_states><jobStat name="Done">' * 200 + "</jobStat></children_states>" * 200, ""),
    ],
)  # fmt: skip
def test_refused_xml(xml: str, element: str) -> None:
    inner = bool(xml) and not xml.startswith(("<jobS", "<jobs", "<!", "\u017e"))
    with pytest.raises(NativeError) as caught:
        from_xml(f'<jobStat name="Done">{xml}</jobStat>' if inner else xml)
    assert caught.value.field == element


@pytest.mark.parametrize(
    ("shown", "element"),
    [
        (7, ""),
        ({}, "jobStat"),
        ({"@name": ["Done"]}, "jobStat"),
        ({"@name": "Done", "state": "Done"}, "state"),
        ({"@name": "Done", "owner": 7}, "owner"),
        ({"@name": "Done", "owner": "\ud800"}, "owner"),
        ({"@name": "Done", "exit_code": 7}, "exit_code"),
        ({"@name": "Done", "children": "abc"}, "children"),
        ({"@name": "Done", "children": [7]}, "children"),
        ({"@name": "Done", "children_hist": [0] * 12}, "children_hist"),
        ({"@name": "Done", "children_hist": {"Done": "1"}}, "children_hist"),
        ({"@name": "Done", "children_hist": {"Done": True}}, "children_hist"),
        ({"@name": "Done", "children_hist": {"Done": 1 << 31}}, "children_hist"),
        ({"@name": "Done", "stateEnterTimes": {"Done": 1 << 40}}, "stateEnterTimes"),
        pytest.param({"@name": "Done", "exit_code": 10**5000}, "exit_code", id="too long to print"),
        ({"@name": "Done", "children_states": [None]}, ""),
        ({"@name": "Done", "user_tags": [["a"]]}, "user_tags"),
        ({"@name": "Done", "user_tags": {"a": "b"}}, "user_tags"),
        ({"@name": "Done", "user_tags": [["a", None]]}, "user_tags"),
    ],
)  # fmt: skip
def test_refused_objects(shown: Any, element: str) -> None:
    with pytest.raises(NativeError) as caught:
        from_object(shown)
    assert caught.value.field == element


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_octets_are_a_status_or_our_error(raw: bytes) -> None:
    for text in (raw, b'<jobStat name="Done">' + raw + b"</jobStat>"):
        try:
            from_xml(text)
        except NativeError:
            continue


def test_lists_by_state() -> None:
    assert native.by_state(range(12))["Done"] == 6
