"""The two delegation ports (GridSite delegation 1 and 2, wms.md 1.11), and the same calls of the main port."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from gsi.authz import Access, Resource, requires
from gsi.delegation import DelegationStore, generated_id
from gsi.errors import DelegationError
from gsi.peer import Peer
from soap.contract import Contract
from soap.delegation import DELEGATION_1, DELEGATION_2
from soap.faults import Fault, PosixFault, TypedFault
from soap.service import Call

from .jobproxies import JobProxies

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

VERSION = "1.1.0"
INTERFACE_VERSION = "2.0.0"

__all__ = ["DELEGATION_1", "DELEGATION_2", "Delegation1", "Delegation2", "Delegations"]


class Delegations:
    """Delegation for one caller after the other. An empty id means the one made of the caller's credentials.

    A limited caller, such as a job on a node, sees only limited delegations: whoever steals its proxy can neither use
    the user's full ones nor put something else in their place. Every method raises gsi.errors.DelegationError.
    """

    def __init__(self, store: DelegationStore, job_proxies: JobProxies | None = None) -> None:
        """job_proxies: the jobs that are renewed when a delegation is, None = there are none."""
        self.store = store
        self._job_proxies = job_proxies

    def request(self, peer: Peer, delegation_id: str | None) -> tuple[str, str]:
        """A PEM certificate request, and the id it is for."""
        chosen = self._allowed(peer, delegation_id or generated_id(peer))
        return self.store.new_request(peer.dn, chosen).decode("ascii"), chosen

    def put(self, peer: Peer, delegation_id: str | None, proxy: str | None) -> None:
        """Store the answer to a request, for the jobs of the delegation as well."""
        chosen = self._allowed(peer, delegation_id or generated_id(peer))
        stored = self.store.put(peer.dn, chosen, proxy or "", limited=peer.limited)
        if self._job_proxies is not None:
            self._job_proxies.renew(stored)

    def renewal(self, peer: Peer, delegation_id: str | None) -> str:
        """A request for a delegation that must exist; without an id there is none to renew."""
        if not delegation_id:
            raise DelegationError("a delegation id is needed to renew a delegation")
        return self.store.renewal_request(peer.dn, self._allowed(peer, delegation_id)).decode("ascii")

    def termination_time(self, peer: Peer, delegation_id: str | None) -> datetime:
        return self.store.termination_time(peer.dn, delegation_id or generated_id(peer))

    def destroy(self, peer: Peer, delegation_id: str | None) -> None:
        """Delete the delegation; jobs that were submitted with it keep their copies."""
        chosen = self._allowed(peer, delegation_id or generated_id(peer))
        path = self.store.path(peer.dn, chosen)
        self.store.destroy(peer.dn, chosen)
        if self._job_proxies is not None:
            self._job_proxies.forget(path)

    def _allowed(self, peer: Peer, delegation_id: str) -> str:
        """The id, unless a limited caller would touch a full proxy."""
        if peer.limited and not self.store.is_limited(peer.dn, delegation_id):
            raise DelegationError("a limited proxy cannot touch a full one that was delegated before")
        return delegation_id


def exception(contract: Contract, text: str) -> TypedFault:
    """The DelegationException of a port: its member is ``message`` in version 1 and ``msg`` in version 2."""
    record = contract.types.DelegationException()
    setattr(record, "msg" if hasattr(record, "msg") else "message", text)
    return TypedFault("DelegationException", record, faultstring=text)


def translator(contract: Contract) -> Callable[[PosixFault, str], Fault]:
    """Refusals of the policy and internal errors as the port's own exception."""
    return lambda fault, _: exception(contract, str(fault))


def peer_of(call: Call) -> Peer:
    """The caller; the policy lets no anonymous one through."""
    assert call.peer is not None
    return call.peer


def delegating(method: F) -> F:
    """Declare an operation for every authenticated user, with DelegationError as the port's fault."""

    @requires(Access.AUTHENTICATED, protects=Resource.DELEGATION)
    @wraps(method)
    def guarded(self: Delegation1, call: Call, **arguments: Any) -> Mapping[str, Any] | None:
        try:
            result: Mapping[str, Any] | None = method(self, call, **arguments)
        except DelegationError as error:
            # For the log as well: htproxyput does not wait for the answer to its putProxy.
            log.warning("%s refused for %s: %s", call.operation, peer_of(call).dn, error)
            raise exception(self.contract, str(error)) from error
        return result

    return guarded  # type: ignore[return-value]


class Delegation1:
    """Handler of delegation-1 with the operations that GridSite 1.1.0 added to it."""

    def __init__(self, contract: Contract, delegations: Delegations) -> None:
        self.contract = contract
        self.delegations = delegations

    @delegating
    def get_proxy_req(self, call: Call, *, delegationID: str | None) -> Mapping[str, Any]:
        return {"getProxyReqReturn": self.delegations.request(peer_of(call), delegationID)[0]}

    @delegating
    def get_new_proxy_req(self, call: Call) -> Mapping[str, Any]:
        request, chosen = self.delegations.request(peer_of(call), None)
        record = self.contract.types.NewProxyReq(proxyRequest=request, delegationID=chosen)
        return {"getNewProxyReqReturn": record}

    @delegating
    def renew_proxy_req(self, call: Call, *, delegationID: str | None) -> Mapping[str, Any]:
        return {"renewProxyReqReturn": self.delegations.renewal(peer_of(call), delegationID)}

    @delegating
    def put_proxy(self, call: Call, *, delegationID: str | None, proxy: str | None) -> None:
        self.delegations.put(peer_of(call), delegationID, proxy)

    @delegating
    def get_termination_time(self, call: Call, *, delegationID: str | None) -> Mapping[str, Any]:
        return {"getTerminationTimeReturn": self.delegations.termination_time(peer_of(call), delegationID)}

    @delegating
    def destroy(self, call: Call, *, delegationID: str | None) -> None:
        self.delegations.destroy(peer_of(call), delegationID)


class Delegation2(Delegation1):
    """Handler of delegation-2."""

    @delegating
    def get_version(self, call: Call) -> Mapping[str, Any]:
        return {"getVersionReturn": VERSION}

    @delegating
    def get_interface_version(self, call: Call) -> Mapping[str, Any]:
        return {"getInterfaceVersionReturn": INTERFACE_VERSION}

    @delegating
    def get_service_metadata(self, call: Call, *, key: str | None) -> Mapping[str, Any]:
        raise DelegationError("Method not supported")
