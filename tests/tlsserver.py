"""A real server in a process of its own, for tests that need one.

    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(app))], host, ca_dir) as server:
        session(user, ca_dir).get(f"https://localhost:{server.ports[0]}/")
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gsi.credential import Credential
from httpg.server import Listener, Server

#: Generous: only a broken program waits that long.
PATIENCE_S = 60.0


@dataclass
class Running:
    """A server that runs: pid of the process that supervises it, its ports in the order of the listeners."""

    pid: int
    ports: list[int]
    status: int | None = None

    def url(self, path: str = "/", index: int = 0) -> str:
        return f"https://localhost:{self.ports[index]}{path}"

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> bool:
        """Whether the process has ended; its exit status is then in `status`."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None


@contextmanager
def running(listeners: Sequence[Listener], credential: Credential, ca_dir: Path, **options: Any) -> Iterator[Running]:
    """Run a Server with these arguments in a forked process; stop it at the end."""
    with serving(Server(listeners, credential, ca_dir, **options)) as process:
        yield process


@contextmanager
def serving(server: Server) -> Iterator[Running]:
    """Run the server in a forked process; stop it at the end."""
    ports = server.bind()
    pid = os.fork()
    if not pid:
        _serve(server)
    process = Running(pid, ports)
    for sock in server._sockets:
        sock.close()
    try:
        yield process
    finally:
        if not process.ended():
            process.signal(signal.SIGTERM)
            wait_for(process.ended)


def free_port(*following: int) -> int:
    """A port p that nobody listens on at the moment, with p + n free as well for each n of `following`."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if all(port + n < 65536 and is_free(port + n) for n in following):
            return port


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not happen")
        time.sleep(0.02)


def _serve(server: Server) -> None:
    status = 1
    try:
        server.run()
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)
