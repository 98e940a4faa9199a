"""The parts of one LB server put together: settings in, listeners and background work out."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

import soap.contract
import sql
from gsi.credential import Credential
from gsi.gridmap import watch_identities
from gsi.peers import PeerList
from httpg.limits import Limits as ServerLimits
from httpg.server import Listener, Server, Status
from httpg.wsgi import HttpProtocol
from lb.export.jobfiles import JobFiles
from lb.server import jpreg
from lb.server.admission import Admission
from lb.server.authority import Authority, WebServicePolicy
from lb.server.batch import StoreOptions
from lb.server.native import QueryPort
from lb.server.policy import PolicyFile
from lb.server.purge import Exports, Purge
from lb.server.queries import Limits, Queries
from lb.server.store import Store
from lb.server.storeport import StoreProtocol
from lb.server.webservice import LoggingAndBookkeeping
from soap.service import SoapApplication, application
from spool.maildir import Maildir

CONTRACT: Final = "LB"
SCRIPTS: Final = "lb.server.migrations"


@dataclass(frozen=True)
class Settings:
    """What the command line asks for; see `glite-lb-bkserverd --help`.

    address: own host name in job ids; listen: address to bind, "" for all; jpreg: maildir for registrations, None
    without export; jpdump, export: maildir and directory for the events of purged jobs, None without export.
    """

    address: str
    database: str
    ca_dir: Path
    cert: Path | None = None
    key: Path | None = None
    port: int = 9000
    ws_port: int = 9003
    listen: str = ""
    workers: int = 2
    purge: Path = Path("/tmp/purge")
    jpreg: Path | None = None
    jpdump: Path | None = None
    export: Path | None = None
    policy: Path | None = None
    loggers: Path | None = None
    identities: Path | None = None
    super_users: Sequence[str] = ()
    limits: Limits = Limits()
    open_to_all: bool = False
    exclusive_zombies: bool = True
    status: Status | None = None
    server_limits: ServerLimits = ServerLimits()

    @property
    def server(self) -> str:
        """host:port as job ids name this server."""
        return f"{self.address}:{self.port}"

    def credential(self) -> Credential:
        """Read the server's credential, anew each time: it may have been renewed. Raises GsiError."""
        return Credential.given(self.cert, self.key)

    def authority(self, own_dn: str) -> Authority:
        """Read the policy file, the list of loggers and the mapping of identities. Raises GsiError."""
        policy = None if self.policy is None else PolicyFile.watch(self.policy)
        loggers = None if self.loggers is None else PeerList(self.loggers)
        identities = None if self.identities is None else watch_identities(self.identities)
        return Authority(own_dn, policy, self.super_users, loggers, identities, open_to_all=self.open_to_all)


class Node:
    """One LB server. What holds a connection or a lock is made on first use, in the process that uses it."""

    def __init__(self, settings: Settings) -> None:
        """Raises GsiError when a file of the settings cannot be used."""
        self.settings = settings
        self.credential = settings.credential()
        self._authority = settings.authority(self.credential.dn)
        self._admission = Admission(settings.server, self._authority)

    def prepare(self) -> None:
        """Bring the database up to date and make the directories. Raises SQLAlchemyError, OSError."""
        engine = sql.engine(self.settings.database)
        sql.await_server(engine)
        sql.migrate(engine, "lb", SCRIPTS)
        engine.dispose()
        self._exports()

    def server(self) -> Server:
        """The server with its three ports (lb.md 0)."""
        settings = self.settings
        background = [] if settings.jpreg is None else [("registration export", self._export_registrations)]
        return Server(
            [
                Listener(settings.listen, settings.port, lambda: HttpProtocol(self._query_port)),
                Listener(settings.listen, settings.port + 1, lambda: StoreProtocol(self._store)),
                Listener(settings.listen, settings.ws_port, lambda: HttpProtocol(self._web_service)),
            ],
            self.credential, settings.ca_dir, workers=settings.workers, limits=settings.server_limits,
            background=background, reload=settings.credential, status=self._status(),
        )

    def _status(self) -> Status | None:
        status, check = self.settings.status, sql.check(self.settings.database)
        return status and replace(status, ready=check)

    # ---- one of each per process ------------------------------------------------------------------------------------

    @cached_property
    def _engine(self) -> Engine:
        return sql.engine(self.settings.database)

    @cached_property
    def _store(self) -> Store:
        settings = self.settings
        return Store(self._engine, self._admission, StoreOptions(
            settings.address, self.credential.dn, export=settings.jpreg is not None,
            exclusive_zombies=settings.exclusive_zombies,
        ))

    @cached_property
    def _web_service(self) -> SoapApplication:
        contract = soap.contract.load(CONTRACT)
        queries = Queries(self._engine, self._authority, self._admission.is_ours, self.settings.limits)
        return application(contract, LoggingAndBookkeeping(contract, queries), policy=WebServicePolicy(self._authority))

    @cached_property
    def _query_port(self) -> QueryPort:
        purge = Purge(self._engine, self.settings.purge, self._exports())
        return QueryPort(self._web_service, purge, self._authority, self._admission.is_ours)

    def _exports(self) -> Exports:
        settings = self.settings
        return Exports(
            None if settings.export is None else JobFiles(settings.export),
            None if settings.jpdump is None else Maildir(settings.jpdump),
            None if settings.jpreg is None else Maildir(settings.jpreg),
        )

    def _export_registrations(self, stop: threading.Event) -> None:
        assert self.settings.jpreg is not None
        jpreg.run(sql.engine(self.settings.database), Maildir(self.settings.jpreg), stop)
