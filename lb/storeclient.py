"""The sending side of the store protocol: one kept TLS connection to the store port of an LB server (lb.md 5.3)."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from gsi.context import client_ssl_context
from gsi.credential import Credential
from lb import storeproto
from lb.model.jobid import parse_server

#: Connect, send and wait for the answer: each at most this long, in seconds (lb.md 5.2, send).
TIMEOUT_S = 60.0
_READ = 65536


class StoreError(Exception):
    """No answer: the server cannot be reached or broke off. The event may have been stored or not: send it again."""


class StoreConnection:
    """Delivers event lines to the server of a job id, `host:port` (its store port is one higher, lb.md 0)."""

    def __init__(self, server: str, credential: Credential, ca_dir: Path, timeout_s: float = TIMEOUT_S) -> None:
        host, port = parse_server(server)
        self.address = (host.strip("[]"), port + 1)
        self._context = client_ssl_context(credential, ca_dir)
        self._timeout_s = timeout_s
        self._tls: ssl.SSLSocket | None = None
        self._decoder = storeproto.Decoder()

    def deliver(self, line: bytes) -> storeproto.Reply:
        """Send one event line and return the server's reply. Raises StoreError."""
        return self.deliver_all([line])[0]

    def deliver_all(self, lines: Sequence[bytes]) -> list[storeproto.Reply]:
        """Send event lines, all before the first reply is read, and return the replies in order. Raises StoreError.

        The replies wait in the buffers meanwhile, so let it be hundreds of lines, not thousands.
        """
        try:
            tls = self._tls or self._connect()
            tls.sendall(b"".join(map(storeproto.encode_event, lines)))
            return self._replies(tls, len(lines))
        except (OSError, ValueError, OverflowError) as error:  # also a host or port that cannot be one
            self.close()
            host, port = self.address
            raise StoreError(f"no answer from the store port {host}:{port}: {error}") from error

    def close(self) -> None:
        """Close the connection; the next delivery opens a new one."""
        if self._tls is not None:
            self._tls.close()
            self._tls = None

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self.address, self._timeout_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._tls = self._context.wrap_socket(plain, server_hostname=self.address[0])
        except OSError:
            plain.close()
            raise
        self._decoder = storeproto.Decoder()
        return self._tls

    def _replies(self, tls: ssl.SSLSocket, count: int) -> list[storeproto.Reply]:
        replies: list[storeproto.Reply] = []
        while len(replies) < count:
            received = tls.recv(_READ)
            if not received:
                raise ConnectionResetError("the server closed the connection")
            for body in self._decoder.feed(received):
                if isinstance(body, storeproto.Oversized):
                    raise storeproto.ProtocolError(f"a reply of {body.size} bytes")
                replies.append(storeproto.decode_reply(body))
        return replies
