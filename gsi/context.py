"""TLS contexts: the server's with pyOpenSSL (it gives the verified chain), the client's with the standard library."""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from OpenSSL import SSL, crypto

from gsi.credential import Credential
from gsi.errors import CredentialError
from gsi.trust import Trust
from gsi.verify import MAX_CHAIN_LENGTH

log = logging.getLogger(__name__)

_SESSION_ID_CONTEXT = b"glite"


class ServerContexts:
    """The TLS context of a server as it has to be now: credential, CAs and CRLs. For any number of threads."""

    def __init__(self, credential: Credential, trust: Trust, *, allow_anonymous: bool = False,
                 reload: Callable[[], Credential] | None = None) -> None:
        """allow_anonymous: let clients without a certificate in; reload: reads the server's credential again.

        Raises CredentialError.
        """
        self.trust = trust
        self._allow_anonymous = allow_anonymous
        self._read = reload
        self._lock = threading.Lock()
        self._credential = credential
        self._context = self._made(credential)

    def current(self) -> SSL.Context:
        """The context for the next connection."""
        return self._context

    @property
    def credential(self) -> Credential:
        """The server's own credential at present."""
        return self._credential

    def reload(self) -> None:
        """Read the credential again; the one in use stays, and the log says why, when the new one is unusable."""
        with self._lock:
            try:
                credential = self._read() if self._read else self._credential
                self._context = self._made(credential)
                self._credential = credential
            except CredentialError as error:
                log.error("the server's credential is not replaced: %s", error)

    def _made(self, credential: Credential) -> SSL.Context:
        try:
            return _server_context(credential, self.trust, self._allow_anonymous)
        except SSL.Error as error:
            raise CredentialError("OpenSSL does not take the server's certificate and key") from error


def _server_context(credential: Credential, trust: Trust, allow_anonymous: bool) -> SSL.Context:
    """Return the context of a server that wants to know who calls.

    TLS 1.2 and 1.3. Session resumption is off: a resumed session has an empty chain and nothing is verified again
    (stack.md 3).
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    # Every protocol here says itself where a message ends, so a missing close_notify hides no truncation.
    context.set_options(SSL.OP_IGNORE_UNEXPECTED_EOF)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION_ID_CONTEXT)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 34 KB less for each idle connection
    context.use_certificate(credential.certificate)
    for issuer in credential.chain:
        context.add_extra_chain_cert(issuer)
    context.use_privatekey(credential.key)
    context.load_verify_locations(None, str(trust.ca_dir))
    store = context.get_cert_store()
    if store is None:
        raise CredentialError("OpenSSL gave no certificate store")
    store.set_flags(crypto.X509StoreFlags.ALLOW_PROXY_CERTS)
    mode = SSL.VERIFY_PEER if allow_anonymous else SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.set_verify(mode, _note_refusal)
    context.set_verify_depth(MAX_CHAIN_LENGTH)
    return context


def refusal(connection: SSL.Connection) -> str | None:
    """Why OpenSSL refused the peer's certificate during the handshake; None when it did not."""
    reason = connection.get_app_data()
    return reason if isinstance(reason, str) else None


def client_ssl_context(credential: Credential | None, ca_dir: Path) -> ssl.SSLContext:
    """Return the context of a client: the server's chain and name are checked, a proxy is presented with its chain.

    credential: None for an anonymous client. Raises CredentialError.
    """
    _check_ca_directory(ca_dir)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A server shows a host certificate with its names as alternative names. Proxies are not admitted here, nor names
    # in the subject: any user can make a proxy whose last CN is the name of somebody's host.
    context.hostname_checks_common_name = False
    context.load_verify_locations(capath=str(ca_dir))
    if credential is not None:
        with _as_file(credential.to_pem()) as path:
            context.load_cert_chain(path)
    return context


def _note_refusal(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
    """Keep OpenSSL's reason for the log: the exception of the handshake does not carry it."""
    if not ok and connection.get_app_data() is None:
        text = crypto.X509.to_cryptography(certificate).subject.rfc4514_string()
        connection.set_app_data(f"{_error_text(error)}, depth {depth}: {text}")
    return bool(ok)


def _error_text(error: int) -> str:
    return _ERRORS.get(error, f"certificate verification error {error}")


#: Texts for the numbers of X509_V_ERR_* that a caller meets in practice.
_ERRORS = {
    2: "unknown CA",
    3: "no certificate revocation list",
    7: "bad signature",
    9: "not yet valid",
    10: "expired",
    12: "certificate revocation list expired",
    18: "self-signed certificate",
    19: "unknown CA (self-signed)",
    20: "unknown CA",
    21: "unknown CA (only one certificate)",
    22: "chain too long",
    23: "revoked",
    24: "the issuer is no CA",
    25: "path length exceeded",
    26: "not meant for a TLS client",
    34: "unknown critical extension",
    37: "the issuer may not sign certificates",
    38: "path length of a proxy exceeded",
    39: "the issuer may not make proxies",
    40: "proxies are not allowed",
    66: "key too small",
    67: "CA key too small",
    68: "hash algorithm too weak",
    73: "the subject of a proxy is not its issuer's subject and one CN",
}


def _check_ca_directory(ca_dir: Path) -> None:
    if not ca_dir.is_dir():
        raise CredentialError(f"the CA directory {ca_dir} does not exist; set X509_CERT_DIR or install the CAs there")


@contextmanager
def _as_file(octets: bytes) -> Iterator[str]:
    """A path for a library that reads keys only from files: the file lives in memory, without a name."""
    descriptor = os.memfd_create("credential", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(octets)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
