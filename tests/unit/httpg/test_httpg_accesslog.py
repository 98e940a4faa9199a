"""The access log: what a line says, and that nobody can write one of his own."""

import logging
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pki
import soap.contract
from gsi.peer import Peer, ProxyKind
from gsi.trust import Trust
from httpg import accesslog
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from soap.service import application
from soapcalls import Recorder, Rule, envelope
from tlsserver import running, wait_for

_PAIR = re.compile(r'([a-z]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')


def fields(line: str) -> dict[str, str]:
    """Read a line as a program that analyses logs does; fails when anything is left over."""
    assert not _PAIR.sub("", line).strip()
    return dict(_PAIR.findall(line))


@pytest.fixture(scope="module")
def peer() -> Peer:
    chain = (pki.proxy().certificate, *pki.proxy().chain)
    return Trust(pki.ca_dir()).verify(chain)


def lines(caplog: pytest.LogCaptureFixture, *arguments: object) -> list[str]:
    with caplog.at_level(logging.INFO, "httpg.access"):
        accesslog.write(*arguments)  # type: ignore[arg-type]
    return [record.getMessage() for record in caplog.records]


def test_a_line(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    known = replace(peer, limited=True, fqans=("/testvo/Role=production", "/testvo"))
    [line] = lines(caplog, accesslog.caller(known, "192.0.2.7"), "RegisterJob", "200", 0.00314, 812, 420)
    assert line == (f'dn="{pki.USER_DN}" op=RegisterJob status=200 ms=3.1 in=812 out=420 proxy=rfc3820 limited=yes '
                    "fqan=/testvo/Role=production client=192.0.2.7")


def test_a_line_without_proxy_or_name(peer: Peer, caplog: pytest.LogCaptureFixture) -> None:
    person = replace(peer, proxy_kind=ProxyKind.NONE)
    assert accesslog.caller(person, "::1") == (f'dn="{pki.USER_DN}"', "client=::1")
    [line] = lines(caplog, accesslog.caller(None, "::1"), "GET /x", "", 1.0, 0, 0)
    assert line == 'dn=- op="GET /x" status=- ms=1000.0 in=0 out=0 client=::1'


@given(st.text(max_size=600))
def test_whatever_it_is_a_value_stays_one_value_on_one_line(text: str) -> None:
    written = accesslog.value(text)
    assert written.isprintable() and len(written) < 6000
    assert list(fields(f"a={written} b=1")) == ["a", "b"]
    if len(text) <= 512 and "\\" not in text and text.isprintable():
        assert shlex.split(written) == [text]


def test_two_long_names_do_not_become_one() -> None:
    assert accesslog.value("x" * 600) != accesslog.value("x" * 601)


def test_the_operation_of_soap_is_named(tmp_path: Path) -> None:
    """In the log of a real service, for an operation that succeeds, one that is refused, and one that is not there."""
    log = tmp_path / "log"

    def protocol() -> HttpProtocol:
        handler = logging.FileHandler(log)
        handler.setFormatter(logging.Formatter("%(message)s"))
        accesslog.log.addHandler(handler)
        accesslog.log.setLevel(logging.INFO)
        return HttpProtocol(application(soap.contract.load("JobProvenancePS"), Recorder(), policy=Rule()))

    def post(body: bytes) -> bytes:
        return b"POST /x%%22y HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    with (running([Listener("127.0.0.1", 0, protocol)], pki.host(), pki.ca_dir(), workers=1) as process,
          RawClient(process.ports[0]) as client):
        for call in ("<jpe:RegisterJob><job>https://lb:9000/a</job><owner>/CN=x</owner></jpe:RegisterJob>",
                     "<jpe:RegisterJob><unknown/></jpe:RegisterJob>", "<jpe:Frobnicate/>"):
            client.send(post(envelope(call))).answer()
        wait_for(lambda: log.read_text().count("\n") == 3)
    done = [fields(line) for line in log.read_text().splitlines()]
    assert [(line["op"], line["status"]) for line in done] == [
        ("RegisterJob", "200"), ("RegisterJob", "500"), ('"POST /x%22y"', "500"),
    ]
    assert all(line["dn"] == f'"{pki.USER_DN}"' and int(line["in"]) > 0 < int(line["out"]) for line in done)
