"""What one client may take: connections by address and by name, handshakes, requests, bodies; and the option for it."""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import pki
from gsi.proxy import create_proxy
from httpg import admission, daemon
from httpg.limits import Limits
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from tlsserver import PATIENCE_S, Running, running, wait_for

GET = b"GET / HTTP/1.1\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Read the body, wait for the file named in the query if there is one."""
    environ["wsgi.input"].read()
    if gate := environ["QUERY_STRING"]:
        Path(gate).with_suffix(".begun").touch()
        wait_for(Path(gate).exists)
    start_response("200 OK", [])
    return [b"done"]


def serving(**limits: Any) -> Any:
    made = Limits(**limits)
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application))
    return running([listener], pki.host(), pki.ca_dir(), limits=made, workers=1)


def plain(process: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", process.ports[0]), timeout=PATIENCE_S)


def is_closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_further_connections_of_an_address_are_closed_at_once_and_others_are_served() -> None:
    with serving(max_address_connections=2) as process, ExitStack() as stack:
        clients = [stack.enter_context(RawClient(process.ports[0])) for _ in range(2)]
        assert [client.send(GET).answer()[0] for client in clients] == [200, 200]
        with plain(process) as third:
            assert is_closed(third)
        other = stack.enter_context(socket.socket())
        other.settimeout(PATIENCE_S)
        other.bind(("127.0.0.2", 0))
        other.connect(("127.0.0.1", process.ports[0]))
        other.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert other.recv(100).startswith(b"HTTP/1.1 400"), "it is spoken to: this port speaks HTTPS"
        clients[0].close()
        wait_for(lambda: _served(process))


def _served(process: Running) -> bool:
    try:
        with RawClient(process.ports[0]) as client:
            return client.send(GET).answer()[0] == 200
    except OSError:
        return False


def test_further_connections_of_a_name_are_told_to_come_later_and_others_are_served() -> None:
    """Whatever the name comes with: the certificate, a proxy, another proxy."""
    with serving(max_dn_connections=2) as process, ExitStack() as stack:
        first = stack.enter_context(RawClient(process.ports[0], pki.user()))
        second = stack.enter_context(RawClient(process.ports[0], create_proxy(pki.user())))
        assert [client.send(GET).answer()[0] for client in (first, second)] == [200, 200]
        with RawClient(process.ports[0], pki.proxy()) as third:
            status, fields, _ = third.send(GET).answer()
            assert (status, fields["retry-after"], fields["connection"]) == (429, "5", "close")
            assert third.read_to_end() == b""
        with RawClient(process.ports[0], create_proxy(pki.other())) as other:
            assert other.send(GET).answer()[0] == 200
        assert first.send(GET).answer()[0] == 200, "who is there already notices nothing"
        second.close()
        wait_for(lambda: _served(process))


def test_a_protocol_without_words_closes_instead() -> None:
    def hold(connection: Any, peer: Any) -> None:
        connection.sendall(b"welcome\n")
        connection.recv(1, time.monotonic() + PATIENCE_S)

    limits = Limits(max_dn_connections=1)
    with running([Listener("127.0.0.1", 0, lambda: hold)], pki.host(), pki.ca_dir(), limits=limits,
                 workers=1) as process, RawClient(process.ports[0]) as first:
        first.read_until(b"\n")
        with RawClient(process.ports[0]) as second:
            assert second.read_to_end() == b""


def test_too_much_work_is_declined_and_the_connection_stays(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(max_requests=1) as process, RawClient(process.ports[0]) as one, RawClient(process.ports[0]) as two:
        one.send(b"GET /?%b HTTP/1.1\r\n\r\n" % str(gate).encode())
        wait_for(gate.with_suffix(".begun").exists)
        for _ in range(3):
            status, fields, _ = two.send(GET).answer()
            assert (status, fields["retry-after"]) == (503, "5") and "connection" not in fields
        gate.touch()
        assert one.answer()[2] == b"done"
        wait_for(lambda: two.send(GET).answer()[0] == 200)


def test_a_request_with_a_body_on_its_way_is_declined_and_the_answer_arrives(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serving(max_requests=1) as process, RawClient(process.ports[0]) as one, RawClient(process.ports[0]) as two:
        one.send(b"GET /?%b HTTP/1.1\r\n\r\n" % str(gate).encode())
        wait_for(gate.with_suffix(".begun").exists)
        two.send(POST % 3_000_000).send(b"x" * 1_000_000)
        status, fields, _ = two.answer()
        assert (status, fields["connection"]) == (503, "close")
        gate.touch()


def test_large_bodies_together_have_a_limit_and_leave_it_when_they_are_through() -> None:
    with serving(max_bodies=1_000_000) as process:
        with RawClient(process.ports[0]) as one, RawClient(process.ports[0]) as two:
            one.send(POST % 800_000).send(b"x" * 700_000)
            wait_for(lambda: _declined(process))
            two.send(POST % 10).send(b"x" * 10)
            assert two.answer()[0] == 200, "small ones do not count"
            assert one.send(b"x" * 100_000).answer()[0] == 200
        with RawClient(process.ports[0]) as three:
            assert three.send(POST % 800_000).send(b"x" * 800_000).answer()[0] == 200
        with RawClient(process.ports[0]) as broken:
            broken.send(POST % 900_000).send(b"x" * 800_000)
        with RawClient(process.ports[0]) as four:
            wait_for(lambda: four.send(POST % 800_000).send(b"x" * 800_000).answer()[0] == 200)


def _declined(process: Running) -> bool:
    """Whether half a megabyte is too much now; the answer says when to come again."""
    with RawClient(process.ports[0]) as client:
        try:
            client.send(POST % 500_000).send(b"x" * 500_000)
            status, fields, _ = client.answer()
        except (OSError, EOFError):
            return False
        return status == 503 and fields["retry-after"] == "5"


def test_handshakes_that_take_long_make_room_for_others() -> None:
    """Half of all handshakes may be one address's; the others of it are closed, until the old ones have to go."""
    with serving(max_handshakes=8, pressed_handshake_s=0.2) as process, ExitStack() as stack:
        silent = [stack.enter_context(plain(process)) for _ in range(12)]
        wait_for(lambda: _served(process))
        assert sum(is_closed(sock) for sock in silent) == 12


def test_idle_connections_make_room_when_there_are_too_many() -> None:
    with serving(max_connections=3, pressed_idle_s=0.2) as process, ExitStack() as stack:
        idle = [stack.enter_context(RawClient(process.ports[0])) for _ in range(3)]
        for client in idle:
            assert client.send(GET).answer()[0] == 200
        with RawClient(process.ports[0]) as fourth:  # waits in the kernel's queue until one has gone
            assert fourth.send(GET).answer()[0] == 200


def test_a_busy_connection_is_not_idle(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with (serving(max_connections=2, pressed_idle_s=0.1) as process,
          RawClient(process.ports[0]) as busy, RawClient(process.ports[0]) as idle):
        busy.send(b"GET /?%b HTTP/1.1\r\n\r\n" % str(gate).encode())
        wait_for(gate.with_suffix(".begun").exists)
        idle.send(GET).answer()
        with RawClient(process.ports[0]) as third:
            assert third.send(GET).answer()[0] == 200
        assert idle.read_to_end() == b""
        gate.touch()
        assert busy.answer()[2] == b"done"


def test_nothing_is_left_of_connections_that_have_gone() -> None:
    """Of 300 that come and go in all ways a limit of 4 is never used up."""
    with serving(max_connections=4, max_address_connections=4, max_dn_connections=4) as process:

        def come_and_go(number: int) -> None:
            for n in range(number):
                try:
                    with plain(process) as sock:
                        sock.sendall((GET, b"\x16\x03\x01\x00", b"")[n % 3])
                except OSError:
                    continue
        threads = [threading.Thread(target=come_and_go, args=(100,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: _all_served(process, 4))


def _all_served(process: Running, number: int) -> bool:
    with ExitStack() as stack:
        try:
            clients = [stack.enter_context(RawClient(process.ports[0])) for _ in range(number)]
            return all(client.send(GET).answer()[0] == 200 for client in clients)
        except (OSError, EOFError):
            return False


@pytest.mark.parametrize(("address", "origin"), [
    ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ("fe80::1%eth0", "fe80::/64"),
])
def test_whom_an_address_stands_for(address: str, origin: str) -> None:
    assert admission.origin_of(address) == origin


# ---- the option -----------------------------------------------------------------------------------------------------


@click.command()
@daemon.server_options
def program(status_port: tuple[str, int] | None, server_limits: Limits) -> None:
    click.echo(f"{status_port} {server_limits.max_dn_connections} {server_limits.idle_s}")


def test_limits_and_status_port_by_option() -> None:
    done = CliRunner().invoke(program, ["--limit", "max_dn_connections=7", "--limit", "idle_s=0.5",
                                        "--status-port", "9101"])
    assert done.output == "('127.0.0.1', 9101) 7 0.5\n"
    assert CliRunner().invoke(program, []).output == f"None {Limits().max_dn_connections} {Limits().idle_s}\n"
    assert "('::1', 9101)" in CliRunner().invoke(program, ["--status-port", "[::1]:9101"]).output


@pytest.mark.parametrize(("setting", "complaint"), [
    ("max_dn_conections=3", "did you mean max_dn_connections?"), ("nonsense=3", "there are max_connections"),
    ("max_dn_connections=0", "greater than 0"), ("max_dn_connections=1.5", "whole number"), ("idle_s", "number after"),
    ("idle_s=nan", "greater than 0"), ("idle_s=inf", "greater than 0"),
])
def test_limits_that_are_none(setting: str, complaint: str) -> None:
    done = CliRunner().invoke(program, ["--limit", setting])
    assert done.exit_code == 2 and complaint in done.output


@pytest.mark.parametrize("text", ["0", "65536", "here:port", "-1", "localhost"])
def test_status_ports_that_are_none(text: str) -> None:
    done = CliRunner().invoke(program, ["--status-port", text])
    assert done.exit_code == 2 and "write a port" in done.output
