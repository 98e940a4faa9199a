"""A SOAP service as a WSGI application, made from a contract and a handler.

    class Storage:
        @requires(Access.TRUSTED_PEER, protects=Resource.JOB)
        def register_job(self, call: Call, *, job: str, owner: str) -> None: ...

    app = soap.service.application(soap.contract.load("JobProvenancePS"), Storage(), policy=policy)

Keyword arguments carry the wire names of the request's children (a Python keyword gets "_" after it); what is
absent is None or an empty list. A handler returns None or a mapping from the names of the response's children to
values: records, lists, or for a repeated child any iterable, which is streamed to the wire as it is consumed.
"""

import errno
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lxml import etree

from gsi.authz import Access, Outlook, Policy, Resource, Verdict, judge, log_refusal, requires
from guarded import xml
from soap import envelope, http, whoami
from soap.binding import Bound, Call, bind
from soap.contract import Contract, Operation
from soap.documents import Documents
from soap.faults import Fault, PosixFault
from soap.frame import Frame, body_of
from soap.guard import Guard
from soap.http import Environ, HttpError, StartResponse

if TYPE_CHECKING:
    from gsi.peer import Peer

__all__ = ["Call", "SoapApplication", "application", "combine", "is_available", "not_yet"]

log = logging.getLogger(__name__)

Translate = Callable[[PosixFault, str], Fault]
"""Turns a PosixFault raised in an operation (its wire name) into the fault that the service's contract promises."""


def application(
    contract: Contract,
    handler: object,
    *,
    policy: Policy,
    port: str | None = None,
    address: str | None = None,
    limit: int = xml.DEFAULT_LIMIT,
    translate: Translate | None = None,
) -> "SoapApplication":
    """The WSGI application that serves one port of a contract.

    `port` may be left out when the contract has one (the first is taken). `address` goes into `?wsdl` (default:
    where the client reached us). `limit`: largest request body in bytes. `translate` maps refusals of the policy
    (EPERM), operations not built (ENOSYS), internal errors (EIO) and every PosixFault of the handler, for
    contracts without a genericFault. Raises soap.binding.BindingError when handler and contract do not fit.
    """
    return SoapApplication(contract, handler, policy, port, address, limit, translate)


class SoapApplication:
    """One port of one contract, as WSGI. Make it with `application`."""

    def __init__(
        self,
        contract: Contract,
        handler: object,
        policy: Policy,
        port: str | None,
        address: str | None,
        limit: int,
        translate: Translate | None,
    ) -> None:
        self.contract = contract
        self.port = contract.port(port)
        self.limit = limit
        self.documents = Documents(contract, address)
        self._policy = policy
        self._translate = translate
        self._bound = bind(self.port, handler)
        missing = frozenset(name for name, bound in self._bound.items() if not is_available(bound.method))
        self.rights = whoami.Rights(contract.name, self.port, self.outlook, missing)
        self._frame = Frame(contract, self.port, self._function, self._translated)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return _serve(environ, start_response, self.limit, [self], lambda _: self)

    def answer(self, source: bytes | etree._Element, charset: str | None, environ: Environ) -> "Answer":
        """The answer to a request, its first pieces made: what fails by then is a fault, later it is a cut."""
        try:
            with Guard(self.port.name):
                good, chunks = self._frame.run(source, charset, environ)
                return Answer(good, chunks, self.port.name)
        except Fault as fault:
            return Answer(False, iter([self._last_resort(fault)]), self.port.name)

    def _last_resort(self, fault: Fault) -> bytes:
        """For what went wrong while an answer was made; not translated, for the translation may be what failed."""
        plain = fault if self._translate is None else Fault("Server", str(fault))
        return envelope.fault(self.contract, plain, self.port.name)

    def _translated(self, fault: Fault, operation: str) -> Fault:
        if self._translate is not None and isinstance(fault, PosixFault):
            return self._translate(fault, operation)
        return fault

    def _function(self, operation: Operation) -> Callable[[Any, Any], Any]:
        """What spyne calls for an operation."""
        bound = self._bound[operation.name]
        return lambda ctx, request: self._invoke(bound, ctx.udc, request)

    def _invoke(self, bound: Bound, environ: Environ, request: Any) -> Mapping[str, Any] | None:
        name = bound.operation.name
        arguments = {member.attribute: getattr(request, member.attribute) for member in bound.operation.input.members}
        call = Call(environ.get("gsi.peer"), name, environ)
        outlook = judge(self._policy, bound.requirement, call.peer, arguments)
        if outlook.verdict is Verdict.NO:
            log_refusal(call.peer, name, outlook.reason)
            raise PosixFault(errno.EPERM, f"you are not allowed to call {name}: {outlook.reason}")
        try:
            return bound.method(call, **arguments)
        except PosixFault as fault:
            if fault.code == errno.EPERM:
                log_refusal(call.peer, name, fault.description or fault.text)
            raise

    def outlook(self, peer: "Peer | None") -> Mapping[str, Outlook]:
        """What the policy says of a peer and every operation (its wire name), before anything is called."""
        return {name: judge(self._policy, bound.requirement, peer) for name, bound in self._bound.items()}


class Answer:
    """An answer whose first two pieces are there; the rest is made while it is sent."""

    def __init__(self, good: bool, chunks: Iterator[bytes], label: str) -> None:
        self.good = good
        self._label = label
        self._first = next(chunks, b"")
        self._second = next(chunks, None)
        self._rest = chunks

    @property
    def whole(self) -> bytes | None:
        """All of the answer when it is a single piece."""
        return self._first if self._second is None else None

    def close(self) -> None:
        """Tell the makers of the rest that it is not wanted (PEP 3333)."""
        close = getattr(self._rest, "close", None)
        if close is not None:
            close()

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        if self._second is None:
            return
        yield self._second
        try:
            yield from self._rest
        except Exception:
            # Raised on: the server must cut the connection, for an answer that ends well would be a lie.
            log.exception("the answer of %s was cut off", self._label)
            raise


def combine(applications: Sequence[SoapApplication]) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """One WSGI application for several ports on one address, told apart by the namespace of the request.

    `?wsdl` is that of the first; its limit counts. A namespace of none of them is answered by the first.
    """
    by_namespace = {each.port.namespace: each for each in reversed(applications)}
    first = applications[0]

    def choose(request: etree._Element) -> SoapApplication:
        return by_namespace.get(etree.QName(request).namespace or "", first)

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return _serve(environ, start_response, first.limit, applications, choose)

    return serve


def _serve(
    environ: Environ,
    start_response: StartResponse,
    limit: int,
    applications: Sequence[SoapApplication],
    choose: Callable[[etree._Element], SoapApplication],
) -> Iterable[bytes]:
    try:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            if environ.get("PATH_INFO") == whoami.PATH:
                return whoami.answer(environ, start_response, [each.rights for each in applications])
            return http.document(environ, start_response, [each.documents for each in applications])
        body, charset = http.read_request(environ, limit)
    except HttpError as error:
        return error.respond(start_response)
    if len(applications) == 1:
        answer = applications[0].answer(body, charset, environ)
    else:
        answer = _choose_and_answer(applications[0], choose, body, charset, environ)
    return http.respond(start_response, answer.good, answer.whole, answer)


def _choose_and_answer(
    first: SoapApplication,
    choose: Callable[[etree._Element], SoapApplication],
    body: bytes,
    charset: str | None,
    environ: Environ,
) -> Answer:
    """Parse, look at the request's namespace, hand on; what cannot be parsed, the first one refuses."""
    try:
        root = xml.parse(body, charset=charset)
        chosen = choose(body_of(root))
    except (xml.XmlRefused, Fault):
        return first.answer(body, charset, environ)
    return chosen.answer(root, None, environ)


def not_yet(*accesses: Access, protects: Resource | None = None) -> Any:
    """A method for an operation that is not built: it answers ENOSYS to those who may call it.

    Declared in a handler as `feed_index_refresh = not_yet(Access.FEED_OWNER, protects=Resource.FEED)`.
    """

    def refuse(self: object, call: Call, **arguments: Any) -> None:
        raise PosixFault(errno.ENOSYS, f"{call.operation} is not available in this release")

    refuse.__not_yet__ = True  # type: ignore[attr-defined]
    return requires(*accesses, protects=protects)(refuse)


def is_available(method: Callable[..., Any]) -> bool:
    """False for a method made by `not_yet`."""
    return not getattr(method, "__not_yet__", False)
