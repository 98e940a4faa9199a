"""Processes that must be recognised again by someone who did not start them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

#: How often the processes are looked through, and the pause in between, in seconds.
MAX_ROUNDS = 200
ROUND_S = 0.01
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one with the same number: pid, start time in clock ticks since boot, boot."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process with that number now; None when there is none or only its corpse."""
        found = _stat(pid)
        return None if found is None or found.state in "ZX" else cls(pid, found.start, _BOOT_ID.read_text().strip())

    @classmethod
    def mine(cls) -> Self:
        found = cls.of(os.getpid())
        assert found is not None
        return found

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self | None:
        """Back from `as_json`; None when it is not one."""
        pid, start, boot = value.get("pid"), value.get("start"), value.get("boot")
        if isinstance(pid, int) and isinstance(start, int) and isinstance(boot, str):
            return cls(pid, start, boot)
        return None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def alive(self) -> bool:
        return Identity.of(self.pid) == self


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    start: int


def _stat(pid: int) -> _Stat | None:
    """State, parent and start time from /proc (proc(5), fields 3, 4 and 22)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return _Stat(fields[0], int(fields[1]), int(fields[19]))


def kill_marked(mark: str) -> int:
    """Kill every process that carries `mark`, a `NAME=value` that is unique to one job, in its environment.

    It finds what a dead supervisor left, in whatever session. It is repeated until nothing is found: a process that was
    not yet killed may have forked. Returns how many were killed.
    """
    killed: set[int] = set()
    for _ in range(MAX_ROUNDS):
        found = [pid for pid in _all() if _carries(pid, mark)]
        if not found:
            break
        for pid in found:
            _kill(pid)
        killed.update(found)
        time.sleep(ROUND_S)
    return len(killed)


def kill_descendants() -> None:
    """Kill all children of this process, and theirs, and wait for them.

    A process that is a child subreaper (prctl(2)) inherits the children of its dead descendants, so that repeating
    the first step reaches every one of them.
    """
    while True:
        for pid in _children():
            _kill(pid)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    mine = os.getpid()
    return [pid for pid in _all() if (found := _stat(pid)) is not None and found.parent == mine]


def _all() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _carries(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
