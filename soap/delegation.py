"""The client's side of GridSite delegation, versions 1 and 2 (wms.md 1.11).

    client = DelegationClient(url, session, credential)
    client.put("mine")                  # getProxyReq, sign, putProxy
    client.renew("mine")                # renewProxyReq, sign, putProxy: jobs of the delegation live on

The service makes the key and keeps it; this side signs with the user's credential.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import requests

from gsi.credential import Credential, read_certificates
from gsi.errors import CredentialError
from gsi.proxy import DEFAULT_LIFETIME, sign_request
from soap.client import Client
from soap.contract import load

#: Contracts of the ports. GridSite's delegation-1 holds all of the WMS's own copy of it, in the same namespace.
DELEGATION_1 = "delegation-1.1.0"
DELEGATION_2 = "WMProxy-gridsite-delegation-2.0.0"
#: A delegated proxy ends this much before the user's own, so that it never outlives it.
MARGIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Delegation:
    """What was delegated: its id, and when it ends, UTC."""

    id: str
    expires: datetime


class DelegationClient:
    """Delegates one credential to the service at `url`.

    Every call raises CredentialError (the credential is of no use for it), TransportError, and the service's refusal as
    soap.faults.Fault. lifetime: None = as long as the credential itself, if that is a proxy, else 12 hours; limited: of
    a full credential, too.
    """

    def __init__(
        self, url: str, session: requests.Session, credential: Credential, *, contract: str = DELEGATION_2,
    ) -> None:
        """contract: DELEGATION_1 for services that are older."""
        self._port = Client(load(contract), url, session)
        self._credential = credential

    def new(self, lifetime: timedelta | None = None, *, limited: bool = False) -> Delegation:
        """Delegate under an id that the service chooses (getNewProxyReq)."""
        answer = self._port.call("getNewProxyReq").getNewProxyReqReturn
        return self._answer(answer.delegationID, answer.proxyRequest, lifetime, limited)

    def put(self, delegation_id: str, lifetime: timedelta | None = None, *, limited: bool = False) -> Delegation:
        """Delegate under this id; what was there before is replaced."""
        request: str = self._port.call("getProxyReq", delegationID=delegation_id).getProxyReqReturn
        return self._answer(delegation_id, request, lifetime, limited)

    def renew(self, delegation_id: str, lifetime: timedelta | None = None, *, limited: bool = False) -> Delegation:
        """Put a newer proxy in the place of one that has to be there; the jobs submitted with it get it as well."""
        request: str = self._port.call("renewProxyReq", delegationID=delegation_id).renewProxyReqReturn
        return self._answer(delegation_id, request, lifetime, limited)

    def termination_time(self, delegation_id: str) -> datetime:
        """When the delegated proxy ends, UTC."""
        ends: datetime = self._port.call("getTerminationTime", delegationID=delegation_id).getTerminationTimeReturn
        return ends

    def destroy(self, delegation_id: str) -> None:
        """Have the service delete the delegated proxy."""
        self._port.call("destroy", delegationID=delegation_id)

    def _answer(self, delegation_id: str, request: str, lifetime: timedelta | None, limited: bool) -> Delegation:
        left = self._credential.not_after - datetime.now(UTC) - MARGIN
        if left <= timedelta(0):
            raise CredentialError("your proxy has expired or is about to")
        if lifetime is None:
            lifetime = left if self._credential.proxies else DEFAULT_LIFETIME
        chosen = min(left, lifetime)
        proxy = sign_request(self._credential, request.encode(), chosen, limited=limited)
        self._port.call("putProxy", delegationID=delegation_id, proxy=proxy.decode())
        return Delegation(delegation_id, min(one.not_valid_after_utc for one in read_certificates(proxy)))
