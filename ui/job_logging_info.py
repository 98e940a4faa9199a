"""glite-wms-job-logging-info: every event that LB holds of a job (wms.md 6.4)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lb.client import LbClient
from lb.model.wsread import WsError, event_type
from ui.frame import HELP, UiError, common_options, config_option, input_option, jobids_of, print_json, run
from ui.settings import Settings, lb_url
from ui.words import attributes, title

HEADER = "===================== glite-wms-job-logging-info Success ====================="
RULE = "=" * len(HEADER)
WIDTH = 27
#: Which members each level adds (wms.md 6.4); level 3 shows all.
FIRST = {"source", "destination", "result", "destId", "timestamp"}
THIRD = {"level", "seqcode", "priority", "jdl", "job", "classad"}

EPILOG = """\b
Examples:
  glite-wms-job-logging-info https://lb.example.org:9000/abc...
  glite-wms-job-logging-info -v 3 --event Done https://lb.example.org:9000/abc...
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("-v", "--verbosity", type=click.IntRange(0, 3), default=1, show_default=True, help="How much to tell.")
@click.option("--event", "only", multiple=True, metavar="NAME", help="Only events of this type.")
@click.option("-e", "--exclude", multiple=True, metavar="NAME", help="No events of this type.")
@input_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the report to this file instead.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead of text.")
@common_options
@click.argument("jobids", metavar="[JOBID]...", nargs=-1)
def command(
    verbosity: int, only: tuple[str, ...], exclude: tuple[str, ...], input_file: Path | None, output: Path | None,
    config: Path | None, as_json: bool, jobids: tuple[str, ...],
) -> int:
    """Print the events logged for jobs, in the order in which LB received them."""
    settings = Settings(config_option=config)
    found = {jobid: list(_events(jobid, settings, only, exclude)) for jobid in jobids_of(jobids, input_file)}
    if as_json:
        print_json({"result": "success"} | {
            jobid: [{"event": name} | dict(attributes(event)) for name, event in events]
            for jobid, events in found.items()
        })
        return 0
    lines = [HEADER, ""]
    for jobid, events in found.items():
        lines += ["LOGGING INFORMATION:", "", f"Printing info for the Job : {jobid}", ""]
        for name, event in events:
            lines += _describe(name, event, verbosity)
        lines.append(RULE)
    text = "\n".join(lines)
    output.write_text(text + "\n") if output else click.echo(text)
    return 0


def _events(
    jobid: str, settings: Settings, only: tuple[str, ...], exclude: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    wanted, unwanted = {name.lower() for name in only}, {name.lower() for name in exclude}
    any_event = False
    for event in LbClient(lb_url(jobid), settings.session).job_log(jobid):
        name = _type_of(event)
        any_event = True
        if (not wanted or name.lower() in wanted) and name.lower() not in unwanted:
            yield name, getattr(event, name)
    if not any_event:
        raise UiError("JOB NOT FOUND", f"{lb_url(jobid)} has no events of {jobid}")


def _type_of(event: Any) -> str:
    try:
        return event_type(event).name
    except WsError as error:
        raise UiError("Unknown event", f"the server sent {error}") from None


def _describe(name: str, event: Any, verbosity: int) -> list[str]:
    if verbosity == 0:
        return [f"- {name}"]
    shown = [
        (member, text) for member, text in attributes(event)
        if verbosity == 3 or member in FIRST or (verbosity == 2 and member not in THIRD)
    ]
    return ["\t---", f"Event: {name}", *(f"- {title(member):<{WIDTH}}=    {text}" for member, text in shown)]


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
