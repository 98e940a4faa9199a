"""Operations on a job that is there: cancel, output, purge (wms.md 1.7, 4.6)."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator

from lb.model.seqcode import SEQ_ABORT, SEQ_CLEAR
from wms.jdl import parse
from wms.jobdirectory import JobDirectory

from .bookkeeping import State
from .errors import Code, OperationError
from .handover import MARKER
from .kit import Kit
from .starting import alone, unknown
from .uris import file_uri

log = logging.getLogger(__name__)

CANCELLED_BY_USER = "Cancelled by user"
ACTIVE = ("WAITING", "READY", "SCHEDULED", "RUNNING")
HIDDEN_OUTPUT = ("Maradona.output", ".gacl")


def cancel(kit: Kit, directory: JobDirectory, owner: str) -> None:
    """Cancel a job: at once when it was never started, by the workload manager otherwise.

    :raises OperationError: OPERATION_NOT_ALLOWED when it is over or being cancelled, LOGGING_ERROR without LB.
    """
    state = kit.bookkeeping.state(directory)
    if state.cancelling:
        raise OperationError(Code.OPERATION_NOT_ALLOWED, "Cancel has already been requested")
    # LB may not know yet that the job was started: the directory does.
    if state.name == "SUBMITTED" and not _handed_over(directory):
        _abort_registered(kit, directory, owner)
    elif state.name in (*ACTIVE, "SUBMITTED") or state.is_failed:
        _ask_manager(kit, directory, owner)
    else:
        message = f"job status doesn't allow job cancel: {state.name}"
        raise OperationError(Code.OPERATION_NOT_ALLOWED, message)
    log.info("cancelled %s for %s", directory.jobid, owner)


def _handed_over(directory: JobDirectory) -> bool:
    return directory.started or (directory.path / MARKER).exists()


def _abort_registered(kit: Kit, directory: JobDirectory, owner: str) -> None:
    with alone(directory, directory.start_lock, "jobStart operation in progress; cancel again when it is through"):
        if _handed_over(directory):
            _ask_manager(kit, directory, owner)
            return
        kit.bookkeeping.logger_at(directory.jobid, owner, str(SEQ_ABORT)).log("Abort", reason=CANCELLED_BY_USER)
        directory.remove()


def _ask_manager(kit: Kit, directory: JobDirectory, owner: str) -> None:
    try:
        jdl = parse(directory.description())
    except FileNotFoundError as error:
        raise unknown(directory.jobid) from error
    logger = kit.bookkeeping.logger(directory.jobid, owner, jdl.string("LB_sequence_code") or "")
    kit.handover.cancel(directory.jobid, logger.seqcode)
    logger.log("Cancel", status_code="REQ", reason=CANCELLED_BY_USER)


def output_files(kit: Kit, directory: JobDirectory) -> list[tuple[str, int]]:
    """(URI, size in bytes) of every file of the output sandbox, when the job is over.

    :raises OperationError: JOB_NOT_DONE before that.
    """
    with alone(directory, directory.output_lock, "another getOutputFileList or jobPurge is in progress"):
        if not directory.maradona.exists():
            _check_over(kit.bookkeeping.state(directory))
        return [(file_uri(kit.settings, directory, "output", name), size) for name, size in _listed(directory)]


def _check_over(state: State) -> None:
    if state.name == "ABORTED" or (state.name == "DONE" and not state.is_failed):
        return
    raise OperationError(Code.JOB_NOT_DONE, f"the job is not done: {state.name}")


def _listed(directory: JobDirectory) -> Iterator[tuple[str, int]]:
    with os.scandir(directory.output) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and entry.name not in HIDDEN_OUTPUT:
                yield entry.name, found.st_size


def purge(kit: Kit, directory: JobDirectory, owner: str) -> None:
    """Remove the job's files and tell LB (Clear USER).

    :raises OperationError: OPERATION_NOT_ALLOWED while its output is being listed.
    """
    with alone(directory, directory.output_lock, "the output files are being listed; purge again later"):
        # First the event: it is durable before anything is lost, and a second one would do no harm.
        kit.bookkeeping.logger_at(directory.jobid, owner, str(SEQ_CLEAR)).log("Clear", reason="USER")
        directory.remove()
    log.info("purged %s for %s", directory.jobid, owner)
