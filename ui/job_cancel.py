"""glite-wms-job-cancel: ask for the cancellation of jobs (wms.md 4.6, 6.2, 6.5)."""

from pathlib import Path
from typing import Any

import click

from soap.faults import Fault
from ui.frame import (
    EXIT_FAILED,
    HELP,
    common_options,
    config_option,
    describe,
    input_option,
    jobids_of,
    output_options,
    print_json,
    run,
    stripe,
    warn,
)
from ui.settings import Settings, lb_url
from ui.status import fetch, is_failed
from ui.wmproxy import WmProxy

WIDTH = 88
CANCELLABLE = {"SUBMITTED", "WAITING", "READY", "SCHEDULED", "RUNNING", "UNKNOWN"}

EPILOG = """\b
Examples:
  glite-wms-job-cancel https://lb.example.org:9000/abc...
  glite-wms-job-cancel --noint -i ids
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@input_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outcome to this file as well.")
@click.option("-e", "--endpoint", metavar="URL", help="The WMProxy, if not the one the job was submitted to.")
@config_option
@click.option("--noint", is_flag=True, help="Do not ask.")
@output_options
@common_options
@click.argument("jobids", metavar="[JOBID]...", nargs=-1)
def command(
    input_file: Path | None, output: Path | None, endpoint: str | None, config: Path | None, noint: bool,
    as_json: bool, pretty_print: bool, jobids: tuple[str, ...],
) -> int:
    """Cancel jobs that are not over yet."""
    ids = jobids_of(jobids, input_file)
    settings = Settings(endpoint, config)
    if not noint and not click.confirm("Are you sure you want to remove specified job(s)?", err=True):
        return EXIT_FAILED
    outcome: dict[str, Any] = {jobid: _cancel(jobid, settings) for jobid in ids}
    done = [jobid for jobid, result in outcome.items() if result["status"] == "cancel requested"]
    if as_json:
        print_json({"result": "success" if len(done) == len(ids) else "failure", "jobs": outcome}, pretty_print)
    elif done:
        listed = "\n".join(f"- {jobid}" for jobid in done)
        text = (f"\n{stripe('glite-wms-job-cancel Success', WIDTH)}\n\nThe cancellation request has been successfully "
                f"submitted for the following job(s):\n\n{listed}\n\n{'=' * WIDTH}\n")
        click.echo(text)
        if output:
            output.write_text(text)
    return 0 if len(done) == len(ids) else EXIT_FAILED


def _cancel(jobid: str, settings: Settings) -> dict[str, str]:
    try:
        status = fetch(jobid, settings)
        if status.state not in CANCELLABLE and not is_failed(status):
            raise Fault("Cancel not allowed", f"Cancel not allowed: Current Job Status is {status.state.capitalize()}")
        endpoint = settings.endpoint_option or status.networkServer or settings.endpoint
        WmProxy(endpoint, settings.session, settings.credential).call("jobCancel", jobId=jobid)
    except Fault as fault:
        warn(f"{jobid}: {describe(fault)}")
        return {"endpoint": lb_url(jobid), "status": describe(fault)}
    return {"endpoint": endpoint, "status": "cancel requested"}


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
