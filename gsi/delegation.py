"""The server's side of GridSite delegation: where delegated proxies live (wms.md 1.11).

A client asks for a request, signs it, and puts the proxy. The private key is made here and never leaves. A delegation
belongs to a DN and an id; under another DN the same id is another delegation.

    <root>/<url-encoded DN>/<id>/userproxy.pem              the delegated proxy: certificate, key, chain; 0600
    <root>/cache/<url-encoded DN>/<id>/userkey_XXXXXX       a key whose request was not answered yet; 0600

Whoever writes into or removes a directory of a delegation holds its lock (gsi.private.locked), so that no clean-up
takes away what was just put.
"""

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gsi import certificates, private
from gsi.credential import Credential, PrivateKey, key_to_pem, read_certificates, read_key
from gsi.errors import CredentialError, DelegationError, VerificationError
from gsi.names import same_dn, slash_dn
from gsi.peer import Peer, ProxyKind
from gsi.proxy import DEFAULT_KEY_BITS, certificate_request, new_key, rights
from gsi.trust import Trust
from gsi.verify import leading_proxies

#: Legal ids: letters, digits and these. The names of directories are ids, so the two special ones are not.
_LEGAL_ID = re.compile(r"[A-Za-z0-9.,_-]{1,200}")
PROXY = "userproxy.pem"
PENDING = "cache"
_KEY_PREFIX = "userkey_"
#: Unanswered requests that are kept for one delegation, and how long, s: a client that only asks fills no disk.
_MAX_PENDING = 10
PENDING_LIFETIME_S = 86400
#: Delegations that one DN can have: stored ones (a portal makes one for each submission) and ones only asked for.
MAX_DELEGATIONS = 10_000
MAX_PENDING_DELEGATIONS = 1_000
#: Largest text that is looked at as a proxy, bytes.
_MAX_PROXY = 128 * 1024


@dataclass(frozen=True, slots=True)
class Delegated:
    """A delegated proxy with its key, where it is stored, and the identity that it carries."""

    credential: Credential
    path: Path
    peer: Peer


class DelegationStore:
    """Delegated proxies below `root`, which may be shared by any number of processes.

    Every method raises DelegationError with a text that the client may see. dn: slash form of the caller's identity.
    """

    def __init__(self, root: Path, trust: Trust) -> None:
        self.root = root
        self._trust = trust

    def new_request(self, dn: str, delegation_id: str, *, key_bits: int = DEFAULT_KEY_BITS) -> bytes:
        """Make a key for (dn, delegation_id) and return a PEM certificate request for it (getProxyReq)."""
        parts = _pending_parts(dn, delegation_id)
        with _plainly():
            self._refuse_too_many(parts)
            key = new_key(key_bits)
            with private.locked(self.root, parts, create=True) as pending:
                _drop_stale_keys(pending)
                private.write(pending, _KEY_PREFIX + secrets.token_hex(3), key_to_pem(key))
        return certificate_request(key)

    def renewal_request(self, dn: str, delegation_id: str, *, key_bits: int = DEFAULT_KEY_BITS) -> bytes:
        """The same for a delegation that exists already (renewProxyReq); what is stored stays until the new put."""
        self.path(dn, delegation_id)
        return self.new_request(dn, delegation_id, key_bits=key_bits)

    def put(self, dn: str, delegation_id: str, proxy_pem: bytes | str, *, limited: bool = False) -> Delegated:
        """Store the proxy that answers a request (putProxy), in place of an earlier one.

        proxy_pem: the signed certificate and its chain. It has to verify, to speak for `dn` and to carry the key of a
        pending request of this delegation. limited: take a limited proxy only.
        """
        _parts(dn, delegation_id)
        peer = self._verified(dn, proxy_pem.encode() if isinstance(proxy_pem, str) else proxy_pem)
        if limited and not peer.limited:
            raise DelegationError("a limited proxy cannot delegate a full one")
        chain = [certificate for certificate in peer.chain if certificate.issuer != certificate.subject]
        with _plainly(), _pending_keys(self.root, dn, delegation_id) as (pending, keys):
            name, key = _matching(chain[0], keys)
            credential = Credential(chain[0], key, tuple(chain[1:]))
            with private.locked(self.root, _parts(dn, delegation_id), create=True) as home:
                private.write(home, PROXY, credential.to_pem())
            private.remove(pending, name)
        return Delegated(credential, self._file(dn, delegation_id), peer)

    def path(self, dn: str, delegation_id: str) -> Path:
        """The file of the stored proxy, whether it is still valid or not."""
        with _plainly(), private.directory(self.root, _parts(dn, delegation_id)) as home:
            private.read(home, PROXY)
        return self._file(dn, delegation_id)

    def credential(self, dn: str, delegation_id: str) -> Credential:
        """The stored proxy, whether it is still valid or not."""
        with _plainly(), private.directory(self.root, _parts(dn, delegation_id)) as home:
            return Credential.from_pem(private.read(home, PROXY))

    def termination_time(self, dn: str, delegation_id: str) -> datetime:
        """When the stored proxy expires, UTC (getTerminationTime)."""
        return self.credential(dn, delegation_id).not_after

    def is_limited(self, dn: str, delegation_id: str) -> bool:
        """Whether no full proxy is stored: a limited one, or none."""
        parts = _parts(dn, delegation_id)
        try:
            with _plainly(missing_is_fine=True), private.directory(self.root, parts) as home:
                return rights(Credential.from_pem(private.read(home, PROXY))).limited
        except FileNotFoundError:
            return True

    def destroy(self, dn: str, delegation_id: str) -> None:
        """Delete the stored proxy and the pending keys of the delegation (destroy); it has to exist."""
        self.path(dn, delegation_id)
        with _plainly():
            for parts in (_pending_parts(dn, delegation_id), _parts(dn, delegation_id)):
                _remove_tree(self.root, parts)

    def _verified(self, dn: str, octets: bytes) -> Peer:
        """Whom the certificates of the text prove, if together they are a proxy of `dn`."""
        if len(octets) > _MAX_PROXY:
            raise DelegationError("the proxy is too large")
        try:
            chain = read_certificates(octets)
            _refuse_unmarked(chain)
            peer = self._trust.verify(chain, delegated=True)
        except CredentialError:
            raise DelegationError("the proxy is no PEM certificate chain") from None
        except (VerificationError, ValueError) as error:
            raise DelegationError(f"the proxy does not verify: {error}") from error
        if peer.proxy_kind is ProxyKind.NONE:
            raise DelegationError("the certificate is no proxy")
        if not same_dn(peer.dn, dn):
            raise DelegationError("the proxy belongs to somebody else")
        return peer

    def _refuse_too_many(self, parts: tuple[str, ...]) -> None:
        *above, name = parts
        for place, limit in ((above, MAX_PENDING_DELEGATIONS), (above[1:], MAX_DELEGATIONS)):
            if _is_full(self.root, place, name, limit):
                raise DelegationError(f"more than {limit} delegations of one user; destroy those no longer needed")

    def _file(self, dn: str, delegation_id: str) -> Path:
        return self.root.joinpath(*_parts(dn, delegation_id), PROXY)


def generated_id(peer: Peer) -> str:
    """The id for a caller who names none: 16 hex digits, the same for the same credential (wms.md 1.11).

    First 8 bytes of SHA-1 over GridSite's descriptions of the caller's credentials, GRST_CRED_0 and so on.
    """
    proxies = leading_proxies(peer.chain)
    end_entity, leaf = peer.chain[proxies], peer.chain[0]
    credentials = _grst_credential("X509USER", end_entity, proxies)
    if proxies:
        credentials += _grst_credential("GSIPROXY", leaf, proxies)
    return hashlib.sha1(credentials.encode(), usedforsecurity=False).hexdigest()[:16]


def check_id(delegation_id: str) -> str:
    """Return the id if it is legal. Raises DelegationError."""
    if not _LEGAL_ID.fullmatch(delegation_id) or delegation_id in (".", ".."):
        raise DelegationError("the delegation id may only have letters, digits, dot, comma, underscore and hyphen")
    return delegation_id


def url_encode(text: str) -> str:
    """GridSite's encoding for file names: all but letters, digits, dot, underscore and hyphen as %XX."""
    return re.sub(rb"[^A-Za-z0-9._-]", lambda match: b"%%%02X" % match[0][0], text.encode()).decode("ascii")


def _grst_credential(kind: str, certificate: x509.Certificate, delegations: int) -> str:
    begin = int(certificate.not_valid_before_utc.timestamp())
    end = int(certificate.not_valid_after_utc.timestamp())
    return f"{kind} {begin:010d} {end:010d} {delegations} {slash_dn(certificate.subject)}"


def _refuse_unmarked(chain: list[x509.Certificate]) -> None:
    """Name the mistake of tools that sign with an RFC 3820 proxy as if it were a legacy one: Debian's htproxyput.

    It would not verify anyway; the words of the verification would tell nobody what to do.
    """
    if len(chain) < 2:
        return
    first, second = (certificates.proxy_kind(certificate) for certificate in chain[:2])
    if first is ProxyKind.NONE and second is not ProxyKind.NONE and chain[0].issuer == chain[1].subject:
        raise DelegationError(
            "the certificate lacks ProxyCertInfo and so is no proxy, though an RFC 3820 proxy signed it; htproxyput "
            "makes such: give it the user's certificate and key instead, or use glite-wms-job-delegate-proxy")


def _parts(dn: str, delegation_id: str) -> tuple[str, ...]:
    if not dn.startswith("/"):
        raise DelegationError("the caller has no distinguished name")
    return url_encode(dn), check_id(delegation_id)


def _pending_parts(dn: str, delegation_id: str) -> tuple[str, ...]:
    return PENDING, *_parts(dn, delegation_id)


@contextmanager
def _plainly(*, missing_is_fine: bool = False) -> Iterator[None]:
    """Turn trouble of the file system into words for the client: no path leaves."""
    try:
        yield
    except FileNotFoundError:
        if missing_is_fine:
            raise
        raise DelegationError("there is no such delegation") from None
    except CredentialError as error:
        raise DelegationError("the stored proxy cannot be read") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DelegationError("the distinguished name is too long to be stored") from None
        raise DelegationError("the delegation cannot be stored or read now") from error


@contextmanager
def _pending_keys(root: Path, dn: str, delegation_id: str) -> Iterator[tuple[int, dict[str, PrivateKey]]]:
    """The directory of unanswered requests with the keys in it, by name."""
    try:
        opened = private.directory(root, _pending_parts(dn, delegation_id))
        with opened as pending:
            yield pending, dict(_read_keys(pending))
    except FileNotFoundError:
        raise DelegationError("no proxy was requested for this delegation") from None


def _read_keys(pending: int) -> Iterator[tuple[str, PrivateKey]]:
    for name, _ in private.names(pending):
        if name.startswith(_KEY_PREFIX):
            try:
                yield name, read_key(private.read(pending, name))
            except FileNotFoundError:
                continue  # answered or dropped meanwhile


def _matching(certificate: x509.Certificate, keys: dict[str, PrivateKey]) -> tuple[str, PrivateKey]:
    for name, key in keys.items():
        if key.public_key() == certificate.public_key():
            return name, key
    raise DelegationError("the proxy answers no request that is pending for this delegation")


def _drop_stale_keys(pending: int) -> None:
    found = private.names(pending)
    expired = time.time() - PENDING_LIFETIME_S
    for place, (name, changed) in enumerate(found):
        if changed < expired or place <= len(found) - _MAX_PENDING:
            private.remove(pending, name)


def _is_full(root: Path, above: list[str], name: str, limit: int) -> bool:
    """Whether root/above has `limit` entries, and `name` is none of them."""
    try:
        with private.directory(root, above) as parent:
            entries = os.listdir(parent)
    except FileNotFoundError:
        return False
    return len(entries) >= limit and name not in entries


def _remove_tree(root: Path, parts: tuple[str, ...]) -> None:
    """Remove the directory with the files in it; one that is not there is fine."""
    *above, last = parts
    try:
        with private.directory(root, above) as parent, private.locked(root, parts) as descriptor:
            for name, _ in private.names(descriptor):
                private.remove(descriptor, name)
            private.remove(parent, last)
            os.fsync(parent)
    except FileNotFoundError:
        return
