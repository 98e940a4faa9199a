"""A client that sends exactly the bytes it is told to, over TLS."""

import socket
import ssl
from types import TracebackType
from typing import Self

import pki
from gsi.context import client_ssl_context
from gsi.credential import Credential

#: Generous: only a broken server lets a test wait that long.
PATIENCE_S = 60.0


class RawClient:
    """A TLS connection to a port on this machine, as the test user with a proxy unless told otherwise."""

    def __init__(self, port: int, credential: Credential | None = None) -> None:
        context = client_ssl_context(credential or pki.proxy(), pki.ca_dir())
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.tls: ssl.SSLSocket = context.wrap_socket(plain, server_hostname="localhost")
        self._rest = b""

    def send(self, octets: bytes) -> Self:
        self.tls.sendall(octets)
        return self

    def read_until(self, mark: bytes) -> bytes:
        """Return everything up to and including `mark`. Raises EOFError."""
        while mark not in self._rest:
            more = self._more()
            if not more:
                raise EOFError(self._rest)
        found, mark, self._rest = self._rest.partition(mark)
        return found + mark

    def read_exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            if not self._more():
                raise EOFError(self._rest)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def read_to_end(self) -> bytes:
        """Return what comes until the server closes."""
        while self._more():
            pass
        taken, self._rest = self._rest, b""
        return taken

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, header fields by lower-case name, body (decoded when chunked)."""
        status, *lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        code = int(status.split()[1])
        if head or code in (100, 204, 304):
            body = b""
        elif "content-length" in fields:
            body = self.read_exactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self.read_to_end()
        return code, fields, body

    def chunk(self) -> bytes:
        """Read one chunk, b"" for the last one."""
        size = int(self.read_until(b"\r\n"), 16)
        return self.read_exactly(size + 2)[:-2]

    def close(self) -> None:
        self.tls.close()

    def _more(self) -> bytes:
        try:
            piece = self.tls.recv(65536)
        except (ssl.SSLEOFError, ConnectionResetError):
            piece = b""
        self._rest += piece
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
