"""glite-jp-indexd: the Job Provenance Index Server (jp.md 3.1)."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

import soap.contract
import sql
from gsi.credential import Credential, ca_directory
from gsi.errors import GsiError
from gsi.peers import PeerList
from httpg import daemon
from httpg.client import session
from httpg.server import Limits, Listener, Server, Status
from httpg.wsgi import HttpProtocol
from jpis import config, feedloop, feeds, localfeed, schema, service
from jpis.config import Configuration
from jpis.errors import IndexServerError
from jpis.policy import IndexPolicy
from jpis.schema import Schema
from jpis.update import Updater
from soap.client import Client
from soap.service import application

log = logging.getLogger(__name__)

NAME = "glite-jp-indexd"
PORT = 8902
MAX_WORKERS = 20
#: What ends the start with a message instead of a traceback.
START_ERRORS = (
    config.ConfigurationError, localfeed.LocalFeedError, daemon.AlreadyRunning, sql.DatabaseUrlError, GsiError,
    IndexServerError, OSError,
)

EPILOG = """\b
Examples:
  glite-jp-indexd -d -x etc/glite-jpis-config.xml -m sqlite:////var/lib/glite/jpis.db
  glite-jp-indexd -x jpis.xml -m jpis/secret@localhost:jpis -c hostcert.pem -k hostkey.pem
  glite-jp-indexd -d -x jpis.xml -D       forget all jobs, ask for the feeds again

\b
Without -m the database is SQLite: /var/lib/glite/jpis.db for root, jpis.db in the home directory for others.
A changed configuration takes effect at the next start: feeds are asked again for new attributes; the values of
removed ones stay in the database, but cannot be asked.
"""


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    config: Path
    database: str
    port: int
    listen: str
    endpoint: str
    cert: Path | None
    key: Path | None
    ca_dir: Path
    peers: Path | None
    admins: Path | None
    open_to_all: bool
    workers: int | None
    limits: Limits = Limits()
    status_port: tuple[str, int] | None = None

    def credential(self) -> Credential:
        """Read the server's credential, anew each time: it may have been renewed. Raises GsiError."""
        return Credential.given(self.cert, self.key)

    def policy(self, own_dn: str) -> IndexPolicy:
        """Return the policy; this server itself is always on both lists."""
        return IndexPolicy(PeerList(self.peers, [own_dn]), PeerList(self.admins, [own_dn]))


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-x", "--config", type=daemon.PATH, required=True, help="Configuration file (XML).")
@click.option("-m", "--mysql", "--database", "database", metavar="URL", envvar="GLITE_JPIS_DB",
              help="Database: sqlite:////path, mysql://user:password@host/name or user/password@host:name.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Port to listen on.")
@click.option("--listen", default="", metavar="ADDRESS", help="Address to listen on, instead of all.")
@click.option("--endpoint", metavar="URL", help="How Primary Storages reach this server; https://HOST:PORT by default.")
@click.option("-n", "--noauth", "--no-auth", "open_to_all", is_flag=True, help="Show everybody the jobs of all users.")
@daemon.credential_options()
@daemon.server_options
@click.option("--peers", type=daemon.PATH,
              help="Who may feed: a DN or VO attribute a line, as in etc/peers. This server always may.")
@click.option("--admins", type=daemon.PATH, help="Who may add and delete feeds: a file like --peers.")
@click.option("-s", "--slaves", "workers", type=click.IntRange(1, 1000), help="Server processes; feeds + 1 by default.")
@click.option("-D", "--delete-db", is_flag=True, help="Forget all jobs and feeds first.")
@click.option("-F", "--force-feed", is_flag=True, help="Forget all feeds and ask for those of the configuration.")
@click.option("-f", "--feeding", type=daemon.PATH, help="Load jobs from this text file and exit.")
@click.option("-q", "--query-type", type=click.Choice(["hist", "cont", "both"]), hidden=True,
              help="Accepted without effect, as ever.")
@click.option("-d", "--debug", "foreground", is_flag=True, help="Stay in the foreground, log to the terminal.")
@click.option("-i", "--pidfile", type=daemon.PATH, help="File for the process id.")
@click.option("-o", "--logfile", type=daemon.PATH, help="Log file, when not in the foreground.")
def command(
    config: Path, database: str | None, port: int, listen: str, endpoint: str | None, open_to_all: bool,
    cert: Path | None, key: Path | None, ca_dir: Path | None, peers: Path | None, admins: Path | None,
    workers: int | None, delete_db: bool, force_feed: bool, feeding: Path | None, query_type: str | None,
    foreground: bool, pidfile: Path | None, logfile: Path | None, status_port: tuple[str, int] | None,
    server_limits: Limits,
) -> None:
    """Index attributes of finished jobs and answer queries over them."""
    options = Options(
        config=config, database=database or _default_database(),
        port=port, listen=listen, endpoint=endpoint or f"https://{socket.getfqdn()}:{port}", cert=cert, key=key,
        ca_dir=ca_dir or ca_directory(os.environ), peers=peers, admins=admins, open_to_all=open_to_all,
        workers=workers, limits=server_limits, status_port=status_port,
    )
    daemon.log_to_stderr()
    os.umask(0o077)  # what is indexed is not for every user of this machine
    try:
        configuration = _load_configuration(options)
        _prepare(options, configuration, wipe=delete_db, force=force_feed)
        if feeding is not None:
            click.echo(f"{_feed_locally(options, configuration, feeding)} jobs loaded")
            return
        _serve(options, configuration, foreground, pidfile, logfile)
    except START_ERRORS as error:
        daemon.refuse(NAME, error)
    except SQLAlchemyError as error:
        where = _without_password(options.database)
        daemon.refuse(NAME, f"the database {where} cannot be used: {getattr(error, 'orig', error)}")


def _serve(
    options: Options, configuration: Configuration, foreground: bool, pidfile: Path | None, logfile: Path | None
) -> None:
    server = _server(options, configuration)
    server.bind()
    with daemon.Daemon.of(NAME, foreground=foreground, pidfile=pidfile, logfile=logfile) as process:
        process.detach()
        log.info("serving %s, %d attributes", options.endpoint, len(configuration.attributes))
        server.run()


def _load_configuration(options: Options) -> Configuration:
    return config.load(options.config)


def _prepare(options: Options, configuration: Configuration, *, wipe: bool, force: bool) -> None:
    """Bring the database in line with the configuration, before any process uses it."""
    engine = sql.engine(options.database)
    try:
        sql.await_server(engine)
        if wipe:
            schema.wipe(engine)
        schema.prepare(engine, configuration)
        with sql.write(engine) as conn:
            feeds.load(conn, configuration, force=force)
    finally:
        engine.dispose()


def _server(options: Options, configuration: Configuration) -> Server:
    credential = options.credential()
    policy = options.policy(credential.dn)
    return Server(
        [Listener(options.listen, options.port, lambda: _protocol(options, configuration, policy))],
        credential,
        options.ca_dir,
        workers=options.workers or min(len(configuration.feeds) + 1, MAX_WORKERS),
        limits=options.limits,
        background=[("feed loop", lambda stop: _keep_feeds(options, configuration, stop))],
        reload=options.credential,
        status=None if options.status_port is None else Status(*options.status_port, NAME, sql.check(options.database)),
    )


def _protocol(options: Options, configuration: Configuration, policy: IndexPolicy) -> HttpProtocol:
    """Make what one server process needs, in that process."""
    handler = service.IndexServer(
        sql.engine(options.database), Schema.of(configuration), policy, open_to_all=options.open_to_all
    )
    contract = soap.contract.load(service.CONTRACT)
    return HttpProtocol(application(contract, handler, policy=policy, address=options.endpoint))


def _keep_feeds(options: Options, configuration: Configuration, stop: threading.Event) -> None:
    """Run the feed loop: a process of its own."""
    loop = feedloop.FeedLoop(sql.engine(options.database), configuration, options.endpoint, _connector(options))
    loop.run(stop)


def _connector(options: Options) -> Callable[[str], Client]:
    def connect(url: str) -> Client:
        # old configurations write http:// and mean TLS all the same (jp.md 1.6)
        secure = "https://" + url.removeprefix("http://") if url.startswith("http://") else url
        http = session(options.credential(), options.ca_dir)
        return Client(soap.contract.load(feedloop.CONTRACT), secure, http)

    return connect


def _feed_locally(options: Options, configuration: Configuration, path: Path) -> int:
    owner = options.credential().dn
    updater = Updater(sql.engine(options.database), Schema.of(configuration))
    return localfeed.load(path, configuration, updater, owner)


def _default_database() -> str:
    return f"sqlite:///{daemon.default_path('/var/lib/glite', 'jpis.db')}"


def _without_password(url: str) -> str:
    parsed: Any = sql.engines.parse_url(url)
    return str(parsed.render_as_string(hide_password=True))


def main() -> None:
    """Entry point."""
    command()


if __name__ == "__main__":
    main()
