"""The command queue of the workload manager: ads over a job directory queue (wms.md 5.2, 5.4).

    [ version = "1.0.0"; command = "jobsubmit"; arguments = [ ad = [ … ] ] ]
    [ version = "1.0.0"; command = "jobcancel"; arguments = [ id = "https://…"; lb_sequence_code = "UI=…" ] ]

A command stays in the queue's `old` until it is finished, so a reader that dies finds it again with `pending`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lb.model.jobid import JobId, JobIdError
from spool.jobdir import Entry, JobDir
from wms.jdl import Jdl, JdlError, parse
from wms.jdl.nodes import Plain

VERSION = "1.0.0"
SUBMIT, RESUBMIT, CANCEL = "jobsubmit", "jobresubmit", "jobcancel"
#: Commands of the original that are recognised, and not available in this release.
UNAVAILABLE = ("match", "ism_dump", "wm_debug")


class CommandError(Exception):
    """A request that is no command; the original drops such without a word, we say why in the log."""


@dataclass(frozen=True)
class Submit:
    """A job to be run. `jdl` is its whole description, `seqcode` the code with which the manager goes on, `owner` a DN,
    `expires` the epoch second after which it is not matched any more, None when the job does not say."""

    jobid: str
    seqcode: str
    proxy: Path
    owner: str
    expires: int | None
    jdl: Jdl


@dataclass(frozen=True)
class Resubmit:
    """A job that failed, to be tried again."""

    jobid: str
    seqcode: str


@dataclass(frozen=True)
class Cancel:
    """The wish to end a job. `seqcode` is the code with which the cancellation's own events go on."""

    jobid: str
    seqcode: str


Command = Submit | Resubmit | Cancel


def text(name: str, arguments: Mapping[str, Plain]) -> str:
    """A command as the text of an ad."""
    ad = Jdl()
    ad.set("version", VERSION)
    ad.set("command", name)
    ad.set("arguments", arguments)
    return ad.text()


def submit_text(jdl: Jdl) -> str:
    return text(SUBMIT, {"ad": jdl.record})


def cancel_text(jobid: str, seqcode: str) -> str:
    return text(CANCEL, {"id": jobid, "lb_sequence_code": seqcode})


def resubmit_text(jobid: str, seqcode: str) -> str:
    return text(RESUBMIT, {"id": jobid, "lb_sequence_code": seqcode})


def read(data: bytes) -> Command:
    """The command in a request.

    :raises CommandError: no ad, another version, an unknown command, or an argument is missing or of the wrong type.
    """
    try:
        ad = parse(data.decode())
        if ad.string("version") != VERSION:
            raise CommandError(f"version {ad.expression('version')} is not known, only {VERSION!r} is")
        return _command(ad.string("command") or "", _record(ad, "arguments"))
    except (UnicodeDecodeError, JdlError) as error:
        raise CommandError(f"not a command ad: {error}") from error


def _command(name: str, arguments: Jdl) -> Command:
    match name.lower():
        case "jobsubmit":
            return _submit(_record(arguments, "ad"))
        case "jobresubmit":
            return Resubmit(_jobid(arguments, "id"), _needed(arguments, "lb_sequence_code"))
        case "jobcancel":
            return Cancel(_jobid(arguments, "id"), arguments.string("lb_sequence_code") or "")
        case known if known in UNAVAILABLE:
            raise CommandError(f"the command {known!r} is not available in this release")
    raise CommandError(f"unknown command {name!r}")


def _submit(jdl: Jdl) -> Submit:
    return Submit(
        jobid=_jobid(jdl, "edg_jobid"),
        seqcode=_needed(jdl, "LB_sequence_code"),
        proxy=Path(_needed(jdl, "X509UserProxy")),
        owner=_needed(jdl, "CertificateSubject"),
        expires=jdl.integer("ExpiryTime"),
        jdl=jdl,
    )


def _jobid(ad: Jdl, name: str) -> str:
    value = _needed(ad, name)
    try:
        return str(JobId.parse(value))
    except JobIdError as error:
        raise CommandError(f"{name}: {error}") from error


def _record(ad: Jdl, name: str) -> Jdl:
    value = ad.get(name)
    if not isinstance(value, Jdl):
        raise CommandError(f"{name} must be a record")
    return value


def _needed(ad: Jdl, name: str) -> str:
    value = ad.string(name)
    if not value:
        raise CommandError(f"{name} is missing")
    return value


class Queue:
    """The queue below a directory."""

    def __init__(self, root: Path) -> None:
        self._jobdir = JobDir(root)
        self.root = root

    @property
    def name(self) -> str:
        """The queue as events name it."""
        return str(self.root / "new")

    def submit(self, jdl: Jdl) -> str:
        """Put a job into the queue; durable when this returns the request's name."""
        return self._jobdir.deliver(submit_text(jdl).encode())

    def prepare(self, jdl: Jdl) -> str:
        """Put a job on disk in `tmp`, for `publish`; durable when this returns the request's name."""
        return self._jobdir.prepare(submit_text(jdl).encode())

    def publish(self, name: str) -> None:
        """Put what was prepared into the queue. Raises FileNotFoundError when that has been done already."""
        self._jobdir.publish(name)

    def cancel(self, jobid: str, seqcode: str) -> str:
        """Put the wish to cancel a job into the queue."""
        return self._jobdir.deliver(cancel_text(jobid, seqcode).encode())

    def take(self) -> list[Entry]:
        """The new requests, oldest first; they wait in `old` now."""
        return self._jobdir.take()

    def pending(self) -> list[Entry]:
        """The requests that were taken and not finished, oldest first."""
        return self._jobdir.pending()

    def finish(self, name: str) -> None:
        """The request is done with."""
        self._jobdir.finish(name)
