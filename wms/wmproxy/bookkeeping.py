"""The WMProxy's side of Logging and Bookkeeping: registration straight at the server with the user's proxy, events
through the event files, states through the web service (wms.md 1.8, 4.1; lb.md 7)."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from gsi.credential import Credential
from gsi.errors import GsiError
from httpg.client import session
from lb.client import LbClient
from lb.model.jobid import JobId
from lb.model.seqcode import SeqCode
from lb.producer import EventSpool, JobLogger, Producer, ProducerError
from soap.client import TransportError
from soap.faults import Fault, PosixFault
from wms.config import Settings
from wms.jobdirectory import JobDirectory

from .errors import Code, OperationError
from .proxies import job_proxy

log = logging.getLogger(__name__)

SOURCE = "NetworkServer"  # WMProxy logs under this name (wms.md 4)
PURGED = errno.EIDRM  # what LB answers for a job that is a zombie (lb.md 6)


@dataclass(frozen=True)
class State:
    """What LB says of a job: its state name in upper case, and what decides over cancelling."""

    name: str
    is_failed: bool = False  # DONE with done code FAILED
    cancelling: bool = False


class Bookkeeping:
    """For one worker process; threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._events = EventSpool(settings.common.event_prefix)

    # -- registration

    def register(self, jobid: JobId, *, jdl: str, credential: Credential) -> str | None:
        """Register a single job at its server as the credential's owner; the sequence code that follows.

        Tries again while the server may only be away for a moment. None: it cannot be reached.

        :raises OperationError: LOGGING_ERROR when the server refuses.
        """
        common, timeout_s = self._settings.common, self._settings.wmproxy.lb_timeout_s
        for _ in self._attempts():
            try:
                producer = Producer(credential, common.ca_directory, timeout_s)
                return producer.register(jobid, jdl=jdl, ns=self._settings.endpoint, source=SOURCE)
            except ProducerError as error:
                log.warning("registration of %s failed: %s", jobid, error)
                if not error.transient:
                    message = f"job registration failed: {jobid.server} refused: {error}"
                    raise OperationError(Code.LOGGING_ERROR, message) from error
        return None

    # -- events

    def logger(self, jobid: JobId | str, owner: str, seqcode: str) -> JobLogger:
        """A logger that goes on from the code of the last event."""
        job = JobId.parse(jobid) if isinstance(jobid, str) else jobid
        return JobLogger(self._events, job, SOURCE, owner, seqcode)

    def logger_at(self, jobid: JobId | str, owner: str, seqcode: str) -> JobLogger:
        """A logger whose first event carries exactly this code."""
        code = SeqCode.parse(seqcode)
        return self.logger(jobid, owner, str(code._replace(ns=code.ns - 1)))

    # -- states

    def state(self, directory: JobDirectory) -> State:
        """The state of a job, asked with its own proxy, or with the host's when that has expired.

        :raises OperationError: LOGGING_ERROR when LB does not say.
        """
        server = JobId.parse(directory.jobid)
        port = server.port + self._settings.common.lb_web_service_port_offset
        trouble = ""
        for _ in self._attempts():
            try:
                return self._ask(f"https://{server.host}:{port}/", directory)
            except TransportError as error:
                trouble = f"no answer from {server.host}:{port}"
                log.warning("state of %s: %s", directory.jobid, error)
                if not error.transient:
                    break
            except PosixFault as error:
                if error.code == PURGED:
                    return State("PURGED")
                trouble = str(error)
                break
            except Fault as error:
                trouble = str(error)
                break
        raise OperationError(Code.LOGGING_ERROR, f"the state of the job cannot be queried: {trouble}")

    def _attempts(self) -> Iterator[int]:
        for attempt in range(self._settings.wmproxy.lb_tries):
            if attempt:
                time.sleep(self._settings.wmproxy.lb_pause_s)
            yield attempt

    def _ask(self, url: str, directory: JobDirectory) -> State:
        common = self._settings.common
        credential = self._credential(directory)
        with session(credential, common.ca_directory, timeout=self._settings.wmproxy.lb_timeout_s) as http:
            status = LbClient(url, http).job_status(directory.jobid)
        return State(status.state, status.state == "DONE" and status.doneCode == "FAILED", bool(status.cancelling))

    def _credential(self, directory: JobDirectory) -> Credential:
        common = self._settings.common
        try:
            return job_proxy(directory.proxy)
        except OperationError as error:
            log.info("%s: %s; the host credential is used", directory.jobid, error)
        try:
            return Credential.load_pair(common.host_certificate, common.host_key)
        except GsiError as error:
            message = "neither the job's proxy nor the host credential is usable"
            raise OperationError(Code.PROXY_ERROR, message) from error
