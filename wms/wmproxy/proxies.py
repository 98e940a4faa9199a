"""The delegated proxy that stands behind a request: found, in time, and read for what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gsi import certificates
from gsi.credential import Credential
from gsi.delegation import Delegated, DelegationStore, generated_id
from gsi.errors import CredentialError, DelegationError, VerificationError
from gsi.peer import Peer
from gsi.trust import Trust

from .errors import Code, OperationError

CLOCK_TOLERANCE = timedelta(seconds=5)  # wms.md 1.7: notBefore may be this far ahead
MIN_LIFE = timedelta(seconds=1)  # remaining life must be more than this
SHA1_ADVICE = (
    "the delegated proxy is signed with SHA-1, which other services refuse: delegate anew with "
    "glite-wms-job-delegate-proxy, or let the administrators set sha1_proxies = true in the gsi.toml of every service"
)


def delegated(store: DelegationStore, peer: Peer, delegation_id: str | None, trust: Trust) -> Delegated:
    """The proxy that *peer* delegated under *delegation_id*; without an id, under the one made of its credentials.

    :raises OperationError: DELEGATION_ERROR, PROXY_ERROR or PROXY_EXPIRED (wms.md 1.7).
    """
    if delegation_id and "/" in delegation_id:
        raise OperationError(Code.DELEGATION_ERROR, "invalid delegation id")
    chosen = delegation_id or generated_id(peer)
    try:
        credential = store.credential(peer.dn, chosen)
        path = store.path(peer.dn, chosen)
    except DelegationError as error:
        raise OperationError(Code.DELEGATION_ERROR, f"Unable to get delegated Proxy: {error}") from error
    check_times(credential)
    identity = _identity(credential, trust)
    if peer.limited and not identity.limited:
        raise OperationError(Code.DELEGATION_ERROR, "a limited proxy cannot use a full one that was delegated before")
    if peer.fqans[:1] != identity.fqans[:1]:
        raise OperationError(Code.PROXY_ERROR, _other_fqan(peer, identity))
    if not can_be_shown(identity, trust):
        raise OperationError(Code.PROXY_ERROR, SHA1_ADVICE)
    return Delegated(credential, path, identity)


def _other_fqan(peer: Peer, identity: Peer) -> str:
    mine, delegated_one = (who.fqans[0] if who.fqans else "none" for who in (peer, identity))
    return f"your FQAN ({mine}) does not match that of the delegated proxy ({delegated_one}): delegate anew"


def _identity(credential: Credential, trust: Trust) -> Peer:
    try:
        return trust.verify([credential.certificate, *credential.chain], delegated=True)
    except VerificationError as error:
        raise OperationError(Code.PROXY_ERROR, f"the delegated proxy is not valid: {error}") from error


def can_be_shown(identity: Peer, trust: Trust) -> bool:
    """Whether servers with our own rules let a client with this proxy in: a delegated one may have SHA-1 in it."""
    if trust.rules.sha1_proxies:
        return True
    return all(certificates.facts(one).hash != "sha1" for one in identity.chain if one.issuer != one.subject)


def check_times(credential: Credential) -> None:
    """:raises OperationError: PROXY_ERROR (not yet valid) or PROXY_EXPIRED."""
    now = datetime.now(UTC)
    chain = (credential.certificate, *credential.chain)
    if max(certificate.not_valid_before_utc for certificate in chain) > now + CLOCK_TOLERANCE:
        raise OperationError(Code.PROXY_ERROR, "the proxy is not valid yet")
    if credential.not_after - now <= MIN_LIFE:
        raise OperationError(Code.PROXY_EXPIRED, "the proxy has expired")


def job_proxy(path: Path) -> Credential:
    """The proxy of a job's directory.

    :raises OperationError: PROXY_ERROR or PROXY_EXPIRED.
    """
    try:
        credential = Credential.load(path)
    except CredentialError as error:
        raise OperationError(Code.PROXY_ERROR, "the proxy of the job cannot be read") from error
    check_times(credential)
    return credential
