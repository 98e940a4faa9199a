"""Rules for virtual machines (lb.md 3.7). There is no order: every event counts, even one without a rule.

As the original's answers show (lb-oracle), VMImage and the usage of VMShutdown reach no status, and vm_system_halting
is never seen set; so it is here.
"""

from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.rules.steps import Step, follow

LOCATION: Final = "this is VIRTUAL MACHINE"
OUTSIDE: Final = frozenset({"CloudManager", "VMManager"})
"""Sources that see the machine from outside; VMSystem is the machine itself."""


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type VIRTUAL_MACHINE."""
    follow(STEPS, LOCATION, job, event, verdict)


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if job.status.owner is None:
        job.status.owner = event.user
    job.status.state, job.status.vm_state = "Submitted", "PENDING"


def _create(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, fields = job.status, event.fields
    status.vm_require, status.vm_id, status.vm_name = fields["require"], fields["id"], fields["name"]
    status.owner = fields["owner"]
    status.vm_hostname = status.destination = fields["hostname"]
    status.vm_image = fields.get("image", status.vm_image)


def _host(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.vm_phy_hostname = event.fields["hostname"]


def _running(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status = job.status
    if event.source in OUTSIDE:
        if status.vm_state != "REALLY-RUNNING":
            status.vm_state = "RUNNING"
    elif event.source == "VMSystem":
        status.vm_state = "REALLY-RUNNING"
    else:
        verdict.bad = True
        return
    status.state = "Running"


def _shutdown(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status = job.status
    if event.source == "CloudManager":
        status.state, status.vm_state = "Waiting", "SHUTDOWN"
    elif event.source == "VMSystem" and status.vm_state == "REALLY-RUNNING":
        status.vm_state = "RUNNING"


def _stop(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.state, job.status.vm_state = "Waiting", "STOPPED"


def _resume(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.state, job.status.vm_state = "Waiting", "PENDING"


_ENDS: Final = {"OK": ("OK", "DONE"), "DELETE": ("CANCELLED", "DONE"), "FAILURE": ("FAILED", "FAILURE")}


def _done(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status = job.status
    status.state = "Done"
    status.done_code, status.vm_state = _ENDS[event.fields["status_code"]]
    status.vm_usage = event.fields.get("usage", status.vm_usage)


STEPS: Final[dict[str, Step]] = {
    "RegJob": _register,
    "VMCreate": _create,
    "VMHost": _host,
    "VMRunning": _running,
    "VMShutdown": _shutdown,
    "VMStop": _stop,
    "VMResume": _resume,
    "VMDone": _done,
}
