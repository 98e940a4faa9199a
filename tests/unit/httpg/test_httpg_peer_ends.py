"""A connection that stays open: what was known of the caller ends while it does."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

import pki
from gsi.peer import Peer, VoAttributes
from httpg.client import session
from httpg.connection import Connection
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from tlsserver import Running, running

HOUR = timedelta(hours=1)


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers what the server knows of the caller."""
    peer = environ["gsi.peer"]
    start_response("200 OK", [])
    return [f"{peer.dn} {' '.join(peer.fqans)}".encode()]


def attributes(vo: str, not_after: datetime) -> VoAttributes:
    return VoAttributes(vo, (f"/{vo}",), (), "/CN=server", not_after, "host:1")


def with_attributes(peer: Peer) -> Peer:
    """As if he had come two hours ago, with attributes for one hour and for more."""
    now = datetime.now(UTC)
    return peer.with_attributes((attributes("gone", now - HOUR), attributes("here", now + HOUR)))


def over(peer: Peer) -> Peer:
    """As if his proxy had ended since he came."""
    return replace(peer, not_after=datetime.now(UTC) - HOUR)


class Later:
    """Serves a caller of whom something has ended since the handshake."""

    def __init__(self, change: Callable[[Peer], Peer]) -> None:
        self._change = change
        self._http = HttpProtocol(who)

    def __call__(self, connection: Connection, peer: Peer | None) -> None:
        assert peer is not None
        self._http(connection, self._change(peer))


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    listeners = [Listener("127.0.0.1", 0, lambda: Later(with_attributes)),
                 Listener("127.0.0.1", 0, lambda: Later(over))]
    with running(listeners, pki.host(), pki.ca_dir()) as process:
        yield process


def test_attributes_that_have_ended_count_no_longer(server: Running) -> None:
    with session(pki.proxy(), pki.ca_dir()) as http:
        for _ in range(2):
            assert http.get(server.url()).text == f"{pki.USER_DN} /here"


def test_who_is_no_longer_known_is_not_served(server: Running) -> None:
    with session(pki.proxy(), pki.ca_dir()) as http, pytest.raises(requests.ConnectionError):
        http.get(server.url(index=1))
