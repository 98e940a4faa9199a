"""One connection to a service as the user, told step by step, and what goes wrong explained (glite-ping).

A server that refuses a certificate says so with a TLS alert at best, never why. So the user's own credential is judged
here first, by the same numbered checks that services make; when the server refuses, that is the reason.
"""

import json
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import h11
from cryptography import x509
from OpenSSL import SSL

from gsi.claims import claims
from gsi.credential import Credential
from gsi.errors import CredentialError, GsiError
from gsi.names import slash_dn
from gsi.trust import Trust
from soap.whoami import PATH
from ui.ping_server import check_server, describe
from ui.ping_steps import FAIL, OK, WARN, Failure, Result, Step
from ui.ping_tls import Answer, Probe, TlsRefused
from ui.remedies import Advice, advice

Tell = Callable[[Step], None]

_ASK = "ask the administrators of the service: their log names the check that refused you"
#: What TLS alerts mean that a server sends about the client's certificate.
_ALERTS = {
    "unknown ca": Advice(
        "the server does not trust the CA of your certificate",
        "use a certificate of a CA that the server trusts, or ask its administrators to install your CA"),
    "certificate expired": Advice(
        "the server takes your certificate, or a revocation list, for expired",
        "make a new proxy with glite-proxy-init; if it is refused as well, clocks differ: tell the administrators"),
    "certificate revoked": Advice(
        "the server knows your certificate, or one above it, as revoked", "ask your CA for a new certificate"),
    "certificate required": Advice(
        "the server wants a certificate and got none", "make a proxy with glite-proxy-init"),
    "handshake failure": Advice(
        "the server wants a certificate, or other ciphers than this program has",
        "make a proxy with glite-proxy-init; if you have one, ask the administrators of the service"),
    "bad certificate": Advice("the server refused your certificate without saying why", _ASK),
    "unsupported certificate": Advice("your certificate is not meant for clients, the server says", _ASK),
}
_CLOSED = Advice("the server closed the connection after it had seen your certificate: its rules refuse it", _ASK)


@dataclass(frozen=True)
class Caller:
    """Who pings. load: reads the credential, None for an anonymous client; ca_dir: whom he trusts."""

    load: Callable[[], Credential] | None
    ca_dir: Path


def trace(url: str, caller: Caller, timeout_s: float, tell: Tell) -> Result:
    """Connect, ask who one is there, tell each step as it is done. Nothing is raised for what the network does."""
    result = Result(url)

    def step(name: str, state: str, text: str, *details: str) -> None:
        result.steps.append(Step(name, state, text, details))
        tell(result.steps[-1])

    try:
        _Trace(caller, timeout_s, step).run(url, result)
    except Failure as failure:
        result.reason, result.remedy = failure.reason, failure.remedy
    return result


def target(url: str) -> tuple[str, int]:
    """Host and port of a URL; `host:port` will do. Raises ValueError."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("https", "http", "httpg"):  # old settings have http and mean TLS (jp.md 1.6)
        raise ValueError(f"{parts.scheme} is not spoken here; write https://HOST:PORT")
    if not parts.hostname:
        raise ValueError("there is no host in it; write https://HOST:PORT")
    return parts.hostname, parts.port or 443


def _described(chain: Sequence[x509.Certificate]) -> str:
    """The credential in one line, by its own account."""
    try:
        told = claims(chain)
    except CredentialError as error:
        return str(error)
    what = f"{'limited ' if told.limited else ''}{told.kind.value}"
    return f"{slash_dn(told.identity)} ({what}, {told.key}, until {told.not_after:%Y-%m-%d %H:%M:%S} UTC)"


def _ms(since: float) -> str:
    return f"{(time.perf_counter() - since) * 1000:.1f} ms"


class _Trace:
    def __init__(self, caller: Caller, timeout_s: float, step: Callable[..., None]) -> None:
        self._caller = caller
        self._timeout_s = timeout_s
        self._step = step
        #: Why our own rules would refuse the user's credential.
        self._objection: Advice | None = None

    def run(self, url: str, result: Result) -> None:
        """Raises Failure."""
        host, port = target(url)
        trust = self._trust()
        credential = self._credential(trust)
        address = self._resolve(host, port)
        with self._connect(host, address) as probe:
            self._shake_hands(probe, credential, host, address)
            check_server(probe.server_chain(), host, trust, self._step)
            started = time.perf_counter()
            answer = self._ask(probe, credential, host, address)
            result.rtt_ms = round((time.perf_counter() - started) * 1000, 2)
        result.told = self._told(answer)

    # ---- before the network -----------------------------------------------------------------------------------------

    def _trust(self) -> Trust:
        try:
            return Trust(self._caller.ca_dir)
        except CredentialError as error:
            self._fail("CA directory", str(error), "install the CA certificates of your grid, or set X509_CERT_DIR")

    def _credential(self, trust: Trust) -> Credential | None:
        if self._caller.load is None:
            self._step("credential", OK, "none: an anonymous client")
            return None
        try:
            credential = self._caller.load()
        except GsiError as error:
            self._fail("credential", str(error), "make a proxy with glite-proxy-init, or set X509_USER_PROXY to one")
        chain = (credential.certificate, *credential.chain)
        try:
            peer = trust.verify(chain)
        except GsiError as error:
            self._objection = advice(error, chain)
            self._step("credential", FAIL, _described(chain),
                       f"services with our rules refuse it: {self._objection.reason}",
                       f"remedy: {self._objection.remedy}")
            return credential
        notes = [f"VO attributes of {vo.vo}: {', '.join(vo.fqans)}" for vo in peer.vos]
        notes += [f"VO attributes that count for nothing here: {why}" for why in peer.disbelieved]
        self._step("credential", OK, _described(chain), *notes)
        return credential

    # ---- the network ------------------------------------------------------------------------------------------------

    def _resolve(self, host: str, port: int) -> tuple[str, int]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            self._fail("name", f"{host}: {getattr(error, 'strerror', None) or error}",
                       "check how the name is written, and the network of this machine")
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        self._step("name", OK, f"{host} is {', '.join(addresses)}")
        return host, port

    def _connect(self, host: str, address: tuple[str, int]) -> Probe:
        started = time.perf_counter()
        where = f"{address[0]} port {address[1]}"
        try:
            probe = Probe(host, address, self._timeout_s)
        except ConnectionRefusedError:
            self._fail("TCP", f"{where}: connection refused", "check the port, and that the service is up")
        except TimeoutError:
            self._fail("TCP", f"{where}: no answer in {self._timeout_s:g} s",
                       "a firewall may be in the way, or the machine is down: tell the administrators")
        except OSError as error:
            self._fail("TCP", f"{where}: {error.strerror or error}", "check the network of this machine")
        self._step("TCP", OK, f"connected to {where} in {_ms(started)}")
        return probe

    def _shake_hands(self, probe: Probe, credential: Credential | None, host: str, address: tuple[str, int]) -> None:
        started = time.perf_counter()
        try:
            probe.shake_hands(credential)
        except TlsRefused as refused:
            if refused.alert is None and self._objection is None:
                self._fail("TLS", str(refused), "check that the port is one of a grid service, which all speak TLS")
            self._refused("TLS", refused)
        except SSL.Error as error:
            self._fail("TLS", f"the credential cannot be used: {error}", self._remedy())
        except OSError as error:
            self._fail("TLS", f"{error.strerror or error}", "check that the port is one of a grid service")
        tls = probe.tls
        self._step("TLS", OK, f"{tls.get_protocol_version_name()}, {tls.get_cipher_name()}, in {_ms(started)}")

    def _ask(self, probe: Probe, credential: Credential | None, host: str, address: tuple[str, int]) -> Answer:
        """A TLS 1.3 server looks at our certificate after our handshake is done: this is where it refuses."""
        try:
            return probe.get(PATH)
        except TlsRefused as refused:
            if refused.alert is None:
                refused = self._second_try(credential, host, address) or refused
            self._refused("request", refused)
        except h11.RemoteProtocolError:
            self._fail("request", "the server accepted the connection, but does not speak HTTP",
                       "use the port of a web service to learn more")
        except OSError as error:
            self._fail("request", f"{error.strerror or error}", "the service is busy or stuck: try again later")

    def _second_try(self, credential: Credential | None, host: str, address: tuple[str, int]) -> TlsRefused | None:
        """The alert may be lost with TLS 1.3; TLS 1.2 sends it within the handshake."""
        try:
            with Probe(host, address, self._timeout_s) as probe:
                probe.shake_hands(credential, SSL.TLS1_2_VERSION)
        except TlsRefused as refused:
            return refused
        except OSError:
            return None
        return None

    # ---- what it means ----------------------------------------------------------------------------------------------

    def _refused(self, name: str, refused: TlsRefused) -> NoReturn:
        self._step(name, FAIL, str(refused))
        meaning = _CLOSED if refused.alert is None else _ALERTS.get(refused.alert, Advice(str(refused), _ASK))
        found = self._objection or meaning
        raise Failure(found.reason, found.remedy)

    def _remedy(self) -> str:
        return self._objection.remedy if self._objection else "make a new proxy with glite-proxy-init"

    def _fail(self, name: str, reason: str, remedy: str) -> NoReturn:
        self._step(name, FAIL, reason)
        raise Failure(reason, remedy)

    def _told(self, answer: Answer) -> dict[str, Any] | None:
        """What the server says of the caller; None when it says nothing."""
        if self._objection is not None:
            self._step("credential", WARN, "this server takes your credential all the same; others will not")
        if answer.status == 403 and self._caller.load is None:
            self._step("peer", WARN, "the server admits anonymous clients here, and tells them nothing")
            return None
        try:
            told = json.loads(answer.body) if answer.status == 200 and "json" in answer.content_type else None
        except ValueError:
            told = None
        if not isinstance(told, dict) or "identity" not in told:
            self._step("peer", WARN, f"the server accepted you; it does not tell as whom (HTTP {answer.status})")
            return None
        describe(told, self._step)
        return told
