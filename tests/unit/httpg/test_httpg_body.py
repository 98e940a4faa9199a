"""The body of a request: what it takes of the memory."""

import tracemalloc
from typing import Any

import pytest

from httpg.body import RequestBody
from httpg.http1 import RequestParser
from httpg.limits import Limits

LIMITS = Limits()
CHUNKS = 100_000


class Client:
    """In place of a connection: one that sends these bytes."""

    def __init__(self, octets: bytes) -> None:
        self.accounts = self
        self._octets, self._place = octets, 0

    def recv(self, size: int, deadline: float) -> bytes:
        self._place += size
        return self._octets[self._place - size:self._place]

    def hold(self, size: int) -> bool:
        return True


@pytest.mark.parametrize("size", [-1, 2 * CHUNKS + 1])
def test_small_chunks_take_no_more_memory_than_large_ones(size: int) -> None:
    """A list of them takes 60 bytes for each byte of the body, and the limit of all bodies would mean nothing."""
    parser = RequestParser(LIMITS)
    parser.feed(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    client: Any = Client(b"2\r\nab\r\n" * CHUNKS + b"0\r\n\r\n")
    body = RequestBody(client, parser, parser.ready.popleft(), LIMITS)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert body.read(size) == b"ab" * CHUNKS
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 5 * 2 * CHUNKS
