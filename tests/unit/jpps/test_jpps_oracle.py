"""Attributes digested by the original from 203 dumps (jp-oracle/attributes.jsonl.gz), name by name."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jpps.plugins import registry
from jpps.plugins.interface import Handle, StoredFile, UnknownAttribute, UnreadableFile
from shared import SHARED, needs_shared
from soap.faults import PosixFault
from unit.jpps import jpps_support
from unit.jpps.jpps_support import LB, LB_URI

pytestmark = needs_shared

ORACLE = SHARED / "data" / "jp-oracle" / "attributes.jsonl.gz"
STATES = ("OK", "FAILED", "CANCELLED")


def cases() -> Iterator[dict[str, Any]]:
    with gzip.open(ORACLE, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def dump(case: dict[str, Any]) -> bytes:
    text: str = case["dump"]
    return base64.b64decode(text) if case["dumpEncoding"] == "base64" else text.encode()


def opened(case: dict[str, Any], path: Path) -> Handle | None:
    path.write_bytes(dump(case))
    try:
        return registry.load(["lb"]).plugins[0].open(StoredFile(LB_URI, "", path, None))
    except UnreadableFile:
        return None


def told(handle: Handle | None, name: str) -> list[tuple[str, str]]:
    try:
        values = [] if handle is None else handle.attr(name)
    except UnknownAttribute:
        return []
    return [(value.content, f"{value.time:%Y-%m-%dT%H:%M:%SZ}") for value in values]


def expected(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(value["string"], value["timestamp"]) for value in answer.get("values", [])]


def known_defect(name: str, answer: dict[str, Any], ours: list[tuple[str, str]], events: bytes) -> bool:
    """What the original did wrong and the README says not to imitate."""
    if "crash" in answer:
        return True
    if name == f"{LB}:LRMSDoneStatus" and b'DG.SOURCE="LRMS"' not in b"".join(
        line for line in events.splitlines() if b'DG.EVNT="Done"' in line
    ):
        wrong = expected(answer)  # off by one: UNDEFINED for OK, OK for FAILED
        shifted = [(("UNDEFINED", *STATES)[STATES.index(content)], time) for content, time in ours]
        return wrong == shifted or not ours
    # A history of more than twelve entries: the original stops after the first of those it has to tell.
    return name == f"{LB}:lastStatusHistory" and ours[0][0].startswith(expected(answer)[0][0])


def test_every_attribute_of_every_dump(tmp_path: Path) -> None:
    right, mended, wrong = 0, Counter[str](), []
    serves = registry.load(["lb"])
    for case in cases():
        handle = opened(case, tmp_path / "lb")
        for name, answer in case["attributes"].items():
            if not serves.knows(name):
                continue
            ours = told(handle, name)
            if ours == expected(answer):
                right += 1
            elif known_defect(name, answer, ours, dump(case)):
                mended[name.rpartition(":")[2]] += 1
            else:
                wrong.append((case["case"], name, ours, expected(answer)))
    assert wrong == []
    assert right > 30_000
    assert mended["lastStatusHistory"] <= 2, mended


def test_what_is_asked_jointly_is_answered_in_order(tmp_path: Path) -> None:
    """Through registration, upload, commit and GetJobAttributes; eight names in a call."""
    world = jpps_support.start(f"sqlite:///{tmp_path / 'test.db'}", tmp_path / "storage")
    compared = 0
    for case in cases():
        world.register(case["jobid"], owner=case["owner"])
        world.upload(dump(case), case["jobid"])
        names = case["joint"]["request"]
        if any(name.endswith((":LRMSDoneStatus", ":lastStatusHistory", ":regtime")) for name in names):
            continue
        compared += 1
        wanted = case["joint"]["answer"]
        client = world.client(case["owner"])
        if "fault" in wanted:
            with pytest.raises(PosixFault) as caught:
                client.call("GetJobAttributes", jobid=case["jobid"], attributes=names)
            assert caught.value.code == wanted["fault"]["code"]
            continue
        answer = client.call("GetJobAttributes", jobid=case["jobid"], attributes=names)
        assert [comparable(value) for value in answer.attrValues] == [recorded(value) for value in wanted["values"]]
    assert compared > 100


def comparable(value: Any) -> tuple[str, str, str | None, str | None]:
    time = None if value.origin in ("SYSTEM", "USER") else f"{value.timestamp:%Y-%m-%dT%H:%M:%SZ}"
    return value.name, value.value.string, value.originDetail, time


def recorded(value: dict[str, Any]) -> tuple[str, str, str | None, str | None]:
    time = None if value["origin"] in ("SYSTEM", "USER") else value["timestamp"]
    return value["name"], value["string"], value.get("originDetail"), time
