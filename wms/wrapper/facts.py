"""What the wrapper wrote down, read with suspicion: the job runs beside these files and can write into them."""

from __future__ import annotations

import json
import logging
import math
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from lb.model.times import LAST

log = logging.getLogger(__name__)

#: Largest status file and events file that are read, in bytes.
MAX_STATUS = 256 << 10
MAX_EVENTS = 1 << 20
#: Longest text that is taken over, in characters.
MAX_TEXT = 4096
#: The events a wrapper may log, with the type of each field (wms.md 4.1, 4.2).
EVENTS: dict[str, dict[str, type]] = {
    "Running": {"node": str},
    "ReallyRunning": {"wn_seq": str},
    "ResourceUsage": {"resource": str, "quantity": float, "unit": str},
    "UserTag": {"name": str, "value": str},
    "Done": {"status_code": str, "reason": str, "exit_code": int},
}


class Phase(Enum):
    """How far the wrapper has come."""

    STARTED = "started"  # the wrapper runs
    RUNNING = "running"  # the user's program has been started
    DONE = "done"


@dataclass(frozen=True)
class Fact:
    """One event of source LRMS: timestamp in (seconds, microseconds) UTC."""

    event: str
    timestamp: tuple[int, int]
    host: str
    seqcode: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """What is known of a job from its wrapper.

    `exit_code` is that of the user's program, None when it did not end by itself; `failure` says why the wrapper could
    not do its work, None when it could; `payload_started` tells whether the user's program may have run.
    """

    phase: Phase
    node: str
    exit_code: int | None = None
    failure: str | None = None
    payload_started: bool = False
    wn_seq: str | None = None
    facts: tuple[Fact, ...] = ()


def read_progress(state: Path) -> Progress | None:
    """From the wrapper's state directory; None when the wrapper has not written anything that can be believed."""
    status = _json(_read(state / "status.json", MAX_STATUS))
    try:
        phase = Phase(status.get("phase"))
    except ValueError:
        return None
    code = status.get("exit_code")
    wn_seq = status.get("wn_seq")
    return Progress(
        phase=phase,
        node=_text(status.get("node")) or "N/A",
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= 255 else None,
        failure=_text(status.get("failure")),
        payload_started=wn_seq is not None,
        wn_seq=_text(wn_seq),
        facts=tuple(_facts(_read(state / "events.jsonl", MAX_EVENTS))),
    )


def _facts(data: bytes) -> list[Fact]:
    """The events in their order. A last line without LF is still being written; a bad one ends the belief."""
    found = []
    for line in data.split(b"\n")[:-1]:
        fact = _fact(_json(line))
        if fact is None:
            log.warning("a line of a wrapper's events cannot be read; the rest is left out")
            break
        found.append(fact)
    return found


def _fact(line: dict[str, Any]) -> Fact | None:
    kinds = EVENTS.get(str(line.get("event")))
    moment, fields = line.get("time"), line.get("fields")
    if kinds is None or not isinstance(fields, dict) or not isinstance(moment, list) or len(moment) != 2:
        return None
    if not all(type(part) is int and part >= 0 for part in moment) or moment[0] > LAST or moment[1] >= 1_000_000:
        return None
    host, seqcode = _text(line.get("host")), _text(line.get("seqcode"))
    values = {name: _value(kind, fields.get(name)) for name, kind in kinds.items()}
    if host is None or seqcode is None:
        return None
    return Fact(str(line["event"]), (moment[0], moment[1]), host, seqcode, values)


def _value(kind: type, value: object) -> str | int | float | None:
    if kind is str:
        return _text(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if kind is float else int(value)


def _text(value: object) -> str | None:
    """A text that can be written as UTF-8 (JSON can name halves of characters) and holds no zero."""
    if not isinstance(value, str):
        return None
    return value[:MAX_TEXT].replace("\0", "").encode(errors="replace").decode()


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _read(path: Path, limit: int) -> bytes:
    """A regular file, followed by no link and read up to a limit; empty when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("%s cannot be read: %s", path, error.strerror)
        return b""
    with open(descriptor, "rb") as file:
        return file.read(limit) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
