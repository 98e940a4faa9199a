"""SIGHUP: credential and CAs are read anew, and no client notices anything else."""

import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.context import client_ssl_context
from gsi.credential import Credential
from httpg import daemon
from httpg.server import Listener, Server
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from testbed import ca
from tlsserver import Running, serving, wait_for

GET = b"GET / HTTP/1.1\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Say who I am and how large the body was, when the file named in the query is there."""
    if gate := environ["QUERY_STRING"]:
        Path(gate).with_suffix(".begun").touch()
        wait_for(Path(gate).exists)
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [])
    return [f"{os.getpid()} {size}".encode()]


class Site:
    """A server that logs to a file and reads its credential from files, as daemons do."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key, self.log = folder / "hostcert.pem", folder / "hostkey.pem", folder / "log"
        self.ca_dir = ca.write_ca_directory(folder / "certificates", [pki.authority()])
        self.install(pki.host())
        self.process = Running(0, [])

    def install(self, credential: Credential) -> None:
        for path in (self.cert, self.key):
            path.unlink(missing_ok=True)
        ca.save_pair(credential, self.cert, self.key)

    def credential(self) -> Credential:
        return Credential.load_pair(self.cert, self.key)

    @contextmanager
    def up(self, workers: int = 2, **options: Any) -> Iterator[None]:
        listener = Listener("127.0.0.1", 0, self._protocol)
        server = Server([listener], self.credential(), self.ca_dir, workers=workers, reload=self.credential, **options)
        server.bind()
        with serving(_Logging(server, self.log)) as self.process:  # type: ignore[arg-type]
            self.shown()  # it runs, and takes signals
            yield

    def _protocol(self) -> HttpProtocol:
        return HttpProtocol(application)

    def hang_up(self) -> None:
        self.process.signal(signal.SIGHUP)

    def shown(self) -> int:
        """The serial number of the certificate that a new connection gets to see."""
        context = client_ssl_context(pki.proxy(), pki.ca_dir())
        with (socket.create_connection(("127.0.0.1", self.process.ports[0])) as plain,
              context.wrap_socket(plain, server_hostname="localhost") as tls):
            return _serial(tls)

    def admits(self, client: Credential) -> bool:
        """Whether a request of that client is answered."""
        try:
            with RawClient(self.process.ports[0], client) as connection:
                return connection.send(GET).answer()[0] == 200
        except (OSError, EOFError):
            return False


class _Logging:
    """The server, with its log in a file; in the process that serves."""

    def __init__(self, server: Server, log: Path) -> None:
        self._server, self._log = server, log
        self._sockets = server._sockets

    def bind(self) -> list[int]:
        return self._server.bind()

    def run(self) -> None:
        handler = logging.FileHandler(self._log)
        handler.setFormatter(daemon.OneLine(daemon.LOG_FORMAT))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.INFO)
        self._server.run()


def _serial(tls: ssl.SSLSocket) -> int:
    certificate = tls.getpeercert()
    assert certificate is not None
    return int(str(certificate["serialNumber"]), 16)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def renewed() -> Credential:
    return ca.issue_host(pki.authority(), "localhost", "127.0.0.1")


def test_a_new_certificate_is_shown_and_old_connections_go_on(site: Site, renewed: Credential) -> None:
    with site.up(), RawClient(site.process.ports[0]) as old:
        worker = old.send(GET).answer()[2].split()[0]
        assert site.shown() == pki.host().certificate.serial_number
        site.install(renewed)
        site.hang_up()
        seen: list[int] = []

        def both_workers_show_it() -> bool:
            seen.append(site.shown())
            return seen[-20:] == [renewed.certificate.serial_number] * 20

        wait_for(both_workers_show_it)
        assert _serial(old.tls) == pki.host().certificate.serial_number
        assert old.send(GET).answer()[2].split()[0] == worker


def test_a_request_in_work_and_an_upload_are_finished(site: Site, renewed: Credential, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with site.up(workers=1), RawClient(site.process.ports[0]) as one, RawClient(site.process.ports[0]) as two:
        one.send(b"GET /?%b HTTP/1.1\r\n\r\n" % os.fsencode(gate))
        two.send(b"PUT / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n").send(b"x" * 1_000_000)
        wait_for(gate.with_suffix(".begun").exists)
        site.install(renewed)
        site.hang_up()
        wait_for(lambda: site.shown() == renewed.certificate.serial_number)
        gate.touch()
        assert one.answer()[0] == 200
        status, fields, body = two.send(b"x" * 1_000_000).answer()
        assert (status, body.split()[1]) == (200, b"2000000") and "connection" not in fields
        assert two.send(GET).answer()[0] == 200


def test_nobody_is_refused_while_it_happens(site: Site, renewed: Credential) -> None:
    with site.up():
        for number in range(40):
            if number % 4 == 0:
                site.install(renewed if number % 8 else pki.host())
                site.hang_up()
            with RawClient(site.process.ports[0]) as client:
                assert client.send(GET).answer()[0] == 200


def expired() -> Credential:
    now = datetime.now(UTC)
    return ca.issue_host(pki.authority(), "localhost", not_before=now - timedelta(days=2), lifetime=timedelta(days=1))


@pytest.mark.parametrize("broken", ["no key", "garbage", "somebody else's key", "readable by all", "expired"])
def test_an_unusable_credential_is_told_and_the_old_one_stays(site: Site, renewed: Credential, broken: str) -> None:
    with site.up():
        if broken == "no key":
            site.key.unlink()
        elif broken == "garbage":
            site.cert.write_text("garbage")
        elif broken == "somebody else's key":
            other = site.key.with_name("other.pem")
            ca.save_pair(pki.user(), other, other.with_suffix(".key"))
            site.key.unlink()
            other.with_suffix(".key").rename(site.key)
        elif broken == "readable by all":
            site.install(renewed)
            site.key.chmod(0o644)
        else:
            site.install(expired())
        site.hang_up()
        wait_for(lambda: "SIGHUP: the new credential cannot be used, the old one stays" in site.log.read_text())
        assert site.shown() == pki.host().certificate.serial_number
        site.install(renewed)
        site.hang_up()
        wait_for(lambda: site.shown() == renewed.certificate.serial_number)
        assert site.log.read_text().count(" ERROR ") == 1, "the trouble is told once, not by each worker as well"
        assert "Traceback" not in site.log.read_text()


def test_cas_are_read_anew_also_when_the_credential_is_unusable(site: Site) -> None:
    stranger = ca.issue_user(pki.stranger(), "/DC=org/DC=example/CN=Somebody")
    with site.up():
        site.cert.write_text("garbage")
        ca.write_ca_directory(site.ca_dir, [pki.authority(), pki.stranger()])
        site.hang_up()
        wait_for(lambda: site.admits(stranger))


def test_a_worker_that_starts_later_has_the_new_credential(site: Site, renewed: Credential) -> None:
    with site.up(workers=1):
        site.install(renewed)
        site.hang_up()
        wait_for(lambda: site.shown() == renewed.certificate.serial_number)
        site.key.unlink()  # the new worker cannot read it: it has it from its parent
        with RawClient(site.process.ports[0]) as client:
            worker = int(client.send(GET).answer()[2].split()[0])
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: site.log.read_text().count("ended: status -9"))
        assert site.shown() == renewed.certificate.serial_number


def test_another_name_is_told(site: Site) -> None:
    with site.up():
        site.install(ca.issue_host(pki.authority(), "other.example.org", "localhost"))
        site.hang_up()
        wait_for(lambda: "it was that of /DC=org/DC=example/CN=localhost before" in site.log.read_text())


def test_a_ca_that_is_added_is_trusted(site: Site) -> None:
    stranger = ca.issue_user(pki.stranger(), "/DC=org/DC=example/CN=Somebody")
    with site.up():
        assert not site.admits(stranger)
        ca.write_ca_directory(site.ca_dir, [pki.authority(), pki.stranger()])
        site.hang_up()
        wait_for(lambda: site.admits(stranger))


def test_many_signals_at_once_do_no_harm(site: Site, renewed: Credential) -> None:
    with site.up(workers=1, background=[("idle", lambda stop: stop.wait())]):
        first = site.shown()
        for _ in range(200):
            site.hang_up()
        site.install(renewed)
        site.hang_up()
        wait_for(lambda: site.shown() != first)
        assert "ended: status" not in site.log.read_text()
        site.process.signal(signal.SIGTERM)
        wait_for(site.process.ended)
        assert site.process.status == 0
