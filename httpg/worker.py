"""One worker process: accepts, gives each connection a thread of its own, and ends without losing what is in flight."""

import errno
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from OpenSSL import SSL

from gsi.context import ServerContexts
from gsi.errors import VerificationError
from gsi.handshake import refusal, verified_chain
from gsi.peer import Peer
from httpg.connection import Connection
from httpg.limits import Limits
from httpg.signals import SignalPipe

log = logging.getLogger(__name__)

#: How often overdue connections are looked for, s.
_GUARD_PERIOD_S = 0.25
#: How long a worker that cannot accept (no descriptor, too many connections) leaves the others to do it, s.
_ACCEPT_PAUSE_S = 0.05

_SPEAKS_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS: use an https:// URL.\n"
)


class ConnectionHandler(Protocol):
    """A protocol: serves one connection from the end of the handshake to its end, in a thread of its own."""

    def __call__(self, connection: Connection, peer: Peer | None) -> None:
        """peer: None when the listener admits anonymous clients and this is one. The caller closes the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Port:
    """A bound socket with what is spoken on it."""

    sock: socket.socket
    contexts: ServerContexts
    protocol: Callable[[], ConnectionHandler]


class Worker:
    """The life of a worker process; run() returns when it has been stopped and has finished."""

    def __init__(self, ports: Sequence[Port], limits: Limits) -> None:
        self._ports = ports
        self._handlers = [port.protocol() for port in ports]
        self._limits = limits
        self._connections: set[Connection] = set()
        self._stopping = False

    def run(self, signals: SignalPipe) -> None:
        """Accept until SIGTERM or SIGINT, then finish what is in flight."""
        threading.Thread(target=self._guard, name="deadlines", daemon=True).start()
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            for port, handler in zip(self._ports, self._handlers, strict=True):
                selector.register(port.sock, selectors.EVENT_READ, (port, handler))
            while not self._stopping:
                for key, _ in selector.select():
                    if key.data is None:
                        self._stopping = bool(signals.arrived())
                    elif not self._accept(*key.data):
                        time.sleep(_ACCEPT_PAUSE_S)
        self._finish()

    def _accept(self, port: Port, handler: ConnectionHandler) -> bool:
        """Take one connection, if it is still there. Return: can more be taken at once?"""
        if len(self._connections) >= self._limits.max_connections:
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
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, port.contexts.current(), address[:2], self._is_stopping, self._limits.write_s)
        self._connections.add(connection)
        try:
            threading.Thread(target=self._serve, args=(connection, port, handler), daemon=True).start()
        except RuntimeError as error:  # no more threads
            log.error("no thread for a connection: %s", error)
            self._connections.discard(connection)
            connection.close()
            return False
        return True

    def _serve(self, connection: Connection, port: Port, handler: ConnectionHandler) -> None:
        try:
            known, peer = self._authenticate(connection, port)
            if known:
                handler(connection, peer)
        except (ConnectionError, TimeoutError) as error:
            log.debug("%s: %s", connection.peer_address[0], error)
        except Exception:  # noqa: BLE001  the one guard: a connection may fail, the worker goes on
            log.exception("%s: serving the connection failed", connection.peer_address[0])
        finally:
            connection.close()
            self._connections.discard(connection)

    def _authenticate(self, connection: Connection, port: Port) -> tuple[bool, Peer | None]:
        """Shake hands. Return: may the connection be served, and for whom?"""
        address = connection.peer_address[0]
        try:
            connection.idle = True  # nothing has been asked for yet: a server that stops need not wait
            connection.handshake(time.monotonic() + self._limits.handshake_s)
            connection.idle = False
            chain = verified_chain(connection.tls)
            return True, port.contexts.trust.peer(chain) if chain else None
        except SSL.Error as error:
            reasons = [str(entry[-1]) for entry in error.args[0]] if error.args else []
            if "http request" in reasons:
                connection.plain(_SPEAKS_TLS)
            log.info("%s: handshake refused: %s", address, refusal(connection.tls) or ", ".join(reasons) or "closed")
        except VerificationError as error:
            log.warning("%s: refused: %s", address, error)
        return False, None

    def _is_stopping(self) -> bool:
        return self._stopping

    def _guard(self) -> None:
        """The thread that makes deadlines come true."""
        while True:
            time.sleep(_GUARD_PERIOD_S)
            now = time.monotonic()
            for connection in tuple(self._connections):
                if connection.deadline < now:
                    connection.expire()

    def _finish(self) -> None:
        for port in self._ports:
            port.sock.close()
        end = time.monotonic() + self._limits.grace_s
        while self._connections and time.monotonic() < end:
            for connection in tuple(self._connections):
                connection.interrupt()
            time.sleep(0.02)
        if self._connections:
            log.warning("%d connections cut off after %g s", len(self._connections), self._limits.grace_s)
