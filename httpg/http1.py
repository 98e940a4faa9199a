"""The grammar of HTTP/1.1 requests: bytes in, requests out; no sockets. llhttp (through httptools) knows the grammar.

A parser keeps reading when one delivery holds several requests (pipelining): they queue up in `ready`. An error is kept
until everything before it has been taken: what was asked for properly gets its answer.
"""

from collections import deque

import httptools

from httpg.limits import Limits


class RequestError(Exception):
    """The client's request cannot be served; status: an HTTP status line such as `400 Bad Request`.

    retry_after_s: when the client may come again, 0: not at all with this request.
    """

    def __init__(self, status: str, reason: str, retry_after_s: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


class Request:
    """One request; its body arrives later. All texts are bytes as they came.

    headers: (name, value) pairs in order; length: Content-Length, None when chunked or absent;
    body: pieces that have come and were not taken yet; complete: no more pieces will come.
    """

    __slots__ = ("body", "chunked", "complete", "expects_continue", "headers", "keep_alive", "length", "method",
                 "target", "version")

    def __init__(self) -> None:
        self.method = b""
        self.target = b""
        self.version = "1.1"
        self.headers: list[tuple[bytes, bytes]] = []
        self.keep_alive = False
        self.length: int | None = None
        self.chunked = False
        self.expects_continue = False
        self.body: deque[bytes] = deque()
        self.complete = False


class RequestParser:
    """One for each connection. Feed it; take requests from `ready`, oldest first."""

    __slots__ = ("_current", "_header_size", "_in_header", "_limits", "_parser", "_quiet", "error", "ready")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._current = Request()
        self._in_header = False
        self._header_size = 0
        self._quiet = 0
        self.ready: deque[Request] = deque()
        self.error: RequestError | None = None

    def feed(self, octets: bytes) -> None:
        """Take more bytes of the connection. What is wrong with them is kept in `error`."""
        self._quiet += len(octets)
        try:
            self._parser.feed_data(octets)
        except httptools.HttpParserUpgrade:
            self.ready.pop()  # its body, if any, was not looked at: it cannot be served without the upgrade either
            self._fail("501 Not Implemented", "no upgrade to another protocol is possible")
        except httptools.HttpParserCallbackError as error:
            if self.error is None:
                raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            self._fail("400 Bad Request", f"not a proper HTTP request: {error}")
        if self._quiet > self._limits.max_header and self.error is None:
            # Neither the end of a header nor a byte of a body: a header, trailer or chunk extension without end.
            self._fail("431 Request Header Fields Too Large", "the header is too large")

    @property
    def begun(self) -> bool:
        """Whether part of a request header has come."""
        return self._in_header

    def _fail(self, status: str, reason: str) -> None:
        self.error = self.error or RequestError(status, reason)

    # Called by httptools

    def on_message_begin(self) -> None:
        self._current = Request()
        self._in_header = True

    def on_url(self, part: bytes) -> None:
        self._current.target += part
        self._header_size = len(self._current.target)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_header:
            return  # a trailer: nothing that we could believe
        headers = self._current.headers
        headers.append((name, value))
        self._header_size += len(name) + len(value)
        if len(headers) > self._limits.max_header_fields or self._header_size > self._limits.max_header:
            self._refuse("431 Request Header Fields Too Large", "the header is too large or has too many fields")
        lower = name.lower()
        if lower == b"content-length":
            self._current.length = int(value)
        elif lower == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                self._refuse("501 Not Implemented", "no other transfer encoding than chunked is known")
            self._current.chunked = True
        elif lower == b"expect":
            if value.strip().lower() != b"100-continue":
                self._refuse("417 Expectation Failed", "no other expectation than 100-continue is known")
            self._current.expects_continue = True

    def on_headers_complete(self) -> None:
        request, parser = self._current, self._parser
        self._in_header = False
        self._quiet = 0
        request.method = parser.get_method()
        request.version = parser.get_http_version()
        if request.version not in ("1.1", "1.0"):
            self._refuse("505 HTTP Version Not Supported", "HTTP/1.1 and 1.0 are spoken here")
        request.keep_alive = parser.should_keep_alive()
        self.ready.append(request)

    def on_body(self, part: bytes) -> None:
        self._quiet = 0
        self._current.body.append(part)

    def on_message_complete(self) -> None:
        self._current.complete = True
        self._quiet = 0

    def _refuse(self, status: str, reason: str) -> None:
        self._fail(status, reason)
        raise ValueError(reason)  # stops the parser
