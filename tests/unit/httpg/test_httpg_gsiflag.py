"""The byte of a GSI client before its first message, in any protocol and with any bytes after it."""

import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

import pki
from gsi.context import client_ssl_context
from httpg import gsiflag
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from tlsserver import Running, running

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CERTIFICATE = pki.proxy().certificate.public_bytes(Encoding.DER)


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["gsi.peer"].dn.encode()]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], pki.host(), pki.ca_dir(), workers=1) as process:
        yield process


def talk(server: Running, *records: bytes) -> bytes:
    """Send each as a TLS record of its own; all that comes back."""
    context = client_ssl_context(pki.proxy(), pki.ca_dir())
    with socket.create_connection(("127.0.0.1", server.ports[0])) as raw, \
            context.wrap_socket(raw, server_hostname="localhost") as tls:
        for record in records:
            tls.sendall(record)
        return everything(tls)


def everything(tls: ssl.SSLSocket) -> bytes:
    received = b""
    while piece := tls.recv(65536):
        received += piece
    return received


def test_no_flag(server: Running) -> None:
    assert talk(server, REQUEST).endswith(pki.USER_DN.encode())


def test_the_flag_of_a_client_that_does_not_delegate(server: Running) -> None:
    assert talk(server, b"0", REQUEST).endswith(pki.USER_DN.encode())


@pytest.mark.parametrize("pieces", [
    [CERTIFICATE], [CERTIFICATE + CERTIFICATE], [CERTIFICATE[:100], CERTIFICATE[100:]],
    [CERTIFICATE[:1], CERTIFICATE[1:]],
])
def test_a_delegation_is_taken_and_dropped(server: Running, pieces: list[bytes]) -> None:
    answer = talk(server, b"D", *pieces, REQUEST)
    request = x509.load_der_x509_csr(answer[:answer.index(b"HTTP/1.1 ")])
    assert request.is_signature_valid and answer.endswith(pki.USER_DN.encode())


@pytest.mark.parametrize("records", [
    [b"00", REQUEST], [b"0" + REQUEST], [b"0", b"0", REQUEST], [b"1", REQUEST], [b"d", REQUEST],
])
def test_other_bytes_are_no_flag(server: Running, records: list[bytes]) -> None:
    assert pki.USER_DN.encode() not in talk(server, *records)


def test_what_is_no_certificate_ends_the_connection(server: Running) -> None:
    answer = talk(server, b"D", b"ELETE / HTTP/1.1\r\n\r\n")
    assert b"HTTP/1.1" not in answer
    assert talk(server, REQUEST).endswith(pki.USER_DN.encode()), "and no other one"


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_taken_or_end_the_connection(pieces: list[bytes]) -> None:
    sent: list[bytes] = []
    left = iter([*pieces, b""])
    try:
        gsiflag.take_delegation(sent.append, lambda: next(left))
    except ConnectionError:
        pass
    assert len(sent) == 1


def test_an_endless_certificate_is_not_waited_for() -> None:
    with pytest.raises(ConnectionError, match="no certificate"):
        gsiflag.take_delegation(lambda _: None, lambda: b"\x30\x84\x7f\xff\xff\xff" + os.urandom(16384))


def test_a_certificate_without_a_length_is_not_waited_for() -> None:
    """Looking for its end with each record would cost the worker minutes."""
    left = iter([b"\x30", b"\x80", b"\5", b"\0"])
    with pytest.raises(ConnectionError, match="no certificate"):
        gsiflag.take_delegation(lambda _: None, lambda: next(left))
    assert next(left) == b"\5"


def test_servers_send_no_session_tickets(server: Running) -> None:
    """CGSI would take one for the end of the answer, and nobody may resume a session."""
    context = client_ssl_context(pki.proxy(), pki.ca_dir())
    with socket.create_connection(("127.0.0.1", server.ports[0])) as raw, \
            context.wrap_socket(raw, server_hostname="localhost") as tls:
        tls.sendall(REQUEST)
        assert everything(tls).endswith(pki.USER_DN.encode())
        assert tls.version() == "TLSv1.3"
        assert tls.session is None or not tls.session.has_ticket
