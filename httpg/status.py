"""Health and metrics of a daemon, over plain HTTP on a port of this machine (docs/operating.md).

    GET /healthz/live      200 while it runs, 503 when it should be started anew
    GET /healthz/ready     200 while it can serve, 503 when others should be asked; the body says why
    GET /healthz           both, as JSON; the status is that of ready
    GET /metrics           for Prometheus, in its text format

Nothing here names users, jobs or files: whoever has an account on this machine can read it.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

log = logging.getLogger(__name__)

#: Silence after which a client's connection is closed, s.
_TIMEOUT_S = 10.0
#: Clients at a time: a few monitors, whatever others do.
_MAX_CLIENTS = 16
#: How long the verdict of a service's own check is good for, s: asking often is no load.
_FRESH_S = 1.0
#: How long is waited for it, s: most monitors give up after 10.
_CHECK_S = 5.0


def _nothing() -> None:
    """The check of a service that has nothing to check."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where health and metrics are shown, and of what.

    port: 0 = any free one; service: name of the program; ready: the service's own check, for instance whether its
    database answers: raises when it cannot serve. It runs in a process and a thread of its own.
    """

    host: str
    port: int
    service: str
    ready: Callable[[], None] = _nothing

    def bind(self) -> socket.socket:
        """The listening socket. Raises OSError."""
        family, _, _, _, address = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(_MAX_CLIENTS)
        except OSError:
            sock.close()
            raise
        return sock


@dataclass(frozen=True, slots=True)
class Health:
    """dead: why the daemon should be started anew; unfit: why it cannot serve at present. Empty when all is well."""

    dead: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it can serve."""
        return not self.dead and not self.unfit

    def json(self) -> str:
        """What /healthz shows."""
        return json.dumps({"live": not self.dead, "ready": self.ready, "reasons": [*self.dead, *self.unfit]})


class Check:
    """A service's own check: one at a time, however many ask, and never waited for longer than a few seconds."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._ended = 0.0
        self._failure = ""

    def failure(self) -> str:
        """Why the service cannot serve, "" when it can. The log has the details, which are nobody else's business."""
        with self._lock:
            if self._running is None and (not self._ended or time.monotonic() > self._ended + _FRESH_S):
                self._running = threading.Thread(target=self._run, name="check", daemon=True)
                self._running.start()
            running = self._running
        if running is not None:
            running.join(_CHECK_S)
            if running.is_alive():
                return f"the service's own check takes longer than {_CHECK_S:g} s"
        return self._failure

    def _run(self) -> None:
        failure = ""
        try:
            self._check()
        except Exception as error:  # noqa: BLE001  whatever it is, the service is not ready
            failure = "the service's own check failed, the log says why"
            if not self._failure:
                log.error("not ready: %s", error)
        if self._failure and not failure:
            log.info("ready again")
        with self._lock:
            self._failure, self._ended, self._running = failure, time.monotonic(), None


class StatusServer:
    """Answers in threads of its own until the process ends."""

    def __init__(self, sock: socket.socket, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        """sock: from Status.bind."""
        self._http = _Http(sock, registry, health)
        self._thread = threading.Thread(target=self._http.serve_forever, name="status", daemon=True)

    def start(self) -> None:
        """Begin to answer. After all forks: threads do not survive one."""
        self._thread.start()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        super().__init__(sock.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.registry = registry
        self.health = health
        self._free = threading.BoundedSemaphore(_MAX_CLIENTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of the status port has gone", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    server_version = "glite"
    sys_version = ""
    timeout = _TIMEOUT_S  # for each read and write

    def do_GET(self) -> None:  # noqa: N802  (the library's name)
        pages: dict[str, Callable[[], tuple[bool, str, bytes]]] = {
            "/healthz": self._health, "/healthz/live": self._live, "/healthz/ready": self._ready,
            "/metrics": self._metrics,
        }
        page = pages.get(self.path.partition("?")[0])
        if page is None:
            self._send(404, "text/plain; charset=utf-8", f"There are {', '.join(pages)}.\n".encode())
        else:
            good, content_type, body = page()
            self._send(200 if good else 503, content_type, body)

    do_HEAD = do_GET  # noqa: N815  (the library's name)

    def _health(self) -> tuple[bool, str, bytes]:
        health = self.server.health()
        return health.ready, "application/json", health.json().encode() + b"\n"

    def _live(self) -> tuple[bool, str, bytes]:
        return _plain(self.server.health().dead)

    def _ready(self) -> tuple[bool, str, bytes]:
        health = self.server.health()
        return _plain((*health.dead, *health.unfit))

    def _metrics(self) -> tuple[bool, str, bytes]:
        return True, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.server.registry)

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def _plain(reasons: tuple[str, ...]) -> tuple[bool, str, bytes]:
    return not reasons, "text/plain; charset=utf-8", "".join(f"{reason}\n" for reason in reasons or ("ok",)).encode()
