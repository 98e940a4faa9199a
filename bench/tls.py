"""How fast the TLS server is with an application that does nothing, and what idle and slow clients take from others.

    python -m bench.tls [seconds for each measurement]

Clients present an RFC 3820 proxy, all keys are RSA-2048. Every client is a process of its own on the same machine and
takes its share of the processors.
"""

import contextlib
import itertools
import logging
import multiprocessing
import os
import resource
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from gsi.context import client_ssl_context
from gsi.credential import Credential
from gsi.proxy import create_proxy
from httpg import daemon
from httpg.limits import Limits
from httpg.server import Listener, Server, Status
from httpg.wsgi import HttpProtocol
from testbed import ca

CLIENTS = 4
#: Connections on which nothing happens, and such on which a byte comes every second.
IDLE, SLOW = 1000, 50
_REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 300\r\n\r\n" + b"x" * 300
_ANSWER = b"y" * 300


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the request, answer 300 bytes."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/xml")])
    return [_ANSWER]


class Serving:
    """A server in a process of its own, with one worker or more.

    watched: with metrics and access log, as services run.
    """

    def __init__(self, host: Credential, ca_dir: Path, workers: int, *, watched: bool = False) -> None:
        listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application))
        status = Status("127.0.0.1", 0, "bench") if watched else None
        limits = Limits(max_dn_connections=IDLE + SLOW + 100, max_address_connections=IDLE + SLOW + 100)
        server = Server([listener], host, ca_dir, workers=workers, status=status, limits=limits)
        self.port = server.bind()[0]
        self._pid = os.fork()
        if not self._pid:
            try:
                if watched:
                    _log_to("/dev/null")
                server.run()
            finally:
                os._exit(0)
        for sock in server._sockets:
            sock.close()

    def memory(self) -> float:
        """What supervisor and workers take together, each shared page once, in MB."""
        server = psutil.Process(self._pid)
        return sum(each.memory_full_info().pss for each in (server, *server.children())) / 1e6

    def stop(self) -> float:
        """Stop it; return the seconds of processor time that it took with its workers."""
        os.kill(self._pid, signal.SIGTERM)
        used = os.wait4(self._pid, 0)[2]
        return used.ru_utime + used.ru_stime


def _log_to(path: str) -> None:
    os.dup2(os.open(path, os.O_WRONLY), 2)
    logging.getLogger().handlers.clear()
    daemon.log_to_stderr()


def keep_alive(port: int, proxy: Credential, ca_dir: Path, end: float) -> int:
    """Send requests over one connection until `end`; return how many were answered."""
    answered = 0
    with _connected(port, client_ssl_context(proxy, ca_dir)) as tls:
        while time.monotonic() < end:
            _exchange(tls)
            answered += 1
    return answered


def new_connections(port: int, proxy: Credential, ca_dir: Path, end: float) -> int:
    """Make a connection for each request until `end`; return how many were answered."""
    context = client_ssl_context(proxy, ca_dir)
    answered = 0
    while time.monotonic() < end:
        with _connected(port, context) as tls:
            _exchange(tls)
        answered += 1
    return answered


def _connected(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="localhost")


def _exchange(tls: ssl.SSLSocket) -> None:
    tls.sendall(_REQUEST)
    if not tls.recv(16384).endswith(_ANSWER):
        raise SystemExit("the server answered something else")


def _client(work: Callable[..., int], port: int, pem: bytes, ca_dir: Path, seconds: float) -> tuple[int, float]:
    """Return how many requests were answered, and in how many seconds."""
    proxy, begin = Credential.from_pem(pem), time.monotonic()
    answered = work(port, proxy, ca_dir, begin + seconds)
    return answered, time.monotonic() - begin


def measure(work: Callable[..., int], host: Credential, proxy: Credential, ca_dir: Path, workers: int,
            seconds: float, *, watched: bool = False) -> tuple[float, float]:
    """Requests per second that CLIENTS processes get together, and microseconds of the server for each."""
    server = Serving(host, ca_dir, workers, watched=watched)
    counts = _all_clients(work, server.port, proxy, ca_dir, seconds)
    processor_time = server.stop()
    return _rate(counts), processor_time / sum(n for n, _ in counts) * 1e6


def _all_clients(work: Callable[..., int], port: int, proxy: Credential, ca_dir: Path,
                 seconds: float) -> list[tuple[int, float]]:
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        return pool.starmap(_client, [(work, port, proxy.to_pem(), ca_dir, seconds)] * CLIENTS)


@contextlib.contextmanager
def crowd(port: int, proxy: Credential, ca_dir: Path) -> Iterator[None]:
    """IDLE connections that have made one request, and SLOW ones that send a byte of a request every second."""
    context, stop = client_ssl_context(proxy, ca_dir), threading.Event()
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            _exchange(stack.enter_context(_connected(port, context)))
        slow = [stack.enter_context(_connected(port, context)) for _ in range(SLOW)]
        drip = threading.Thread(target=_drip, args=(slow, stop))
        drip.start()
        try:
            yield
        finally:
            stop.set()
            drip.join()


def _drip(clients: list[ssl.SSLSocket], stop: threading.Event) -> None:
    for octet in itertools.cycle(_REQUEST):
        for tls in clients:
            tls.sendall(bytes([octet]))
        if stop.wait(1):
            return


def among_others(host: Credential, proxy: Credential, ca_dir: Path, seconds: float) -> tuple[float, float, float]:
    """Requests per second of CLIENTS processes alone and among the crowd, two workers; memory then, MB."""
    server = Serving(host, ca_dir, 2)
    alone = _rate(_all_clients(keep_alive, server.port, proxy, ca_dir, seconds))
    with crowd(server.port, proxy, ca_dir):
        among = _rate(_all_clients(keep_alive, server.port, proxy, ca_dir, seconds))
        memory = server.memory()
    server.stop()
    return alone, among, memory


def _rate(counts: list[tuple[int, float]]) -> float:
    return sum(answered / took for answered, took in counts)


def main(seconds: float = 5.0) -> None:
    """Measure each thing for `seconds` and print the rates."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * IDLE), hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        authority = ca.new_authority()
        ca_dir = ca.write_ca_directory(Path(folder), [authority])
        host = ca.issue_host(authority, "localhost")
        proxy = create_proxy(ca.issue_user(authority, "/DC=org/DC=example/CN=Test User"))
        print(f"null handler over mutual TLS, {CLIENTS} clients, {os.cpu_count()} processors for all of them")
        for what, work, workers, watched in (
            ("keep-alive requests", keep_alive, 1, False), ("keep-alive requests", keep_alive, 2, False),
            ("with metrics and access log", keep_alive, 1, True),
            ("new connections", new_connections, 1, False), ("new connections", new_connections, 2, False),
        ):
            rate, cost = measure(work, host, proxy, ca_dir, workers, seconds, watched=watched)
            print(f"  {what:27} {workers} server process{'es' if workers > 1 else '  '} {rate:8,.0f}/s"
                  f"   {cost:6,.0f} us of the server's processors each")
        alone, among, memory = among_others(host, proxy, ca_dir, seconds)
        print(f"  keep-alive requests among {IDLE} idle connections and {SLOW} that send a byte a second, 2 processes\n"
              f"    {among:,.0f}/s, alone {alone:,.0f}/s: {among / alone:.0%}; memory of the server {memory:.0f} MB")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
