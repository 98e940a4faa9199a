"""glite-lb-purge: have an LB server forget old jobs, leaving zombies and a dump (lb.md 8.1, 13.2; request 4.8)."""

import errno
import os
import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import click
import requests

from gsi.credential import Credential, ca_directory
from guarded import xml
from httpg.client import session
from ui.frame import HELP, UiError, common_options, print_json, read_jobids, run

#: The states in the order of their codes; each has a time-out of its own in the request.
STATES = ("Undefined", "Submitted", "Waiting", "Ready", "Scheduled", "Running", "Done", "Cleared", "Aborted",
          "Cancelled", "Unknown", "Purged")
#: A fixed set, not "all the rest" (lb.md 8.1): what --other covers.
OTHER = ("Submitted", "Waiting", "Ready", "Scheduled", "Running", "Unknown")
SERVER_DEFAULT = -1
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
HEADERS = {
    "Content-Type": "application/x-dglb", "Accept": "application/x-dglb", "Cache-Control": "no-cache",
    "User-Agent": "edg_wll_Api/3.0/3.0",
}
#: A purge of many jobs takes long.
TIMEOUT_S = 1800.0

EPILOG = """\b
Examples:
  glite-lb-purge --dry-run --return-list --cleared 2d
  glite-lb-purge --server-dump --cleared 2d --aborted 15d --done 60d
  glite-lb-purge -s -j ids -m lb.example.org:9000
Without --dry-run the jobs are really purged.
"""


class Duration(click.ParamType[int]):
    """NNN[smhd] in seconds."""

    name = "NNN[smhd]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        if not (match := re.fullmatch(r"(\d+)([smhd]?)", value)):
            self.fail(f"{value!r} is no time; write for instance 30s, 5m, 12h or 3d", param, ctx)
        return int(match[1]) * UNITS[match[2]]


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("-a", "--aborted", type=Duration(), help="Purge aborted jobs older than this.")
@click.option("-c", "--cleared", type=Duration(), help="Purge cleared jobs older than this.")
@click.option("-n", "--cancelled", type=Duration(), help="Purge cancelled jobs older than this.")
@click.option("-e", "--done", type=Duration(), help="Purge done jobs older than this.")
@click.option("-o", "--other", type=Duration(), help=f"Purge {', '.join(OTHER).lower()} jobs older than this.")
@click.option("-j", "--jobs", "job_file", type=click.Path(path_type=Path, exists=True),
              help="Purge the jobs listed in this file, whatever their age.")
@click.option("-r", "--dry-run", is_flag=True, help="Purge nothing.")
@click.option("-l", "--return-list", is_flag=True, help="Print the jobs.")
@click.option("-s", "--server-dump", is_flag=True, help="Have the server write a dump of the jobs first.")
@click.option("-m", "--server", metavar="HOST[:PORT]", envvar="GLITE_WMS_QUERY_SERVER", help="The LB server.")
@click.option("-t", "--target-runtime", type=Duration(), help="Spread the work over this time.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead of text.")
@common_options
def command(
    aborted: int | None, cleared: int | None, cancelled: int | None, done: int | None, other: int | None,
    job_file: Path | None, dry_run: bool, return_list: bool, server_dump: bool, server: str | None,
    target_runtime: int | None, as_json: bool,
) -> int:
    """Purge jobs from an LB server; a state without option uses the server's default age."""
    if not server:
        raise click.UsageError("name the LB server with -m host:port, or set GLITE_WMS_QUERY_SERVER")
    ages = {"Aborted": aborted, "Cleared": cleared, "Cancelled": cancelled, "Done": done}
    ages |= dict.fromkeys(OTHER, other)
    jobids = read_jobids(job_file) if job_file else []
    flags = [name for name, wanted in (("really_purge", not dry_run), ("list_jobs", return_list or as_json),
                                       ("server_dump", server_dump)) if wanted]
    result = _ask(server, _request(jobids, ages, target_runtime, flags))
    jobs = [element.text or "" for element in result.iterfind("jobs/jobId")]
    dump = result.findtext("server_file")
    if as_json:
        print_json({"result": "success", "dry_run": dry_run, "server_dump": dump, "jobs": jobs})
    else:
        _report(jobs, dump, dry_run, return_list)
    return 0


def _request(jobids: list[str], ages: dict[str, int | None], runtime: int | None, flags: list[str]) -> str:
    lines = ["<edg_wll_PurgeRequest>"]
    if jobids:
        lines += ["\t<jobs>", *(f"\t\t<jobId>{escape(jobid)}</jobId>" for jobid in jobids), "\t</jobs>"]
    lines.append("\t<timeout>")
    for state in STATES:
        age = ages.get(state)
        lines.append(f"\t\t<{state}>{SERVER_DEFAULT if age is None else age}</{state}>")
    lines.append("\t</timeout>")
    if runtime is not None:
        lines.append(f"\t<target_runtime>{runtime}</target_runtime>")
    return "\r\n".join([*lines, f"\t<flags>{'+'.join(flags)}</flags>", "</edg_wll_PurgeRequest>", ""])


def _ask(server: str, body: str) -> Any:
    address = server if ":" in server else f"{server}:9000"
    credential = Credential.find()
    with session(credential, ca_directory(os.environ), timeout=TIMEOUT_S) as connection:
        answer = connection.post(f"https://{address}/purgeRequest", data=body.encode(), headers=HEADERS)
    if "application/x-dglb" not in answer.headers.get("Content-Type", ""):  # with any status it says what is wrong
        raise UiError("Server", f"{address} answers {answer.status_code} {answer.reason}")
    return _result(address, answer)


def _result(address: str, answer: requests.Response) -> Any:
    try:
        root = xml.parse(answer.content)
    except xml.XmlRefused as error:
        raise UiError("Server", f"{address} answers {answer.status_code}, and no result: {error}") from None
    code = int(root.get("code") or 0)
    if code and code not in (errno.ENOENT,):
        raise UiError("Purge", f"edg_wll_Purge: {os.strerror(code)} ({root.get('desc') or answer.reason})")
    return root


def _report(jobs: list[str], dump: str | None, dry_run: bool, return_list: bool) -> None:
    click.echo(f"Server dump: {dump}" if dump else "The jobs were not dumped.")
    if return_list:
        click.echo(f"The following jobs {'would be' if dry_run else 'were'} purged:")
        for line in jobs or ["None."]:
            click.echo(line)


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
