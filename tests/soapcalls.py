"""Calling a SOAP application in process, and small handlers for tests of the binding."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gsi.authz import Access, Outlook, no, requires, yes
from gsi.peer import Peer, ProxyKind
from soap.service import Call, not_yet

PEER = Peer("/DC=org/DC=example/CN=Test User", "CN=Test User,DC=example,DC=org", ProxyKind.NONE, False, (),
            datetime(2100, 1, 1, tzinfo=UTC))
Application = Callable[..., Iterable[bytes]]


@dataclass
class Answer:
    """What a WSGI application answered."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(app: Application, method: str = "POST", body: bytes = b"", **environ: Any) -> Answer:
    """One request; `environ` adds to the WSGI environment (None: takes away)."""
    variables: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": "/", "QUERY_STRING": "", "CONTENT_TYPE": "text/xml; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True,
        "wsgi.url_scheme": "https", "HTTP_HOST": "localhost:8901", "SERVER_NAME": "localhost", "SERVER_PORT": "8901",
        "gsi.peer": PEER,
    } | environ  # fmt: skip
    started: list[Any] = []
    variables = {name: value for name, value in variables.items() if value is not None or name == "gsi.peer"}
    pieces = app(variables, lambda status, headers, exc_info=None: started.append((status, headers)))
    try:
        content = b"".join(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    return Answer(int(status.split()[0]), dict(headers), content)


def envelope(body: str, header: str = "") -> bytes:
    """A SOAP 1.1 envelope around the text of a body; prefixes jpe, lbe, wmp, xsi, xsd are declared."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:jpe="http://glite.org/wsdl/elements/jp" xmlns:lbe="http://glite.org/wsdl/elements/lb"'
        ' xmlns:wmp="http://glite.org/wms/wmproxy">'
        f"{header}<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


@dataclass
class Rule:
    """A policy that permits what it is told to and remembers what it was asked."""

    allowed: frozenset[Access] = frozenset(Access)
    asked: list[tuple[Access, dict[str, Any]]] = field(default_factory=list)

    def outlook(self, peer: Peer | None, access: Access, arguments: Mapping[str, Any] | None = None) -> Outlook:
        """See gsi.authz.Policy."""
        self.asked.append((access, dict(arguments or {})))
        return yes("it is allowed") if access in self.allowed else no("it is forbidden")


class Recorder:
    """A Primary Storage that keeps what it was called with and does what `behaviour` says."""

    def __init__(self, behaviour: Callable[[str, dict[str, Any]], Any] = lambda operation, arguments: None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._behaviour = behaviour

    def _done(self, call: Call, arguments: dict[str, Any]) -> Any:
        self.calls.append((call.operation, arguments))
        return self._behaviour(call.operation, arguments)

    @requires(Access.TRUSTED_PEER)
    def register_job(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    @requires(Access.TRUSTED_PEER)
    def start_upload(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    @requires(Access.TRUSTED_PEER)
    def commit_upload(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    @requires(Access.TRUSTED_PEER, Access.JOB_OWNER)
    def record_tag(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    @requires(Access.JOB_OWNER)
    def record_multi_tags(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    @requires(Access.AUTHENTICATED)
    def feed_index(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    feed_index_refresh = not_yet(Access.AUTHENTICATED)

    @requires(Access.JOB_OWNER)
    def get_job_files(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)

    @requires(Access.JOB_OWNER)
    def get_job_attributes(self, call: Call, **arguments: Any) -> Any:
        return self._done(call, arguments)
