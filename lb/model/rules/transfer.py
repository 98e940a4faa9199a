"""Rules for file transfers and collections of them (lb.md 3.7).

A transfer is registered (Submitted), begins (Running) and ends well or not (Done, with its code), or is given up
(Aborted). There is no order and no final state: every event counts, even one without a rule, and the latest to arrive
decides.

A collection of transfers is registered with the number of its subjobs; from then on its state is what the server makes
of theirs (CollectionState, see ``lb.model.rules.parents``).

A transfer that moves a sandbox is tied to the computing job that the sandbox belongs to; without one, it belongs to
another transfer.
"""

from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules import glite, leftovers
from lb.model.rules.glite_rows import ROWS as GLITE_ROWS
from lb.model.rules.order import Verdict
from lb.model.rules.parents import REST
from lb.model.rules.places import nowhere
from lb.model.rules.rows import ANY, REASON, Change, Key, Row, Rules, field, follow, rows, to
from lb.model.status import with_slot

LOCATION: Final = "this is FILE TRANSFER"

ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("RegJob", None, (ANY, Row("Submitted"))),
        *rows("FileTransfer", "START", (ANY, Row("Running"))),
        *rows("FileTransfer", "OK", (ANY, Row("Done", sets=to(done_code="OK")))),
        *rows("FileTransfer", "FAIL", (ANY, Row("Done", sets=to(done_code="FAILED")))),
        *rows("Abort", None, (ANY, Row("Aborted", nowhere, REASON, sets=to(remove_from_proxy=True)))),
    )
)
COLLECTION_ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("RegJob", None, (ANY, Row("Submitted"))),
        *((key, row) for key, row in GLITE_ROWS.items() if key[0] == "CollectionState"),
    )
)


# ---- data -----------------------------------------------------------------------------------------------------------


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner, parent if given"""
    status = job.status
    if status.owner is None:
        status.owner = event.user
    parent = event.fields.get("parent")
    if parent is not None:
        status.parent_job = str(parent)


def _register_collection(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner, parent if given, number of subjobs"""
    _register(job, event, verdict)
    status = job.status
    status.children_num = event.fields.get("nsubjobs", 0)
    if status.children_hist is not None:
        status.children_hist = with_slot(status.children_hist, REST, status.children_num)


def _addresses(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """source and target"""
    job.status.ft_src, job.status.ft_dest = event.fields["src"], event.fields["dest"]


def _failure(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """when it failed: the reason, one more line"""
    if event.fields["result"] == "FAIL":
        reasons = (job.status.failure_reasons, event.fields.get("reason"))
        job.status.failure_reasons = "\n".join(filter(None, reasons)) or None


def _sandbox(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """which sandbox; the job that it belongs to, else, for a single transfer, the parent"""
    status = job.status
    status.ft_sandbox_type = event.fields["sandbox_type"]
    compute = leftovers.job_id(event.fields.get("compute_job"))
    parent = leftovers.job_id(event.fields.get("transfer_job"))
    if compute is not None:
        status.ft_compute_job = compute
    if parent is not None and compute is None and status.jobtype == "FILE_TRANSFER":
        status.parent_job = parent


_DATA: Final[dict[str, Change]] = {
    "RegJob": _register,
    "FileTransferRegister": _addresses,
    "FileTransfer": _failure,
    "Sandbox": _sandbox,
}

RULES: Final = Rules(
    rows=ROWS,
    outcome={"FileTransfer": field("result")},
    extra={},
    data=_DATA,
    location=LOCATION,
)
COLLECTION_RULES: Final = Rules(
    rows=COLLECTION_ROWS,
    outcome={"CollectionState": glite.RULES.outcome["CollectionState"]},
    extra={"CollectionState": glite.RULES.extra["CollectionState"]},
    data={"RegJob": _register_collection, "Sandbox": _sandbox},
    location=LOCATION,
)


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type FILE_TRANSFER."""
    follow(RULES, job, event, verdict)


def process_collection(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type FILE_TRANSFER_COLLECTION."""
    follow(COLLECTION_RULES, job, event, verdict)
