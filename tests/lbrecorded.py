"""What was recorded of the original: the cases of the oracle, the event lines of the traces and of the challenge."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from shared import SHARED

ORACLE: Final = SHARED / "data" / "lb-oracle"
TRACES: Final = SHARED / "data" / "lb-traces"
DUMPS: Final = SHARED / "data" / "challenge-2006"
FILES: Final = ("examples", "traces", "generated-simple", "generated-other")
"""The files of the oracle."""


@cache
def cases(name: str) -> tuple[dict[str, Any], ...]:
    """The cases of one file; not to be changed, they are read once for all tests."""
    with gzip.open(ORACLE / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)


def all_cases() -> Iterator[dict[str, Any]]:
    """The cases of all files."""
    return (case for name in FILES for case in cases(name))


def cases_of(kind: str) -> list[dict[str, Any]]:
    """The cases of one kind, such as ``CONDOR``."""
    return [case for case in all_cases() if case["kind"] == kind]


def real_lines() -> list[bytes]:
    """All lines of the traces and of the challenge."""
    files = [path for folder in (TRACES, DUMPS) for path in sorted(folder.glob("*.log"))]
    return [line for path in files for line in path.read_bytes().split(b"\n") if line.strip()]
