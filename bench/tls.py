"""How fast the TLS server is with an application that does nothing.

    python -m bench.tls [seconds for each measurement]

Clients present an RFC 3820 proxy, all keys are RSA-2048. Every client is a process of its own on the same machine and
takes its share of the processors.
"""

import multiprocessing
import os
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gsi.context import client_ssl_context
from gsi.credential import Credential
from gsi.proxy import create_proxy
from httpg.server import Listener, Server
from httpg.wsgi import HttpProtocol
from testbed import ca

CLIENTS = 4
_REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 300\r\n\r\n" + b"x" * 300
_ANSWER = b"y" * 300


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the request, answer 300 bytes."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/xml")])
    return [_ANSWER]


class Serving:
    """A server in a process of its own, with one worker or more."""

    def __init__(self, host: Credential, ca_dir: Path, workers: int) -> None:
        server = Server([Listener("127.0.0.1", 0, lambda: HttpProtocol(application))], host, ca_dir, workers=workers)
        self.port = server.bind()[0]
        self._pid = os.fork()
        if not self._pid:
            try:
                server.run()
            finally:
                os._exit(0)

    def stop(self) -> float:
        """Stop it; return the seconds of processor time that it took with its workers."""
        os.kill(self._pid, signal.SIGTERM)
        used = os.wait4(self._pid, 0)[2]
        return used.ru_utime + used.ru_stime


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
            seconds: float) -> tuple[float, float]:
    """Requests per second that CLIENTS processes get together, and microseconds of the server for each."""
    server = Serving(host, ca_dir, workers)
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        jobs = [(work, server.port, proxy.to_pem(), ca_dir, seconds)] * CLIENTS
        counts = pool.starmap(_client, jobs)
    processor_time = server.stop()
    return sum(answered / took for answered, took in counts), processor_time / sum(n for n, _ in counts) * 1e6


def main(seconds: float = 5.0) -> None:
    """Measure each thing for `seconds` and print the rates."""
    with tempfile.TemporaryDirectory() as folder:
        authority = ca.new_authority()
        ca_dir = ca.write_ca_directory(Path(folder), [authority])
        host = ca.issue_host(authority, "localhost")
        proxy = create_proxy(ca.issue_user(authority, "/DC=org/DC=example/CN=Test User"))
        print(f"null handler over mutual TLS, {CLIENTS} clients, {os.cpu_count()} processors for all of them")
        for what, work in (("keep-alive requests", keep_alive), ("new connections", new_connections)):
            for workers in (1, 2):
                rate, cost = measure(work, host, proxy, ca_dir, workers, seconds)
                print(f"  {what:20} {workers} server process{'es' if workers > 1 else '  '} {rate:8,.0f}/s"
                      f"   {cost:6,.0f} us of the server's processors each")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
