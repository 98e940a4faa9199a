"""One accepted connection: TLS over a blocking socket, with deadlines that hold against the slowest client.

Reads and writes block inside OpenSSL, where one byte a second would keep them forever. So a deadline is only noted
here, and a guard thread (httpg.worker) shuts the socket of an overdue connection down, which wakes the blocked call.
The fast path costs no system call for it.
"""

import select
import socket
import threading
import time
from collections.abc import Callable
from math import inf

from OpenSSL import SSL

from httpg import gsiflag
from httpg.accounts import Accounts
from httpg.limits import Limits

#: Most that one read returns: a TLS record.
RECORD = 16 * 1024
#: Most that is written under one deadline.
_PIECE = 64 * 1024
#: How long a connection that is closed with unread input is drained: a reset would destroy the answer on its way.
_LINGER_S = 5.0


class Connection:
    """What a ConnectionHandler works with. One thread at a time.

    peer_address: (host, port) of the other end; tls: the pyOpenSSL connection; limits, accounts: of its worker;
    received, sent: bytes inside TLS, until somebody sets them to 0; idle: it waits for something new to begin, since
    `idle_since`.
    """

    __slots__ = ("_begun", "_lock", "_socket", "_stopping", "accounts", "deadline", "expired", "idle", "idle_since",
                 "limits", "peer_address", "received", "sent", "tls")

    def __init__(self, sock: socket.socket, context: SSL.Context, peer_address: tuple[str, int],
                 stopping: Callable[[], bool], limits: Limits, accounts: Accounts) -> None:
        self._socket = sock
        self._stopping = stopping
        self._begun = False
        self._lock = threading.Lock()
        self.tls = SSL.Connection(context, sock)
        self.tls.set_accept_state()
        self.peer_address = peer_address
        self.limits = limits
        self.accounts = accounts
        self.received = 0
        self.sent = 0
        self.deadline = inf
        self.expired = False
        self.idle = False
        self.idle_since = 0.0

    @property
    def stopping(self) -> bool:
        """Whether the server wants to end: finish this exchange and begin no other."""
        return self._stopping()

    @property
    def local_address(self) -> tuple[str, int]:
        """(host, port) of this end."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def handshake(self, deadline: float) -> None:
        """Do the TLS handshake. Raises SSL.Error, ConnectionError, TimeoutError."""
        self.deadline = deadline
        try:
            while True:
                try:
                    return self.tls.do_handshake()
                except (SSL.WantReadError, SSL.WantWriteError):
                    continue  # a signal came in between
        except SSL.SysCallError as error:
            raise self._lost(error) from error
        except SSL.Error:
            if self.expired:
                raise TimeoutError("no handshake in time") from None
            raise
        finally:
            self.deadline = inf

    def recv(self, size: int, deadline: float, *, idle: bool = False) -> bytes:
        """Return 1 to `size` bytes (a record at most), or b"" when the other end has closed.

        deadline: on the clock of time.monotonic(), after which TimeoutError is raised; idle: nothing has begun, so a
        server that stops may answer b"" here; a protocol whose clients never pause has to look at `stopping` as well.
        Raises ConnectionError, TimeoutError.
        """
        self.deadline = deadline
        if idle:
            self.idle_since = time.monotonic()
            self.idle = True
            if self._stopping() and not self._input_waits():  # what was sent before the end is still served
                return b""
        try:
            octets = self._recv_some(size)
            if not self._begun and self._is_gsi_flag(octets):
                octets = self._recv_some(size)
            return octets
        except SSL.ZeroReturnError as error:
            if self.expired:
                raise self._lost(error) from error
            return b""
        except SSL.Error as error:
            if idle and self._stopping():
                return b""
            raise self._lost(error) from error
        finally:
            self.deadline = inf
            self.idle = False

    def _recv_some(self, size: int) -> bytes:
        while True:
            try:
                octets: bytes = self.tls.recv(size)
            except SSL.WantReadError:
                continue  # a signal came in between
            self.received += len(octets)
            return octets

    def _is_gsi_flag(self, octets: bytes) -> bool:
        """Look at the first record of the connection, and do what a GSI client wants before its first message."""
        self._begun = True
        deadline = self.deadline

        def send(request: bytes) -> None:
            self.sendall(request)
            self.deadline = deadline

        if octets == gsiflag.DELEGATION:
            gsiflag.take_delegation(send, lambda: self._recv_some(RECORD))
        return octets in (gsiflag.NOTHING, gsiflag.DELEGATION)

    def recv_exactly(self, size: int, deadline: float) -> bytes:
        """Return exactly `size` bytes. Raises ConnectionError when the other end closes before, TimeoutError."""
        pieces = bytearray()
        while len(pieces) < size:
            piece = self.recv(min(size - len(pieces), RECORD), deadline)
            if not piece:
                raise ConnectionError("closed in the middle of a message")
            pieces += piece
        return bytes(pieces)

    def sendall(self, octets: bytes | bytearray | memoryview) -> None:
        """Send all; each piece of 64 KiB has its own deadline. Raises ConnectionError, TimeoutError."""
        if len(octets) <= _PIECE:
            if octets:
                self._send(octets)
            return
        view = memoryview(octets)
        for start in range(0, len(view), _PIECE):
            self._send(view[start:start + _PIECE])

    def _send(self, octets: bytes | bytearray | memoryview) -> None:
        self.deadline = time.monotonic() + self.limits.write_s
        try:
            sent = self._send_some(octets)
            while sent < len(octets):
                sent += self._send_some(memoryview(octets)[sent:])
        except SSL.Error as error:
            raise self._lost(error) from error
        finally:
            self.deadline = inf
        self.sent += sent

    def _send_some(self, octets: bytes | bytearray | memoryview) -> int:
        while True:
            try:
                return self.tls.send(octets)
            except SSL.WantWriteError:
                continue  # a signal came in between

    def expire(self) -> None:
        """Called by the guard: wake the thread that waits beyond its deadline."""
        self.expired = True
        self._shutdown(socket.SHUT_RDWR)

    def interrupt(self) -> None:
        """Called when the connection had better end: wake the thread if it waits for a new exchange.

        What has come is still read.
        """
        if self.idle:
            self._shutdown(socket.SHUT_RD)

    def plain(self, octets: bytes) -> None:
        """Send bytes without TLS, to a client that speaks none, as the last ones; trouble is of no interest."""
        self.deadline = time.monotonic() + _LINGER_S
        try:
            self._socket.sendall(octets)
            self._drain()
        except OSError:
            return

    def close(self, *, linger: bool = False) -> None:
        """Close; linger: input is unread, so let the other end read the answer before the connection is reset.

        A second call does nothing.
        """
        if self._socket.fileno() < 0:
            return
        self.deadline = time.monotonic() + _LINGER_S
        try:
            self.tls.shutdown()
            if linger:
                self._drain()
        except (SSL.Error, OSError):
            pass  # the other end has gone already: nothing is left to be said to it
        finally:
            self.deadline = inf
            with self._lock:  # not while the guard shuts down: the descriptor may be another's by then
                self._socket.close()

    def abort(self) -> None:
        """Close without a word, without waiting."""
        with self._lock:
            self._socket.close()

    def _input_waits(self) -> bool:
        return self.tls.pending() > 0 or readable(self._socket)

    def _drain(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)
        while self._socket.recv(64 * 1024):
            pass

    def _shutdown(self, how: int) -> None:
        with self._lock:
            try:
                self._socket.shutdown(how)
            except OSError:
                return  # gone already

    def _lost(self, error: SSL.Error) -> ConnectionError | TimeoutError:
        if self.expired:
            return TimeoutError("the other end was too slow")
        return ConnectionError(f"connection lost: {error.args[-1] if error.args else 'closed without notice'}")


def readable(sock: socket.socket) -> bool:
    """Whether something has come, or the end. poll: select() knows the first 1024 descriptors only."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(0))
