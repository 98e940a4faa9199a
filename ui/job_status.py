"""glite-wms-job-status: the state of jobs, also of those that LB has purged (wms.md 6.4, lb.md 8.3)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lb.client import LbClient
from soap.faults import Fault
from ui.frame import (
    EXIT_FAILED,
    HELP,
    UiError,
    common_options,
    config_option,
    describe,
    input_option,
    jobids_of,
    print_json,
    run,
)
from ui.settings import Settings
from ui.status import Archived, JobPurged, describe_state, fetch, fetch_archived
from ui.words import attributes, date_text, title

HEADER = "======================= glite-wms-job-status Success ====================="
RULE = "=" * len(HEADER)
#: Width of the field names of the summary, and of the attribute names with -v 2.
SUMMARY_WIDTH, ATTRIBUTE_WIDTH = 20, 27
#: Shown only with -v 3 (wms.md 6.4).
LONG = {"jdl", "matchedJdl", "condorJdl", "rsl", "stateEnterTimes", "childrenHist"}

EPILOG = """\b
Examples:
  glite-wms-job-status https://lb.example.org:9000/abc...
  glite-wms-job-status -v 2 -i ids
  glite-wms-job-status --all
A job that LB has purged is looked up in the index server named by GLITE_JPIS_URL.
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("-v", "--verbosity", type=click.IntRange(0, 3), default=1, show_default=True, help="How much to tell.")
@click.option("--all", "all_jobs", is_flag=True, help="All your jobs on the LB server GLITE_WMS_QUERY_SERVER.")
@click.option("-s", "--status", "states", multiple=True, metavar="STATE", help="With --all: only jobs in this state.")
@click.option("-e", "--exclude", multiple=True, metavar="STATE", help="With --all: no jobs in this state.")
@input_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report to this file instead.")
@config_option
@click.option("--jpis", metavar="URL", help="Index server to ask about purged jobs, instead of GLITE_JPIS_URL.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead of text.")
@common_options
@click.argument("jobids", metavar="[JOBID]...", nargs=-1)
def command(
    verbosity: int, all_jobs: bool, states: tuple[str, ...], exclude: tuple[str, ...], input_file: Path | None,
    output: Path | None, config: Path | None, jpis: str | None, as_json: bool, jobids: tuple[str, ...],
) -> int:
    """Print the status of jobs."""
    settings = Settings(config_option=config)
    ids = _all_jobs(settings, states, exclude) if all_jobs else jobids_of(jobids, input_file)
    reports: dict[str, Any] = {}
    failed = False
    for jobid in ids:
        try:
            reports[jobid] = _look_up(jobid, settings, jpis, verbosity)
        except (UiError, Fault) as error:
            failed = True
            reports[jobid] = error
    if as_json:
        print_json({"result": "failure" if failed else "success"}
                   | {jobid: _as_json(report) for jobid, report in reports.items()})
    else:
        text = "\n".join(_as_text(jobid, report, verbosity) for jobid, report in reports.items())
        output.write_text(text + "\n") if output else click.echo(text)
    return EXIT_FAILED if failed else 0


def _all_jobs(settings: Settings, states: tuple[str, ...], exclude: tuple[str, ...]) -> list[str]:
    server = settings.query_server
    wanted, unwanted = {s.upper() for s in states}, {s.upper() for s in exclude}
    found = LbClient(server, settings.session).user_jobs()
    return [
        jobid for jobid, status in zip(found.jobs, found.states, strict=False)
        if (not wanted or status.state in wanted) and status.state not in unwanted
    ]


def _look_up(jobid: str, settings: Settings, jpis: str | None, verbosity: int) -> Any:
    try:
        return fetch(jobid, settings, ("CLASSADS",) if verbosity == 3 else ())
    except JobPurged as purged:
        found = fetch_archived(jobid, settings, jpis)
        if found is None:
            raise UiError("Purged", f"{purged}, and Job Provenance does not know it (yet)") from None
        if found.get("status") is None:
            raise UiError("Purged", f"{purged}; Job Provenance knows it, its track has not arrived yet") from None
        return found


def _as_text(jobid: str, report: Any, verbosity: int) -> str:
    head = [HEADER, "BOOKKEEPING INFORMATION:", "", f"Status info for the Job : {jobid}"]
    if isinstance(report, Exception):
        text = describe(report) if isinstance(report, Fault) else f"{report}"
        return "\n".join([RULE, f"Status info for the Job : {jobid}", f"Error - {text}", RULE])
    if isinstance(report, Archived):
        return "\n".join([*head, *_archived_lines(report), RULE])
    lines = [_line(name, value) for name, value in _summary(report)]
    if verbosity >= 2:
        lines += ["", *(_attribute_line(name, value) for name, value in attributes(report)
                        if verbosity == 3 or name not in LONG)]
    return "\n".join([*head, *lines, RULE])


def _summary(status: Any) -> Iterator[tuple[str, str]]:
    yield "Current Status:", describe_state(status.state, status.doneCode, status.exitCode)
    if status.failureReasons:
        yield "Logged Reason(s):", status.failureReasons.replace("\n", "\n" + " " * SUMMARY_WIDTH)
    if status.state in ("DONE", "CLEARED") and status.doneCode is not None:
        yield "Exit code:", str(status.exitCode)
    if status.reason:
        yield "Status Reason:", status.reason
    if status.destination:
        yield "Destination:", status.destination
    for item in status.stateEnterTimes:
        if item.state == "SUBMITTED" and item.time.timestamp() > 0:
            yield "Submitted:", date_text(item.time)
    if status.parentJob:
        yield "Parent Job:", status.parentJob


def _archived_lines(job: Archived) -> Iterator[str]:
    yield _line("Current Status:", f"{_archived_state(job)} (from Job Provenance)")
    yield _line("LB says:", "the job was purged")
    if job.get("doneCode"):
        yield _line("Exit code:", job.get("exitCode") or "0")
    for name, label in (("reason", "Status Reason:"), ("destination", "Destination:"), ("stateEnterTime", "Reached:")):
        if value := job.get(name):
            yield _line(label, value)
    yield _line("Index server:", job.server)


def _archived_state(job: Archived) -> str:
    return describe_state(job.get("status") or "Unknown", job.get("doneCode"), int(job.get("exitCode") or 0))


def _line(name: str, value: str) -> str:
    return f"{name:<{SUMMARY_WIDTH}}{value}"


def _attribute_line(name: str, value: str) -> str:
    return f"- {title(name):<{ATTRIBUTE_WIDTH}}=    {value}"


def _as_json(report: Any) -> Any:
    if isinstance(report, Fault):
        return {"error": describe(report)}
    if isinstance(report, UiError):
        return "JOB NOT FOUND" if report.name == "JOB NOT FOUND" else {"error": f"{report}"}
    if isinstance(report, Archived):
        newest = {name: values[-1] for name, values in report.values.items()}
        return {"source": "Job Provenance", "server": report.server, "owner": report.owner,
                "current_status": _archived_state(report)} | newest
    state = describe_state(report.state, report.doneCode, report.exitCode)
    return {"source": "LB", "current_status": state, "state": report.state} | dict(attributes(report))


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
