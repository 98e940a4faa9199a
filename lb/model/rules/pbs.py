"""Rules for jobs of PBS on its own (lb.md 3.7).

A batch system tells its own story: the client hands the job to the server (Submitted), the server queues it (Waiting)
until the scheduler finds a node (Ready); the server then starts it there (Scheduled), and the MOM, the daemon on the
node, says that it runs (Running). A MOM that merely accepts the job has it Scheduled. A rerun puts it back into the
queue. The server's word that the job is done counts; a MOM's leaves the exit status behind, no more. Any error ends the
job as failed. Of accepting, running and ending a job only the server and the MOMs can know; from anybody else these are
bad events, if in time, and so is a state that PBS has none of. (The original died of most of them.)

The order is that of the codes, which all daemons carry on: an event with a lower code than the latest one that counted
is late and only its data are taken. There is no final state.

Beside our state stands the letter of PBS's own (``pbs_state``), which PBSInternalStateChange brings by number. It tells
nothing about ours; only an error sets both.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.rules.places import instance
from lb.model.rules.rows import ANY, COUNTS, Change, Key, Row, Rules, Worth, follow, rows, to
from lb.model.rules.tags import user_tag

LOCATION: Final = "this is PBS"
SERVER, MOM, SUPERIOR, CLIENT = "PBSServer", "PBSMom", "PBSMomSuperior", "PBSClient"
LETTERS: Final = "TQHWREC"
"""Letter of PBS's own states 0 to 6."""

_BAD: Final = Row(worth=Worth.BAD)


def _told(name: str, server: Row, moms: Row) -> Iterable[tuple[Key, Row]]:
    """An event that means one thing when the server says it, another from a MOM, and nothing good from anybody else."""
    return rows(name, None, (SERVER, server), (MOM, moms), (SUPERIOR, moms), (ANY, _BAD))


ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("RegJob", None, (ANY, Row("Submitted"))),
        *_told("PBSAccepted", Row("Submitted", instance), Row("Scheduled")),
        *rows("PBSQueued", None, (ANY, Row("Waiting"))),
        *rows("PBSMatch", None, (ANY, Row("Ready"))),
        *rows("PBSPending", None, (ANY, Row("Waiting"))),
        *_told("PBSRun", Row("Scheduled"), Row("Running")),
        *_told("PBSRerun", Row("Waiting"), Row("Waiting")),
        *_told("PBSDone", Row("Done", sets=to(done_code="OK")), COUNTS),
        *rows("PBSError", None, (ANY, Row("Done", sets=to(done_code="FAILED", pbs_state="C")))),
        *((("PBSInternalStateChange", letter, ANY), Row(sets=to(pbs_state=letter))) for letter in LETTERS),
        *rows("PBSInternalStateChange", None, (ANY, _BAD)),
    )
)


def _letter(event: Event) -> str | None:
    number: int = event.fields["newstate"]
    return LETTERS[number] if 0 <= number < len(LETTERS) else None


# ---- what usable events do beyond their row -------------------------------------------------------------------------


def _accepted(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """of a MOM: the worker node"""
    if event.source in (MOM, SUPERIOR):
        job.status.ce_node = event.src_instance


# ---- data -----------------------------------------------------------------------------------------------------------


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner, address of the server"""
    if job.status.owner is None:
        job.status.owner = event.user
    job.status.network_server = event.fields["ns"]


def _transfer(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """when it went well: the location (said by the client), the worker node (said by the server)"""
    if event.fields["result"] != "OK":
        return
    if event.source == CLIENT:
        job.status.location = event.fields.get("dest_instance")
    elif event.source == SERVER:
        job.status.ce_node = event.fields.get("dest_instance")


def _queued(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """said by the server: queue; owner and name if not known yet"""
    status, fields = job.status, event.fields
    if event.source == SERVER:
        status.pbs_queue = fields["queue"]
        status.pbs_owner = status.pbs_owner or fields["owner"]
        status.pbs_name = status.pbs_name or fields["name"]


def _match(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """execution host"""
    job.status.pbs_dest_host = event.fields["dest_host"]


def _pending(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """why the job waits"""
    job.status.pbs_reason = event.fields["reason"]


def _run(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """scheduler and execution host if given, process identifier"""
    status, get = job.status, event.fields.get
    status.pbs_scheduler = get("scheduler") or status.pbs_scheduler
    status.pbs_dest_host = get("dest_host") or status.pbs_dest_host
    status.pbs_pid = get("pid", 0)


def _done(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """exit status"""
    job.status.pbs_exit_status = event.fields.get("exit_status", 0)


def _usage(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """resources asked for, or used"""
    tags = MappingProxyType(dict(event.fields["resources"]))
    if event.fields["usage"] == "REQUESTED":
        job.status.pbs_resource_requested = tags
    else:
        job.status.pbs_resource_usage = tags


def _error(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the error, one more line"""
    text, before = event.fields["error_desc"], job.status.pbs_error_desc
    job.status.pbs_error_desc = f"\t{text}" if before is None else f"{before}\n\t{text}"


_DATA: Final[dict[str, Change]] = {
    "RegJob": _register,
    "PBSTransfer": _transfer,
    "PBSQueued": _queued,
    "PBSMatch": _match,
    "PBSPending": _pending,
    "PBSRun": _run,
    "PBSDone": _done,
    "PBSResourceUsage": _usage,
    "PBSError": _error,
    "UserTag": user_tag,
}

RULES: Final = Rules(
    rows=ROWS,
    outcome={"PBSInternalStateChange": _letter},
    extra={"PBSAccepted": _accepted},
    data=_DATA,
    location=LOCATION,
)


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type PBS."""
    follow(RULES, job, event, verdict)
