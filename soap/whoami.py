"""What a service knows of its caller, told to the caller: an extension of ours beside the contracts.

    GET /.well-known/glite/peer        on every port that serves SOAP, with the certificate that one calls with

Answers JSON (`application/json`): who the server takes the caller for, and for each operation whether it would be
allowed (`yes`, `no` or `depends on the job`) and why. It tells about the caller alone, and needs a certificate.
`glite-ping` reads it. The path is below the one that RFC 8615 sets aside for such things, so no service has anything
there.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from gsi.authz import Outlook, Verdict
from soap.http import Environ, HttpError, StartResponse

if TYPE_CHECKING:
    from gsi.peer import Peer
    from soap.contract import Port

PATH = "/.well-known/glite/peer"
#: The three answers about an operation. What it depends on may also be a feed; the reason says so.
ANSWERS = {Verdict.YES: "yes", Verdict.NO: "no", Verdict.DEPENDS: "depends on the job"}

_PACKAGE = "glite-py"


class Rights:
    """Says for one port which operations a peer may call."""

    def __init__(self, service: str, port: "Port", outlook: Callable[["Peer"], Mapping[str, Outlook]]) -> None:
        self.service = service
        self._port = port
        self._outlook = outlook

    def of(self, peer: "Peer") -> dict[str, Any]:
        """The port: {"port", "namespace", "operations": {name: answer}, "reasons": {name: clause}}."""
        outlooks = self._outlook(peer)
        return {
            "port": self._port.name, "namespace": self._port.namespace,
            "operations": {name: ANSWERS[outlook.verdict] for name, outlook in outlooks.items()},
            "reasons": {name: outlook.reason for name, outlook in outlooks.items()},
        }


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
