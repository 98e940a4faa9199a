"""What is done with a message (jp.md 4.6).

Every step may have been done before by an importer that was killed: a job that is registered already is fine, and so is
a dump that is stored already if it is the same.

A dump of a job that the Primary Storage does not know registers it, with the owner named in the dump (DG.USER of its
RegJob event); without such an event the importer itself becomes the owner, as always in the original.
"""

import errno
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

import requests

from jpps.importer.messages import BadMessage, Registration, Upload
from jpps.importer.primary import Primary, Source, UploadFailed, location
from jpps.plugins.lb.plugin import URI as DUMP_URI
from jpps.plugins.sandbox import URI as SANDBOX_URI
from lb.model import ulm
from lb.model.jobid import JobId, JobIdError
from soap.faults import Fault, PosixFault
from spool.files import sync_directory
from spool.maildir import Message

log = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of a message."""

    DONE = auto()
    #: It can never be done; it is kept among the undeliverable ones.
    HOPELESS = auto()
    LATER = auto()


@dataclass
class Primaries:
    """The Primary Storages a thread talks to. `default`: URL of the usual one; `own_dn`: who we are to them."""

    default: str
    connect: Callable[[], requests.Session]
    own_dn: str
    _known: dict[str, Primary] = field(default_factory=dict)

    def at(self, url: str | None) -> Primary:
        """Return the Primary Storage at `url`, the usual one for None."""
        wanted = url or self.default
        if wanted not in self._known:
            self._known[wanted] = Primary(wanted, self.connect)
        return self._known[wanted]

    def hang_up(self) -> None:
        """Close all connections."""
        for primary in self._known.values():
            primary.hang_up()


def register(message: Message, primaries: Primaries) -> Outcome:
    """Register a job. Raises Unreachable."""
    try:
        wanted = Registration.parse(message.data)
    except BadMessage as error:
        return _hopeless(message, error)
    try:
        primaries.at(None).register(wanted.jobid, wanted.owner)
    except PosixFault as fault:
        if fault.code == errno.EEXIST:
            return Outcome.DONE
        if fault.code == errno.EINVAL:
            return _hopeless(message, fault)
        return _later(message, fault)
    except Fault as fault:
        return _later(message, fault)
    return Outcome.DONE


@dataclass(frozen=True)
class UploadTask:
    """Uploading of one kind of file. `failsafe`: register unknown jobs; `finish`: what becomes of the file then."""

    uri: str
    content_type: str
    failsafe: bool
    finish: Callable[[Path], None]

    def __call__(self, message: Message, primaries: Primaries) -> Outcome:
        """Upload the file of a message. Raises Unreachable."""
        try:
            wanted = Upload.parse(message.data)
        except BadMessage as error:
            return _hopeless(message, error)
        work = _Work(self, wanted, primaries.at(wanted.target), primaries.own_dn)
        try:
            outcome = work.upload() if wanted.path.is_file() else work.without_file()
            if outcome is Outcome.DONE:
                self.finish(wanted.path)
        except (Fault, UploadFailed, OSError) as error:
            return _later(message, error)
        return outcome


@dataclass(frozen=True)
class _Work:
    """One file and its way. Methods raise Unreachable, Fault, UploadFailed, OSError."""

    task: UploadTask
    wanted: Upload
    primary: Primary
    own_dn: str

    @property
    def source(self) -> Source:
        return Source(self.task.uri, self.task.content_type, self.wanted.path)

    def upload(self) -> Outcome:
        try:
            destination = self._start()
        except PosixFault as fault:
            there = location(fault)
            if fault.code != errno.EEXIST or there is None:
                raise
            if stored := self.primary.stored(there):
                return self._compare(stored.same_as(self.wanted.path))
            destination = there  # begun before we were killed: go on
        self.primary.put(destination, self.source)
        self.primary.commit(destination)
        return Outcome.DONE

    def without_file(self) -> Outcome:
        """The file is gone: fine when it is because it is stored, which we were about to note when we were killed."""
        try:
            self.primary.start(self.wanted.jobid, self.source)
        except PosixFault as fault:
            there = location(fault)
            if fault.code == errno.EEXIST and there is not None and self.primary.stored(there):
                return Outcome.DONE
            if fault.code not in (errno.EEXIST, errno.ENOENT):
                raise
        log.error("%s of %s is gone and was not uploaded", self.wanted.path, self.wanted.jobid)
        return Outcome.HOPELESS

    def _start(self) -> str:
        try:
            return self.primary.start(self.wanted.jobid, self.source)
        except PosixFault as fault:
            if fault.code != errno.ENOENT or not self.task.failsafe:
                raise
        self._register()
        return self.primary.start(self.wanted.jobid, self.source)

    def _register(self) -> None:
        owner = owner_of_dump(self.wanted.path, self.wanted.jobid)
        if owner is None:
            log.warning("%s has no known owner: registered as a job of %s", self.wanted.jobid, self.own_dn)
        try:
            self.primary.register(self.wanted.jobid, owner or self.own_dn)
        except PosixFault as fault:
            if fault.code != errno.EEXIST:
                raise

    def _compare(self, same: bool) -> Outcome:
        if same:
            return Outcome.DONE
        log.error("another file than %s is stored for %s", self.wanted.path, self.wanted.jobid)
        return Outcome.HOPELESS


def dumps(store: Path | None) -> UploadTask:
    """Return the task for LB dumps; uploaded files are moved to `store`, or deleted without one."""
    return UploadTask(DUMP_URI, "text/lb", True, lambda path: _put_away(path, store))


def sandboxes() -> UploadTask:
    """Return the task for sandboxes. They stay where they are, and wait until their job is registered."""
    return UploadTask(SANDBOX_URI, "tar/lb", False, lambda path: None)


def owner_of_dump(path: Path, jobid: str) -> str | None:
    """Return the DN of the user who registered the job, None when the dump does not tell."""
    try:
        wanted = JobId.parse(jobid)
    except JobIdError:
        return None
    with path.open("rb") as file:
        for line in file:
            if b"RegJob" not in line:
                continue
            try:
                event = ulm.parse(line)
            except ulm.UlmError:
                continue
            if event.name == "RegJob" and event.jobid == wanted and event.user:
                return event.user
    return None


def _put_away(path: Path, store: Path | None) -> None:
    if store is None:
        path.unlink(missing_ok=True)
        return
    if path.exists():
        store.mkdir(mode=0o750, parents=True, exist_ok=True)
        shutil.move(path, store / path.name)
        sync_directory(store)


def _hopeless(message: Message, error: Exception) -> Outcome:
    log.error("message %s is undeliverable: %s", message.name, error)
    return Outcome.HOPELESS


def _later(message: Message, error: Exception) -> Outcome:
    log.warning("message %s is put off: %s", message.name, error)
    return Outcome.LATER
