"""One connection for glite-ping, opened step by step so that each can be told: TCP, TLS, one request.

The TLS connection refuses nothing by itself: whether the server's chain and name are good is decided by the caller,
who sends no request before that.
"""

import errno
import ipaddress
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import h11
from cryptography import x509
from OpenSSL import SSL

from gsi.certificates import UNREADABLE
from gsi.credential import Credential

#: Largest answer that is read, bytes.
MAX_ANSWER = 1024 * 1024
_PIECE = 16 * 1024
_TOO_LATE = "no answer in time"
_LOST = (-1, errno.EPIPE, errno.ECONNRESET)

T = TypeVar("T")


class TlsRefused(Exception):
    """The handshake failed, or the server closed the connection without an answer. alert: its word for it, if any."""

    def __init__(self, text: str, alert: str | None = None) -> None:
        super().__init__(text)
        self.alert = alert


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. status: its number; content_type: as sent."""

    status: int
    content_type: str
    body: bytes


class Probe:
    """A connection; everything has to be done `timeout` seconds after it was made."""

    def __init__(self, host: str, address: tuple[str, int], timeout: float) -> None:
        """Connect. Raises OSError."""
        self._host = host
        self._end = time.monotonic() + timeout
        self._socket = socket.create_connection(address, timeout)
        self._socket.setblocking(False)
        self._tls: SSL.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._socket.close()

    @property
    def tls(self) -> SSL.Connection:
        """The TLS connection, after the handshake was begun."""
        assert self._tls is not None
        return self._tls

    def shake_hands(self, credential: Credential | None, newest: int = SSL.TLS1_3_VERSION) -> None:
        """Do the handshake as a client with this credential. Raises TlsRefused, OSError, SSL.Error (our credential)."""
        connection = SSL.Connection(_context(credential, newest), self._socket)
        if not _is_address(self._host):
            connection.set_tlsext_host_name(self._host.encode("idna"))
        connection.set_connect_state()
        self._tls = connection
        try:
            self._complete(connection.do_handshake)
        except SSL.Error as error:
            raise _refused(error, "the handshake failed") from error

    def server_chain(self) -> list[x509.Certificate]:
        """What the server showed, its own certificate first; verified by nobody yet. Raises TlsRefused: unreadable."""
        try:
            return list(self.tls.get_peer_cert_chain(as_cryptography=True) or ())
        except UNREADABLE as error:
            raise TlsRefused(f"a certificate of the server cannot be read: {error}") from error

    def get(self, path: str) -> Answer:
        """Send one GET and read the answer. Raises TlsRefused, OSError, h11.RemoteProtocolError (not HTTP)."""
        machine = h11.Connection(h11.CLIENT)
        headers = [("Host", self._host), ("User-Agent", "glite-ping"), ("Accept", "application/json"),
                   ("Connection", "close")]
        request = machine.send(h11.Request(method="GET", target=path, headers=headers)) or b""
        request += machine.send(h11.EndOfMessage()) or b""
        try:
            self._send(request)
            return self._read(machine)
        except SSL.Error as error:
            raise _refused(error, "the server closed the connection without an answer") from error

    def _send(self, octets: bytes) -> None:
        try:
            while octets:
                octets = octets[self._complete(partial(self.tls.send, octets)):]
        except SSL.SysCallError:
            return  # it has closed; what it said before can still be read

    def _read(self, machine: h11.Connection) -> Answer:
        status, content_type, body, begun = 0, "", bytearray(), False
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                octets = self._receive()
                if not octets and not begun:
                    raise TlsRefused("the server closed the connection without an answer")
                begun = True
                machine.receive_data(octets)
            elif isinstance(event, h11.Response):
                status = event.status_code
                content_type = next((v.decode("latin-1") for n, v in event.headers if n == b"content-type"), "")
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER:
                    raise OSError(errno.EMSGSIZE, f"the answer has more than {MAX_ANSWER} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return Answer(status, content_type, bytes(body))

    def _receive(self) -> bytes:
        try:
            return self._complete(lambda: self.tls.recv(_PIECE))
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            if error.args[0] in _LOST:
                return b""
            raise

    def _complete(self, step: Callable[[], T]) -> T:
        """Do a step of TLS, waiting for the network as long as it takes. Raises TimeoutError."""
        while time.monotonic() < self._end:  # a server that never pauses is not waited for either
            try:
                return step()
            except SSL.WantReadError:
                self._wait(read=True)
            except SSL.WantWriteError:
                self._wait(read=False)
        raise TimeoutError(errno.ETIMEDOUT, _TOO_LATE)

    def _wait(self, *, read: bool) -> None:
        left = self._end - time.monotonic()
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN if read else select.POLLOUT)
        if left <= 0 or not waiting.poll(left * 1000):
            raise TimeoutError(errno.ETIMEDOUT, _TOO_LATE)


def _context(credential: Credential | None, newest: int) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(newest)
    context.set_options(SSL.OP_IGNORE_UNEXPECTED_EOF)
    context.set_cipher_list(b"DEFAULT@SECLEVEL=0")  # a weak key of ours is for the server to refuse, and for us to tell
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    if credential is not None:
        context.use_certificate(credential.certificate)
        for issuer in credential.chain:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(credential.key)
    return context


def _refused(error: SSL.Error, text: str) -> TlsRefused:
    found = error.args[0] if error.args else None
    reasons: Sequence[str] = [str(entry[-1]) for entry in found] if isinstance(found, list) else []
    alert = next((reason.rpartition("alert ")[2] for reason in reasons if "alert " in reason), None)
    if alert is not None:
        return TlsRefused(f"the server refused with the alert: {alert}", alert)
    return TlsRefused(f"{text}: {', '.join(reasons)}" if reasons else text)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
