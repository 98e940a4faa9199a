"""glite-lb-interlogd: delivers event files to LB servers (lb.md 5.2)."""

import logging
import os
from pathlib import Path

import click

from gsi.credential import Credential, ca_directory
from gsi.errors import GsiError
from httpg import daemon
from httpg.signals import stop_event
from httpg.solo import SoloStatus
from httpg.status import Status
from lb.logger.destination import Sender
from lb.logger.interlogger import POLL_S, Interlogger
from lb.storeclient import StoreConnection
from spool.eventfile import EventFiles

log = logging.getLogger(__name__)

NAME = "glite-lb-interlogd"
PREFIX = "/var/spool/glite/lb-locallogger/dglogd.log"

EPILOG = """\b
Examples:
  glite-lb-interlogd -d -f /var/spool/glite/lb-locallogger/dglogd.log
  glite-lb-interlogd -f /var/spool/glite/events/dglogd.log -c hostcert.pem -k hostkey.pem -i /run/interlogd.pid

\b
Each event file is named PREFIX.<unique part of the job id>; PREFIX.<...>.ctl says how much of it is delivered. Files
that are delivered are removed; a corrupt one is renamed to PREFIX.<...>.quarantine.<n>: repair it and rename it back.
The LB server must know this logger's identity as a trusted one, for it speaks for others.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-f", "--file-prefix", type=daemon.PATH, default=PREFIX, show_default=True, help="Path and prefix.")
@daemon.credential_options("Certificate (or proxy) to deliver with.", "Its key.")
@daemon.status_option
@click.option("-i", "--pidfile", type=daemon.PATH, help="File for the process id.")
@click.option("-d", "--debug", "--foreground", "foreground", is_flag=True,
              help="Stay in the foreground, log to standard error.")
@click.option("--poll", type=click.FloatRange(0.01, 60), default=POLL_S, show_default=True,
              help="Pause between two looks at the files, in seconds.")
def command(
    file_prefix: Path, cert: Path | None, key: Path | None, ca_dir: Path | None, pidfile: Path | None,
    foreground: bool, poll: float, status_port: tuple[str, int] | None,
) -> None:
    """Deliver the events of event files to the LB servers of their jobs."""
    trusted = ca_dir or ca_directory(os.environ)

    def credential() -> Credential:
        """Read anew for each connection: it may have been renewed."""
        return Credential.given(cert, key)

    def connect(server: str) -> Sender:
        return StoreConnection(server, credential(), trusted)

    daemon.log_to_stderr()
    os.umask(0o077)
    try:
        name = credential().dn
        status = SoloStatus(None if status_port is None else Status(*status_port, NAME), credential)
        with daemon.Daemon.of(NAME, foreground=foreground, pidfile=pidfile, below="/glite") as process:
            process.detach()
            status.start()
            log.info("delivering %s.* as %s", file_prefix, name)
            Interlogger(EventFiles(file_prefix), connect, poll_s=poll).run(stop_event())
    except (GsiError, daemon.AlreadyRunning, OSError) as error:
        daemon.refuse(NAME, error)


def main() -> None:
    """Entry point."""
    command()


if __name__ == "__main__":
    main()
