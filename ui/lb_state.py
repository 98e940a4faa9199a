"""glite-lb-state: the statuses of the jobs in event files, as a server would compute them, without any server."""

import json
from collections.abc import Sequence

import click

from lb.model.jobid import JobId
from lb.model.ledger import Ledger
from ui.frame import EXIT_FAILED, HELP, common_options, run
from ui.lb_lines import EXIT_USAGE, TOLD, Complaints, JobIdType, Supply, escape_output, shown
from ui.lb_state_show import as_object, in_tree_order, print_histories, print_statuses
from ui.lb_state_take import Order, Taking

EPILOG = """\b
Examples:
  glite-lb-state dump.log
  glite-lb-state --history --job https://lb.example.org:9000/abc... dump.log
  glite-lb-state --json dump-1.log dump-2.log.gz | jq -r '.jobId + " " + .["@name"]'
  zcat dump-2.log.gz | glite-lb-state --sorted -
  glite-lb-state --assume-jobid https://lb.example.org:9000/abc... --assume-user /CN=me trace.log
\b
FILEs hold one event per line, as producers, loggers and dumps of servers write them or as glite-lb-event --json does,
plain or gzip. They are read in the order given, as if the events arrived so; with --sorted the order does not matter.
A dump goes job by job; what its parents passed through (--history) comes out right with --by-arrival.
A line without DG.USER counts as written by nobody, one without DG.JOBID cannot be used; see --assume-user and
--assume-jobid.
\b
--json prints one object per job and line, parents before their subjobs: "@name" is the state, the other keys and the
forms of the values are those of the native protocol; with --history "@history" is a list of the states passed through.
Octets that are no UTF-8 stand as \\udcNN in JSON (Python's surrogateescape) and as \\xNN in tables.
\b
Exit code 0: all is told; 1: some line is no event, some event was not used, or a file cannot be read (told on standard
error), or no registration of a job that --job names is there; 2: wrong usage.
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per job and line.")
@click.option("--sorted", "in_order", is_flag=True, help="Take the events of a job in the order of their codes.")
@click.option("--by-arrival", is_flag=True, help="Dumps: take the events of all jobs in the order of DG.ARRIVED.")
@click.option("--history", is_flag=True, help="Tell the states passed through, when, and by which event.")
@click.option("-j", "--job", "wanted", multiple=True, type=JobIdType(), help="Only this job; may be repeated.")
@click.option("--assume-jobid", "jobid", type=JobIdType(), help="The job of lines without DG.JOBID.")
@click.option("--assume-user", "user", metavar="DN", help="The author of lines without DG.USER.")
@click.option("--all", "everything", is_flag=True, help=f"Tell of all bad lines, not of the first {TOLD} of each file.")
@click.option("-q", "--quiet", is_flag=True, help="No warnings, no progress; lines that are no event are told still.")
@common_options
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def command(
    as_json: bool, in_order: bool, by_arrival: bool, history: bool, wanted: tuple[str, ...], jobid: str | None,
    user: str | None, everything: bool, quiet: bool, files: tuple[str, ...],
) -> int:
    """Tell the statuses of the jobs in event files or dumps ("-": standard input), without any server."""
    if in_order and by_arrival:
        raise click.UsageError("--sorted and --by-arrival exclude one another")
    order = Order.CODES if in_order else Order.ARRIVAL if by_arrival else Order.FILES
    taking = Taking(order, Ledger(keep=in_order or history), Complaints(everything))
    taking.read(files, Supply(jobid, user or ""), quiet)
    if not quiet:
        taking.warn()
    jobs, absent = _chosen(taking.ledger, wanted)
    if as_json:
        for each, _ in jobs:
            click.echo(json.dumps(as_object(taking.ledger, each, history)))
    elif history:
        print_histories(taking.ledger, jobs)
    else:
        print_statuses(taking.ledger, jobs)
        click.echo(taking.summary)
    for name in absent:
        click.echo(f"{shown(name)}: no RegJob of this job is there", err=True)
    return 0 if taking.complete and not absent else EXIT_FAILED


def _chosen(ledger: Ledger, wanted: Sequence[str]) -> tuple[list[tuple[JobId, int]], list[str]]:
    """The jobs to tell of with their depths, and the wanted ones that are not there."""
    if not wanted:
        return list(in_tree_order(ledger)), []
    ids = dict.fromkeys(map(JobId.parse, wanted))
    return [(jobid, 0) for jobid in ids if jobid in ledger.jobs], [
        str(jobid) for jobid in ids if jobid not in ledger.jobs
    ]


def main() -> None:
    """Entry point."""
    escape_output()
    run(command, usage=EXIT_USAGE)


if __name__ == "__main__":
    main()
