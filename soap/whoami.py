"""What a service knows of its caller, told to the caller: an extension of ours beside the contracts.

    GET /.well-known/glite/peer        on every port that serves SOAP, with the certificate that one calls with

Answers JSON (`application/json`): who the server takes the caller for, and for each operation whether it would be
allowed: `yes`, `no` or `depends on the job`. It tells about the caller alone, and needs a certificate. `glite-ping`
reads it. The path is below the one that RFC 8615 sets aside for such things, so no service has anything there.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from soap.http import Environ, HttpError, StartResponse

if TYPE_CHECKING:
    from gsi.authz import Access, Policy
    from gsi.peer import Peer
    from soap.binding import Bound
    from soap.contract import Port

PATH = "/.well-known/glite/peer"
#: The three answers about an operation.
YES, NO, DEPENDS = "yes", "no", "depends on the job"

_PACKAGE = "glite-py"


class Rights:
    """Says for one port which operations a peer may call."""

    def __init__(self, service: str, port: "Port", policy: "Policy", bound: Mapping[str, "Bound"]) -> None:
        self.service = service
        self._port = port
        self._policy = policy
        self._bound = bound

    def of(self, peer: "Peer") -> dict[str, Any]:
        """The port with its operations: {"port", "namespace", "operations": {name: answer}}."""
        operations = {name: self._verdict(peer, bound) for name, bound in self._bound.items()}
        return {"port": self._port.name, "namespace": self._port.namespace, "operations": operations}

    def _verdict(self, peer: "Peer", bound: "Bound") -> str:
        """The best answer of the accesses of which any suffices."""
        answers = {self._permitted(peer, bound.operation.name, access) for access in bound.accesses}
        return next((answer for answer in (YES, DEPENDS) if answer in answers), NO)

    def _permitted(self, peer: "Peer", operation: str, access: "Access") -> str:
        from gsi.authz import Access

        if not self._policy.permits(access, peer, operation, {}):
            return NO
        return DEPENDS if access is Access.JOB_OWNER else YES


def answer(environ: Environ, start_response: StartResponse, ports: Sequence[Rights]) -> Iterable[bytes]:
    """Serve PATH. Raises HttpError for an anonymous caller."""
    peer: Peer | None = environ.get("gsi.peer")
    if peer is None:
        raise HttpError("403 Forbidden", "this tells you who you are to the server: present a certificate")
    data = json.dumps(_described(peer, ports)).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), ("Cache-Control", "no-store")]
    start_response("200 OK", headers)
    return [data] if environ["REQUEST_METHOD"] == "GET" else []


def _described(peer: "Peer", ports: Sequence[Rights]) -> dict[str, Any]:
    return {
        "service": {"name": ports[0].service, "version": metadata.version(_PACKAGE)},
        "identity": peer.dn,
        "rfc2253": peer.rfc2253,
        "proxy_kind": peer.proxy_kind.value,
        "limited": peer.limited,
        "not_after": _iso(peer.not_after),
        "fqans": list(peer.fqans),
        "vos": [
            {"vo": each.vo, "fqans": list(each.fqans), "issuer": each.issuer, "server": each.server,
             "not_after": _iso(each.not_after)}
            for each in peer.vos
        ],
        "disbelieved": list(peer.disbelieved),
        "ports": [port.of(peer) for port in ports],
    }


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
