"""HTTP/1.1 for a WSGI application (PEP 3333) over connections of httpg.server."""

import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

import httptools

from gsi.peer import Peer
from httpg import accesslog
from httpg.body import RequestBody
from httpg.connection import RECORD, Connection
from httpg.http1 import Request, RequestError, RequestParser
from httpg.limits import Limits
from httpg.response import Response

#: The key of environ under which an application says what a request is: one of few names, as that of a SOAP operation.
OPERATION = "httpg.operation"

#: Names of header fields and what PEP 3333 calls them; filled as they are met, up to a limit.
_VARIABLES: dict[bytes, str] = {b"Content-Type": "CONTENT_TYPE", b"Content-Length": "CONTENT_LENGTH"}
_MAX_VARIABLES = 1000


class HttpProtocol:
    """Serves one application. Thread-safe: one object for all connections of a worker.

    environ has, beyond PEP 3333: `gsi.peer` (gsi.peer.Peer, None for an anonymous client), `wsgi.input_terminated`
    (True: read to the end, with or without CONTENT_LENGTH). An answer without Content-Length is sent chunked, each
    piece as it comes. What the application leaves in `httpg.operation` names the request in access log and metrics.
    """

    def __init__(self, app: WSGIApplication, limits: Limits | None = None) -> None:
        """limits: of requests, instead of those of the server."""
        self._app = app
        self._limits = limits

    def __call__(self, connection: Connection, peer: Peer | None) -> None:
        """Serve the requests of one connection until it ends."""
        Conversation(self._app, self._limits or connection.limits, connection, peer).run()

    def refuse(self, connection: Connection) -> None:
        """Tell a client who has too many connections to come again later (RFC 6585, 429)."""
        response = Response(connection, None, keep_alive=False)
        response.plain("429 Too Many Requests", "you have too many connections, close some or try again later",
                       connection.limits.retry_after_s)
        connection.close(linger=True)


class Conversation:
    """The requests of one connection."""

    __slots__ = ("_app", "_base", "_connection", "_limits", "_parser", "_who")

    def __init__(self, app: WSGIApplication, limits: Limits, connection: Connection, peer: Peer | None) -> None:
        self._app = app
        self._limits = limits
        self._connection = connection
        self._parser = RequestParser(limits)
        self._base = _base_environ(connection, peer)
        self._who = accesslog.caller(peer, connection.peer_address[0])

    def run(self) -> None:
        """Serve them, until the client is through or cannot be understood."""
        try:
            while request := self._next_request():
                if not self._is_still_known() or not self._exchange(request):
                    break
        except RequestError as error:
            self._refuse(error)

    def _is_still_known(self) -> bool:
        """Whether the caller's identity still holds; attributes that have ended since the last request are gone."""
        peer = self._base["gsi.peer"]
        if peer is None or (now := datetime.now(UTC)) < peer.ends:
            return True
        if (later := peer.at(now)) is None:
            return False
        self._base["gsi.peer"] = later
        return True

    def _refuse(self, error: RequestError) -> None:
        """What came is no request: there is nothing to be called, but somebody may want to know."""
        started = time.perf_counter()
        response = Response(self._connection, None, keep_alive=False)
        response.plain(error.status, error.reason)
        self._note(None, response, {}, started)
        self._connection.close(linger=True)

    def _next_request(self) -> Request | None:
        """Wait for a request header; None when the client (or this server) is through. Raises RequestError."""
        parser, connection = self._parser, self._connection
        header_deadline = 0.0
        while not parser.ready:
            if parser.error:
                raise parser.error
            now = time.monotonic()
            if not parser.begun:
                octets = connection.recv(RECORD, now + self._limits.idle_s, idle=True)
            else:
                header_deadline = header_deadline or now + self._limits.header_s
                octets = connection.recv(RECORD, header_deadline)
            if not octets:
                return None
            parser.feed(octets)
        return parser.ready.popleft()

    def _exchange(self, request: Request) -> bool:
        """Answer one request. Return: can another one follow on this connection?"""
        started = time.perf_counter()
        body = RequestBody(self._connection, self._parser, request, self._limits)
        response = Response(self._connection, request, keep_alive=request.keep_alive)
        environ: dict[str, Any] = {}
        try:
            if self._connection.accounts.enter():
                try:
                    self._answer(request, body, response, environ)
                finally:
                    self._connection.accounts.leave()
                    body.forget()
            else:
                self._decline(body, response)
        finally:
            self._note(request, response, environ, started)
        if response.keep_alive and body.all_here:
            return True
        self._connection.close(linger=not body.all_here)
        return False

    def _answer(self, request: Request, body: RequestBody, response: Response, environ: dict[str, Any]) -> None:
        try:
            body.check_length()
            _fill(environ, self._base, request, body)
            self._call(environ, body, response)
        except RequestError as error:
            response.plain(error.status, error.reason, error.retry_after_s)
        except (ConnectionError, TimeoutError):
            raise
        except BaseException:
            if not response.started:
                response.plain("500 Internal Server Error", "The server could not serve this request.")
            raise

    def _decline(self, body: RequestBody, response: Response) -> None:
        """Too much work already. The connection stays if it can: a new one would be more work than the answer."""
        self._connection.accounts.event("refused", "requests")
        response.plain("503 Service Unavailable", "the server has too much to do, try again later",
                       self._limits.retry_after_s, keep_alive=body.all_here)

    def _call(self, environ: dict[str, Any], body: RequestBody, response: Response) -> None:
        answer: Iterable[bytes] = self._app(environ, response.start)
        try:
            response.send(answer, may_follow=body)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    def _note(self, request: Request | None, response: Response, environ: dict[str, Any],
              started: float) -> None:
        """For access log and metrics. Bytes that came with this request's header count for it."""
        connection = self._connection
        log_it, accounts = accesslog.wanted(), connection.accounts
        if not log_it and not accounts.counting:
            return
        seconds = time.perf_counter() - started
        status = response.status[:3]
        received, sent = connection.received, connection.sent
        connection.received = connection.sent = 0
        operation: str = environ.get(OPERATION, "")
        if accounts.counting:
            kind = operation or (request.method.decode("latin-1") if request else "none")
            accounts.request(kind, status, seconds, received, sent)
        if log_it:
            what = operation or (_method_and_path(request) if request else "-")
            accesslog.write(self._who, what, status, seconds, received, sent)


def _base_environ(connection: Connection, peer: Peer | None) -> dict[str, Any]:
    host, port = connection.local_address
    return {
        "SCRIPT_NAME": "", "SERVER_NAME": host, "SERVER_PORT": str(port), "HTTPS": "on",
        "REMOTE_ADDR": connection.peer_address[0], "REMOTE_PORT": str(connection.peer_address[1]),
        "wsgi.version": (1, 0), "wsgi.url_scheme": "https", "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True, "gsi.peer": peer,
    }


def _fill(environ: dict[str, Any], base: dict[str, Any], request: Request, body: RequestBody) -> None:
    """Put in what PEP 3333 says. Raises RequestError."""
    path, query = _path_and_query(request.target)
    environ.update(base)
    environ["REQUEST_METHOD"] = request.method.decode("latin-1")
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = query
    environ["SERVER_PROTOCOL"] = "HTTP/" + request.version
    environ["wsgi.input"] = body
    for name, value in request.headers:
        variable = _VARIABLES.get(name) or _variable(name)
        text = value.decode("latin-1")
        environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    if request.chunked:
        environ.pop("CONTENT_LENGTH", None)


def _variable(name: bytes) -> str:
    upper = name.decode("latin-1").upper()
    variable = upper.replace("-", "_")
    if "_" in upper:
        variable = f"HTTP__{variable}"  # never the variable of the name with a dash: a proxy may have checked that one
    elif upper not in ("CONTENT-TYPE", "CONTENT-LENGTH"):
        variable = f"HTTP_{variable}"
    if len(_VARIABLES) < _MAX_VARIABLES:
        _VARIABLES[name] = variable
    return variable


def _path_and_query(target: bytes) -> tuple[str, str]:
    if not target.startswith(b"/") and target != b"*":
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            raise RequestError("400 Bad Request", "the request target is no URL") from None
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    path, _, query = target.partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")


def _method_and_path(request: Request) -> str:
    return f"{request.method.decode('latin-1')} {request.target.partition(b'?')[0].decode('latin-1')}"
