"""jobStart and the second half of jobSubmit: a registered job is completed and handed to the workload manager
(wms.md 1.7, start work; the events are rows 3 to 5 of wms.md 4.1).

What may be started is read from the job directory, never from LB, which may lag behind: JDLToStart there means
registered, JDLStarted means handed over, the marker of `handover` means half-way.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from lb.producer import JobLogger
from wms.jdl import Jdl, JdlError, add_requirements, parse
from wms.jdl.checks import WILDCARDS, basename
from wms.jobdirectory import JobDirectory, Locked, held

from .errors import Code, OperationError, from_jdl
from .handover import Pending
from .kit import Kit
from .proxies import job_proxy

log = logging.getLogger(__name__)

MIN_PERUSAL_S = 1000  # wms.md 1.7, step 5


@contextmanager
def alone(directory: JobDirectory, lock: Path, busy: str) -> Iterator[None]:
    """Hold a lock of the job directory for an operation on the job.

    :raises OperationError: OPERATION_NOT_ALLOWED with the text *busy* when somebody else has it; JOB_NOT_FOUND when the
        directory is not there, or goes meanwhile.
    """
    try:
        with held(lock):
            yield
    except Locked as error:
        raise OperationError(Code.OPERATION_NOT_ALLOWED, busy) from error
    except FileNotFoundError as error:
        raise unknown(directory.jobid) from error


def start(kit: Kit, directory: JobDirectory, owner: str, client: str) -> None:
    """Start a registered job; *client* is the address it is asked from. When this returns the job will be run.

    :raises OperationError: JOB_NOT_FOUND; OPERATION_NOT_ALLOWED when it is started already or cannot be.
    """
    try:
        with alone(directory, directory.start_lock, "jobStart operation already in progress"):
            pending = kit.handover.pending(directory)
            if pending is None:
                pending = _begin(kit, directory, owner, client)
            _finish(kit, directory, owner, pending)
    except OSError as error:
        log.error("job %s cannot be started: %s", directory.jobid, error)
        raise OperationError(Code.FILE_SYSTEM_ERROR, "the job cannot be put into the queue now; try again") from error
    log.info("started %s for %s", directory.jobid, owner)


def unknown(jobid: str) -> OperationError:
    return OperationError(Code.JOB_NOT_FOUND, f"{jobid} has not been registered or it has been purged")


def _begin(kit: Kit, directory: JobDirectory, owner: str, client: str) -> Pending:
    if directory.started:
        message = "job started or start operation already in progress"
        raise OperationError(Code.OPERATION_NOT_ALLOWED, message)
    jdl = parse(directory.jdl_to_start.read_text(encoding="utf-8"))
    logger = kit.bookkeeping.logger(directory.jobid, owner, jdl.string("LB_sequence_code") or "")
    logger.log("Accepted", from_="UserInterface", from_host=client, from_instance="", local_jobid="")
    _log_queued(kit, logger, "START", str(directory.jdl_to_start))
    try:
        job_proxy(directory.proxy)
        _refuse_too_many_files(kit, jdl)
        _complete(kit, jdl)
    except (OperationError, JdlError) as error:
        raise _abort(kit, directory, logger, error) from error
    jdl.set("LB_sequence_code", logger.seqcode)
    return kit.handover.prepare(directory, jdl, logger.seqcode)


def _finish(kit: Kit, directory: JobDirectory, owner: str, pending: Pending) -> None:
    kit.handover.deliver(pending)
    logger = kit.bookkeeping.logger_at(directory.jobid, owner, pending.seqcode)
    _log_queued(kit, logger, "OK", pending.jdl)
    kit.handover.close(directory, pending)


def _log_queued(kit: Kit, logger: JobLogger, result: str, job: str, reason: str = "") -> None:
    logger.log("EnQueued", queue=kit.handover.queue.name, job=job, result=result, reason=reason)


def _abort(
    kit: Kit, directory: JobDirectory, logger: JobLogger, error: OperationError | JdlError
) -> OperationError:
    """The job can never be started: say so to LB and remove it."""
    refusal = from_jdl(error) if isinstance(error, JdlError) else error
    reason = refusal.description
    if refusal.code is Code.PROXY_EXPIRED:
        reason = "Job Proxy has expired"
    _log_queued(kit, logger, "FAIL", str(directory.jdl_to_start), reason)
    logger.log("Abort", reason=reason)
    directory.remove()
    return refusal


def _refuse_too_many_files(kit: Kit, jdl: Jdl) -> None:
    limits = kit.settings.wmproxy
    for name, limit, word in (
        ("InputSandbox", limits.max_input_sandbox_files, "input"),
        ("OutputSandbox", limits.max_output_sandbox_files, "output"),
    ):
        if len(jdl.items(name)) > limit:
            message = f"The maximum number of {word} sandbox files is reached: {limit}"
            raise OperationError(Code.OPERATION_NOT_ALLOWED, message)


def _complete(kit: Kit, jdl: Jdl) -> None:
    """Steps 4, 5 and 8: destinations of the output, perusal, the operator's requirements."""
    base = jdl.string("WMPInputSandboxBaseURI") or ""
    set_output_destinations(jdl, f"{base}/output")
    if jdl.boolean("PerusalFileEnable"):
        _set_perusal(kit, jdl, f"{base}/peek")
    add_requirements(jdl, kit.settings.wmproxy.wms_requirements)


def set_output_destinations(jdl: Jdl, output_uri: str) -> None:
    """Say where every file of the OutputSandbox goes (wms.md 1.7, step 4); *output_uri* is the job's own place."""
    items = jdl.strings("OutputSandbox")
    if any(WILDCARDS & set(item) for item in items):
        if "OutputSandboxBaseDestURI" not in jdl:
            jdl.set("OutputSandboxBaseDestURI", output_uri)
        return
    given = jdl.strings("OutputSandboxDestURI")
    base = (jdl.string("OutputSandboxBaseDestURI") or output_uri).rstrip("/")
    if given:
        jdl.set("OutputSandboxDestURI", [to if "://" in to else f"{output_uri}/{quote(to)}" for to in given])
    elif items:
        jdl.set("OutputSandboxDestURI", [f"{base}/{quote(basename(item))}" for item in items])


def _set_perusal(kit: Kit, jdl: Jdl, peek_uri: str) -> None:
    jdl.set("PerusalListFileURI", f"{peek_uri}/files2peek")
    if "PerusalFilesDestURI" not in jdl:
        jdl.set("PerusalFilesDestURI", peek_uri)
    wanted = jdl.integer("PerusalTimeInterval") or 0
    interval = max(MIN_PERUSAL_S, wanted, kit.settings.wmproxy.min_perusal_time_interval_s)
    jdl.set("PerusalTimeInterval", interval)
