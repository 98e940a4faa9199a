"""Jobs of a ledger as a table, as histories, and as JSON objects."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from lb.model import native
from lb.model.jobid import JobId
from lb.model.ledger import Ledger, Step
from lb.model.status import STATES, Status
from lb.model.times import Timestamp, format_seconds
from lb.model.view import Flag
from ui.lb_lines import moment_text, shown
from ui.tables import Cell, print_table, terminal_width

QUERY: Final = Flag.CLASSADD | Flag.CHILDREN | Flag.CHILDSTAT
"""What a JSON object shows: all that a query can ask for, but the counted histogram, which the table has."""
NARROW: Final = 140
"""On a terminal with fewer columns the server of the jobs is told once, in front of the table."""

_STYLE: Final = {
    "Done": "green", "Cleared": "green", "Aborted": "bold red", "Cancelled": "yellow", "Running": "cyan",
}
_FAILED: Final = "bold red"


def in_tree_order(ledger: Ledger) -> Iterator[tuple[JobId, int]]:
    """All jobs and their depths: in the order of appearance, but subjobs after their parent."""
    below: dict[JobId, list[JobId]] = {}
    roots: list[JobId] = []
    for jobid, job in ledger.jobs.items():
        parent = job.status.parent_job
        above = None if parent is None else JobId.parse(parent)
        (roots if above is None or above not in ledger.jobs else below.setdefault(above, [])).append(jobid)
    pending = [(jobid, 0) for jobid in reversed(roots)]
    while pending:
        jobid, depth = pending.pop()
        yield jobid, depth
        pending += [(child, depth + 1) for child in reversed(below.pop(jobid, []))]
    for jobids in below.values():  # jobs that are each other's parents
        yield from ((jobid, 0) for jobid in jobids)


# ---- JSON -----------------------------------------------------------------------------------------------------------


def as_object(ledger: Ledger, jobid: JobId, history: bool) -> dict[str, Any]:
    """The status as the native protocol shows it, with ``@history`` when that is wanted."""
    status = ledger.status(jobid, QUERY)
    if status is None:
        raise LookupError(jobid)
    told = native.to_object(status)
    if history:
        told["@history"] = [_step_object(jobid, step) for step in ledger.history(jobid)]
    return told


def _step_object(jobid: JobId, step: Step) -> dict[str, Any]:
    told = {
        "state": step.state, "time": format_seconds(step.entered), "event": step.cause.name,
        "source": step.cause.source, "host": step.cause.host, "seqcode": step.cause.seqcode,
    }
    return told if step.cause.jobid == jobid else told | {"jobId": str(step.cause.jobid)}


# ---- tables ---------------------------------------------------------------------------------------------------------


def print_statuses(ledger: Ledger, jobs: Sequence[tuple[JobId, int]]) -> None:
    """One row per job."""
    servers = {jobid.server for jobid, _ in jobs}
    width = terminal_width()
    server = f"https://{servers.pop()}/" if len(servers) == 1 and width is not None and width < NARROW else ""
    if server:
        click.echo(shown(f"jobs of {server}"))
    if jobs:
        columns = ("job", "type", "state", "done", "destination", "last update (UTC)", "remarks")
        print_table(columns, _rows(ledger, jobs, server))


def _rows(ledger: Ledger, jobs: Sequence[tuple[JobId, int]], server: str) -> Iterator[Sequence[Cell]]:
    for jobid, depth in jobs:
        status = ledger.status(jobid, Flag.CHILDHIST_THOROUGH)
        if status is not None:
            style = _FAILED if status.state == "Done" and status.done_code == "FAILED" else _STYLE.get(status.state, "")
            yield (
                "  " * depth + shown(str(jobid).removeprefix(server)), status.jobtype or "", (status.state, style),
                done_text(status), shown(status.destination or ""),
                moment_text(status.lastUpdateTime)[: len("YYYY-MM-DD HH:MM:SS")], shown(_remarks(status)),
            )


def done_text(status: Status) -> str:
    """How the execution ended, as far as it did: ``OK, exit 0``; one that failed has an exit code at times only."""
    if status.state not in ("Done", "Cleared") or status.done_code is None:
        return ""
    has_code = status.done_code == "OK" or status.exit_code
    return f"{status.done_code}, exit {status.exit_code}" if has_code else status.done_code


def _remarks(status: Status) -> str:
    """Subjobs by state; why a job ended badly."""
    told = []
    if status.children_num and status.children_hist is not None:
        counts = zip(STATES, status.children_hist, strict=True)
        told.append(f"{status.children_num} subjobs: "
                    + ", ".join(f"{count} {state}" for state, count in counts if count))
    if status.reason and (status.state in ("Aborted", "Cancelled") or status.done_code == "FAILED"):
        told.append(status.reason)
    return "; ".join(told)


def print_histories(ledger: Ledger, jobs: Sequence[tuple[JobId, int]]) -> None:
    """The states that each job passed through, in a table of its own."""
    for jobid, _ in jobs:
        status = ledger.jobs[jobid].status
        done = done_text(status)
        click.echo(shown(f"{jobid} {status.jobtype or ''}: {status.state}{done and f' ({done})'}"))
        steps = ledger.history(jobid)
        columns = ("state", "entered (UTC)", "for", "event", "source", "host")
        print_table(columns, (_step_row(jobid, *both) for both in zip(steps, (*steps[1:], None), strict=True)))
        click.echo()


def _step_row(jobid: JobId, step: Step, following: Step | None) -> Sequence[Cell]:
    return (
        (step.state, _STYLE.get(step.state, "")), moment_text(step.entered),
        "" if following is None else _span(_seconds(following.entered) - _seconds(step.entered)),
        step.cause.name + _about(jobid, step), step.cause.source, shown(step.cause.host),
    )


def _about(jobid: JobId, step: Step) -> str:
    """Whose event it was, when it was another job's."""
    if step.cause.jobid != jobid:
        return " of the parent"
    child = step.cause.get("child")
    return "" if child is None else shown(f" ({step.cause.get('child_event')} of {child})")


def _seconds(moment: Timestamp) -> float:
    return moment[0] + moment[1] / 1e6


def _span(seconds: float) -> str:
    return f"{seconds:.3f} s"
