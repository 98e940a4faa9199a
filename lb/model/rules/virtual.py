"""Rules for virtual machines (lb.md 3.7).

A machine is registered (Submitted) and runs as soon as anybody says so (Running): the cloud manager and the manager of
virtual machines see it from outside, which makes it RUNNING in its own state (``vm_state``); the system inside sees the
truth, REALLY-RUNNING, and an outsider's word does not lower that. When the system inside shuts down, the machine is
back to RUNNING; when the cloud manager does it, or the machine is stopped, it waits to be resumed or finished. VMDone
tells how it ended.

There is no order and no final state: every event counts, even one without a rule. VMRunning from anybody else is a bad
event.

As the original's answers show (lb-oracle), VMImage and the usage of VMShutdown reach no status, and vm_system_halting
is never seen set; so it is here.
"""

from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.rules.rows import ANY, Change, Key, Row, Rules, Worth, field, follow, rows, to
from lb.model.status import ATTRIBUTE

LOCATION: Final = "this is VIRTUAL MACHINE"
CLOUD, MANAGER, SYSTEM = "CloudManager", "VMManager", "VMSystem"

REALLY: Final = "REALLY-RUNNING"
_INSIDE: Final = ("vm_state", frozenset({REALLY}))
_NOT_INSIDE: Final = ("vm_state", frozenset({None, *ATTRIBUTE["vm_state"].values}) - {REALLY})
_SEEN: Final = Row("Running", sets=to(vm_state="RUNNING"), only=_NOT_INSIDE)


def _end(done_code: str, own: str) -> Row:
    return Row("Done", sets=to(done_code=done_code, vm_state=own))


ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("RegJob", None, (ANY, Row("Submitted", sets=to(vm_state="PENDING")))),
        *rows(
            "VMRunning",
            None,
            (CLOUD, _SEEN),
            (MANAGER, _SEEN),
            (SYSTEM, Row("Running", sets=to(vm_state=REALLY))),
            (ANY, Row(worth=Worth.BAD)),
        ),
        *rows(
            "VMShutdown",
            None,
            (CLOUD, Row("Waiting", sets=to(vm_state="SHUTDOWN"))),
            (SYSTEM, Row(sets=to(vm_state="RUNNING"), only=_INSIDE)),
        ),
        *rows("VMStop", None, (ANY, Row("Waiting", sets=to(vm_state="STOPPED")))),
        *rows("VMResume", None, (ANY, Row("Waiting", sets=to(vm_state="PENDING")))),
        *rows("VMDone", "OK", (ANY, _end("OK", "DONE"))),
        *rows("VMDone", "DELETE", (ANY, _end("CANCELLED", "DONE"))),
        *rows("VMDone", "FAILURE", (ANY, _end("FAILED", "FAILURE"))),
    )
)


# ---- data -----------------------------------------------------------------------------------------------------------


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner"""
    if job.status.owner is None:
        job.status.owner = event.user


def _create(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """requirements, identifier, name, host name, image if given; the owner of the machine is the job's owner now"""
    status, fields = job.status, event.fields
    status.vm_require, status.vm_id, status.vm_name = fields["require"], fields["id"], fields["name"]
    status.owner = fields["owner"]
    status.vm_hostname = status.destination = fields["hostname"]
    status.vm_image = fields.get("image", status.vm_image)


def _host(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """physical host"""
    job.status.vm_phy_hostname = event.fields["hostname"]


def _done(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """what the machine used, if given"""
    job.status.vm_usage = event.fields.get("usage", job.status.vm_usage)


_DATA: Final[dict[str, Change]] = {"RegJob": _register, "VMCreate": _create, "VMHost": _host, "VMDone": _done}

RULES: Final = Rules(
    rows=ROWS, outcome={"VMDone": field("status_code")}, extra={}, data=_DATA, location=LOCATION
)


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type VIRTUAL_MACHINE."""
    follow(RULES, job, event, verdict)
