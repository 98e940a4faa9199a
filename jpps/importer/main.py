"""glite-jp-importer: from the maildirs of LB to the Primary Storage (jp.md 4.6)."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import requests

from gsi.credential import Credential, ca_directory
from gsi.errors import GsiError
from httpg import daemon
from httpg.client import session
from httpg.signals import stop_event
from httpg.solo import SoloStatus
from httpg.status import Status
from jpps.importer import messages, tasks
from jpps.importer.queues import Queue, Times
from jpps.importer.tasks import Primaries

log = logging.getLogger(__name__)

Command = TypeVar("Command", bound=Callable[..., Any])

NAME = "glite-jp-importer"
#: Seconds that the Primary Storage may take for an answer (jp.md 4.6).
TIMEOUT_S = 120.0
MAX_DUMP_THREADS = 20
START_ERRORS = (daemon.AlreadyRunning, GsiError, OSError)

EPILOG = """\b
Examples:
  glite-jp-importer -g -p https://jpps.example.org:8901 -r /var/spool/glite/jpreg -d /var/spool/glite/jpdump \\
      -s /var/spool/glite/jpsandbox
  glite-jp-importer -p jpps.example.org:8901 -c hostcert.pem -k hostkey.pem --store /var/glite/uploaded

\b
Its DN must be in the file of trusted peers of the Primary Storage. What cannot be delivered in the end lies in the
directory `undeliverable` of the maildir; moved to `new`, it is tried again.
"""


@dataclass(frozen=True)
class Connections:
    """How the Primary Storages are reached."""

    default: str
    ca_dir: Path
    cert: Path | None
    key: Path | None

    def credential(self) -> Credential:
        """Read the credential, anew each time: it may have been renewed. Raises GsiError."""
        return Credential.given(self.cert, self.key)

    def connect(self) -> requests.Session:
        """Make a session. Raises GsiError."""
        return session(self.credential(), self.ca_dir, timeout=TIMEOUT_S)

    def primaries(self) -> Primaries:
        """Return what one thread needs. Raises GsiError."""
        return Primaries(self.default, self.connect, self.credential().dn)


def _seconds(*names: str, default: float, text: str) -> Callable[[Command], Command]:
    kind = click.FloatRange(0)
    return click.option(*names, type=kind, default=default, show_default=True, metavar="SECONDS", help=text)


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-p", "--jpps", default="https://localhost:8901", show_default=True, metavar="URL",
              help="Primary Storage, for messages that name none.")
@click.option("-r", "--reg-mdir", type=daemon.PATH, default="/var/glite/jpreg", show_default=True,
              help="Maildir of registrations.")
@click.option("-d", "--dump-mdir", type=daemon.PATH, default="/var/glite/jpdump", show_default=True,
              help="Maildir of LB dumps.")
@click.option("-s", "--sandbox-mdir", type=daemon.PATH, default="/var/glite/jpsandbox",
              show_default=True, help="Maildir of sandboxes.")
@click.option("-D", "--dump-slaves", type=click.IntRange(1, MAX_DUMP_THREADS), default=1, show_default=True,
              help="Dumps uploaded at the same time.")
@_seconds("-t", "--poll", default=2, text="Between two looks into an empty maildir.")
@_seconds("--reg-retry", default=300, text="Until a failed registration is tried again.")
@_seconds("--reg-give-up", default=3000, text="Age at which a registration is given up.")
@_seconds("--upload-retry", default=360, text="Until a failed upload is tried again.")
@_seconds("--upload-give-up", default=3600, text="Age at which an upload is given up.")
@click.option("--store", type=daemon.PATH, help="Move uploaded dumps here instead of deleting them.")
@daemon.credential_options("Certificate.", "Key.")
@daemon.status_option
@click.option("-g", "--debug", "foreground", is_flag=True, help="Stay in the foreground, log to the terminal.")
@click.option("-i", "--pidfile", type=daemon.PATH, help="File for the process id.")
@click.option("-l", "--logfile", type=daemon.PATH, help="Log file, when not in the foreground.")
@click.option("-K", "--perf-sink", hidden=True, help="Of the original's measurements; without effect.")
def command(
    jpps: str, reg_mdir: Path, dump_mdir: Path, sandbox_mdir: Path, dump_slaves: int, poll: float, reg_retry: float,
    reg_give_up: float, upload_retry: float, upload_give_up: float, store: Path | None, cert: Path | None,
    key: Path | None, ca_dir: Path | None, foreground: bool, pidfile: Path | None, logfile: Path | None,
    perf_sink: str | None, status_port: tuple[str, int] | None,
) -> None:
    """Register jobs and upload their LB dumps and sandboxes to the Job Provenance Primary Storage."""
    connections = Connections(messages.url(jpps), ca_dir or ca_directory(os.environ), cert, key)
    registrations, uploads = Times(poll, reg_retry, reg_give_up), Times(poll, upload_retry, upload_give_up)
    daemon.log_to_stderr()
    try:
        work = [
            (Queue(reg_mdir, tasks.register, registrations), 1),
            (Queue(dump_mdir, tasks.dumps(store), uploads), dump_slaves),
            (Queue(sandbox_mdir, tasks.sandboxes(), uploads), 1),
        ]
        connections.credential()
        status = SoloStatus(None if status_port is None else Status(*status_port, NAME), connections.credential)
        if not foreground:
            pidfile = pidfile or _default_pidfile()
        with daemon.Daemon.of(NAME, foreground=foreground, pidfile=pidfile, logfile=logfile) as process:
            process.detach()
            status.start()
            _run(work, connections)
    except START_ERRORS as error:
        daemon.refuse(NAME, error)


def _default_pidfile() -> Path:
    """The original writes its name in two ways (jp.md 4.6)."""
    return daemon.default_path("/var/run", f"glite{'-' if os.geteuid() == 0 else '_'}jpimporter.pid")


def _run(work: Sequence[tuple[Queue, int]], connections: Connections) -> None:
    """Work until SIGTERM or SIGINT; what is being handled then is finished, or found again at the next start."""
    stop = stop_event()
    threads = [
        threading.Thread(target=queue.run, args=(connections.primaries(), stop), name=f"{queue.name} {number}")
        for queue, count in work
        for number in range(1, count + 1)
    ]
    for thread in threads:
        thread.start()
    log.info("importing to %s", connections.default)
    for thread in threads:
        thread.join()


def main() -> None:
    """Entry point."""
    command()


if __name__ == "__main__":
    main()
