"""The pre-forked server: binds, forks workers, keeps them alive, and takes them along when it ends.

    Server([Listener("", 8901, lambda: HttpProtocol(application()))], credential, ca_dir, workers=2).run()
"""

import logging
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gsi.context import ServerContexts
from gsi.credential import Credential
from gsi.errors import CredentialError, GsiError
from gsi.trust import Trust
from httpg import children, reports
from httpg.children import Child, StartUpError
from httpg.connection import Connection
from httpg.limits import Limits
from httpg.monitor import Monitor
from httpg.signals import AUTHORITIES_SIGNAL, STOP_SIGNALS, SignalPipe, stop_event
from httpg.status import Status
from httpg.worker import ConnectionHandler, Port, Worker

__all__ = ["Connection", "ConnectionHandler", "Limits", "Listener", "Server", "StartUpError", "Status"]

log = logging.getLogger(__name__)

_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listener:
    """A port and what is spoken on it.

    host: name or address, "" = all IPv4 addresses, "::" = all addresses; port: 0 = any free one (see Server.bind);
    protocol: called once in each worker after the fork, so that what it opens is the worker's own;
    anonymous: admit clients without a certificate.
    """

    host: str
    port: int
    protocol: Callable[[], ConnectionHandler]
    anonymous: bool = False


@dataclass(slots=True)
class Server:
    """See the module. workers: number of processes; background: (name, function) pairs, each function runs in a process
    of its own with an Event that is set when it has to end; it is started again when it returns or dies before that.
    reload: reads the credential anew for SIGHUP, None: it stays; status: health and metrics, None: nobody is told.
    """

    listeners: Sequence[Listener]
    credential: Credential
    ca_dir: Path
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    background: Sequence[tuple[str, Callable[[threading.Event], None]]] = ()
    reload: Callable[[], Credential] | None = None
    status: Status | None = None
    _sockets: list[socket.socket] = field(default_factory=list, init=False)
    _status_socket: socket.socket | None = field(default=None, init=False)
    _reports: tuple[socket.socket, socket.socket] | None = field(default=None, init=False)
    _reloads: Counter[str] = field(default_factory=Counter, init=False)

    def bind(self) -> list[int]:
        """Bind every listener now; return the port numbers. Raises OSError. run() does it otherwise."""
        if not self._sockets:
            self._sockets = [_bound(listener.host, listener.port) for listener in self.listeners]
            if self.status is not None:
                self._status_socket = self.status.bind()
        return [sock.getsockname()[1] for sock in self._sockets]

    @property
    def status_port(self) -> int | None:
        """The port of health and metrics once it is bound."""
        return None if self._status_socket is None else int(self._status_socket.getsockname()[1])

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then let what is in flight end, and return. Only in the main thread.

        SIGHUP: read credential, CAs and CRLs anew; no connection is dropped, and none refused.
        Raises OSError (a port is taken), gsi.errors.CredentialError, StartUpError (a protocol could not be made).
        """
        self.bind()
        ServerContexts(self.credential, Trust(self.ca_dir))  # what cannot be used is told before any worker starts
        if self._status_socket is not None:
            self._reports = reports.pair()
        processes = self._processes()
        with SignalPipe((*STOP_SIGNALS, signal.SIGHUP, AUTHORITIES_SIGNAL, signal.SIGCHLD)) as signals:
            try:
                self._supervise(processes, signals)
            finally:
                self._close_ports()
                children.stop(processes, signals, self.limits.grace_s + 5)

    def _processes(self) -> list[Child]:
        names = [f"worker {n + 1}" for n in range(self.workers)]
        found = [Child(name, partial(self._work, name), serves=True) for name in names]
        found += [Child(name, partial(self._in_background, function)) for name, function in self.background]
        if self.status is not None:
            found.insert(0, Child("monitor", partial(self._monitor, self.status, names)))
        return found

    def _supervise(self, processes: Sequence[Child], signals: SignalPipe) -> None:
        """Keep the children running until a signal to stop."""
        while True:
            pause = children.start_missing(processes, signals)
            if self._reports is not None:
                self._report(self._reports[1], processes)
                pause = min(pause or reports.PERIOD_S, reports.PERIOD_S)
            arrived = signals.wait(pause)
            if arrived & set(STOP_SIGNALS):
                return
            if signal.SIGHUP in arrived:
                self._read_anew(processes)
            children.reap(processes)

    def _report(self, sock: socket.socket, processes: Sequence[Child]) -> None:
        reports.send(sock, {
            "processes": {child.name: child.pid for child in processes if child.pid},
            "restarts": sum(child.restarts for child in processes), "reloads": self._reloads,
        })

    def _read_anew(self, processes: Sequence[Child]) -> None:
        """Take on the credential for workers that are started from now on, then tell those that run to do the same.

        When it cannot be used that is said here, once: the workers are not asked to find out the same.
        """
        news = AUTHORITIES_SIGNAL
        try:
            credential = self._read_credential()
            ServerContexts(credential, Trust(self.ca_dir))
        except (GsiError, OSError) as error:
            self._reloads["kept"] += 1
            log.error("SIGHUP: the new credential cannot be used, the old one stays: %s", error)
        else:
            news = signal.SIGHUP
            self._reloads["new"] += 1
            log.info("SIGHUP: the credential of %s is valid until %s", credential.dn, credential.not_after)
            if credential.dn != self.credential.dn:
                log.warning("it was that of %s before; what names this server by it has to be changed, and this "
                            "server to be restarted", self.credential.dn)
            self.credential = credential
        for child in processes:
            if child.pid:
                os.kill(child.pid, news if child.serves else signal.SIGHUP)

    def _read_credential(self) -> Credential:
        """The credential as it is now. Raises CredentialError, also when its time has passed or has not come."""
        if self.reload is None:
            return self.credential
        credential, now = self.reload(), datetime.now(UTC)
        if credential.not_after <= now:
            raise CredentialError(f"it expired at {credential.not_after}")
        if credential.certificate.not_valid_before_utc > now:
            raise CredentialError(f"it is valid from {credential.certificate.not_valid_before_utc} on only")
        return credential

    # ---- what the processes do --------------------------------------------------------------------------------------

    def _work(self, name: str) -> None:
        reporter = None
        if self._status_socket is not None and self._reports is not None:
            self._status_socket.close()
            reporter = reports.Reporter(self._reports[1], name)
        with SignalPipe((*STOP_SIGNALS, signal.SIGHUP, AUTHORITIES_SIGNAL)) as signals:
            try:
                worker = Worker(self._ports(), self.limits, reporter)
            except Exception as error:
                raise StartUpError("a protocol could not be made") from error
            worker.run(signals)

    def _ports(self) -> list[Port]:
        trust = Trust(self.ca_dir)
        return [
            Port(sock, ServerContexts(self.credential, trust, allow_anonymous=listener.anonymous,
                                      reload=self._read_credential), listener.protocol, listener.anonymous)
            for sock, listener in zip(self._sockets, self.listeners, strict=True)
        ]

    def _in_background(self, function: Callable[[threading.Event], None]) -> None:
        """Run a background function in the main thread."""
        self._close_ports()  # or the ports would look open after the workers have gone
        function(stop_event())

    def _monitor(self, status: Status, workers: Sequence[str]) -> None:
        for sock in self._sockets:
            sock.close()
        if self._status_socket is not None and self._reports is not None:
            Monitor(status, workers, self._status_socket, self._reports[0]).run(stop_event())

    def _close_ports(self) -> None:
        for sock in self._sockets:
            sock.close()
        if self._status_socket is not None:
            self._status_socket.close()


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
