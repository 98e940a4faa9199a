"""The request parser: bytes in, requests out, whatever the bytes and however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpg.http1 import Request, RequestParser
from httpg.limits import Limits

POST = (b"POST /jpps HTTP/1.1\r\nHost: a\r\nSOAPAction: \"\"\r\nContent-Length: 5\r\n\r\nhello")
CHUNKED = b"PUT /f HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
GET = b"GET /?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"


def parse(*pieces: bytes, limits: Limits = Limits()) -> RequestParser:
    parser = RequestParser(limits)
    for piece in pieces:
        if parser.error is None:
            parser.feed(piece)
    return parser


def body(request: Request) -> bytes:
    return b"".join(request.body)


def refused(octets: bytes, limits: Limits = Limits()) -> str:
    parser = parse(*(octets[n:n + 16384] for n in range(0, len(octets), 16384)), limits=limits)
    assert parser.error is not None
    return parser.error.status


def test_a_request() -> None:
    request = parse(POST).ready[0]
    assert (request.method, request.target, request.version) == (b"POST", b"/jpps", "1.1")
    assert request.headers == [(b"Host", b"a"), (b"SOAPAction", b'""'), (b"Content-Length", b"5")]
    assert (request.length, request.chunked, request.complete, request.keep_alive) == (5, False, True, True)
    assert body(request) == b"hello"


def test_a_chunked_request_with_extensions_and_trailers() -> None:
    request = parse(CHUNKED).ready[0]
    assert (request.length, request.chunked, request.complete) == (None, True, True)
    assert body(request) == b"abcde"
    assert [name for name, _ in request.headers] == [b"Transfer-Encoding"]


@given(st.integers(1, 40), st.permutations([POST, CHUNKED, GET]))
def test_it_does_not_matter_how_the_bytes_are_cut(size: int, requests: list[bytes]) -> None:
    octets = b"".join(requests)
    parser = parse(*(octets[n:n + size] for n in range(0, len(octets), size)))
    assert parser.error is None
    expected = {POST: b"hello", CHUNKED: b"abcde", GET: b""}
    assert [body(request) for request in parser.ready] == [expected[octets] for octets in requests]
    assert all(request.complete for request in parser.ready)


@pytest.mark.parametrize(("octets", "status"), [
    (b"\x16\x03\x01\x02\x00garbage\r\n\r\n", "400"),
    (b"POST\r\n\r\n", "400"),
    (b"FROB / HTTP/1.1\r\n\r\n", "400"),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"),
    (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "400"),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400"),
    (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", "400"),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", "400"),
    (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"),
    (b"POST / HTTP/1.1\r\nExpect: miracles\r\n\r\n", "417"),
    (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "501"),
    (b"CONNECT host:1 HTTP/1.1\r\n\r\n", "501"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
    (b"GET / HTTP/2.0\r\n\r\n", "505"),
    (b"GET / HTTP/3.7\r\n\r\n", "400"),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", "431"),
    (b"GET / HTTP/1.1\r\nA: " + b"x" * 90_000, "431"),
    (b"GET /" + b"x" * 90_000, "431"),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"x" * 90_000, "431"),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 90_000, "431"),
])
def test_refused(octets: bytes, status: str) -> None:
    assert refused(octets).startswith(status)


def test_what_came_properly_before_the_garbage_is_kept() -> None:
    parser = parse(POST + b"garbage\r\n\r\n")
    assert body(parser.ready[0]) == b"hello" and parser.ready[0].complete
    assert parser.error is not None and parser.error.status.startswith("400")


def test_a_header_is_measured_over_all_its_pieces() -> None:
    piece = b"A: " + b"x" * 997 + b"\r\n"
    assert refused(b"".join([b"GET / HTTP/1.1\r\n", *[piece] * 60, b"\r\n"]), Limits(max_header=50_000))[:3] == "431"
    parser = parse(b"GET / HTTP/1.1\r\n", *[piece] * 60, b"\r\n")
    assert parser.error is None and len(parser.ready[0].headers) == 60


def test_a_large_body_is_no_large_header() -> None:
    octets = b"PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
    parser = parse(*(octets[n:n + 16384] for n in range(0, len(octets), 16384)))
    assert parser.error is None and len(body(parser.ready[0])) == 1_000_000


@given(st.binary(max_size=300))
def test_any_bytes_give_requests_or_an_error(octets: bytes) -> None:
    for start in (b"", POST, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"):
        parse(start + octets, octets)
