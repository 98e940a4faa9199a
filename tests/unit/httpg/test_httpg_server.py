"""The server as processes: signals, crashes, slow clients, raw protocols, background work."""

import errno
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.context import client_ssl_context
from gsi.peer import Peer
from gsi.proxy import create_proxy
from httpg.client import session
from httpg.limits import Limits
from httpg.server import Connection, Listener, Server, StartUpError
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from testbed import ca
from tlsserver import PATIENCE_S, Running, alive, running, wait_for

GET = b"GET / HTTP/1.1\r\n\r\n"


def pid_application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]


def serving(application: Any = pid_application, limits: Limits = Limits(), **options: Any) -> Any:
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application, limits))
    return running([listener], pki.host(), pki.ca_dir(), limits=limits, **options)


def ask(process: Running) -> int:
    """The process id of the worker that answers."""
    with RawClient(process.ports[0]) as client:
        return int(client.send(GET).answer()[2])


class Gate:
    """An application that says when it has begun and goes on when it is told to; over files, across processes."""

    def __init__(self, folder: Path) -> None:
        self.begun, self.go = folder / "begun", folder / "go"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.begun.touch()
        wait_for(self.go.exists)
        start_response("200 OK", [])
        return [b"finished"]


def test_sigterm_finishes_what_is_in_flight(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with serving(gate) as process, RawClient(process.ports[0]) as client:
        client.send(GET)
        wait_for(gate.begun.exists)
        process.signal(signal.SIGTERM)
        wait_for(lambda: refuses_connections(process))
        assert not process.ended()
        gate.go.touch()
        status, fields, body = client.answer()
        assert (status, body, fields["connection"]) == (200, b"finished", "close")
        wait_for(process.ended)
        assert process.status == 0


def refuses_connections(process: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", process.ports[0]), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_does_not_wait_for_idle_connections() -> None:
    with serving(workers=1) as process, RawClient(process.ports[0]) as client:
        client.send(GET).answer()
        with socket.create_connection(("127.0.0.1", process.ports[0])):  # has not even begun the handshake
            process.signal(signal.SIGINT)
            assert client.read_to_end() == b""
            wait_for(process.ended)
            assert process.status == 0


def test_the_ports_are_closed_although_background_work_goes_on(tmp_path: Path) -> None:
    go = tmp_path / "go"

    def work(stop: threading.Event) -> None:
        stop.wait()
        wait_for(go.exists)

    with serving(background=[("work", work)]) as process:
        ask(process)
        process.signal(signal.SIGTERM)
        wait_for(lambda: refuses_connections(process))
        assert not process.ended()
        go.touch()
        wait_for(process.ended)
        assert process.status == 0


def test_what_does_not_finish_is_cut_off(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with serving(gate, Limits(grace_s=0.2)) as process, RawClient(process.ports[0]) as client:
        client.send(GET)
        wait_for(gate.begun.exists)
        process.signal(signal.SIGTERM)
        wait_for(process.ended)
        assert process.status == 0


def test_a_dead_worker_is_replaced() -> None:
    with serving(workers=1) as process:
        first = ask(process)
        os.kill(first, signal.SIGKILL)
        second = ask(process)  # waits in the queue of the port until the new worker takes it
        assert second != first and alive(second)


def test_all_workers_serve_and_one_death_does_not_disturb_the_others() -> None:
    with serving(workers=2) as process:
        seen: set[int] = set()

        def both_seen() -> bool:
            seen.add(ask(process))
            return len(seen) == 2

        wait_for(both_seen)
        victim = seen.pop()
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: ask(process) not in (victim, *seen))
        assert all(alive(pid) for pid in seen)


def test_killed_without_warning_it_takes_its_children_along(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def work(stop: threading.Event) -> None:
        note.write_text(str(os.getpid()))
        stop.wait()

    with serving(background=[("work", work)]) as process:
        worker = ask(process)
        wait_for(lambda: note.exists() and note.read_text())
        process.signal(signal.SIGKILL)
        wait_for(process.ended)
        wait_for(lambda: not alive(worker) and not alive(int(note.read_text())))


def test_background_work_is_started_again_and_is_told_to_stop(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def work(stop: threading.Event) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        stop.wait()
        with log.open("a") as file:
            file.write("stopped\n")

    def lines(number: int) -> list[str]:
        wait_for(lambda: log.exists() and log.read_text().count("\n") >= number)
        return log.read_text().split()

    with serving(background=[("work", work)]) as process:
        os.kill(int(lines(1)[0]), signal.SIGKILL)
        first, second = lines(2)
        assert first != second
        process.signal(signal.SIGTERM)
        wait_for(process.ended)
        assert process.status == 0
    assert lines(3)[2] == "stopped"


def test_background_work_that_ends_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def work(stop: threading.Event) -> None:
        with log.open("a") as file:
            file.write("run\n")
        if log.read_text().count("run") == 1:
            raise RuntimeError("the first time it fails")

    with serving(background=[("work", work)]):
        wait_for(lambda: log.exists() and log.read_text().count("run") >= 3)


def test_programs_that_background_work_starts_can_be_stopped(tmp_path: Path) -> None:
    """Signals are not blocked in them: a job started by a daemon must end when it is told to."""
    status = tmp_path / "status"

    def work(stop: threading.Event) -> None:
        child = subprocess.Popen(["sleep", "1000"])
        child.terminate()
        status.write_text(str(child.wait()))
        stop.wait()

    with serving(background=[("work", work)]):
        wait_for(lambda: status.exists() and status.read_text() == str(-signal.SIGTERM))


def test_a_protocol_that_cannot_be_made_stops_the_start() -> None:
    def protocol() -> HttpProtocol:
        raise ValueError("operation FooBar has no method")

    server = Server([Listener("127.0.0.1", 0, protocol)], pki.host(), pki.ca_dir())
    with pytest.raises(StartUpError):
        server.run()


def test_a_port_that_is_taken_stops_the_start() -> None:
    with serving() as process, pytest.raises(OSError, match="in use"):
        Server([Listener("127.0.0.1", process.ports[0], lambda: HttpProtocol(pid_application))],
               pki.host(), pki.ca_dir()).run()


def test_silent_and_slow_clients_delay_nobody() -> None:
    """While they hang on, in every phase, with one worker: others are served all the time."""
    with serving(workers=1) as process:
        port = process.ports[0]
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for sock in silent[:10]:
            sock.sendall(b"\x16\x03\x01")  # the beginning of a handshake
        slow = [RawClient(port) for _ in range(10)]
        for octet in GET[:-1]:
            for client in slow:
                client.send(bytes([octet]))
            ask(process)
        for client in slow:  # they were there all the time
            assert client.send(GET[-1:]).answer()[0] == 200
        for sock in silent:
            sock.close()


def test_a_handshake_has_a_deadline() -> None:
    limits = Limits(handshake_s=0.2)
    with serving(limits=limits) as process, socket.create_connection(("127.0.0.1", process.ports[0])) as silent:
        silent.settimeout(PATIENCE_S)
        assert silent.recv(1) == b""


def test_one_who_does_not_read_has_a_deadline(tmp_path: Path) -> None:
    ended = tmp_path / "ended"

    def endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 65536
        finally:
            ended.touch()

    with serving(endless, Limits(write_s=0.2)) as process, RawClient(process.ports[0]) as client:
        client.send(GET)
        wait_for(ended.exists)


def test_more_connections_than_allowed_wait() -> None:
    with serving(workers=1, limits=Limits(max_connections=1)) as process:
        with RawClient(process.ports[0]) as first:
            first.send(GET).answer()
            second = socket.create_connection(("127.0.0.1", process.ports[0]))
            assert first.send(GET).answer()[0] == 200
        context = client_ssl_context(pki.proxy(), pki.ca_dir())
        with context.wrap_socket(second, server_hostname="localhost") as tls:
            tls.sendall(GET)
            assert tls.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("octets", [
    GET, b"\x16\x03\x01\xff\xff" + b"\0" * 70000, b"SSH-2.0-x\r\n", os.urandom(1000), b"\x80\x2e\x01\x03\x01\x00\x15",
])
def test_bytes_that_are_no_tls(octets: bytes) -> None:
    with serving(workers=1) as process:
        worker = ask(process)
        with socket.create_connection(("127.0.0.1", process.ports[0]), timeout=PATIENCE_S) as sock:
            try:
                sock.sendall(octets)
                sock.shutdown(socket.SHUT_WR)
                answer = sock.recv(1000)
            except OSError as error:  # it was quicker to hang up than we to speak
                assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
                answer = b""
        if octets == GET:
            assert answer.startswith(b"HTTP/1.1 400") and b"https" in answer
        assert ask(process) == worker


def echo(connection: Connection, peer: Peer | None) -> None:
    """A protocol that is not HTTP: length in 4 digits, then so many bytes."""
    while size := connection.recv(4, time.monotonic() + PATIENCE_S, idle=True):
        if len(size) < 4:
            size += connection.recv_exactly(4 - len(size), time.monotonic() + PATIENCE_S)
        text = connection.recv_exactly(int(size), time.monotonic() + PATIENCE_S)
        name = peer.dn if peer else "nobody"
        connection.sendall(f"{name} at {connection.peer_address[0]}: ".encode() + text + b"\n")


def test_a_protocol_that_is_not_http_beside_one_that_is() -> None:
    listeners = [Listener("127.0.0.1", 0, lambda: HttpProtocol(pid_application)),
                 Listener("127.0.0.1", 0, lambda: echo)]
    with running(listeners, pki.host(), pki.ca_dir()) as process:
        with RawClient(process.ports[1]) as client:
            for octet in b"+005hello":  # a single 0 in front would be the flag of a GSI client (httpg.gsiflag)
                client.send(bytes([octet]))
            assert client.read_until(b"\n") == f"{pki.USER_DN} at 127.0.0.1: hello\n".encode()
            client.send(b"0002ab" + b"0001c")
            assert client.read_until(b"\n").endswith(b": ab\n")
            assert client.read_until(b"\n").endswith(b": c\n")
        with RawClient(process.ports[1]) as client:
            client.send(b"0005he")
        with RawClient(process.ports[1]) as client:
            client.send(b"abcd")  # an error in the handler ends this connection only
            assert client.read_to_end() == b""
        assert ask(process)


def test_anonymous_clients_only_where_they_are_admitted() -> None:
    listeners = [Listener("127.0.0.1", 0, lambda: echo, anonymous=True), Listener("127.0.0.1", 0, lambda: echo)]
    context = client_ssl_context(None, pki.ca_dir())
    with running(listeners, pki.host(), pki.ca_dir()) as process:
        with (socket.create_connection(("127.0.0.1", process.ports[0])) as plain,
              context.wrap_socket(plain, server_hostname="localhost") as tls):
            tls.sendall(b"0001x")
            assert tls.recv(100).startswith(b"nobody at ")
        with RawClient(process.ports[0]) as client:
            assert client.send(b"0001x").read_until(b"\n").startswith(b"/DC=org/")
        with (pytest.raises(OSError), socket.create_connection(("127.0.0.1", process.ports[1])) as plain,
              context.wrap_socket(plain, server_hostname="localhost") as tls):
            tls.sendall(b"0001x")
            tls.recv(100)


def test_a_forged_certificate_is_not_admitted_as_anonymous() -> None:
    listener = Listener("127.0.0.1", 0, lambda: echo, anonymous=True)
    user = ca.issue_user(pki.stranger(), pki.USER_DN, key=ca.ec_key())
    with (running([listener], pki.host(), pki.ca_dir()) as process, pytest.raises(OSError),
          RawClient(process.ports[0], user) as client):
        client.send(b"0001x").tls.recv(100)


@pytest.mark.parametrize(("bits", "served"), [(1024, False), (2048, True)])
def test_weak_keys_are_refused(tmp_path: Path, bits: int, served: bool) -> None:
    create_proxy(pki.user(), key_bits=bits).save(tmp_path / "proxy")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=str(pki.ca_dir()))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or this side would not even load it
    context.load_cert_chain(tmp_path / "proxy")
    with (serving() as process, socket.create_connection(("127.0.0.1", process.ports[0])) as plain,
          context.wrap_socket(plain, server_hostname="localhost") as tls):
        if served:
            tls.sendall(GET)
            assert tls.recv(1000).startswith(b"HTTP/1.1 200")
        else:
            with pytest.raises(OSError):
                tls.sendall(GET)
                tls.recv(1000)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_never_resumed(version: ssl.TLSVersion) -> None:
    """A resumed session has no certificate chain (stack.md 3)."""
    context = client_ssl_context(pki.proxy(), pki.ca_dir())
    context.minimum_version = context.maximum_version = version
    with serving(workers=1) as process:
        kept = None
        for _ in range(2):
            with (socket.create_connection(("127.0.0.1", process.ports[0])) as plain,
                  context.wrap_socket(plain, server_hostname="localhost", session=kept) as tls):
                tls.sendall(GET)
                assert tls.recv(1000).startswith(b"HTTP/1.1 200")
                assert not tls.session_reused
                assert tls.version() == version.name.replace("_", ".").replace("TLSv1.3", "TLSv1.3")
                kept = tls.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(version: ssl.TLSVersion) -> None:
    context = client_ssl_context(pki.proxy(), pki.ca_dir())
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    with (serving() as process, socket.create_connection(("127.0.0.1", process.ports[0])) as plain,
          pytest.raises(ssl.SSLError)):
        context.wrap_socket(plain, server_hostname="localhost")


def test_requests_in_parallel_are_all_answered() -> None:
    with serving() as process:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                with session(pki.proxy(), pki.ca_dir()) as http:
                    for _ in range(20):
                        http.get(process.url()).raise_for_status()
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
