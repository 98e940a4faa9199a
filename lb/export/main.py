"""glite-lb-dump_exporter: cut a purge dump into one file and one message per job (jp.md 4.5)."""

import sys
from pathlib import Path

import click

from lb.export.jobfiles import JobFiles
from lb.export.split import DumpError, split
from spool.maildir import Maildir

EPILOG = """\b
Examples:
  glite-lb-dump_exporter -d /var/spool/glite/purge/purge_20261120113536.626148 \\
      -s /var/spool/glite/lbexport -m /var/spool/glite/jpdump
  zcat purge.gz | glite-lb-dump_exporter -s export -m jpdump -j jpps.example.org:8901
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-d", "--dump", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help="The dump; standard input without this option.")
@click.option("-s", "--store", type=click.Path(path_type=Path), default="/tmp", show_default=True, metavar="DIR",
              help="Directory for the files of the jobs.")
@click.option("-m", "--lbmaildir", type=click.Path(path_type=Path), default="/tmp/dumpinfo_lbmd", show_default=True,
              metavar="DIR", help="Maildir for the messages to the importer.")
@click.option("-j", "--jpps", metavar="HOST:PORT", help="Primary Storage to name in the messages.")
@click.option("-x", "--mixed", is_flag=True, help="The events are not grouped by job: always understood.")
def command(dump: Path | None, store: Path, lbmaildir: Path, jpps: str | None, mixed: bool) -> None:
    """Cut a dump of an LB server into one file per job and tell the Job Provenance importer of each."""
    files, maildir = JobFiles(store), Maildir(lbmaildir)
    if dump is None:
        split(sys.stdin.buffer, files, maildir, jpps)
    else:
        with dump.open("rb") as source:
            split(source, files, maildir, jpps)


def main() -> None:
    """Entry point: exit 1 with one line when the dump or a directory cannot be used."""
    try:
        command()
    except (DumpError, OSError, ValueError) as error:
        click.echo(f"glite-lb-dump_exporter: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
