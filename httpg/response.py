"""The answer to one request: status, header and body on the wire, chunked where the length is not known."""

import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from types import TracebackType

from httpg.body import RequestBody
from httpg.connection import Connection
from httpg.http1 import Request

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_LAST_CHUNK = b"0\r\n\r\n"


class Response:
    """One answer. start() is the application's start_response; send() takes what the application returned.

    request: None when the request could not even be read.
    """

    __slots__ = ("_bodiless", "_chunked", "_connection", "_head", "_http11", "_length", "keep_alive", "started",
                 "status")

    def __init__(self, connection: Connection, request: Request | None, *, keep_alive: bool) -> None:
        self._connection = connection
        self._http11 = request is None or request.version == "1.1"
        self._bodiless = request is not None and request.method == b"HEAD"
        self._head = ""
        self._length: int | None = None
        self._chunked = False
        self.keep_alive = keep_alive
        self.status = ""
        self.started = False

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None, /,
              ) -> Callable[[bytes], object]:
        """Note status and header (PEP 3333); they leave with the first bytes of the body."""
        if self.started and exc_info and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.status and not exc_info:
            raise AssertionError("start_response was called twice")
        self._length = None
        self.status = status
        lines = [f"HTTP/1.1 {status}\r\nDate: {_now()}\r\n"]
        for name, value in headers:
            lowered = name.lower()
            if lowered == "content-length":
                self._length = int(value)
            elif lowered == "connection":
                self.keep_alive = self.keep_alive and value.lower() != "close"
                continue
            lines.append(f"{name}: {value}\r\n")
        self._head = "".join(lines)
        if self._head.count("\n") != len(lines) + 1 or self._head.count("\r") != len(lines) + 1:
            raise ValueError("a header field with a line break in it")
        return self._write

    def send(self, answer: Iterable[bytes], *, may_follow: RequestBody | None = None) -> None:
        """Send the body, piece by piece as it comes.

        may_follow: the request's body; if it has not come completely when the header leaves, the connection is closed.
        """
        if isinstance(answer, list | tuple) and len(answer) <= 1 and not self.started and self.status:
            whole = answer[0] if answer else b""
            if self._length is None and not self._without_body():
                self._length = len(whole)
                self._head += f"Content-Length: {self._length}\r\n"
            self._begin(whole, may_follow)
        else:
            for piece in answer:
                if piece:
                    self._write(piece, may_follow)
            if not self.started:
                self._begin(b"", may_follow)
        if self._chunked:
            self._connection.sendall(_LAST_CHUNK)
        if self._length:
            raise ValueError("the application sent fewer bytes than its Content-Length says")

    def plain(self, status: str, text: str, retry_after_s: int = 0, *, keep_alive: bool = False) -> None:
        """Answer with one sentence, nothing when an answer is on its way already; close, unless `keep_alive`.

        retry_after_s: tell the client to come again then.
        """
        self.keep_alive = self.keep_alive and keep_alive and not self.started
        if self.started:
            return
        body = (text + "\n").encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        if retry_after_s:
            headers.append(("Retry-After", str(retry_after_s)))
        self.status = ""
        self.start(status, headers)
        self.send([body])

    def _write(self, piece: bytes, may_follow: RequestBody | None = None) -> None:
        if not self.status:
            raise AssertionError("the application returned a body before it called start_response")
        if not self.started:
            self._begin(piece, may_follow)
        else:
            self._connection.sendall(self._framed(piece))

    def _begin(self, piece: bytes, may_follow: RequestBody | None) -> None:
        """Send the header together with the first piece."""
        if not self.status:
            raise AssertionError("the application did not call start_response")
        if self._connection.stopping or (may_follow is not None and not may_follow.all_here):
            self.keep_alive = False
        if self._length is None and not self._without_body():
            if self._http11:
                self._chunked = True
                self._head += "Transfer-Encoding: chunked\r\n"
            else:
                self.keep_alive = False
        self._head += _connection_field(self.keep_alive, self._http11)
        self.started = True
        self._connection.sendall(self._head.encode("latin-1") + self._framed(piece))

    def _framed(self, piece: bytes) -> bytes:
        if self._without_body():
            self._length = None
            return b""
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        if self._length is not None:
            self._length -= len(piece)
            if self._length < 0:
                raise ValueError("the application sent more bytes than its Content-Length says")
        return piece

    def _without_body(self) -> bool:
        return self._bodiless or self.status.startswith(("204", "304", "1"))


def _connection_field(keep_alive: bool, http11: bool) -> str:
    if not keep_alive:
        return "Connection: close\r\n\r\n"
    return "\r\n" if http11 else "Connection: keep-alive\r\n\r\n"


_date: tuple[int, str] = (0, "")


def _now() -> str:
    """The time for the Date field, made once a second."""
    global _date
    second = int(time.time())
    known = _date
    if known[0] != second:
        known = _date = (second, formatdate(second, usegmt=True))
    return known[1]
