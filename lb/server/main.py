"""glite-lb-bkserverd: the Logging and Bookkeeping server (lb.md 12.1)."""

import ipaddress
import logging
import os
import socket
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

import sql
from gsi.credential import ca_directory
from gsi.errors import GsiError
from httpg import daemon
from httpg.limits import Limits as ServerLimits
from httpg.server import StartUpError, Status
from lb.server.node import Node, Settings
from lb.server.queries import Limits

log = logging.getLogger(__name__)

NAME = "glite-lb-bkserverd"
#: What ends the start with a message instead of a traceback.
START_ERRORS = (GsiError, StartUpError, sql.DatabaseUrlError, daemon.AlreadyRunning, OSError)

EPILOG = """\b
Examples:
  glite-lb-bkserverd -d -m sqlite:////var/lib/glite/lb.db -c hostcert.pem -k hostkey.pem
  glite-lb-bkserverd -m lbserver/secret@localhost:lbserver20 -l /etc/glite-lb/glite-lb-authz.conf
  glite-lb-bkserverd -d -J /var/spool/glite/jpreg --jpdump-maildir /var/spool/glite/jpdump \\
      --export-dir /var/spool/glite/lbexport        hand purged jobs to Job Provenance

\b
Three ports are served: queries and purge (-p), storing of events (-p plus 1), web service (-w).
Who may log, read and purge is in the policy file (-l); without it everybody may log and nobody reads what is not his.
On behalf of others log only this server's own identity, those whom a rule for LOG_WMS_EVENTS names, and --loggers.
"""


class LimitsParam(click.ParamType[Limits]):
    """JOBS:EVENTS:SIZE, in the order that the original's code reads (lb.md 12.1); SIZE has no effect."""

    name = "JOBS[:EVENTS[:SIZE]]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Limits:
        """Return the limits."""
        numbers = str(value).split(":")
        if not 1 <= len(numbers) <= 3 or not all(number.isdigit() for number in numbers):
            self.fail(f"{value!r} is no list of limits; write JOBS:EVENTS:SIZE, 0 for none", param, ctx)
        return Limits(*map(int, numbers[:2]))


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-a", "--address", metavar="HOST", help="Own host name in job ids; that of this machine by default.")
@click.option("-p", "--port", type=click.IntRange(1, 65534), default=9000, show_default=True, help="Query port.")
@click.option("-w", "--wsport", type=click.IntRange(1, 65535), default=9003, show_default=True,
              help="Web service port.")
@click.option("--listen", metavar="ADDRESS", help="Address to listen on; all, unless HOST is this machine's loopback.")
@daemon.credential_options()
@daemon.server_options
@click.option("-m", "--mysql", "--database", "database", metavar="URL", envvar="LBDB",
              help="Database: sqlite:////path, mysql://user:password@host/name or user/password@host:name.")
@click.option("-s", "--slaves", type=click.IntRange(1, 1000), default=2, show_default=True, help="Worker processes.")
@click.option("-i", "--pidfile", type=daemon.PATH, help="File for the process id.")
@click.option("-d", "--debug", "--foreground", "foreground", is_flag=True,
              help="Stay in the foreground, log to standard error.")
@click.option("-n", "--noauth", is_flag=True, help="No tests of ownership: everybody may read and purge everything.")
@click.option("-L", "--limits", type=LimitsParam(), default="0", help="Most jobs and events of an answer, 0: no limit.")
@click.option("-S", "--purge-prefix", type=daemon.PATH, default="/tmp/purge", show_default=True,
              help="Directory for purge dumps.")
@click.option("-D", "--dump-prefix", type=daemon.PATH, default="/tmp/dump", show_default=True,
              help="Directory for whole dumps (not made in this release).")
@click.option("-J", "--jpreg-dir", type=daemon.PATH, help="Maildir for registrations to Job Provenance; implies -j.")
@click.option("-j", "--enable-jpreg-export", is_flag=True, help="Export registrations, to /tmp/jpreg without -J.")
@click.option("--jpdump-maildir", type=daemon.PATH, help="Maildir that tells Job Provenance of purged jobs.")
@click.option("--export-dir", type=daemon.PATH, help="Directory for the events of purged jobs, a file for each.")
@click.option("-l", "--policy", type=daemon.PATH, help="Policy file, as /etc/glite-lb/glite-lb-authz.conf.")
@click.option("--loggers", type=daemon.PATH, help="File of further trusted loggers, a DN or VO attribute a line.")
@click.option("-M", "--gridmap-file", "identities", type=daemon.PATH,
              help="File of DNs that are one person, two a line: each reads the jobs of the other.")
@click.option("-R", "--super-user", "super_users", multiple=True, metavar="DN|FQAN:fqan",
              help="Somebody to whom everything is allowed; may be repeated.")
@click.option("-E", "--exclusive-zombies-off", is_flag=True, help="Purged ids may be registered anew, exclusively too.")
def command(
    address: str | None, port: int, wsport: int, listen: str | None, cert: Path | None, key: Path | None,
    ca_dir: Path | None, database: str | None, slaves: int, pidfile: Path | None, foreground: bool, noauth: bool,
    limits: Limits, purge_prefix: Path, dump_prefix: Path, jpreg_dir: Path | None, enable_jpreg_export: bool,
    jpdump_maildir: Path | None, export_dir: Path | None, policy: Path | None, loggers: Path | None,
    identities: Path | None, super_users: tuple[str, ...], exclusive_zombies_off: bool,
    status_port: tuple[str, int] | None, server_limits: ServerLimits,
) -> None:
    """Keep the events of jobs and answer about their states."""
    if (jpdump_maildir is None) != (export_dir is None):
        raise click.UsageError("--jpdump-maildir and --export-dir belong together: give both or none")
    own = address or socket.getfqdn()
    settings = Settings(
        address=own, port=port, ws_port=wsport, listen=_listen(own) if listen is None else listen,
        database=database or f"sqlite:///{daemon.default_path('/var/lib/glite', 'lb.db')}",
        cert=cert, key=key, ca_dir=ca_dir or ca_directory(os.environ), workers=slaves, purge=purge_prefix,
        jpreg=jpreg_dir or (Path("/tmp/jpreg") if enable_jpreg_export else None), jpdump=jpdump_maildir,
        export=export_dir, policy=policy, loggers=loggers, identities=identities, super_users=super_users,
        limits=limits, open_to_all=noauth, exclusive_zombies=not exclusive_zombies_off,
        status=None if status_port is None else Status(*status_port, NAME), server_limits=server_limits,
    )
    daemon.log_to_stderr()
    os.umask(0o077)  # what jobs did is not for every user of this machine
    try:
        _serve(settings, pidfile, foreground)
    except START_ERRORS as error:
        daemon.refuse(NAME, error)
    except SQLAlchemyError as error:
        daemon.refuse(NAME, f"the database cannot be used: {getattr(error, 'orig', error)}")


def _serve(settings: Settings, pidfile: Path | None, foreground: bool) -> None:
    node = Node(settings)
    node.prepare()
    server = node.server()
    server.bind()
    if settings.open_to_all:
        log.warning("started with --noauth: everybody with a certificate reads and purges everything")
    with daemon.Daemon.of(NAME, foreground=foreground, pidfile=pidfile, below="/glite") as process:
        process.detach()
        log.info("serving %s: queries %d, store %d, web service %d", settings.address, settings.port,
                 settings.port + 1, settings.ws_port)
        server.run()


def _listen(address: str) -> str:
    """Jobs of a server that calls itself localhost are of no use to other machines: it does not listen to them."""
    try:
        return address if ipaddress.ip_address(address).is_loopback else ""
    except ValueError:
        return "127.0.0.1" if address == "localhost" else ""


def main() -> None:
    """Entry point."""
    command()


if __name__ == "__main__":
    main()
