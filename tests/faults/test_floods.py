"""Floods: clients that come in numbers, in every phase. Others are served meanwhile, and nothing is left afterwards."""

import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.context import client_ssl_context
from httpg.client import session
from httpg.limits import Limits
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from tlsserver import PATIENCE_S, Running, running, wait_for

GET = b"GET / HTTP/1.1\r\n\r\n"
#: Short times, so that the end of a flood is seen; limits far below what one client of these tests opens.
LIMITS = Limits(
    handshake_s=2, idle_s=5, header_s=2, body_s=2, write_s=2, pressed_handshake_s=0.5, pressed_idle_s=0.5,
    max_connections=200, max_address_connections=150, max_dn_connections=100, max_handshakes=100, max_requests=50,
)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the body, say who I am."""
    environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]


@pytest.fixture
def server() -> Iterator[Running]:
    """One worker; the same one answers at the end, with no more threads and descriptors than at the beginning.

    It may have fewer descriptors: it gets rid of some that it has of this process.
    """
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application))
    with running([listener], pki.host(), pki.ca_dir(), workers=1, limits=LIMITS) as process:
        worker = ask(process)
        wait_for(lambda: threads(worker) == 2)  # the main one and the guard
        before = descriptors(worker)
        yield process
        wait_for(lambda: threads(worker) == 2)
        wait_for(lambda: descriptors(worker) <= before)
        wait_for(lambda: answers(process) == worker)


def ask(process: Running) -> int:
    with RawClient(process.ports[0]) as client:
        return int(client.send(GET).answer()[2])


def answers(process: Running) -> int | None:
    """The worker that answers; None when we are among those who are refused."""
    try:
        return ask(process)
    except (OSError, EOFError):
        return None


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def connect(process: Running, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", process.ports[0]), timeout=PATIENCE_S, source_address=(source, 0))


@contextmanager
def other_address(process: Running) -> Iterator[ssl.SSLSocket]:
    """A client of another address than the flood, with a name of its own."""
    context = client_ssl_context(pki.other(), pki.ca_dir())
    with connect(process, "127.0.0.2") as plain, context.wrap_socket(plain, server_hostname="localhost") as tls:
        yield tls


def served(process: Running) -> bool:
    with other_address(process) as tls:
        tls.sendall(GET)
        return tls.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [
    b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 32,
], ids=["silent", "three bytes", "half a client hello"])
def test_300_connections_that_do_not_shake_hands(server: Running, begun: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            sock = stack.enter_context(connect(server))
            try:
                sock.sendall(begun)
            except OSError:
                continue  # refused already
        for _ in range(5):
            assert served(server)


def test_connects_and_resets(server: Running) -> None:
    reset = struct.pack("ii", 1, 0)

    def flood() -> None:
        for number in range(300):
            try:
                with connect(server) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    if number % 2:
                        sock.sendall(b"\x16\x03\x01\x00\xff\x01")
            except OSError:
                continue

    in_threads(flood, 3, meanwhile=lambda: served(server))


def test_handshakes_that_end_before_their_end(server: Running) -> None:
    """The client hangs up when it has the server's certificate: the expensive half is done."""
    context = client_ssl_context(pki.proxy(), pki.ca_dir())

    def flood() -> None:
        for _ in range(50):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            try:
                with connect(server) as sock:
                    sock.sendall(outgoing.read())
                    sock.recv(100)
            except OSError:
                continue

    in_threads(flood, 4, meanwhile=lambda: served(server))


def in_threads(flood: Callable[[], None], number: int, meanwhile: Callable[[], bool]) -> None:
    """Run the flood in threads; what shall go on meanwhile is asked until it is over."""
    running = [threading.Thread(target=flood) for _ in range(number)]
    for thread in running:
        thread.start()
    while any(thread.is_alive() for thread in running):
        assert meanwhile()
    assert meanwhile()


def test_5000_requests_on_one_connection(server: Running) -> None:
    with RawClient(server.ports[0]) as client:
        for _ in range(50):
            client.send(GET * 100)
            assert {client.answer()[0] for _ in range(100)} == {200}
        assert served(server)


def test_one_who_asks_and_asks_and_reads_no_answer(server: Running) -> None:
    with RawClient(server.ports[0]) as client:
        client.tls.settimeout(0.5)
        with pytest.raises(OSError):  # first nobody takes what is sent, then the connection is closed
            while True:
                client.send(GET * 1000)
        assert served(server)


def test_connections_with_a_name_beyond_their_number(server: Running) -> None:
    """130 of one name, 100 of which are admitted; the others are told so, and somebody else is served."""
    with ExitStack() as stack:
        statuses = []
        for _ in range(130):
            client = stack.enter_context(RawClient(server.ports[0]))
            statuses.append(client.send(GET).answer()[0])
        assert statuses.count(200) >= 100 and set(statuses[:100]) == {200}
        assert 429 in statuses
        assert served(server)


def test_slow_headers_and_bodies_by_the_dozen(server: Running) -> None:
    with ExitStack() as stack:
        for number in range(80):
            client = stack.enter_context(RawClient(server.ports[0]))
            client.send(b"POST / HT" if number % 2 else b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nab")
        for _ in range(5):
            assert served(server)


def test_many_honest_clients_at_once_are_all_served(server: Running) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with session(pki.proxy(), pki.ca_dir()) as http:
                for _ in range(10):
                    http.post(server.url(), data=b"x" * 1000).raise_for_status()
        except OSError as error:
            failures.append(error)

    clients = [threading.Thread(target=work) for _ in range(30)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not failures


def test_memory_after_a_flood_of_bodies(server: Running) -> None:
    """Bodies that are begun and left: what they held is given back."""
    worker = ask(server)
    limit = 300_000_000
    for _ in range(10):
        with ExitStack() as stack:
            for _ in range(10):
                client = stack.enter_context(RawClient(server.ports[0]))
                client.send(b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_900_000)
    wait_for(lambda: threads(worker) == 2)
    resident = int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident < limit
