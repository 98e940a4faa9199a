"""The 515 recorded queries of the original index server, over its data set (jp-oracle/README.md).

Where the recording is marked as a defect or accident of the original, the wanted answer is computed here from the data
set, by rules that are independent of SQL.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lxml import etree

from jpis import config
from shared import SHARED, needs_shared
from unit.jpis import jpis_support
from unit.jpis.jpis_support import FEED_ID, SERVER_DN, Index, comparable, fault_of, jobs_of, post

#: An element that the contract does not have, beside the arguments: the original passed it over; whether it is refused
#: is decided in soap.validation, for all services alike.
SURPLUS_ELEMENT = "open-0196"
ORACLE = SHARED / "data" / "jp-oracle"
JOBID = "http://egee.cesnet.cz/en/schema/jp/system:jobid"

pytestmark = needs_shared


def _lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(ORACLE / name, "rt") as file:
        return [json.loads(line) for line in file]


@pytest.fixture
def index(db_url: str) -> Index:
    """The data set, loaded by the two recorded UpdateJobs calls."""
    configuration = config.parse((ORACLE / "query-is-config.xml").read_bytes())
    made = jpis_support.start(db_url, configuration, feed_id=FEED_ID)
    for number in (5, 6):
        raw = gzip.decompress((ORACLE / "wire" / f"dataset-UpdateJobs-{number}.http.gz").read_bytes())
        status, answer = post(made.restricted, raw.partition(b"\r\n\r\n")[2], SERVER_DN)
        assert status == 200, answer
    return made


def test_every_recorded_query(index: Index) -> None:
    dataset = _lines("query-dataset.jsonl.gz")
    checked: dict[str, int] = {}
    for case in _lines("queries.jsonl.gz"):
        app = index.open if case["noauth"] else index.restricted
        status, answer = post(app, case["request"].encode(), case["caller"])
        CHECKS[case["deviation"]](case, status, answer, dataset)
        checked[str(case["deviation"])] = checked.get(str(case["deviation"]), 0) + 1
    assert checked == {
        "None": 474, "non-ascii": 26, "jobid": 8, "missing-part": 3, "schema": 2, "trailing-blank": 2
    }


def _as_recorded(case: dict[str, Any], status: int, answer: bytes, dataset: list[dict[str, Any]]) -> None:
    if case["id"] == SURPLUS_ELEMENT and status == 500:
        _refused_by_schema(case, status, answer, dataset)
        return
    if "fault" not in case:
        assert status == 200, (case["id"], answer)
        assert comparable(jobs_of(answer)) == comparable(case["jobs"]), case["id"]
        return
    wanted = case["fault"]["detail"]
    _, code, description = fault_of(answer)
    assert (status, code) == (case["http"], wanted["code"]), case["id"]
    assert description.startswith(wanted["description"]), case["id"]


def _as_computed(case: dict[str, Any], status: int, answer: bytes, dataset: list[dict[str, Any]]) -> None:
    assert status == 200, (case["id"], answer)
    assert comparable(jobs_of(answer)) == comparable(_reference(case, dataset)), case["id"]


def _refused(case: dict[str, Any], status: int, answer: bytes, dataset: list[dict[str, Any]]) -> None:
    """EINVAL, or a fault of the SOAP layer where the schema alone says that the part must be there."""
    code, number, _ = fault_of(answer)
    assert (code, number) in (("Server", 22), ("Client", None)), case["id"]


def _refused_by_schema(case: dict[str, Any], status: int, answer: bytes, dataset: list[dict[str, Any]]) -> None:
    assert fault_of(answer)[:2] == ("Client", None), case["id"]


CHECKS: dict[str | None, Callable[[dict[str, Any], int, bytes, list[dict[str, Any]]], None]] = {
    None: _as_recorded,
    "non-ascii": _as_computed,
    "trailing-blank": _as_computed,
    "jobid": _as_computed,
    "missing-part": _refused,
    "schema": _refused_by_schema,
}


@pytest.mark.parametrize("kind", ["open", "own", "other"])
def test_the_computation_agrees_with_the_recordings(kind: str) -> None:
    """The rules below answer what the original answered wherever its answer is right."""
    dataset = _lines("query-dataset.jsonl.gz")
    cases = [c for c in _lines("queries.jsonl.gz") if c["id"].startswith(kind) and c["deviation"] is None]
    good = [case for case in cases if "fault" not in case]
    assert good
    for case in good:
        assert comparable(_reference(case, dataset)) == comparable(case["jobs"]), case["id"]


def _reference(case: dict[str, Any], dataset: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer a query by looking at every job (jp.md 3.6)."""
    request = next(etree.fromstring(case["request"].encode()).iter("{*}QueryJobs"))
    requested = [element.text or "" for element in request.findall("attributes")]
    return [
        _told(job, requested)
        for job in dataset
        if (case["noauth"] or job["owner"] == case["caller"]) and _matches(job, request.findall("conditions"))
    ]


def _told(job: dict[str, Any], requested: list[str]) -> dict[str, Any]:
    values = [
        {**value, "name": name}
        for name in requested for value in job["attributes"] if value["name"].lower() == name.lower()
    ]
    return {
        "jobid": job["jobid"], "owner": job["owner"], "attributes": values, "primaryStorage": ["https://localhost:8901"]
    }


def _matches(job: dict[str, Any], conditions: list[Any]) -> bool:
    names = {condition.findtext("attr").lower() for condition in conditions}
    return all(
        any(
            all(_holds(row, condition) for condition in conditions if condition.findtext("attr").lower() == name)
            for row in _rows(job, name)
        )
        for name in names
    )


def _rows(job: dict[str, Any], name: str) -> Iterator[tuple[bytes, str | None]]:
    """Index value and origin of each value; the job's own id has no origin."""
    if name == JOBID:
        yield job["jobid"].encode(), None
        return
    for value in job["attributes"]:
        if value["name"].lower() == name:
            yield (b"XXX" if "blob" in value else value["string"].encode()[:255]), value["origin"]


def _holds(row: tuple[bytes, str | None], condition: Any) -> bool:
    content, origin = row
    wanted = condition.findtext("origin")
    if wanted is not None and origin is not None and origin != wanted:
        return False
    records = [record for record in condition.findall("record") if record.findtext("op") != "EXISTS"]
    return not records or any(_compares(content, record) for record in records)


def _compares(content: bytes, record: Any) -> bool:
    low, high = (_operand(record.find(name)) for name in ("value", "value2"))
    if low is None:
        return False
    match record.findtext("op"):
        case "EQUAL":
            return content == low
        case "UNEQUAL":
            return content != low
        case "LESS":
            return content < low
        case "GREATER":
            return content > low
        case "WITHIN":
            return high is not None and low <= content <= high
    raise AssertionError(record.findtext("op"))


def _operand(element: Any) -> bytes | None:
    if element is None:
        return None
    if element.find("blob") is not None:
        base64.b64decode(element.findtext("blob"))
        return b"XXX"
    return (element.findtext("string") or "").encode()[:255]
