"""One job of a local computing element: starts its wrapper once, watches its limits, notes its end.

    python -m wms.ce.supervisor DIRECTORY

It is the leader of a session of its own and nobody's child that matters: the manager that started it may die. All it
knows is in the directory, and all it has to say goes there:

| file | written by | content |
|---|---|---|
| spec.json | manager | limits, environment (class `Spec`) |
| job.json | manager | what the wrapper reads |
| started | supervisor, or a canceller | who owns the attempt; linked into place whole, by the first only |
| cancel | manager | wish to end the job |
| state/ | wrapper | status.json, events.jsonl |
| exit.json | supervisor | why it ended (class `Ending`); the last thing that is written |
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from spool.files import sync, sync_directory, write_durably
from wms.ce.processes import Identity, kill_descendants

log = logging.getLogger(__name__)

#: Seconds between two looks at the job.
PERIOD_S = 0.2
#: Name of the variable that marks the processes of an attempt; its value is the key.
MARK = "GLITE_LOCAL_CE_JOB"
CANCELLED_BY_USER = "Cancelled by user"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


class Cause(Enum):
    """Why a job ended, when it did not end by itself."""

    WALL_CLOCK = "wall_clock"
    OUTPUT = "output"
    CANCEL = "cancel"
    SIGNAL = "signal"


@dataclass(frozen=True)
class Spec:
    """Limits (seconds, bytes), how long a job may take to end when told to, its environment, and when it came (ns)."""

    submitted: int
    wrapper: list[str]
    wall_clock_s: float
    output_bytes: int
    grace_s: float
    environment: dict[str, str]

    @classmethod
    def read(cls, place: Path) -> Spec:
        return cls(**json.loads((place / "spec.json").read_bytes()))

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True)
class Ending:
    """cause: a value of `Cause` or empty; text: for the reason of an event; status: of the wrapper, as in a shell."""

    cause: str
    text: str
    status: int

    @classmethod
    def read(cls, place: Path) -> Ending | None:
        try:
            return cls(**json.loads((place / "exit.json").read_bytes()))
        except FileNotFoundError:
            return None


def claim(place: Path, owner: dict[str, Any]) -> bool:
    """Take the attempt for `owner`; False when somebody has it already. There is no state between taken and not."""
    draft = place / f".started.{secrets.token_hex(6)}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(owner, file)
        file.flush()
        sync(file.fileno())
    try:
        os.link(draft, place / "started")
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_directory(place)
    return True


class Supervisor:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.spec = Spec.read(place)
        self.ending: tuple[Cause, str] | None = None
        self.told = 0.0
        self.interrupted = False

    def run(self) -> None:
        """Run the job once, if nobody else does."""
        signal.signal(signal.SIGTERM, self._interrupt)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        if not claim(self.place, Identity.mine().as_json()):
            log.info("this attempt belongs to another process")
            return
        status = self._watch(self._start())
        kill_descendants()
        self._check_output()  # what was written between the last look and the end counts too
        cause, text = self.ending or (None, "")
        ending = Ending(cause.value if cause else "", text, status)
        write_durably(self.place / "exit.json", json.dumps(asdict(ending)).encode())

    def _interrupt(self, _number: int, _frame: object) -> None:
        self.interrupted = True

    def _start(self) -> subprocess.Popen[bytes]:
        environment = self.spec.environment | {MARK: self.place.name}
        return subprocess.Popen(
            [*self.spec.wrapper, str(self.place / "job.json")], cwd=self.place, env=environment,
            stdin=subprocess.DEVNULL, preexec_fn=self._limit,
        )

    def _limit(self) -> None:
        """In the child, before the wrapper: it dies with this process, leaves no core, writes no endless file."""
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # One byte more than allowed, so that a file that reached its limit is seen to exceed the job's.
        most = self.spec.output_bytes + 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    def _watch(self, wrapper: subprocess.Popen[bytes]) -> int:
        started = time.monotonic()
        while True:
            try:
                status = wrapper.wait(PERIOD_S)
                return 128 - status if status < 0 else status
            except subprocess.TimeoutExpired:
                self._look(wrapper, time.monotonic() - started)

    def _look(self, wrapper: subprocess.Popen[bytes], elapsed: float) -> None:
        if self.ending is not None:
            if time.monotonic() - self.told > self.spec.grace_s:
                wrapper.kill()
            return
        if elapsed > self.spec.wall_clock_s:
            self.ending = Cause.WALL_CLOCK, f"wall clock limit of {self.spec.wall_clock_s:.0f} s exceeded"
        elif (self.place / "cancel").exists():
            self.ending = Cause.CANCEL, CANCELLED_BY_USER
        elif self.interrupted:
            self.ending = Cause.SIGNAL, "the computing element is being shut down"
        else:
            self._check_output()
        if self.ending is not None:
            self.told = time.monotonic()
            wrapper.send_signal(signal.SIGXCPU if self.ending[0] is Cause.WALL_CLOCK else signal.SIGTERM)

    def _check_output(self) -> None:
        if self.ending is None and written(self.place / "work") > self.spec.output_bytes:
            self.ending = Cause.OUTPUT, f"output limit of {self.spec.output_bytes} bytes exceeded"


def written(directory: Path) -> int:
    """Bytes in the files of a directory tree; links are not followed, what vanishes meanwhile does not count."""
    total, waiting = 0, [str(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
    return total


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    Supervisor(Path(sys.argv[1])).run()


if __name__ == "__main__":
    main()
