"""HTTP/1.1 for a WSGI application (PEP 3333) over connections of httpg.server."""

import logging
import sys
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

import httptools

from gsi.peer import Peer
from httpg.body import RequestBody
from httpg.connection import RECORD, Connection
from httpg.http1 import Request, RequestError, RequestParser
from httpg.limits import Limits
from httpg.response import Response

log = logging.getLogger(__name__)
#: One line for each request at level INFO: DN, method, path, status, milliseconds.
access_log = logging.getLogger("httpg.access")

#: Names of header fields and what PEP 3333 calls them; filled as they are met, up to a limit.
_VARIABLES: dict[bytes, str] = {b"Content-Type": "CONTENT_TYPE", b"Content-Length": "CONTENT_LENGTH"}
_MAX_VARIABLES = 1000


class HttpProtocol:
    """Serves one application. Thread-safe: one object for all connections of a worker.

    environ has, beyond PEP 3333: `gsi.peer` (gsi.peer.Peer, None for an anonymous client), `wsgi.input_terminated`
    (True: read to the end, with or without CONTENT_LENGTH). An answer without Content-Length is sent chunked, each
    piece as it comes.
    """

    def __init__(self, app: WSGIApplication, limits: Limits = Limits()) -> None:
        self._app = app
        self._limits = limits

    def __call__(self, connection: Connection, peer: Peer | None) -> None:
        """Serve the requests of one connection until it ends."""
        parser = RequestParser(self._limits)
        base = _base_environ(connection, peer)
        try:
            while request := self._next_request(connection, parser):
                if not self._exchange(connection, parser, request, base):
                    break
        except RequestError as error:
            response = Response(connection, None, keep_alive=False)
            response.plain(error.status, error.reason)
            connection.close(linger=True)

    def _next_request(self, connection: Connection, parser: RequestParser) -> Request | None:
        """Wait for a request header; None when the client (or this server) is through. Raises RequestError."""
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

    def _exchange(self, connection: Connection, parser: RequestParser, request: Request,
                  base: dict[str, Any]) -> bool:
        """Answer one request. Return: can another one follow on this connection?"""
        started = time.perf_counter()
        body = RequestBody(connection, parser, request, self._limits)
        response = Response(connection, request, keep_alive=request.keep_alive)
        try:
            body.check_length()
            self._call(request, body, response, base)
        except RequestError as error:
            response.plain(error.status, error.reason)
        except (ConnectionError, TimeoutError):
            raise
        except BaseException:
            if not response.started:
                response.plain("500 Internal Server Error", "The server could not serve this request.")
            raise
        finally:
            if access_log.isEnabledFor(logging.INFO):
                _log_access(base["gsi.peer"], request, response, started)
        if response.keep_alive and body.all_here:
            return True
        connection.close(linger=not body.all_here)
        return False

    def _call(self, request: Request, body: RequestBody, response: Response, base: dict[str, Any]) -> None:
        answer: Iterable[bytes] = self._app(_environ(request, body, base), response.start)
        try:
            response.send(answer, may_follow=body)
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()


def _base_environ(connection: Connection, peer: Peer | None) -> dict[str, Any]:
    host, port = connection.local_address
    return {
        "SCRIPT_NAME": "", "SERVER_NAME": host, "SERVER_PORT": str(port), "HTTPS": "on",
        "REMOTE_ADDR": connection.peer_address[0], "REMOTE_PORT": str(connection.peer_address[1]),
        "wsgi.version": (1, 0), "wsgi.url_scheme": "https", "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True, "gsi.peer": peer,
    }


def _environ(request: Request, body: RequestBody, base: dict[str, Any]) -> dict[str, Any]:
    path, query = _path_and_query(request.target)
    environ = base.copy()
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
    return environ


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


def _log_access(peer: Peer | None, request: Request, response: Response, started: float) -> None:
    path = request.target.partition(b"?")[0].decode("latin-1")
    access_log.info(
        '"%s" %s %s %s %.1f', peer.dn if peer else "-", request.method.decode("latin-1"), path,
        response.status.partition(" ")[0] or "-", (time.perf_counter() - started) * 1000,
    )


