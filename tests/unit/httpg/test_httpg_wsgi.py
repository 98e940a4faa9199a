"""HTTP/1.1 over real TLS, byte by byte: what an application gets, what a client gets, and what bad bytes do."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pki
from httpg.limits import Limits
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from tlsserver import PATIENCE_S, Running, running, wait_for

LIMITS = Limits(max_body=100_000, max_header=20_000)
StartResponse = Callable[..., Any]


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Does what the path says."""
    handler = globals()["do_" + environ["PATH_INFO"].split("/")[1]]
    answer: Iterable[bytes] = handler(environ, start_response)
    return answer


def do_echo(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Length", str(len(body)))])
    return [body]


def do_environ(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    peer = environ["gsi.peer"]
    lines = [f"{name}={value}" for name, value in environ.items() if isinstance(value, str)]
    return ["\n".join([*lines, f"dn={peer.dn}", f"kind={peer.proxy_kind.name}"]).encode("latin-1")]


def do_unread(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("403 Forbidden", [])
    return [b"no"]


def do_stream(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    """Two pieces, the second only when the file named in the query exists."""
    start_response("200 OK", [])
    yield b"first"
    yield b""
    wait_for(Path(environ["QUERY_STRING"]).exists)
    yield b"second"


def do_fixed(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "10")])
    return [environ["QUERY_STRING"].encode()]


def do_nothing(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("204 No Content", [])
    return []


def do_write(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    write = start_response("200 OK", [])
    write(b"old ")
    return [b"style"]


def do_crash(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    raise RuntimeError("secret detail")


def do_crashlate(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"begun"
    raise RuntimeError("secret detail")


def do_split(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("X-Evil", "a\r\nSet-Cookie: b")])
    return []


def do_lines(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    body = environ["wsgi.input"]
    parts = [body.readline(), body.readline(2), body.read(3), *body.readlines(1), *body]
    start_response("200 OK", [])
    return [repr(parts).encode()]


def do_close(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Connection", "close")])
    return [b"bye"]


def do_pid(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    logging.getLogger("httpg").setLevel(logging.CRITICAL)
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application, LIMITS))
    with running([listener], pki.host(), pki.ca_dir(), workers=1) as process:
        yield process


@pytest.fixture
def client(server: Running) -> Iterator[RawClient]:
    with RawClient(server.ports[0]) as connection:
        yield connection


@pytest.fixture(autouse=True)
def the_worker_lives(server: Running) -> Iterator[None]:
    """Whatever a test sends, the one worker process is the same afterwards and still answers."""
    before = ask_pid(server)
    yield
    assert ask_pid(server) == before


def ask_pid(server: Running) -> bytes:
    with RawClient(server.ports[0]) as connection:
        return connection.send(b"GET /pid HTTP/1.1\r\n\r\n").answer()[2]


def test_many_requests_on_one_connection(client: RawClient) -> None:
    for text in (b"one", b"two", b"three"):
        client.send(b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        status, fields, body = client.answer()
        assert (status, body) == (200, text)
        assert "connection" not in fields and "date" in fields


def test_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\na"
                b"GET /unread HTTP/1.1\r\n\r\n"
                b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n")
    assert [client.answer()[::2] for _ in range(3)] == [(200, b"a"), (403, b"no"), (200, b"b")]


def test_pipelined_behind_a_body_that_arrives_with_the_next_request(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 4\r\n\r\nab")
    client.send(b"cdPOST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nz")
    assert [client.answer()[2] for _ in range(2)] == [b"abcd", b"z"]


def test_chunked_request(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(50):
        client.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
    assert client.send(b"0\r\n\r\n").answer()[2] == b"x" * 50_000


def test_an_answer_leaves_as_it_is_made(client: RawClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    client.send(b"GET /stream?%b HTTP/1.1\r\n\r\n" % os.fsencode(gate))
    assert b"Transfer-Encoding: chunked" in client.read_until(b"\r\n\r\n")
    assert client.chunk() == b"first"
    gate.touch()  # the rest is made only now that the first piece has been read
    assert client.chunk() == b"second"
    assert client.chunk() == b""
    assert client.send(b"GET /pid HTTP/1.1\r\n\r\n").answer()[0] == 200


def test_http_1_0_gets_no_chunks(client: RawClient, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    client.send(b"GET /stream?%b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % os.fsencode(tmp_path / "gate"))
    status, fields, body = client.answer()
    assert (status, fields["connection"], body) == (200, "close", b"firstsecond")


def test_http_1_0_keeps_alive_when_it_asks_for_it(client: RawClient) -> None:
    for _ in range(2):
        status, fields, _ = client.send(b"GET /pid HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()
        assert (status, fields["connection"]) == (200, "keep-alive")
    assert client.send(b"GET /pid HTTP/1.0\r\n\r\n").answer()[1]["connection"] == "close"
    assert client.read_to_end() == b""


def test_head_has_no_body(client: RawClient, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    assert client.send(b"HEAD /fixed?0123456789 HTTP/1.1\r\n\r\n").answer(head=True)[1]["content-length"] == "10"
    assert client.send(b"HEAD /stream?%b HTTP/1.1\r\n\r\n" % os.fsencode(tmp_path / "gate")).answer(head=True)[0] == 200
    assert client.send(b"HEAD /echo HTTP/1.1\r\n\r\n").answer(head=True)[0] == 200
    assert client.send(b"GET /pid HTTP/1.1\r\n\r\n").answer()[0] == 200


def test_no_content_has_no_body(client: RawClient) -> None:
    status, fields, _ = client.send(b"GET /nothing HTTP/1.1\r\n\r\n").answer()
    assert status == 204 and "content-length" not in fields and "transfer-encoding" not in fields
    assert client.send(b"GET /pid HTTP/1.1\r\n\r\n").answer()[0] == 200


def test_continue_is_said_when_the_body_is_wanted(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.send(b"abc").answer()[2] == b"abc"


def test_continue_is_not_said_when_the_body_is_not_wanted(client: RawClient) -> None:
    client.send(b"PUT /unread HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    status, fields, _ = client.answer()
    assert (status, fields["connection"]) == (403, "close")
    assert client.read_to_end() == b""


def test_close_is_done_when_asked_for(client: RawClient) -> None:
    status, fields, body = client.send(b"POST /echo HTTP/1.1\r\nConnection: close\r\n\r\n").answer()
    assert (status, fields["connection"]) == (200, "close")
    assert client.read_to_end() == b""


def test_close_is_done_when_the_application_says_so(client: RawClient) -> None:
    assert client.send(b"GET /close HTTP/1.1\r\n\r\n").answer()[1]["connection"] == "close"
    assert client.read_to_end() == b""


def test_the_environ(client: RawClient) -> None:
    client.send(b"GET /environ/a%20b%2F?q=%20x HTTP/1.1\r\nHost: h:1\r\nX-A: 1\r\nx-a: 2\r\nX_A: 3\r\n"
                b"SOAPAction: \"\"\r\nContent-Type: text/xml\r\nContent-Length: 0\r\n\r\n")
    lines = client.answer()[2].decode().splitlines()
    for line in ("REQUEST_METHOD=GET", "PATH_INFO=/environ/a b/", "QUERY_STRING=q=%20x", "HTTP_HOST=h:1",
                 "HTTP_X_A=1,2", "HTTP__X_A=3", 'HTTP_SOAPACTION=""', "CONTENT_TYPE=text/xml", "CONTENT_LENGTH=0",
                 "SERVER_PROTOCOL=HTTP/1.1", "wsgi.url_scheme=https", "HTTPS=on", "REMOTE_ADDR=127.0.0.1",
                 "SCRIPT_NAME=", f"dn={pki.USER_DN}", "kind=RFC3820"):
        assert line in lines


def test_an_absolute_target(client: RawClient) -> None:
    client.send(b"GET http://some.host:8901/environ/x?y HTTP/1.1\r\n\r\n")
    lines = client.answer()[2].decode().splitlines()
    assert "PATH_INFO=/environ/x" in lines and "QUERY_STRING=y" in lines


def test_reading_by_lines(client: RawClient) -> None:
    text = b"first\nsecond\nthird\nfourth\nrest"
    client.send(b"POST /lines HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(text))
    for n in range(0, len(text), 4):
        client.send(text[n:n + 4])
    assert client.answer()[2] == repr([b"first\n", b"se", b"con", b"d\n", b"third\n", b"fourth\n", b"rest"]).encode()


def test_the_old_way_to_write(client: RawClient) -> None:
    assert client.send(b"GET /write HTTP/1.1\r\n\r\n").answer()[2] == b"old style"


@pytest.mark.parametrize("garbage", [
    b"\0\1\2\3\4garbage\r\n\r\n", b"POST\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\nX\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
])
def test_bad_grammar_is_a_bad_request(client: RawClient, garbage: bytes) -> None:
    status, fields, body = client.send(garbage).answer()
    assert (status, fields["connection"]) == (400, "close")
    assert b"Traceback" not in body
    assert client.read_to_end() == b""


def test_garbage_after_a_request_does_not_harm_that_request(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nokgarbage\r\n\r\n")
    assert client.answer()[2] == b"ok"
    assert client.answer()[0] == 400
    assert client.read_to_end() == b""


def test_a_header_that_is_too_large(client: RawClient) -> None:
    status, _, _ = client.send(b"GET /pid HTTP/1.1\r\nA: " + b"x" * 50_000).answer()
    assert status == 431


def test_a_body_that_says_it_is_too_large(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 100001\r\n\r\n")
    status, fields, _ = client.answer()
    assert (status, fields["connection"]) == (413, "close")


def test_fifty_megabytes_over_the_limit_are_refused_at_once(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n")
    try:
        for _ in range(500):
            client.send(b"x" * 100_000)
    except OSError:
        return  # it closed before we had sent all: the answer may be lost with that
    assert client.answer()[0] == 413


def test_a_chunked_body_that_grows_too_large(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(11):
        client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    assert client.answer()[0] == 413


def test_uploads_have_a_limit_of_their_own(client: RawClient) -> None:
    client.send(b"PUT /echo HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n").send(b"x" * 1_000_000)
    assert client.answer()[1]["x-length"] == "1000000"


def test_less_body_than_announced(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
    client.close()
    # There is nobody left to answer; that the worker goes on is checked after each test.


def test_more_body_than_announced(client: RawClient) -> None:
    client.send(b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nabcdef")
    assert client.answer()[2] == b"ab"
    assert client.answer()[0] == 400


def test_an_unread_body_ends_the_connection_and_the_answer_arrives(client: RawClient) -> None:
    client.send(b"PUT /unread HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n").send(b"x" * 3_000_000)
    status, fields, _ = client.answer()
    assert (status, fields["connection"]) == (403, "close")


def test_a_crash_tells_the_client_nothing(client: RawClient) -> None:
    status, _, body = client.send(b"GET /crash HTTP/1.1\r\n\r\n").answer()
    assert status == 500 and b"secret" not in body and b"Traceback" not in body


def test_a_crash_in_the_middle_breaks_the_answer_off(client: RawClient) -> None:
    client.send(b"GET /crashlate HTTP/1.1\r\n\r\n").read_until(b"\r\n\r\n")
    assert client.chunk() == b"begun"
    assert client.read_to_end() == b"", "no last chunk: the client knows that something is missing"


def test_no_second_header_is_smuggled_in(client: RawClient) -> None:
    status, fields, _ = client.send(b"GET /split HTTP/1.1\r\n\r\n").answer()
    assert status == 500 and "set-cookie" not in fields


@pytest.mark.parametrize("text", [b"short", b"this-is-too-long"])
def test_an_application_that_lies_about_its_length(client: RawClient, text: bytes) -> None:
    client.send(b"GET /fixed?%b HTTP/1.1\r\n\r\n" % text)
    assert len(client.read_to_end().partition(b"\r\n\r\n")[2]) <= 10


def test_upgrades_are_declined(client: RawClient) -> None:
    client.send(b"GET /pid HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert client.answer()[0] == 501


def test_one_byte_at_a_time(client: RawClient) -> None:
    for octet in b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
        client.send(bytes([octet]))
    assert client.answer()[2] == b"abc"


def test_requests_are_logged_with_the_identity(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def protocol() -> HttpProtocol:
        handler = logging.FileHandler(log)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logging.getLogger("httpg.access").addHandler(handler)
        logging.getLogger("httpg.access").setLevel(logging.INFO)
        return HttpProtocol(application)

    with running([Listener("127.0.0.1", 0, protocol)], pki.host(), pki.ca_dir(), workers=1) as process:
        ask_pid(process)
        wait_for(lambda: log.read_text().count("\n"))
    assert log.read_text().startswith(f'dn="{pki.USER_DN}" op="GET /pid" status=200 ms=')


def test_deadlines_hold_against_the_slowest_client() -> None:
    """Silent after the handshake, in the header, in the body: each connection is ended by the server."""
    limits = Limits(idle_s=0.2, header_s=0.2, body_s=0.2)
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application, limits))
    with running([listener], pki.host(), pki.ca_dir(), workers=1, limits=limits) as process:
        for begun in (b"", b"POST /echo HT", b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"):
            with RawClient(process.ports[0]) as connection:
                connection.send(begun)
                assert connection.read_to_end() == b""


def test_a_byte_now_and_then_does_not_stretch_the_deadline() -> None:
    limits = Limits(header_s=0.5)
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application, limits))
    with running([listener], pki.host(), pki.ca_dir(), workers=1) as process, RawClient(process.ports[0]) as slow:
        end = time.monotonic() + PATIENCE_S
        with pytest.raises(OSError):  # sooner or later the server has closed and sending fails
            while time.monotonic() < end:
                slow.send(b"X")
                time.sleep(0.02)
