"""What a service knows of its caller, told to the caller: an extension of ours beside the contracts.

    GET /.well-known/glite/peer        on every port that serves SOAP, with the certificate that one calls with

Answers JSON (`application/json`): who the server takes the caller for, and for each operation whether it would be
allowed (`yes`, `no`, `depends on the job`, or `not available yet` when only that stands in the way) and why. It tells
about the caller alone, and needs a certificate. `glite-ping` reads it. The path is below the one that RFC 8615 sets
aside for such things, so no service has anything there.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from gsi.authz import Outlook, Verdict
from soap.http import Environ, HttpError, StartResponse

if TYPE_CHECKING:
    from gsi.peer import Peer
    from soap.contract import Port

PATH = "/.well-known/glite/peer"
#: The answers about an operation. What it depends on may also be a feed; the reason says so.
ANSWERS = {Verdict.YES: "yes", Verdict.NO: "no", Verdict.DEPENDS: "depends on the job"}
#: The answer instead of one that is not "no", and its reason, for an operation that the service does not have yet.
NOT_YET, NOT_YET_REASON = "not available yet", "this release does not have it"

_PACKAGE = "glite-py"


class Rights:
    """Says for one port which operations a peer may call. `missing`: those that it does not have yet."""

    def __init__(
        self,
        service: str,
        port: "Port",
        outlook: Callable[["Peer"], Mapping[str, Outlook]],
        missing: Collection[str] = (),
    ) -> None:
        self.service = service
        self._port = port
        self._outlook = outlook
        self._missing = missing

    def of(self, peer: "Peer") -> dict[str, Any]:
        """The port: {"port", "namespace", "operations": {name: answer}, "reasons": {name: clause}}."""
        answers = {name: self._answer(name, outlook) for name, outlook in self._outlook(peer).items()}
        return {
            "port": self._port.name, "namespace": self._port.namespace,
            "operations": {name: answer for name, (answer, _) in answers.items()},
            "reasons": {name: reason for name, (_, reason) in answers.items()},
        }

    def _answer(self, name: str, outlook: Outlook) -> tuple[str, str]:
        """The answer and its reason. Who may not call an operation is told just that, as when he calls it."""
        if name in self._missing and outlook.verdict is not Verdict.NO:
            return NOT_YET, NOT_YET_REASON
        return ANSWERS[outlook.verdict], outlook.reason


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
