"""The parts of the server put together, once per process."""

import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

import soap.contract
import sql
from gsi.credential import Credential
from gsi.peers import PeerList
from httpg.client import session
from httpg.server import Limits, Listener, Server, Status
from httpg.wsgi import HttpProtocol
from jpps import courier, feeds, uploads
from jpps.collect import Sources
from jpps.delivery import FeedRun
from jpps.plugins import registry
from jpps.rights import Rights
from jpps.service import PrimaryStorage
from jpps.storage import Storage
from jpps.transfer import Transfer
from jpps.uploads import Uploads
from soap.service import application

CONTRACT = "JobProvenancePS"
PORT = 8901
#: Seconds that an index server may take for an answer.
FEED_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Settings:
    """What the command line asks for. `peers`, `index_peers`: files; sizes in bytes, times in seconds."""

    root: Path
    prefix: str
    database: str
    ca_dir: Path
    cert: Path | None = None
    key: Path | None = None
    plugins: tuple[str, ...] = registry.DEFAULT
    peers: Path | None = None
    index_peers: Path | None = None
    listen: str = ""
    port: int = PORT
    workers: int = 2
    open_to_all: bool = False
    feed_ttl_s: int = feeds.DEFAULT_TTL_S
    max_file: int = uploads.DEFAULT_MAX_FILE
    status: Status | None = None
    limits: Limits = Limits()

    def credential(self) -> Credential:
        """Read the server's credential, anew each time: it may have been renewed. Raises GsiError."""
        return Credential.given(self.cert, self.key)

    def rights(self) -> Rights:
        """Return who may do what. Raises GsiError when a list cannot be read."""
        peers = PeerList(self.peers)
        return Rights(peers, PeerList(self.index_peers) if self.index_peers else peers, self.open_to_all)

    def sources(self) -> Sources:
        """Return where values come from. Raises UnknownPlugin, OSError."""
        return Sources(Storage(self.root, self.prefix), registry.load(self.plugins))


def prepare(settings: Settings) -> None:
    """Bring the database up to date before any process uses it. Raises what sql raises."""
    engine = sql.engine(settings.database)
    try:
        sql.await_server(engine)
        sql.migrate(engine, "jpps")
    finally:
        engine.dispose()


def server(settings: Settings) -> Server:
    """Return the server, to be run. Raises GsiError, UnknownPlugin, OSError."""
    settings.rights()
    settings.sources()
    return Server(
        [Listener(settings.listen, settings.port, lambda: protocol(settings))], settings.credential(), settings.ca_dir,
        workers=settings.workers, limits=settings.limits, background=[("feeds", lambda stop: deliver(settings, stop))],
        reload=settings.credential, status=settings.status,
    )


def protocol(settings: Settings) -> HttpProtocol:
    """Make what one server process needs, in that process."""
    engine, sources, rights = sql.engine(settings.database), settings.sources(), settings.rights()
    receiving = Uploads(engine, sources, settings.max_file)
    handler = PrimaryStorage(engine, sources, receiving, rights, settings.feed_ttl_s)
    operations = application(soap.contract.load(CONTRACT), handler, policy=rights)
    return HttpProtocol(Transfer(engine, sources.storage, receiving, rights, operations))


def deliver(settings: Settings, stop: threading.Event) -> None:
    """Feed the index servers until `stop` is set; runs in a process of its own."""
    engine, sources = sql.engine(settings.database), settings.sources()

    def connect() -> requests.Session:
        return session(settings.credential(), settings.ca_dir, timeout=FEED_TIMEOUT_S)

    sender = courier.SoapSender(connect, urlsplit(settings.prefix).hostname or "localhost")
    run = FeedRun(engine, sources, sender, settings.feed_ttl_s)
    courier.Courier(engine, run, sender, Uploads(engine, sources).clean).run(stop)
