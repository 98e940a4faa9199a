"""glite-jp-primarystoraged: the Job Provenance Primary Storage (jp.md 2.1)."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
from sqlalchemy.exc import SQLAlchemyError

import sql
from gsi.credential import ca_directory
from gsi.errors import GsiError
from httpg import daemon
from httpg.server import Limits, StartUpError, Status
from jpps import feeds, server, uploads
from jpps.plugins import registry
from jpps.server import Settings

log = logging.getLogger(__name__)

NAME = "glite-jp-primarystoraged"
#: What ends the start with a message instead of a traceback.
START_ERRORS = (daemon.AlreadyRunning, registry.UnknownPlugin, sql.DatabaseUrlError, GsiError, StartUpError, OSError)

EPILOG = """\b
Back-end options (-B), a letter, a comma, a value:
  I,PATH   directory of the storage; mandatory
  E,URL    prefix of the URLs under which files are uploaded and fetched; mandatory
  D,URL    database: sqlite:////path, mysql://user:password@host/name or user/password@host:name;
           an SQLite file in the directory of the storage if it is not given

\b
Examples:
  glite-jp-primarystoraged -d -B I,/var/lib/jpps -B E,https://jpps.example.org:8901/jpps -a peers
  glite-jp-primarystoraged -B I,/home/glite/jpps -B E,https://jpps.example.org:8901/jpps \\
      -B D,jpps/secret@localhost:jpps -P lb -P sandbox -P classad -a /etc/glite/peers -c hostcert.pem -k hostkey.pem

\b
The file of peers has one name a line: a DN, as /DC=org/DC=example/CN=lb.example.org, or a VO attribute, as
/vo/Role=operator. It is read again when it changes.
Without it nobody may register jobs or upload files.
"""


class BackEnd(click.ParamType[tuple[str, str]]):
    """`b,val`: a letter and its value."""

    name = "b,val"
    letters = "IED"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return letter and value."""
        letter, comma, rest = str(value).partition(",")
        if letter not in tuple(self.letters) or not comma or not rest:
            self.fail(f"{value!r}: write I,PATH or E,URL or D,DATABASE", param, ctx)
        return letter, rest


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-B", "back_end", type=BackEnd(), multiple=True, required=True, help="Back-end option, see below.")
@click.option("-P", "plugins", metavar="NAME", multiple=True,
              help=f"File-type plug-in to load, repeatable: {', '.join(registry.KNOWN)} (or the original's library). "
                   f"Default: {' and '.join(registry.DEFAULT)}.")
@click.option("-a", "--peers", type=daemon.PATH, help="File of trusted peers, who register and upload.")
@click.option("--index-peers", type=daemon.PATH,
              help="File of index servers that may subscribe to feeds. Default: the trusted peers.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=server.PORT, show_default=True,
              help="Port to listen on.")
@click.option("--listen", default="", metavar="ADDRESS", help="Address to listen on, instead of all.")
@click.option("-s", "--slaves", "workers", type=click.IntRange(1, 1000), default=2, show_default=True,
              help="Server processes; each serves many clients at a time.")
@click.option("-n", "--noauth", "open_to_all", is_flag=True,
              help="Let every authenticated peer read and tag all jobs and subscribe to feeds.")
@click.option("--feed-ttl", type=click.IntRange(10), default=feeds.DEFAULT_TTL_S, show_default=True, metavar="SECONDS",
              help="How long a feed lives without being refreshed.")
@click.option("--max-file-size", type=click.IntRange(1), default=uploads.DEFAULT_MAX_FILE, show_default=True,
              metavar="BYTES", help="Largest file to take.")
@daemon.credential_options()
@daemon.server_options
@click.option("-d", "--debug", "foreground", is_flag=True, help="Stay in the foreground, log to the terminal.")
@click.option("-i", "--pidfile", type=daemon.PATH, help="File for the process id.")
@click.option("-l", "--logfile", type=daemon.PATH, help="Log file, when not in the foreground.")
@click.option("-w", "socket", hidden=True, help="Accepted without effect: feeds have a durable outbox of their own.")
@click.option("-f", "file_prefix", hidden=True, help="Accepted without effect, as -w.")
def command(
    back_end: Sequence[tuple[str, str]], plugins: tuple[str, ...], peers: Path | None, index_peers: Path | None,
    port: int, listen: str, workers: int, open_to_all: bool, feed_ttl: int, max_file_size: int, cert: Path | None,
    key: Path | None, ca_dir: Path | None, foreground: bool, pidfile: Path | None, logfile: Path | None,
    socket: str | None, file_prefix: str | None, status_port: tuple[str, int] | None, server_limits: Limits,
) -> None:
    """Keep the files and tags of jobs for good, answer for their attributes and feed index servers."""
    root, prefix, database = _back_end(dict(back_end))
    settings = Settings(
        root=root, prefix=prefix, database=database, ca_dir=ca_dir or ca_directory(os.environ), cert=cert, key=key,
        plugins=plugins or registry.DEFAULT, peers=peers, index_peers=index_peers, listen=listen, port=port,
        workers=workers, open_to_all=open_to_all, feed_ttl_s=feed_ttl, max_file=max_file_size,
        status=None if status_port is None else Status(*status_port, NAME, sql.check(database)), limits=server_limits,
    )
    daemon.log_to_stderr()
    os.umask(0o077)  # jobs are not for every user of this machine
    if peers is None:
        log.warning("no file of trusted peers (-a): nobody may register jobs or upload files")
    if socket or file_prefix:
        log.warning("-w and -f have no effect: feeds are delivered directly, from a durable outbox")
    try:
        _serve(settings, foreground, pidfile, logfile)
    except START_ERRORS as error:
        daemon.refuse(NAME, error)
    except SQLAlchemyError as error:
        daemon.refuse(NAME, f"the database cannot be used: {getattr(error, 'orig', error)}")


def _back_end(given: dict[str, str]) -> tuple[Path, str, str]:
    """Return directory, URL prefix and database. Raises click.UsageError."""
    if missing := {"I", "E"} - given.keys():
        raise click.UsageError(f"-B {' and -B '.join(f'{letter},…' for letter in sorted(missing))} is missing")
    prefix = given["E"].rstrip("/")
    if not urlsplit(prefix).hostname:
        raise click.UsageError(f"-B E,{given['E']}: write a URL with a host, https://HOST:PORT/PATH")
    root = Path(given["I"]).absolute()
    return root, prefix, given.get("D", f"sqlite:///{root / 'jpps.db'}")


def _serve(settings: Settings, foreground: bool, pidfile: Path | None, logfile: Path | None) -> None:
    settings.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with daemon.Daemon.of(NAME, foreground=foreground, pidfile=pidfile, logfile=logfile) as process:
        server.prepare(settings)
        serving = server.server(settings)
        serving.bind()
        process.detach()
        log.info("serving %s", settings.prefix)
        serving.run()


def main() -> None:
    """Entry point."""
    command()


if __name__ == "__main__":
    main()
