"""Jobs as processes of this machine: the computing element of a testbed, a laptop, a single server.

Each attempt has a directory below the element's; what is in it is said in wms.ce.supervisor. The state of an attempt is
what its files and the process table say:

    no directory ──submit──► no `started` ──a slot is free──► `started`, its process lives ──► `exit.json`
       (LOST)                  (QUEUED)                          (RUNNING; dead: LOST)    (FINISHED, CANCELLED)

Jobs run under the account of the manager. That account should own nothing but the WMS; an element that has to keep
users apart needs a batch system that does.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spool.files import sync_directory, write_durably
from wms.ce.base import Adapter, CeError, CeJob, CeState, Report
from wms.ce.processes import Identity, kill_marked
from wms.ce.supervisor import CANCELLED_BY_USER, MARK, Cause, Ending, Spec, claim
from wms.wrapper import SCRIPT, Phase, read_progress
from wms.wrapper.describe import EXPIRES

log = logging.getLogger(__name__)

#: How often the start of an attempt is tried before it counts as lost.
START_TRIES = 3
#: Seconds that a job has to end and to send its output when it is told to end, before it is killed.
GRACE_S = 120.0
_BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_UNFINISHED, _DOOMED = ".new-", ".removed-"


@dataclass
class _Start:
    """A supervisor that this process started: to be waited for, and to be noticed when it could not even begin."""

    process: subprocess.Popen[bytes]
    tries: int


@dataclass
class LocalElement(Adapter):
    """A computing element whose jobs are local processes.

    root: directory of its attempts, 0700; slots: attempts that run at the same time; max_wall_clock_s,
    max_output_bytes: limits of each; environment: variables its jobs get, beside a plain PATH and LANG.
    """

    root: Path
    ca_directory: Path
    slots: int = 2
    max_wall_clock_s: float = 3600.0
    max_output_bytes: int = 1_000_000_000
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = GRACE_S

    def __post_init__(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._queued: dict[str, int] = {}  # key -> time of submission, of the attempts that nobody has claimed
        self._running: set[str] = set()
        self._starts: dict[str, _Start] = {}
        self._final: dict[str, Report] = {}
        if os.geteuid() == 0:
            log.warning("the jobs of this element run as root: give the workload manager an account of its own")
        self._find()

    # -- the contract

    def submit(self, job: CeJob) -> str:
        with self._lock:
            place = self.root / job.key
            if not place.is_dir():
                try:
                    self._lay_down(place, job)
                except OSError as error:
                    raise CeError(f"cannot prepare the job's directory: {error.strerror}", transient=True) from error
            if not (place / "started").exists():
                self._queued.setdefault(job.key, _submitted(place))
            return job.key

    def poll(self, lrms_ids: Collection[str]) -> dict[str, Report]:
        with self._lock:
            self._fill_slots()
            return {key: self._report(key) for key in lrms_ids}

    def cancel(self, lrms_id: str) -> None:
        with self._lock:
            place = self._place(lrms_id)
            if not place.is_dir() or self._report(lrms_id).state.final:
                return
            if claim(place, {"cancelled": True}):  # it was queued, and no one can start it any more
                self._queued.pop(lrms_id, None)
            else:
                write_durably(place / "cancel", b"")

    def renew(self, lrms_id: str, proxy: Path, expires: float) -> None:
        with self._lock:
            place = self._place(lrms_id)
            if not place.is_dir():
                return
            path = place / "user.proxy"
            try:
                write_durably(path, proxy.read_bytes())
                write_durably(path.with_name(path.name + EXPIRES), str(expires).encode())  # only now it is true
            except OSError as error:
                raise CeError(f"the proxy cannot be replaced: {error.strerror}", transient=True) from error

    def cleanup(self, lrms_id: str) -> None:
        with self._lock:
            place = self._place(lrms_id)
            if not place.is_dir():
                return
            if not self._report(lrms_id).state.final:
                raise CeError(f"{lrms_id} has not ended", transient=True)
            doomed = self.root / f"{_DOOMED}{secrets.token_hex(8)}"
            os.rename(place, doomed)
            sync_directory(self.root)
            self._final.pop(lrms_id, None)
        _remove(doomed)

    # -- submission

    def _lay_down(self, place: Path, job: CeJob) -> None:
        """Make the directory beside its place and move it there when it is whole."""
        draft = self.root / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            self._fill(draft, place, job)
            os.rename(draft, place)
        except OSError:
            _remove(draft)  # on a full disk tries would pile up
            raise
        sync_directory(self.root)

    def _fill(self, draft: Path, place: Path, job: CeJob) -> None:
        draft.mkdir(mode=0o700)
        for name in ("work", "state"):
            (draft / name).mkdir(mode=0o700)
        write_durably(draft / "user.proxy", job.proxy.read_bytes())
        description = job.description | {
            "proxy": str(place / "user.proxy"), "ca_directory": str(self.ca_directory),
            "work": str(place / "work"), "state": str(place / "state"),
        }
        write_durably(draft / "job.json", json.dumps(description).encode())
        write_durably(draft / "spec.json", self._spec(place).to_bytes())

    def _spec(self, place: Path) -> Spec:
        environment = _BASE_ENVIRONMENT | {"HOME": str(place / "work"), **self.environment}
        return Spec(
            submitted=time.time_ns(),
            wrapper=[sys.executable, str(SCRIPT)],
            wall_clock_s=self.max_wall_clock_s,
            output_bytes=self.max_output_bytes,
            grace_s=self.grace_s,
            environment=environment,
        )

    # -- recovery

    def _find(self) -> None:
        """Take up what an earlier process left: unfinished submissions go, attempts are sorted by their files."""
        for place in self.root.iterdir():
            if place.name.startswith((_UNFINISHED, _DOOMED)):
                _remove(place)
            elif (place / "exit.json").exists():
                continue
            elif (place / "started").exists():
                self._running.add(place.name)
            else:
                self._queued[place.name] = _submitted(place)

    # -- slots

    def _fill_slots(self) -> None:
        """Start queued attempts, the oldest first, while there are free slots."""
        for key in list(self._running):
            self._report(key)  # strikes it from the running ones when it has ended
        for key in sorted(self._queued, key=self._queued.__getitem__):
            if len(self._running) >= self.slots:
                return
            self._start(key)

    def _start(self, key: str) -> None:
        place, before = self.root / key, self._starts.get(key)
        command = [sys.executable, "-P", "-m", "wms.ce.supervisor", str(place)]
        try:
            with (place / "supervisor.log").open("ab") as output:
                process = subprocess.Popen(
                    command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                    env=_BASE_ENVIRONMENT,
                )
        except OSError as error:
            log.error("%s cannot be started now: %s", key, error)
            return
        self._starts[key] = _Start(process, before.tries + 1 if before else 1)
        del self._queued[key]
        self._running.add(key)

    # -- reports

    def _report(self, key: str) -> Report:
        if key in self._final:
            return self._final[key]
        report = self._look(self._place(key))
        if report.state.final:
            self._final[key] = report
            self._running.discard(key)
            self._starts.pop(key, None)
        return report

    def _look(self, place: Path) -> Report:
        started = self._reap(place.name)
        ending = Ending.read(place)
        if ending is not None:
            return _ended(place, ending)
        owner = _owner(place)
        if owner is None:
            return self._unclaimed(place, started)
        if owner.get("cancelled"):
            return Report(CeState.CANCELLED, None, CANCELLED_BY_USER)
        identity = Identity.from_json(owner)
        if identity is not None and identity.alive:
            return Report(CeState.RUNNING, read_progress(place / "state"))
        return _vanished(place, identity)

    def _reap(self, key: str) -> _Start | None:
        """The start of this attempt by this process, if its supervisor has ended since."""
        start = self._starts.get(key)
        return start if start is not None and start.process.poll() is not None else None

    def _unclaimed(self, place: Path, ended: _Start | None) -> Report:
        key = place.name
        if not place.is_dir():
            return Report(CeState.LOST, None, "the computing element does not know the job")
        if ended is None:
            return Report(CeState.QUEUED)
        # The supervisor that was started here is gone and had not even claimed the attempt.
        self._running.discard(key)
        log.error("%s: the supervisor ended with status %d, see supervisor.log", key, ended.process.returncode)
        if ended.tries < START_TRIES:
            self._queued[key] = _submitted(place)
            return Report(CeState.QUEUED)
        if claim(place, {"cancelled": False}):
            return Report(CeState.LOST, None, f"the job could not be started in {ended.tries} tries")
        return self._look(place)

    def _place(self, key: str) -> Path:
        if not key or "/" in key or key.startswith("."):
            raise CeError(f"{key!r} is no id of this computing element", transient=False)
        return self.root / key


def end_all(directory: Path, patience_s: float) -> int:
    """End every running job of the local elements below a directory, by force after `patience_s`; returns how many.

    For a testbed that is taken down with everything it started. A later manager finds these jobs ended by a signal, or
    lost, and tries them again as far as they allow it.
    """
    running = []
    for place in (started.parent for started in directory.glob("*/*/started")):
        identity = Identity.from_json(_owner(place) or {})
        if identity is not None and identity.alive:
            running.append((place, identity))
    for _, identity in running:
        os.kill(identity.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while any(identity.alive for _, identity in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    for place, identity in running:
        if identity.alive:
            os.kill(identity.pid, signal.SIGKILL)
        kill_marked(f"{MARK}={place.name}")
    return len(running)


def _submitted(place: Path) -> int:
    """When the attempt was submitted; a damaged one comes first, fails to start, and is lost."""
    try:
        return Spec.read(place).submitted
    except (OSError, ValueError, TypeError) as error:
        log.error("%s cannot be read: %s", place / "spec.json", error)
        return 0


def _owner(place: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads((place / "started").read_bytes())
    except FileNotFoundError:
        return None
    return owner if isinstance(owner, dict) else {}


def _ended(place: Path, ending: Ending) -> Report:
    progress = read_progress(place / "state")
    whole = progress is not None and progress.phase is Phase.DONE and progress.failure is None
    if ending.cause == Cause.CANCEL.value and not whole:
        return Report(CeState.CANCELLED, progress, ending.text)
    return Report(CeState.FINISHED, progress, "" if whole and ending.cause == Cause.CANCEL.value else ending.text)


def _vanished(place: Path, identity: Identity | None) -> Report:
    """The supervisor is dead. It may have ended in order since we looked; otherwise nobody watches what it left."""
    ending = Ending.read(place)
    if ending is not None:
        return _ended(place, ending)
    if identity is None:
        return Report(CeState.LOST, None, "the job could not be started")
    killed = kill_marked(f"{MARK}={place.name}")
    if killed:
        log.warning("%s: killed %d processes of a lost job", place.name, killed)
    return Report(CeState.LOST, read_progress(place / "state"), "the job disappeared from the computing element")


def _remove(directory: Path) -> None:
    """A job may have taken rights from its own directories: give them back to be able to remove them."""
    for parent, names, _ in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(directory, ignore_errors=True)
