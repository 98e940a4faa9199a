"""The body of a request as `wsgi.input`: taken from the connection only when the application reads."""

import time
from collections.abc import Iterator

from httpg.connection import RECORD, Connection
from httpg.http1 import Request, RequestError, RequestParser
from httpg.limits import Limits

#: Bodies are counted (Limits.max_bodies) from this size on, bytes: most requests of SOAP are smaller.
_LARGE = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBody:
    """A binary stream.

    Reading raises RequestError (the body is too large, broken off or ill-formed; an application lets it pass, and the
    server answers with its status), ConnectionError, TimeoutError.
    """

    __slots__ = ("_buffer", "_connection", "_held", "_limit", "_limits", "_parser", "_received", "_request",
                 "_started", "_streamed")

    def __init__(self, connection: Connection, parser: RequestParser, request: Request, limits: Limits) -> None:
        self._connection = connection
        self._parser = parser
        self._request = request
        self._limits = limits
        self._streamed = request.method == b"PUT"
        self._limit = limits.max_put_body if self._streamed else limits.max_body
        self._held = 0
        self._buffer = b""
        self._received = 0
        self._started = 0.0

    def check_length(self) -> None:
        """Refuse a body that says itself that it is too large. Raises RequestError."""
        if self._limit is not None and (self._request.length or 0) > self._limit:
            raise self._too_large()

    def forget(self) -> None:
        """The request has been answered: what came of the body is not in memory any more."""
        if self._held:
            self._connection.accounts.drop(self._held)
            self._held = 0

    @property
    def all_here(self) -> bool:
        """Whether the last byte of the body has come from the connection."""
        return self._request.complete

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes, fewer only at the end; all that is left without `size`."""
        if size is None or size < 0:
            return self._joined(None)
        if not self._buffer:
            self._buffer = self._next()
        if len(self._buffer) < size:
            self._buffer = self._joined(size)
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return one line with its LF, at most `size` bytes of it."""
        limit = -1 if size is None else size
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and not 0 <= limit <= len(self._buffer):
            searched = len(self._buffer)
            piece = self._next()
            if not piece:
                break
            self._buffer += piece
        end = len(self._buffer) if end < 0 else end + 1
        if limit >= 0:
            end = min(end, limit)
        taken, self._buffer = self._buffer[:end], self._buffer[end:]
        return taken

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Return the lines that are left, or as many as reach `hint` bytes together."""
        lines: list[bytes] = []
        total = 0
        while line := self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _joined(self, size: int | None) -> bytes:
        """What is in the buffer, and further pieces until there are `size` bytes or the end comes; None: the end.

        Never a list of pieces: in chunks of two bytes they would take thirty times the memory that is accounted for.
        """
        joined, self._buffer = bytearray(self._buffer), b""
        while (size is None or len(joined) < size) and (piece := self._next()):
            joined += piece
        return bytes(joined)

    def _next(self) -> bytes:
        """The next piece of the body as the parser gives it, b"" at the end."""
        request = self._request
        while not request.body:
            if request.complete:
                return b""
            self._receive()
        piece = request.body.popleft()
        self._received += len(piece)
        if self._limit is not None and self._received > self._limit:
            raise self._too_large()
        if self._received > _LARGE and not self._streamed:
            self._hold(len(piece))
        return piece

    def _hold(self, size: int) -> None:
        if not self._connection.accounts.hold(size):
            self._connection.accounts.event("refused", "bodies")
            raise RequestError("503 Service Unavailable", "too many large requests at a time, try again later",
                               self._limits.retry_after_s)
        self._held += size

    def _receive(self) -> None:
        if self._parser.error:
            raise self._parser.error
        if not self._started:
            self._started = time.monotonic()
            if self._request.expects_continue:
                self._connection.sendall(_CONTINUE)
        deadline = self._started + self._limits.body_s + self._received / self._limits.min_body_rate
        octets = self._connection.recv(RECORD, deadline)
        if not octets:
            raise RequestError("400 Bad Request", "the body ended before its end")
        self._parser.feed(octets)

    def _too_large(self) -> RequestError:
        return RequestError("413 Content Too Large", f"the body is larger than {self._limit} bytes")
