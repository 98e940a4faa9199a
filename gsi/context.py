"""TLS contexts: the server's with pyOpenSSL (it gives the verified chain), the client's with the standard library."""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from OpenSSL import SSL, crypto

from gsi import handshake
from gsi.cadirectory import Authorities
from gsi.certificates import facts
from gsi.credential import Credential
from gsi.errors import CredentialError, VerificationError
from gsi.pathbuilding import fill
from gsi.rules import Rules
from gsi.trust import Trust
from gsi.verify import MAX_CHAIN_LENGTH

log = logging.getLogger(__name__)

_SESSION_ID_CONTEXT = b"glite"
#: Revocation along the whole chain: of the leaf alone it would miss the revoked user behind a proxy (stack.md 3).
_VERIFICATION = (
    crypto.X509StoreFlags.ALLOW_PROXY_CERTS | crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


class ServerContexts:
    """The TLS context of a server as it has to be now: credential, CAs and CRLs. For any number of threads."""

    def __init__(self, credential: Credential, trust: Trust, *, allow_anonymous: bool = False,
                 reload: Callable[[], Credential] | None = None) -> None:
        """allow_anonymous: let clients without a certificate in; reload: reads the server's credential again.

        Raises CredentialError.
        """
        self.trust = trust
        self._mode = SSL.VERIFY_PEER if allow_anonymous else SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        self._read = reload
        self._lock = threading.Lock()
        self._credential = credential
        self._context = self._made(credential)

    def current(self) -> SSL.Context:
        """The context for the next connection."""
        version, context = self._context
        if self.trust.authorities().version != version and self._lock.acquire(blocking=False):
            try:
                self._context = self._made(self._credential)
            except CredentialError as error:
                log.error("the changes of the CA directory are not followed: %s", error)
                self._context = self.trust.authorities().version, context  # and not tried again for each connection
            finally:
                self._lock.release()
        return self._context[1]

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

    def _made(self, credential: Credential) -> tuple[int, SSL.Context]:
        authorities = self.trust.authorities()
        try:
            return authorities.version, _server_context(credential, authorities, self.trust.rules, self._mode)
        except (SSL.Error, crypto.Error) as error:
            raise CredentialError("OpenSSL does not take the certificates or the key") from error


def _server_context(credential: Credential, authorities: Authorities, rules: Rules, mode: int) -> SSL.Context:
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
    store = context.get_cert_store()
    if store is None:
        raise CredentialError("OpenSSL gave no certificate store")
    fill(store, authorities)
    store.set_flags(_VERIFICATION)
    context.set_verify(mode, handshake.callback(authorities, rules))
    context.set_verify_depth(MAX_CHAIN_LENGTH)
    return context


def client_ssl_context(credential: Credential | None, ca_dir: Path) -> ssl.SSLContext:
    """Return the context of a client: the server's chain and name are checked, a proxy is presented with its chain.

    credential: None for an anonymous client. A server whose chain the rules do not admit (revocation lists, signing
    policies, keys: Trust.verify) is refused when the handshake ends, with ssl.SSLCertVerificationError. Before Python
    3.13 the intermediate CAs of servers have to be in the CA directory. Raises CredentialError.
    """
    trust = Trust(ca_dir)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A server shows a host certificate with its names as alternative names. Proxies are not admitted here, nor names
    # in the subject: any user can make a proxy whose last CN is the name of somebody's host.
    context.hostname_checks_common_name = False
    context.load_verify_locations(capath=str(ca_dir))
    # The standard library takes revocation lists for all CAs or for none, and asks nobody: so we ask after it.
    context.sslsocket_class = type("_VerifyingSocket", (_VerifyingSocket,), {"trust": trust})
    if credential is not None:
        if _has_sha1_proxies(credential) and Rules.find().sha1_proxies:
            # OpenSSL has one level for what is shown and for what is believed: with such a proxy, which a site has to
            # admit in its rules, weak signatures and keys of the *server's* certificates are not refused either.
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        _present(context, credential)
    return context


def _present(context: ssl.SSLContext, credential: Credential) -> None:
    try:
        with _as_file(credential.to_pem()) as path:
            context.load_cert_chain(path)
    except ssl.SSLError as error:
        why = ": it is signed with SHA-1 (see sha1_proxies in gsi.toml)" if _has_sha1_proxies(credential) else ""
        raise CredentialError(f"OpenSSL does not accept the credential, {error.reason}{why}") from error


def _has_sha1_proxies(credential: Credential) -> bool:
    proxies = (credential.certificate, *credential.chain)[:credential.proxies]
    return any(facts(proxy).hash == "sha1" for proxy in proxies)


class _VerifyingSocket(ssl.SSLSocket):
    """A client's socket that asks `trust` about the server before anything is sent."""

    trust: ClassVar[Trust]

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands. Raises ssl.SSLCertVerificationError when the server's chain is not admitted."""
        super().do_handshake(block)
        leaf = self.getpeercert(binary_form=True) or b""
        others: list[bytes] = self.get_unverified_chain()[1:] if hasattr(self, "get_unverified_chain") else []
        try:
            self.trust.verify([x509.load_der_x509_certificate(octets) for octets in (leaf, *others)])
        except (ValueError, x509.InvalidVersion, VerificationError) as error:
            raise ssl.SSLCertVerificationError(f"the server's certificate is not accepted: {error}") from error


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
