"""glite-wms-job-output: fetch the output sandbox of finished jobs (wms.md 6.2, 6.4, 6.5)."""

import getpass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from lb.model.jobid import JobId
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
    output_options,
    print_json,
    run,
    warn,
)
from ui.settings import Settings
from ui.status import fetch, is_failed
from ui.wmproxy import WmProxy

WIDTH = 80

EPILOG = """\b
Examples:
  glite-wms-job-output --dir results https://lb.example.org:9000/abc...
  glite-wms-job-output --nopurge -i ids
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@input_option
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where to put the files.")
@click.option("-e", "--endpoint", metavar="URL", help="The WMProxy, if not the one the job was submitted to.")
@config_option
@click.option("--list-only", is_flag=True, help="List the files, fetch nothing.")
@click.option("--nosubdir", is_flag=True, help="No directory for each job.")
@click.option("-n", "--nopurge", is_flag=True, help="Leave the files on the server.")
@output_options
@common_options
@click.argument("jobids", metavar="[JOBID]...", nargs=-1)
def command(
    input_file: Path | None, directory: Path | None, endpoint: str | None, config: Path | None, list_only: bool,
    nosubdir: bool, nopurge: bool, as_json: bool, pretty_print: bool, jobids: tuple[str, ...],
) -> int:
    """Fetch the output sandboxes of jobs that are over; the server's copy is removed unless --nopurge is given."""
    if list_only and directory:
        raise click.UsageError("--list-only fetches nothing: --dir does not go with it")
    settings = Settings(endpoint, config)
    fetcher = _Fetcher(settings, directory or settings.output_storage, nosubdir, nopurge, list_only)
    outcome: dict[str, Any] = {}
    for jobid in jobids_of(jobids, input_file):
        try:
            outcome[jobid] = fetcher.fetch(jobid)
        except (Fault, UiError) as error:
            text = describe(error) if isinstance(error, Fault) else f"{error}"
            warn(f"{jobid}: {text}")
            outcome[jobid] = {"output_available": 0, "error": text}
    failed = any("error" in result for result in outcome.values())
    if as_json:
        print_json({"result": "failure" if failed else "success", "jobs": outcome}, pretty_print)
    else:
        click.echo(_report(outcome, list_only))
    return EXIT_FAILED if failed else 0


class _Fetcher:
    def __init__(self, settings: Settings, directory: Path, nosubdir: bool, nopurge: bool, list_only: bool) -> None:
        self._settings = settings
        self._directory = directory
        self._nosubdir = nosubdir
        self._nopurge = nopurge
        self._list_only = list_only

    def fetch(self, jobid: str) -> dict[str, Any]:
        status = fetch(jobid, self._settings)
        _allow(jobid, status)
        endpoint = self._settings.endpoint_option or status.networkServer or self._settings.endpoint
        server = WmProxy(endpoint, self._settings.session, self._settings.credential)
        listed = server.call("getOutputFileList", jobId=jobid, protocol="https").OutputFileAndSizeList.file
        result = {"endpoint": endpoint, "output_available": 1 if listed else 0}
        if self._list_only:
            return result | {"files": [{"uri": entry.name, "size": entry.size} for entry in listed]}
        target = self._target(jobid)
        target.mkdir(parents=True, exist_ok=True)
        for entry in listed:
            server.get(entry.name, target / _file_name(entry.name))
        if not self._nopurge:
            server.call("jobPurge", jobId=jobid)
        return result | {"location": str(target)}

    def _target(self, jobid: str) -> Path:
        if self._nosubdir:
            return self._directory
        return self._directory / f"{getpass.getuser()}_{JobId.parse(jobid).unique}"


def _file_name(uri: str) -> str:
    name = unquote(urlsplit(uri).path).rpartition("/")[2]
    if name in ("", ".", ".."):
        raise UiError("Sandbox", f"the server names an output file that has no name: {uri}")
    return name


def _allow(jobid: str, status: Any) -> None:
    """The states in which there is an output sandbox to fetch (wms.md 6.5)."""
    refusals = {"CLEARED": "Output files already retrieved", "CANCELLED": "The Job has been cancelled"}
    if status.state in refusals:
        raise UiError("Not allowed", refusals[status.state])
    if status.state not in ("DONE", "ABORTED"):
        raise UiError("Not allowed", f"Output not yet ready: Current Job Status is {status.state.capitalize()}")
    if is_failed(status):
        raise UiError("Not allowed", f"The job failed: {status.failureReasons or status.reason}")
    if status.state == "ABORTED":
        warn(f"{jobid} was aborted: {status.reason}")
    elif status.exitCode:
        warn(f"{jobid} ended with exit code {status.exitCode}")


def _report(outcome: dict[str, Any], list_only: bool) -> str:
    lines = ["", "=" * WIDTH, "", "JOB GET OUTPUT OUTCOME".center(WIDTH).rstrip(), ""]
    for jobid, result in outcome.items():
        if "error" in result:
            lines += [f"No output for the job:\n{jobid}", result["error"], ""]
        elif list_only:
            lines += [f"Output files of the job:\n{jobid}",
                      *(f" - {entry['uri']} ({entry['size']} bytes)" for entry in result["files"]), ""]
        else:
            lines += ["Output sandbox files for the job:", jobid,
                      "have been successfully retrieved and stored in the directory:", result["location"], ""]
    return "\n".join([*lines, "=" * WIDTH, ""])


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
