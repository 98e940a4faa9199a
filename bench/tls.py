"""How fast the TLS server is with an application that does nothing.

    python -m bench.tls [seconds for each measurement]

Clients present an RFC 3820 proxy, all keys are RSA-2048. Every client is a process of its own on the same machine and
takes its share of the processors.
"""

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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


@contextmanager
def serving(host: Credential, ca_dir: Path, workers: int) -> Iterator[int]:
    """Run the server in a process; yields its port."""
    server = Server([Listener("127.0.0.1", 0, lambda: HttpProtocol(application))], host, ca_dir, workers=workers)
    port = server.bind()[0]
    pid = os.fork()
    if not pid:
        try:
            server.run()
        finally:
            os._exit(0)
    try:
        yield port
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def keep_alive(port: int, proxy: Credential, ca_dir: Path, seconds: float) -> int:
    """Send requests over one connection for so long; return how many were answered."""
    context = client_ssl_context(proxy, ca_dir)
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(_REQUEST)
            size = len(tls.recv(16384))
            answered, end = 1, time.monotonic() + seconds
            while time.monotonic() < end:
                tls.sendall(_REQUEST)
                if len(tls.recv(16384)) != size:
                    raise SystemExit("the server answered something else")
                answered += 1
            return answered


def new_connections(port: int, proxy: Credential, ca_dir: Path, seconds: float) -> int:
    """Make a connection for each request for so long; return how many were answered."""
    context = client_ssl_context(proxy, ca_dir)
    answered, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with (socket.create_connection(("127.0.0.1", port)) as plain,
              context.wrap_socket(plain, server_hostname="localhost") as tls):
            tls.sendall(_REQUEST)
            tls.recv(16384)
        answered += 1
    return answered


def _client(work: Callable[..., int], port: int, pem: bytes, ca_dir: Path, seconds: float) -> int:
    return work(port, Credential.from_pem(pem), ca_dir, seconds)


def rate(work: Callable[..., int], port: int, proxy: Credential, ca_dir: Path, seconds: float) -> float:
    """Requests per second that CLIENTS processes get together."""
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        jobs = [(work, port, proxy.to_pem(), ca_dir, seconds)] * CLIENTS
        return sum(pool.starmap(_client, jobs)) / seconds


def main(seconds: float = 5.0) -> None:
    """Measure each thing for `seconds` and print the rates."""
    with tempfile.TemporaryDirectory() as folder:
        authority = ca.new_authority()
        ca_dir = ca.write_ca_directory(Path(folder), [authority])
        host = ca.issue_host(authority, "localhost")
        proxy = create_proxy(ca.issue_user(authority, "/DC=org/DC=example/CN=Test User"))
        print(f"null handler over mutual TLS, {CLIENTS} clients, {os.cpu_count()} processors")
        for workers in (1, 2):
            with serving(host, ca_dir, workers) as port:
                kept = rate(keep_alive, port, proxy, ca_dir, seconds)
                new = rate(new_connections, port, proxy, ca_dir, seconds)
            print(f"  {workers} server process{'es' if workers > 1 else ''}: keep-alive {kept:8,.0f} requests/s   "
                  f"new connections {new:6,.0f}/s")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
