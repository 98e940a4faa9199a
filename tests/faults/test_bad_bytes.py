"""Whatever bytes a client sends to any service: a SOAP fault or an HTTP 4xx, a server that lives on, nothing told."""

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import grids
from gsi.context import client_ssl_context
from gsi.credential import Credential
from guarded import xml
from testbed import grid as testbed
from testbed import process
from testbed.layout import HOST, Layout
from testbed.services import SERVICES

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = {
    "jpps": "http://glite.org/wsdl/elements/jp", "jpis": "http://glite.org/wsdl/elements/jp",
    "lb_ws": "http://glite.org/wsdl/elements/lb", "wmproxy": "http://glite.org/wms/wmproxy",
}
#: A harmless operation of each service and a mandatory child of it.
OPERATION = {
    "jpps": ("GetJobFiles", "jobid"), "jpis": ("DeleteFeed", "feedId"), "lb_ws": ("JobStatus", "jobid"),
    "wmproxy": ("jobCancel", "jobId"),
}
#: What must never reach a client.
SECRETS = re.compile(
    rb"Traceback|File \"|/site-packages/|\.py\b|SELECT |INSERT |sqlalchemy|/credentials/",
    re.IGNORECASE,
)
ANSWER_TIMEOUT_S = 120
#: Of a method or an HTTP version that is not there, the 5xx of RFC 9110 say it best.
NOT_SPOKEN = (501, 505)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """One grid for all bad bytes."""
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


@dataclass(frozen=True)
class Bad:
    """A request body, and HTTP headers that replace the usual ones."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


def envelope(body: str, head: str = "", soap: str = SOAP, prolog: str = "") -> bytes:
    """A SOAP envelope around the body."""
    return f'{prolog}<e:Envelope xmlns:e="{soap}">{head}<e:Body>{body}</e:Body></e:Envelope>'.encode()


def bad_requests(service: str) -> dict[str, Bad]:
    """The table: name → request."""
    space, (operation, child) = NAMESPACE[service], OPERATION[service]
    call = f'<x:{operation} xmlns:x="{space}"><{child}>https://h:9000/x</{child}></x:{operation}>'
    must = '<e:Header><h:secure xmlns:h="urn:h" e:mustUnderstand="1"/></e:Header>'
    entity = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    return {
        "empty-post": Bad(b""),
        "empty-body-element": Bad(envelope("")),
        "not-xml": Bad(b"this is no XML at all"),
        "unknown-charset": Bad(envelope(call, prolog='<?xml version="1.0" encoding="klingon"?>')),
        "unknown-charset-in-header": Bad(envelope(call), (("Content-Type", "text/xml; charset=klingon"),)),
        "bad-utf-8": Bad(envelope(call).replace(b"https", b"\xff\xfe\x80")),
        "truncated": Bad(envelope(call)[:-20]),
        "doctype": Bad(envelope(call, prolog="<!DOCTYPE x>")),
        "entities": Bad(envelope(call.replace("https://h:9000/x", "&b;"), prolog=entity)),
        "external-entity": Bad(envelope(call, prolog='<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>')),
        "deep": Bad(envelope("<a>" * 300 + "</a>" * 300)),
        "soap-1.2": Bad(envelope(call, soap="http://www.w3.org/2003/05/soap-envelope")),
        "unknown-operation": Bad(envelope(f'<x:Frobnicate xmlns:x="{space}"/>')),
        "unknown-namespace": Bad(envelope('<x:RegisterJob xmlns:x="urn:nobody"/>')),
        "must-understand": Bad(envelope(call, head=must)),
        "missing-child": Bad(envelope(f'<x:{operation} xmlns:x="{space}"/>')),
        "surplus-child": Bad(envelope(call.replace("</x:", "<surprise/></x:"))),
        "nul-byte": Bad(envelope(call).replace(b"https", b"ht\x00tps")),
        "content-length-too-long": Bad(envelope(call), (("Content-Length", "99999"),), cut=True),
        "content-length-too-short": Bad(envelope(call), (("Content-Length", "40"),)),
        "content-length-negative": Bad(envelope(call), (("Content-Length", "-1"),)),
        "content-length-garbage": Bad(envelope(call), (("Content-Length", "many"),)),
        "50-mb": Bad(envelope(call.replace("https://h:9000/x", "x" * 50_000_000))),
    }


class Sender:
    """Raw bytes over TLS as the grid's user."""

    def __init__(self, grid: Layout, service: str) -> None:
        self._context = client_ssl_context(Credential.load(grid.user_proxy), grid.ca_dir)
        self._port = grid.ports[service]

    def send(self, request: bytes, cut: bool = False) -> bytes:
        """Send the bytes and return all that comes back until the server closes the connection."""
        with (socket.create_connection((HOST, self._port), ANSWER_TIMEOUT_S) as plain,
              self._context.wrap_socket(plain, server_hostname=HOST) as tls):
            try:
                tls.sendall(request)
                if cut:  # half-close below TLS: the server sees the end of the stream and may still answer
                    socket.socket.shutdown(tls, socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                pass  # the server has said no before it had read all
            return b"".join(iter(lambda: self._receive(tls), b""))

    @staticmethod
    def _receive(tls: socket.socket) -> bytes:
        try:
            return tls.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            return b""


def post(bad: Bad) -> bytes:
    """The HTTP request of a bad body."""
    headers = {"Host": HOST, "Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "Connection": "close",
               "Content-Length": str(len(bad.body))} | dict(bad.headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + bad.body


def check(answer: bytes) -> None:
    """A fault or a 4xx, and nothing that is nobody's business."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line = head.split(b"\r\n")[0]
    match = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) .*", line)
    assert match, f"no HTTP answer: {answer[:200]!r}"
    code = int(match[1])
    assert not SECRETS.search(answer), answer[:2000]
    if code == 500:
        if b"chunked" in head.lower():
            body = dechunk(body)
        fault = xml.parse(body).find(f".//{{{SOAP}}}Fault")
        assert fault is not None, body[:500]
        assert fault.findtext("faultstring")
    else:
        assert 400 <= code < 500 or code in NOT_SPOKEN, answer[:500]


def dechunk(body: bytes) -> bytes:
    """Undo the chunked transfer coding."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + body[:length], body[length + 2:]
    return whole


@pytest.mark.parametrize("service", list(NAMESPACE))
@pytest.mark.parametrize("name", list(bad_requests("jpps")))
def test_bad_requests_are_answered(grid: Layout, service: str, name: str) -> None:
    bad = bad_requests(service)[name]
    check(Sender(grid, service).send(post(bad), cut=bad.cut))


RAW = {
    "garbage": b"\x00\x01\x02\x03 nonsense\r\n\r\n",
    "no-version": b"GET /\r\n\r\n",
    "bad-method": b"FLY / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "endless-header": b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    "two-lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length-and-chunked": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                          b"Connection: close\r\n\r\n0\r\n\r\n",
    "bad-chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("service", list(NAMESPACE))
@pytest.mark.parametrize("name", list(RAW))
def test_bytes_that_are_no_http_are_answered(grid: Layout, service: str, name: str) -> None:
    check(Sender(grid, service).send(RAW[name]))


@pytest.mark.parametrize("service", list(NAMESPACE))
def test_bytes_that_are_no_tls_do_no_harm(grid: Layout, service: str) -> None:
    with socket.create_connection((HOST, grid.ports[service]), ANSWER_TIMEOUT_S) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n" + b"\x16\x03\x01" * 100)
        plain.settimeout(ANSWER_TIMEOUT_S)
        try:
            while plain.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_all_servers_have_lived_through_it(grid: Layout) -> None:
    """The same processes answer as before: workers do not die of bad bytes."""
    for service in SERVICES:
        assert testbed.answers(grid, service), service.name
        log = Path(grid.log(service.name)).read_text(errors="replace")
        assert "worker died" not in log, log[-2000:]


def test_memory_stays_flat(grid: Layout) -> None:
    """Ten bodies over the limit leave no worker larger than 300 MB."""
    request = post(bad_requests("jpps")["50-mb"])
    for _ in range(10):
        check(Sender(grid, "jpps").send(request))
    [jpps] = [service for service in SERVICES if service.name == "jpps"]
    running = process.find(testbed.mark(grid, jpps))
    assert running is not None
    for child in process.descendants(running.pid):
        resident = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1]) * 4096
        assert resident < 300_000_000
