"""glite-lb-purge writes the request that the original client writes (lb.md 4.8)."""

import re

import click
import pytest

from guarded import xml
from shared import SHARED, needs_shared
from ui.lb_purge import Duration, _request


@needs_shared
def test_the_request_is_that_of_the_original_client() -> None:
    capture = (SHARED / "captures/lb-native/50c-purge-list-serverdump.txt").read_text()
    original = re.search(r"<edg_wll_PurgeRequest>.*?</edg_wll_PurgeRequest>", capture, re.DOTALL)
    assert original
    [jobid] = re.findall(r"<jobId>(.*?)</jobId>", original[0])
    ours = _request([jobid], {}, None, ["really_purge", "list_jobs", "server_dump"])
    assert shape(ours) == shape(original[0])


def shape(text: str) -> list[tuple[str, str]]:
    """Element names and texts in document order; flags as a set."""
    found = []
    for element in xml.parse(text.encode()).iter():
        value = (element.text or "").strip()
        found.append((str(element.tag), "+".join(sorted(value.split("+"))) if element.tag == "flags" else value))
    return found


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("30s", 30), ("5m", 300), ("12h", 43200), ("3d", 259200)])
def test_times(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "3 days", "-1", "d"])
def test_bad_times_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)


def test_markup_in_a_job_id_is_escaped() -> None:
    assert "<jobId>https://h/&lt;x&gt;</jobId>" in _request(["https://h/<x>"], {}, None, [])
