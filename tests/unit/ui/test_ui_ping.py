"""glite-ping: every step is told, and each refusal of the zoo is explained in a sentence that a user can act on."""

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import chains
import pki
import zoo
from gsi.credential import Credential
from gsi.proxy import create_proxy
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from shared import ROOT
from testbed import ca
from tlsserver import Running, free_port, running
from ui.ping_server import describe
from ui.ping_steps import Result
from ui.ping_trace import Caller, target, trace
from unit.test_whoami import jpis_application

#: Generous: only a broken server lets a test wait that long.
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that trusts the CAs of the zoo."""
    root = tmp_path_factory.mktemp("jpis")
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(jpis_application(root)))
    with running([listener], pki.host(), zoo.ca_dir(), workers=1) as process:
        yield process


def ping(url: str, credential: Credential | None, ca_dir: Path | None = None) -> Result:
    """Trace as this user."""
    load = None if credential is None else lambda: credential
    return trace(url, Caller(load, ca_dir or zoo.ca_dir()), PATIENCE_S, lambda step: None)


def states(result: Result) -> dict[str, str]:
    return {step.name: step.state for step in result.steps}


def test_ports_of_the_same_name_are_told_apart() -> None:
    told = {"identity": "/CN=x", "service": {"name": "WMProxy", "version": "1"}, "ports": [
        {"port": "Delegation", "namespace": "http://example.org/delegation-1"},
        {"port": "Delegation", "namespace": "http://example.org/delegation-2"}, {"port": "Other"}]}
    names = []
    describe(told, lambda name, _, text, *__: names.append(text) if name == "operations" else None)
    assert names == ["Delegation (http://example.org/delegation-1)", "Delegation (http://example.org/delegation-2)",
                     "Other"]


def test_what_is_not_there_yet_is_told_apart() -> None:
    port = {"port": "LB", "operations": {"NotifNew": "not available yet", "UserJobs": "yes"},
            "reasons": {"NotifNew": "this release does not have it", "UserJobs": "you may"}}
    told = {"service": {"name": "LB", "version": "1"}, "identity": "/CN=x", "ports": [port]}
    lines: list[str] = []
    describe(told, lambda name, _, __, *more: lines.extend(more) if name == "operations" else None)
    assert lines == ["yes: UserJobs (you may)", "not available yet: NotifNew (this release does not have it)"]


# ---- who is accepted ------------------------------------------------------------------------------------------------


def test_all_steps_in_their_order(server: Running) -> None:
    result = ping(server.url(), pki.proxy())
    assert [step.name for step in result.steps] == [
        "credential", "name", "TCP", "TLS", "server name", "server chain", "server CRL", "service", "peer",
        "operations"]
    assert set(states(result).values()) == {"ok"}
    assert result.reason is None and result.rtt_ms is not None and result.rtt_ms > 0
    text = {step.name: " ".join((step.text, *step.details)) for step in result.steps}
    assert pki.USER_DN in text["credential"] and "RFC 3820 proxy, RSA 2048" in text["credential"]
    assert "TLSv1.3, TLS_" in text["TLS"]
    assert "/CN=Test CA" in text["server chain"]
    assert "not revoked" in text["server CRL"]
    assert pki.USER_DN in text["peer"] and "no VO attributes" in text["peer"]
    assert "yes: QueryJobs, ServerConfiguration" in text["operations"] and "no: UpdateJobs" in text["operations"]


@pytest.mark.parametrize("name", zoo.ACCEPTED)
def test_who_is_accepted_is_told_as_whom(server: Running, name: str) -> None:
    case = zoo.ACCEPTED[name]
    credential = case.make()
    result = ping(server.url(), credential)
    assert result.reason is None, result.reason
    assert result.told is not None
    assert result.told["identity"] == credential.dn
    assert (result.told["proxy_kind"], result.told["limited"]) == (case.kind.value, case.limited)


# ---- who is refused -------------------------------------------------------------------------------------------------

#: What the name of a case says: words of the reason, words of the remedy. The first row that fits counts.
EXPLAINED = [
    (r"unknown critical", r"critical extension", r"condition that nobody here understands"),
    (r"unknown CA", r"issuer certificate", r"CA of your certificate is not trusted"),
    (r"unknown policy|independent", r"proxy policy .* not accepted", r"does not speak for you: make a new proxy"),
    (r"cycle", r"chain too long|issuer", r"trusted"),
    (r"^25 CAs|^10 proxies|^100-certificate", r"\d+ (certificates|proxies)", r"too many certificates"),
    (r"CRL expired", r"CRL has expired", r"too old: run fetch-crl"),
    (r"CRL from the future", r"CRL is not yet valid", r"check the clock"),
    (r"CRL", r"CRL", r"run fetch-crl"),
    (r"proxy of an expired user|^expired", r"expired", r"ask your CA for a new certificate"),
    (r"proxy, expired", r"expired", r"^make a new proxy"),
    (r"from the future", r"not yet valid", r"check the clock of this machine"),
    (r"too long", r"valid for more than 336 hours", r"make a shorter proxy"),
    (r"proxy signed by another user", r"signature", r"damaged or forged"),
    (r"legacy proxy (with (another|two|a multi)|whose)|made-up victim", r"CA", r"signed by somebody who is no CA"),
    (r"another user's name|issuer's subject|two CNs|multi-valued|is no CN", r"subject of a proxy", r"one CN more"),
    (r"proxy with (/CN=|NUL)", r"two ways", r"make a new proxy"),
    (r"/CN= in|NUL in|escaped octets in", r"two ways", r"plain name"),
    (r"name of a host", r"alternative name", r"name of a host"),
    (r"posing as a CA|in the middle|without keyCertSign", r"CA|not allowed", r"somebody who is no CA"),
    (r"signed by a CA|that is a CA", r"issued by a CA|is a CA", r"a CA has no part in a proxy"),
    (r"CA as a client", r"certificate of a CA", r"use your own"),
    (r"path length 0", r"path length", r"ask your CA"),
    (r"path length exceeded", r"path length of a proxy", r"-pathlen"),
    (r"servers only", r"may not sign", r"ask your CA for one with digitalSignature"),
    (r"full legacy proxy of a limited", r"limited", r"cannot be made full"),
    (r"^(RFC|legacy|draft) proxy of an? (RFC|legacy|draft)", r"different kinds", r"of one kind"),
    (r"twice|of RFC and of the draft", r"cannot be read", r"damaged"),
    (r"ProxyCertInfo", r"ProxyCertInfo", r"faulty program: make a new proxy"),
    (r"end entity with|SHA-1 under the end|1024-bit end", r"sha1|1024 bits", r"your certificate .*: ask your CA"),
    (r"SHA-1", r"sha1", r"make a new proxy .* SHA-256"),
    (r"1024 bits", r"1024 bits", r"make a new proxy .* 2048 bits"),
    (r"revoked", r"certificate revoked", r"withdrawn: ask your CA"),
    (r"policy violated|denied", r"signing policy .* does not allow", r"may not sign that name"),
    (r"signing policy|nobody knows", r"signing policy", r"install that CA again"),
]


@pytest.mark.parametrize("name", zoo.REFUSED)
def test_each_refusal_is_explained(server: Running, name: str) -> None:
    reason, remedy = next(row[1:] for row in EXPLAINED if re.search(row[0], name))
    result = ping(server.url(), zoo.REFUSED[name].make())
    assert result.reason is not None and result.remedy is not None, "it was accepted"
    assert re.search(reason, result.reason), result.reason
    assert re.search(remedy, result.remedy), result.remedy
    assert "\n" not in result.remedy and len(result.remedy) < 250
    told = states(result)
    assert told["credential"] == "FAIL", "the reason is found before the network is asked"
    assert "FAIL" in (told.get("TLS"), told.get("request")), "the server has refused as well"
    assert "peer" not in told


def test_a_server_that_trusts_less_than_the_user(server: Running, tmp_path: Path) -> None:
    """Our own rules have no objection: the alert of the server is all there is."""
    both = ca.write_ca_directory(tmp_path / "both", [pki.authority(), pki.stranger()])
    user = create_proxy(ca.issue_user(pki.stranger(), "/DC=org/DC=example/CN=Stranger"))
    result = ping(server.url(), user, both)
    assert states(result)["credential"] == "ok"
    assert result.reason == "the server does not trust the CA of your certificate"
    assert "ask its administrators to install your CA" in str(result.remedy)


def test_a_server_with_stricter_rules(tmp_path: Path) -> None:
    """It closes after the handshake: no alert says why."""
    rules = tmp_path / "gsi.toml"
    rules.write_text("max_proxies = 1\n")
    root = tmp_path / "jpis"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLITE_GSI_RULES", str(rules))
        with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(jpis_application(root)))], pki.host(),
                     pki.ca_dir(), workers=1) as strict:
            patch.delenv("GLITE_GSI_RULES")
            result = ping(strict.url(), create_proxy(pki.proxy()), pki.ca_dir())
    assert states(result)["credential"] == "ok" and states(result)["TLS"] == "ok"
    assert "closed the connection after it had seen your certificate" in str(result.reason)
    assert "their log names the check" in str(result.remedy)


def test_without_a_certificate(server: Running) -> None:
    result = ping(server.url(), None)
    assert "wants a certificate" in str(result.reason)
    assert "make a proxy with glite-proxy-init" in str(result.remedy)


# ---- what is wrong with the server ----------------------------------------------------------------------------------


@contextmanager
def serving_as(credential: Credential, root: Path) -> Iterator[Running]:
    root.mkdir()
    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(jpis_application(root)))], credential, pki.ca_dir(),
                 workers=1) as process:
        yield process


def _above(change: Callable[[x509.Certificate], x509.Certificate]) -> Credential:
    """A host's credential with another form of its CA's certificate."""
    return replace(pki.host(), chain=(change(pki.authority().certificate),))


@pytest.mark.parametrize(("make", "failed", "words"), [
    (lambda: ca.issue_host(pki.authority(), "other.example.org"), "server name", "is not for localhost"),
    (lambda: ca.issue_user(pki.authority(), "/DC=org/DC=example/CN=localhost"), "server name", "no alternative name"),
    (lambda: ca.issue_host(pki.stranger(), "localhost"), "server chain", "not to be trusted"),
    (lambda: create_proxy(pki.host()), "server name", "no alternative name"),
    (lambda: _above(chains.with_unreadable_names), "server chain", "cannot be read"),
], ids=["another host", "name in the subject only", "unknown CA", "proxy of a host", "name that cannot be read"])
def test_a_server_that_is_not_the_right_one(tmp_path: Path, make: Any, failed: str, words: str) -> None:
    with serving_as(make(), tmp_path / "x") as process:
        result = ping(process.url(), pki.proxy(), pki.ca_dir())
    assert states(result)[failed] == "FAIL"
    assert words in str(result.reason)
    assert result.remedy
    assert "request" not in states(result) and result.told is None, "nothing is sent to it"


def test_a_revoked_server(tmp_path: Path) -> None:
    host = ca.issue_host(pki.authority(), "localhost")
    known = ca.write_ca_directory(tmp_path / "cas", [pki.authority()], [host.certificate])
    with serving_as(host, tmp_path / "x") as process:
        result = ping(process.url(), pki.proxy(), known)
    assert states(result)["server chain"] == "FAIL" and "revoked" in str(result.reason)


def test_a_missing_revocation_list_of_the_servers_ca_is_said(tmp_path: Path, server: Running) -> None:
    known = ca.write_ca_directory(tmp_path / "cas", [pki.authority()])
    for crl in known.glob("*.r0"):
        crl.unlink()
    result = ping(server.url(), pki.proxy(), known)
    assert result.reason is None and states(result)["server CRL"] == "warn"


def test_nobody_listens() -> None:
    result = ping(f"https://localhost:{free_port()}", pki.proxy())
    assert states(result)["TCP"] == "FAIL" and "connection refused" in str(result.reason)
    assert "that the service is up" in str(result.remedy)


def test_no_such_host() -> None:
    result = ping("https://no-such-host.invalid:1", pki.proxy())
    assert states(result)["name"] == "FAIL" and "how the name is written" in str(result.remedy)


def answering(octets: bytes) -> int:
    """A port on which a program without TLS answers one connection with these bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(octets)

    threading.Thread(target=answer, daemon=True).start()
    return int(listener.getsockname()[1])


@pytest.mark.parametrize("octets", [b"HTTP/1.1 200 OK\r\n\r\n", b"", b"\0" * 100])
def test_a_port_without_tls(octets: bytes) -> None:
    result = ping(f"https://127.0.0.1:{answering(octets)}", pki.proxy())
    assert states(result)["TLS"] == "FAIL"
    assert "one of a grid service" in str(result.remedy)


def test_a_port_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = Caller(pki.proxy, zoo.ca_dir())
        result = trace(f"https://127.0.0.1:{listener.getsockname()[1]}", caller, 0.2, lambda step: None)
    assert states(result)["TCP"] == "ok" and states(result)["TLS"] == "FAIL"
    assert result.reason == "no answer in time"


def test_a_server_that_never_pauses_is_not_waited_for(tmp_path: Path) -> None:
    """It says again and again that it will answer, faster than that can be read."""
    pki.host().save(tmp_path / "host.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "host.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        with suppress(OSError), listener, context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            while True:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 500)

    threading.Thread(target=talk, daemon=True).start()
    result = trace(f"https://localhost:{listener.getsockname()[1]}", Caller(pki.proxy, pki.ca_dir()), 1.0,
                   lambda step: None)
    assert result.reason == "no answer in time"


def test_a_service_that_does_not_tell(tmp_path: Path) -> None:
    def silent(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(silent))], pki.host(), pki.ca_dir(),
                 workers=1) as other:
        result = ping(other.url(), pki.proxy(), pki.ca_dir())
    assert result.reason is None and result.told is None
    assert states(result)["peer"] == "warn"


@contextmanager
def telling(body: bytes) -> Iterator[Running]:
    """A server with a good certificate that answers these bytes."""
    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(answer))], pki.host(), pki.ca_dir(), workers=1) as it:
        yield it


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{", b'{"identity": 1}', b'{"identity": "x", "service": "y", "ports": []}', b"\xff" * 9, b"[" * 100000,
    b'{"identity": "x", "service": {"name": "n", "version": "v"}, "ports": [1]}',
    b'{"identity": "x", "service": {"name": "n", "version": "v"}, "ports": [{"operations": {"a": {}}}]}',
    b'{"identity": "x", "service": {"name": "n", "version": "v"}, "ports": [], "fqans": 3}',
])
def test_any_other_answer_is_taken_for_none(body: bytes) -> None:
    with telling(body) as other:
        result = ping(other.url(), pki.proxy(), pki.ca_dir())
    assert result.reason is None and result.told is None and states(result)["peer"] == "warn"


def test_what_a_server_says_does_not_steer_the_terminal() -> None:
    evil = {"identity": "\x1b[2Jx", "service": {"name": "n\x1b]0;owned\x07", "version": "1"},
            "ports": [{"port": "p\n\x1b[1m", "operations": {"o\x1b": "yes"}}]}
    with telling(json.dumps(evil).encode()) as other:
        for options in ((), ("--trace",)):
            done = program(*options, "--proxy", pki.proxy_file(), other.url())
            assert done.returncode == 0 and "\\x1b[2Jx" in done.stdout
            assert "\x1b" not in done.stdout and "\x07" not in done.stdout


# ---- the command ----------------------------------------------------------------------------------------------------


def program(*options: object, ca_dir: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ui.ping", "--certdir", str(ca_dir or pki.ca_dir()),
                           "--timeout", str(PATIENCE_S), *map(str, options)],
                          cwd=ROOT, capture_output=True, text=True, check=False)


def test_one_line_and_the_statistics(server: Running) -> None:
    done = program("--proxy", pki.proxy_file(), server.url())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"localhost:{server.ports[0]} JobProvenanceIS sees {pki.USER_DN}, time=[0-9.]+ ms\n",
                        done.stdout)
    done = program("--proxy", pki.proxy_file(), "--count", 3, "--interval", 0, server.url())
    assert len(done.stdout.splitlines()) == 4
    assert re.match(r"3 requests, 3 answers, min/avg/max [0-9.]+/[0-9.]+/[0-9.]+ ms", done.stdout.splitlines()[-1])


def test_trace_and_failure_on_the_terminal(server: Running, tmp_path: Path) -> None:
    zoo.REFUSED["RFC proxy, expired"].make().save(tmp_path / "expired")
    done = program("--trace", "--proxy", tmp_path / "expired", server.url())
    assert done.returncode == 1
    assert re.search("^ok   TLS           TLSv1", done.stdout, re.MULTILINE)
    assert f"localhost:{server.ports[0]} FAILED: expired" in done.stderr
    assert "What to do: make a new proxy with glite-proxy-init" in done.stderr


def test_json(server: Running, tmp_path: Path) -> None:
    told = json.loads(program("--json", "--proxy", pki.proxy_file(), server.url()).stdout)
    assert (told["result"], told["reason"], told["peer"]["identity"]) == ("ok", None, pki.USER_DN)
    assert told["steps"][0]["step"] == "credential"
    zoo.REFUSED["RFC proxy, expired"].make().save(tmp_path / "expired")
    done = program("--json", "--count", 2, "--interval", 0, "--proxy", tmp_path / "expired", server.url())
    assert done.returncode == 1
    assert [each["result"] for each in json.loads(done.stdout)] == ["failed", "failed"]


@pytest.mark.parametrize(("options", "code", "words"), [
    (["ftp://host"], 1, "write https://HOST:PORT"),
    (["https://"], 1, "there is no host in it"),
    (["https://host:99999"], 1, "https://host:99999"),
    (["--anonymous", "--proxy", "x", "https://host"], 255, "exclude one another"),
    (["--cert", "x", "https://host"], 255, "belong together"),
    (["--proxy", "/no/such", "https://localhost"], 1, "make a proxy with glite-proxy-init"),
])
def test_wrong_usage(options: list[str], code: int, words: str) -> None:
    done = program(*options)
    assert done.returncode == code
    assert words in done.stderr and "Traceback" not in done.stderr


def test_rules_that_cannot_be_read_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gsi.toml").write_text("crls = 1")
    monkeypatch.setenv("GLITE_GSI_RULES", str(tmp_path / "gsi.toml"))
    done = program("--proxy", pki.proxy_file(), "https://localhost:1")
    assert done.returncode == 1 and "did you mean crl?" in done.stderr and "mend the file" in done.stderr


def test_a_missing_ca_directory_is_said(tmp_path: Path) -> None:
    done = program("--proxy", pki.proxy_file(), "https://localhost:1", ca_dir=tmp_path / "none")
    assert done.returncode == 1 and "install the CA certificates of your grid" in done.stderr


@pytest.mark.parametrize(("url", "expected"), [
    ("https://a.example:8901/x/y", ("a.example", 8901)), ("a.example:7", ("a.example", 7)),
    ("http://a.example:8902", ("a.example", 8902)), ("https://[::1]:5", ("::1", 5)), ("https://a", ("a", 443)),
])
def test_addresses(url: str, expected: tuple[str, int]) -> None:
    assert target(url) == expected
