"""Start, watch and stop the processes of a grid; a pid counts only with its start time, since pids are used again."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from spool.files import write_durably

STOP_TIMEOUT_S = 20.0
KILL_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Process:
    """One started process."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """True while exactly this process runs."""
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass


def start_time(pid: int) -> str | None:
    """The start time of a running process in clock ticks since boot, or None (proc(5), field 22 of stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def descendants(pid: int) -> list[Process]:
    """All children of a running process, and their children."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended since we saw it
            continue
        for child in map(int, children):
            found += [Process(child, start_time(child) or ""), *descendants(child)]
    return found


def start(command: list[str], log: Path, mark: Path, environment: dict[str, str]) -> Process:
    """Start a command in a session of its own, its output appended to `log`, its identity written to `mark`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env=environment, cwd=mark.parent,
        )
    process = Process(child.pid, start_time(child.pid) or "")
    write_durably(mark, json.dumps({"pid": process.pid, "started": process.started}).encode())
    return process


def find(mark: Path) -> Process | None:
    """The process written down in `mark` if it still runs."""
    try:
        process = Process(**json.loads(mark.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return process if process.alive else None


def stop(processes: list[Process]) -> None:
    """Ask all to finish, then make the rest."""
    for number, patience in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, KILL_TIMEOUT_S)):
        for process in processes:
            process.signal(number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(process.alive for process in processes):
            _reap()
            time.sleep(0.05)
        if not any(process.alive for process in processes):
            return


def _reap() -> None:
    """Collect our own dead children, if any, so that they do not look alive."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
