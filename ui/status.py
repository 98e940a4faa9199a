"""A job's status as the user is told it: from LB while it knows the job, from Job Provenance afterwards."""

import errno
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lb.client import LbClient
from soap.client import Client
from soap.contract import load
from soap.faults import PosixFault
from ui.frame import UiError
from ui.settings import Settings, lb_url

JPIS = "GLITE_JPIS_URL"
SYSTEM = "http://egee.cesnet.cz/en/Schema/JP/System"
LB = "http://egee.cesnet.cz/en/Schema/LB/Attributes"
#: What is asked of the index server about a purged job.
ARCHIVED = ("status", "doneCode", "exitCode", "destination", "owner", "reason", "stateEnterTime", "lastUpdateTime")


class JobPurged(UiError):
    """LB remembers the job only as a zombie (lb.md 8.3)."""


@dataclass(frozen=True)
class Archived:
    """What Job Provenance says of a purged job: attribute name without namespace → values, newest last."""

    jobid: str
    server: str
    owner: str | None
    values: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """The newest value of an attribute."""
        found = self.values.get(name)
        return found[-1] if found else None


def fetch(jobid: str, settings: Settings, flags: tuple[str, ...] = ()) -> Any:
    """The jobStatus record of LB; raises JobPurged, UiError, or the server's PosixFault."""
    try:
        return LbClient(lb_url(jobid), settings.session).job_status(jobid, flags)
    except PosixFault as fault:
        if fault.code == errno.EIDRM:
            raise JobPurged("Purged", f"{jobid} was purged from LB") from None
        if fault.code == errno.ENOENT:
            raise UiError("JOB NOT FOUND", f"{lb_url(jobid)} does not know {jobid}") from None
        raise


def fetch_archived(jobid: str, settings: Settings, server: str | None = None) -> Archived | None:
    """What the configured index server knows of the job; None when it knows nothing."""
    url = server or os.environ.get(JPIS)
    if not url:
        raise UiError(
            "Wrong Configuration", f"{jobid} was purged from LB; to ask Job Provenance set {JPIS} to an index server"
        )
    contract = load("JobProvenanceIS")
    types = contract.types
    condition = types.indexQuery(
        attr=f"{SYSTEM}:jobId",
        record=[types.indexQueryRecord(op="EQUAL", value=types.stringOrBlob(string=jobid))],
    )
    wanted = [f"{LB}:{name}" for name in ARCHIVED]
    jobs = list(Client(contract, url, settings.session).stream("QueryJobs", child="jobs", conditions=[condition],
                                                              attributes=wanted))
    if not jobs:
        return None
    values: dict[str, list[str]] = {}
    for value in sorted(jobs[0].attributes, key=lambda v: v.timestamp or datetime.fromtimestamp(0, UTC)):
        if value.value is not None and value.value.string is not None:
            values.setdefault(value.name.rpartition(":")[2], []).append(value.value.string)
    return Archived(jobid, url, jobs[0].owner, values)


def is_failed(status: Any) -> bool:
    """True for a job that is over and failed by the middleware's fault."""
    return bool(status.state == "DONE" and status.doneCode == "FAILED")


def describe_state(state: str, done_code: str | None, exit_code: int) -> str:
    """The state as `Current Status:` shows it, for instance `Done (Success)` (wms.md 6.4)."""
    name = state.capitalize()
    if name != "Done":
        return name
    if done_code == "OK":
        return "Done (Success)" if exit_code == 0 else "Done (Exit Code !=0)"
    return {"FAILED": "Done (Failed)", "CANCELLED": "Done (Cancelled)"}.get(done_code or "", name)
