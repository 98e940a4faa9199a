"""One worker process: accepts, gives each connection a thread of its own, and ends without losing what is in flight."""

import dataclasses
import errno
import logging
import resource
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from OpenSSL import SSL

from gsi.cadirectory import Authorities
from gsi.context import ServerContexts
from gsi.errors import VerificationError
from gsi.handshake import refusal, verified_chain
from gsi.peer import Peer
from httpg.accounts import Accounts
from httpg.admission import Admission
from httpg.connection import Connection
from httpg.limits import Limits
from httpg.reports import Reporter
from httpg.signals import STOP_SIGNALS, SignalPipe

log = logging.getLogger(__name__)

#: How often overdue connections are looked for, s.
_GUARD_PERIOD_S = 0.25
#: How long a worker that cannot accept (no descriptor, too many connections) leaves the others to do it, s.
_ACCEPT_PAUSE_S = 0.05
#: How often it is logged at most that clients are refused, s.
_REFUSALS_LOG_S = 10.0
#: Descriptors that are left for the application: databases, files.
_OTHER_DESCRIPTORS = 256

_SPEAKS_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS: use an https:// URL.\n"
)


class ConnectionHandler(Protocol):
    """A protocol: serves one connection from the end of the handshake to its end, in a thread of its own."""

    def __call__(self, connection: Connection, peer: Peer | None) -> None:
        """peer: None when the listener admits anonymous clients and this is one. The caller closes the connection."""
        ...


@runtime_checkable
class Refusing(Protocol):
    """A protocol that has words for a client who has too many connections; others are closed without one."""

    def refuse(self, connection: Connection) -> None:
        """Tell the client; the caller closes the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Port:
    """A bound socket with what is spoken on it."""

    sock: socket.socket
    contexts: ServerContexts
    protocol: Callable[[], ConnectionHandler]
    anonymous: bool = False


class Worker:
    """The life of a worker process; run() returns when it has been stopped and has finished."""

    def __init__(self, ports: Sequence[Port], limits: Limits, reporter: Reporter | None = None) -> None:
        """reporter: who is told what the worker counts; None: nothing is counted."""
        self._ports = ports
        self._handlers = [port.protocol() for port in ports]
        self._limits = within_descriptors(limits)
        self._admission = Admission(self._limits)
        self._accounts = Accounts(limits, counting=reporter is not None)
        self._reporter = reporter
        self._refusals = Rarely(_REFUSALS_LOG_S)
        self._crls: tuple[int, dict[str, float]] = (0, {})
        self._reloading = threading.Lock()
        self._stopping = False

    def run(self, signals: SignalPipe) -> None:
        """Accept until SIGTERM or SIGINT, then finish what is in flight. SIGHUP: take on what credentials are now.

        AUTHORITIES_SIGNAL: take on what CAs and CRLs are now.
        """
        pause = None if self._reporter is None else self._reporter.period_s
        threading.Thread(target=self._guard, name="deadlines", daemon=True).start()
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            for port, handler in zip(self._ports, self._handlers, strict=True):
                selector.register(port.sock, selectors.EVENT_READ, (port, handler))
            while not self._stopping:
                for key, _ in selector.select(pause):
                    if key.data is None:
                        self._notice(signals.arrived())
                    elif not self._accept(*key.data):
                        time.sleep(_ACCEPT_PAUSE_S)
                self._report()
        self._finish()

    def _notice(self, signals: set[int]) -> None:
        if signals & set(STOP_SIGNALS):
            self._stopping = True
        elif signals:
            everything = signal.SIGHUP in signals
            threading.Thread(target=self._reload, args=(everything,), name="reload", daemon=True).start()

    def _reload(self, everything: bool) -> None:
        """Read CAs and CRLs, and credentials if everything; those who are connected already notice nothing."""
        try:
            with self._reloading:
                for port in self._ports:
                    port.contexts.trust.authorities(look=True)
                    if everything:
                        port.contexts.reload()
                log.info("SIGHUP: %s read anew", "credentials, CAs and CRLs" if everything else "CAs and CRLs")
        except Exception:  # noqa: BLE001  the one guard: the worker goes on with what it has
            log.exception("SIGHUP: not all could be read anew")

    def _report(self) -> None:
        if self._reporter is not None and self._reporter.due():
            self._reporter.send(self._accounts, {
                "connections": (connections := len(self._admission.connections())),
                "full": connections >= self._limits.max_connections,
                "handshakes": self._admission.handshakes,
                "in_work": self._accounts.in_work,
                "not_after": min(port.contexts.credential.not_after.timestamp() for port in self._ports),
                **self._revocations(),
            })

    def _revocations(self) -> dict[str, float]:
        """The times of the CRLs that are in use."""
        now = self._ports[0].contexts.trust.authorities()
        if now.version != self._crls[0]:
            self._crls = now.version, _revocation_times(now)
        return self._crls[1]

    def _accept(self, port: Port, handler: ConnectionHandler) -> bool:
        """Take one connection, if it is still there. Return: can more be taken at once?"""
        if self._admission.full():
            return False
        try:
            sock, address = port.sock.accept()
        except BlockingIOError:
            return True  # another worker was quicker
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                log.error("no connection can be accepted: %s", error.strerror)
                return False
            return True  # the client has gone again
        if reason := self._admission.refusal(address[0]):
            sock.close()
            self._refused(reason, address[0], f"too many connections ({reason})")
            return True
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = port.contexts.current()
        connection = Connection(sock, context, address[:2], self._is_stopping, self._limits, self._accounts)
        self._admission.add(connection)
        try:
            threading.Thread(target=self._serve, args=(connection, port, handler), daemon=True).start()
        except RuntimeError as error:  # no more threads
            log.error("no thread for a connection: %s", error)
            connection.abort()
            self._admission.remove(connection)
            return False
        self._accounts.event("accepted")
        return True

    def _serve(self, connection: Connection, port: Port, handler: ConnectionHandler) -> None:
        try:
            known, peer = self._authenticate(connection, port)
            if known and self._admission.identify(connection, peer):
                handler(connection, peer)
            elif known:
                self._refused("name", connection.peer_address[0], f"too many connections of {peer and peer.dn}")
                if isinstance(handler, Refusing):
                    handler.refuse(connection)
        except (ConnectionError, TimeoutError) as error:
            log.debug("%s: %s", connection.peer_address[0], error)
        except Exception:  # noqa: BLE001  the one guard: a connection may fail, the worker goes on
            log.exception("%s: serving the connection failed", connection.peer_address[0])
        finally:
            connection.close()
            self._admission.remove(connection)

    def _authenticate(self, connection: Connection, port: Port) -> tuple[bool, Peer | None]:
        """Shake hands. Return: may the connection be served, and for whom?"""
        address = connection.peer_address[0]
        reason = "broken off"
        try:
            connection.idle = True  # nothing has been asked for yet: a server that stops need not wait
            connection.handshake(time.monotonic() + self._limits.handshake_s)
            connection.idle = False
            reason = "certificate"
            chain = verified_chain(connection.tls)
            if not chain and not port.anonymous:  # nobody by accident, as after a resumed session (stack.md 3)
                raise VerificationError(1, "no certificate")
            peer = port.contexts.trust.peer(chain) if chain else None
            reason = ""
            return True, peer
        except TimeoutError:
            reason = "too slow"
            raise
        except SSL.Error as error:
            reasons = [str(entry[-1]) for entry in error.args[0]] if error.args else []
            refused = refusal(connection.tls)
            reason = "certificate" if refused else "no TLS" if "http request" in reasons else "TLS"
            if reason == "no TLS":
                connection.plain(_SPEAKS_TLS)
            log.info("%s: handshake refused: %s", address, refused or ", ".join(reasons) or "closed")
        except VerificationError as error:
            log.warning("%s: refused: %s", address, error)
        finally:
            if reason:
                self._accounts.event("handshake failed", reason)
        return False, None

    def _refused(self, reason: str, address: str, text: str) -> None:
        self._accounts.event("refused", reason)
        if (others := self._refusals.now()) is not None:
            log.warning("%s: refused, %s; %d more since the last such line", address, text, others)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _guard(self) -> None:
        """The thread that makes deadlines come true."""
        while True:
            time.sleep(_GUARD_PERIOD_S)
            now = time.monotonic()
            for connection in self._admission.connections():
                if connection.deadline < now:
                    connection.expire()

    def _finish(self) -> None:
        for port in self._ports:
            port.sock.close()
        end = time.monotonic() + self._limits.grace_s
        while (left := self._admission.connections()) and time.monotonic() < end:
            for connection in left:
                connection.interrupt()
            self._report()
            time.sleep(0.02)
        if left:
            log.warning("%d connections cut off after %g s", len(left), self._limits.grace_s)


def _revocation_times(now: Authorities) -> dict[str, float]:
    """When the oldest CRL was issued, and when the first one expires, as Unix times; nothing without CRLs."""
    issued = [crl.last_update_utc.timestamp() for crl in now.revocations]
    until = [crl.next_update_utc.timestamp() for crl in now.revocations if crl.next_update_utc]
    return ({"crl_issued": min(issued)} if issued else {}) | ({"crl_not_after": min(until)} if until else {})


class Rarely:
    """Says when something that happens often may be told again. Thread-safe."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._lock = threading.Lock()
        self._told = -period_s
        self._untold = 0

    def now(self) -> int | None:
        """It has happened. Return: None, or how often it has happened untold when it may be told."""
        with self._lock:
            now = time.monotonic()
            if now < self._told + self._period_s:
                self._untold += 1
                return None
            untold, self._told, self._untold = self._untold, now, 0
            return untold


def within_descriptors(limits: Limits) -> Limits:
    """Limits that leave the application descriptors, of as many as this process can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.max_connections + _OTHER_DESCRIPTORS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    possible = max(soft - _OTHER_DESCRIPTORS, soft // 2)
    if possible >= limits.max_connections:
        return limits
    log.warning("only %d connections at a time: this process may have %d descriptors (ulimit -n)", possible, soft)
    return dataclasses.replace(limits, max_connections=possible)
