"""The whole zoo through real handshakes: curl with each credential at a running server, TLS 1.2 and 1.3."""

import dataclasses
import logging
import os
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as der
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tlslite.api import (
    X509,
    HandshakeSettings,
    TLSAbruptCloseError,
    TLSConnection,
    TLSRemoteAlert,
    X509CertChain,
    parsePEMKey,
)

import chains
import pki
import zoo
from gsi.credential import Credential, key_to_pem
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from testbed import ca
from tlsserver import Running, running, wait_for

pytestmark = pytest.mark.real

#: So that the client itself minds no key, hash or extension.
_ANY_KEY = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = default
[default]
CipherString = DEFAULT@SECLEVEL=0
"""


def who(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers what the server saw of the caller."""
    peer = environ["gsi.peer"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{peer.dn}|{peer.proxy_kind.name}|{'limited' if peer.limited else 'full'}\n".encode()]


@dataclass
class Site:
    """A server and its log."""

    server: Running
    log: Path

    def refusal(self, begin: int) -> str:
        """What the log says of the connection that was refused after it had `begin` characters."""
        wait_for(lambda: "refused: " in self.log.read_text()[begin:])
        return self.log.read_text()[begin:].strip()


@contextmanager
def site(folder: Path, ca_dir: Path | None = None) -> Iterator[Site]:
    log = folder / "log"
    logger, handler = logging.getLogger("httpg.worker"), logging.FileHandler(log)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with running([Listener("127.0.0.1", 0, lambda: HttpProtocol(who))], pki.host(), ca_dir or zoo.ca_dir(),
                     workers=1) as server:
            yield Site(server, log)
    finally:
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("strict")) as found:
        yield found


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("lenient")
    (folder / "gsi.toml").write_text("sha1_proxies = true\nmin_rsa_bits = 1024\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLITE_GSI_RULES", str(folder / "gsi.toml"))
        with site(folder) as found:
            yield found


def curl(site: Site, credential: Credential, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run curl, which itself accepts any key here, with the credential in the two files that it wants."""
    (folder / "chain.pem").write_bytes(credential.chain_pem())
    (folder / "key.pem").write_bytes(key_to_pem(credential.key))
    (folder / "openssl.cnf").write_text(_ANY_KEY)
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--capath", pki.ca_dir(), "--cert", folder / "chain.pem",
         "--key", folder / "key.pem", "--max-time", "60", *options, site.server.url()],
        env={**os.environ, "OPENSSL_CONF": str(folder / "openssl.cnf")}, capture_output=True, text=True)


def octets(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def tlslite(site: Site, credential: Credential, *others: bytes) -> bytes:
    """Get / with a TLS client that looks at no certificate, its own or others'; others: instead of the chain, DER."""
    chain = []
    for der_value in (octets(credential.certificate), *(others or map(octets, credential.chain))):
        chain.append(X509())
        chain[-1].parseBinary(bytearray(der_value))
    key = parsePEMKey(credential.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ).decode(), private=True)
    settings = HandshakeSettings()
    settings.maxVersion = (3, 3)
    with socket.create_connection(("127.0.0.1", site.server.ports[0])) as plain:
        connection = TLSConnection(plain)
        connection.handshakeClientCert(X509CertChain(chain), key, settings=settings)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return bytes(connection.recv(1000))


Record = Callable[[str, object], None]


def accept(site: Site, name: str, case: zoo.Accepted, folder: Path, *options: str) -> str:
    dn = "/DC=org/DC=example/CN=localhost" if name == "host" else pki.USER_DN
    expected = f"{dn}|{case.kind.name}|{'limited' if case.limited else 'full'}\n"
    answer = curl(site, case.make(), folder, *options)
    assert (answer.returncode, answer.stdout) == (0, expected), answer.stderr + site.log.read_text()[-500:]
    return expected.strip()


def refuse(site: Site, name: str, case: zoo.Refused, folder: Path) -> str:
    begin = len(site.log.read_text())
    if name in zoo.NOT_WITH_CURL:
        with pytest.raises((TLSRemoteAlert, ConnectionError)):
            tlslite(site, case.make())
    else:
        answer = curl(site, case.make(), folder)
        assert answer.returncode not in (0, 58), answer.stderr  # 58: curl itself did not want the credential
        assert answer.stdout == ""
    told = site.refusal(begin)
    assert zoo.told(name, case) in told
    return told.partition("refused: ")[2]


@pytest.mark.parametrize("name", zoo.ACCEPTED)
def test_accepted(strict: Site, tmp_path: Path, name: str, record_property: Record) -> None:
    told = accept(strict, name, zoo.ACCEPTED[name], tmp_path, "--tlsv1.3")
    assert accept(strict, name, zoo.ACCEPTED[name], tmp_path, "--tls-max", "1.2") == told
    record_property("zoo", f"accepted  {name}: {told}")


@pytest.mark.parametrize("name", zoo.REFUSED)
def test_refused(strict: Site, tmp_path: Path, name: str, record_property: Record) -> None:
    record_property("zoo", f"refused   {name}: {refuse(strict, name, zoo.REFUSED[name], tmp_path)}")


def test_the_other_client_gets_in_with_what_is_good(strict: Site) -> None:
    assert pki.USER_DN.encode() in tlslite(strict, chains.forge(pki.user()))


@pytest.mark.parametrize("make", [chains.forge, chains.legacy])
def test_a_certificate_of_version_2_is_refused(strict: Site, make: Callable[[Credential], Credential]) -> None:
    """OpenSSL reads it, the library behind the numbered checks does not: no reason to stumble."""
    read, key = der.Certificate.load(octets(pki.user().certificate)), pki.authority().key
    assert isinstance(key, rsa.RSAPrivateKey)
    read["tbs_certificate"]["version"] = "v2"
    signed = read["tbs_certificate"].dump(force=True)
    read["signature_value"] = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    begin = len(strict.log.read_text())
    try:
        answer = tlslite(strict, make(pki.user()), read.dump(force=True))
    except (TLSRemoteAlert, TLSAbruptCloseError, ConnectionError):
        answer = b""
    assert answer == b""
    assert "Traceback" not in strict.refusal(begin)


@pytest.mark.parametrize("name", zoo.LENIENT_ACCEPTED)
def test_accepted_by_lenient_rules(lenient: Site, tmp_path: Path, name: str, record_property: Record) -> None:
    told = accept(lenient, name, zoo.LENIENT_ACCEPTED[name], tmp_path)
    assert accept(lenient, name, zoo.LENIENT_ACCEPTED[name], tmp_path, "--tls-max", "1.2") == told
    record_property("zoo", f"accepted by lenient rules  {name}: {told}")


@pytest.mark.parametrize("name", zoo.LENIENT_REFUSED)
def test_refused_by_lenient_rules(lenient: Site, tmp_path: Path, name: str, record_property: Record) -> None:
    told = refuse(lenient, name, zoo.LENIENT_REFUSED[name], tmp_path)
    record_property("zoo", f"refused by lenient rules   {name}: {told}")


def test_a_running_server_follows_the_ca_directory(tmp_path: Path) -> None:
    """No restart: a user is revoked, then the namespace of the CA narrowed, then the CA removed."""
    authority = ca.new_authority(key=ca.ec_key())
    folder = ca.write_ca_directory(tmp_path / "certificates", [authority])
    one, two = (ca.issue_user(authority, dn, key=ca.ec_key()) for dn in (pki.USER_DN, pki.OTHER_DN))
    with site(tmp_path, folder) as found:

        def is_let_in(user: Credential) -> bool:
            return curl(found, chains.legacy(user), tmp_path).returncode == 0

        assert is_let_in(one) and is_let_in(two)
        ca.write_ca_directory(folder, [authority], [one.certificate])
        wait_for(lambda: not is_let_in(one))
        assert is_let_in(two) and "revoked" in found.log.read_text()
        ca.write_signing_policy(folder, dataclasses.replace(authority, namespace="/DC=org/DC=elsewhere/*"))
        wait_for(lambda: not is_let_in(two))
        assert "(check 21)" in found.log.read_text()
        for file in folder.iterdir():
            file.unlink()
        wait_for(lambda: not is_let_in(two) and "unknown CA" in found.log.read_text())
