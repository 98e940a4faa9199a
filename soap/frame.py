"""The spyne frame: application, dispatch and faults are spyne's, the bytes are ours.

spyne's Soap11 is replaced where it parses, validates, reads and writes (facts: stack.md 1); its Application
finds the operation and calls it, its server base drives a message through. What spyne does between its hooks is
left alone, only its log entries for faults are silenced: a fault is an answer, and it is logged once, by us.
"""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lxml import etree

import soap.compat  # noqa: F401  (before spyne)
from guarded import xml
from soap import envelope, leniency
from soap.contract import Contract, Operation, Port
from soap.faults import Fault
from soap.guard import Guard
from soap.models import service_class
from soap.validation import Invalid, Validator

from spyne.application import Application  # isort: skip
from spyne.context import MethodContext  # isort: skip
from spyne.model.fault import Fault as SpyneFault  # isort: skip
from spyne.protocol.soap import Soap11  # isort: skip
from spyne.server import ServerBase  # isort: skip

_ENVELOPE = f"{{{envelope.SOAP}}}Envelope"
_HEADER = f"{{{envelope.SOAP}}}Header"
_BODY = f"{{{envelope.SOAP}}}Body"
_MUST = f"{{{envelope.SOAP}}}mustUnderstand"
_ACTOR = f"{{{envelope.SOAP}}}actor"
_NEXT = ("", "http://schemas.xmlsoap.org/soap/actor/next")


log = logging.getLogger(__name__)

Translate = Callable[[Fault, str], Fault]
"""What becomes of a fault before it is written, given the operation's wire name ("" when there is none)."""


_number = itertools.count(1)


class Carried(SpyneFault):  # type: ignore[misc]
    """One of our faults on its way through spyne."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.faultcode, fault.faultstring)
        self.fault = fault


def _quiet(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], SpyneFault))


for _name in ("spyne.application", "spyne.application.client", "spyne.application.server", "spyne.server._base"):
    logging.getLogger(_name).addFilter(_quiet)


def body_of(root: etree._Element) -> etree._Element:
    """The child of the SOAP body. Raises Fault: no SOAP, another version, a header to be understood, no child."""
    if root.tag != _ENVELOPE:
        if str(root.tag).endswith("}Envelope"):
            raise Fault("VersionMismatch", "only SOAP 1.1 is spoken here, envelope namespace " + envelope.SOAP)
        raise Fault("Client", "the message is not a SOAP envelope")
    body = None
    for child in root:
        if child.tag == _HEADER:
            _check_header(child)
        elif child.tag == _BODY:
            body = child
    if body is None:
        raise Fault("Client", "the SOAP envelope has no Body")
    if len(body) != 1:
        raise Fault("Client", f"the SOAP Body must hold one element, not {len(body)}")
    return body[0]


def _check_header(header: etree._Element) -> None:
    for block in header:
        if block.get(_MUST) in ("1", "true") and block.get(_ACTOR, "") in _NEXT:
            name = f"{block.prefix}:{etree.QName(block).localname}" if block.prefix else str(block.tag)
            raise Fault("MustUnderstand", f"The data in element '{name}' must be understood but cannot be processed")


class _Protocol(Soap11):  # type: ignore[misc]
    """Our codec in the place of spyne's."""

    def __init__(self, contract: Contract, port: Port, validator: Validator, translate: Translate) -> None:
        super().__init__()
        self._translate = translate
        self._contract = contract
        self._validator = validator
        self._operations: Mapping[str, Operation] = {each.input.wrapper: each for each in port.operations.values()}
        self._writers = {each.name: envelope.Writer(contract, each.output) for each in port.operations.values()}

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:
        if ctx.in_document is None:
            try:
                ctx.in_document = xml.parse(b"".join(ctx.in_string), charset=charset)
            except xml.XmlRefused as refused:
                raise Carried(Fault("Client", str(refused))) from None

    def decompose_incoming_envelope(self, ctx: Any, message: Any = None) -> None:
        try:
            ctx.in_body_doc = body_of(ctx.in_document)
        except Fault as fault:
            raise Carried(fault) from None
        ctx.method_request_string = ctx.in_body_doc.tag
        operation = self._operations.get(ctx.method_request_string)
        if operation is None:
            name = etree.QName(ctx.in_body_doc)
            raise Carried(
                Fault("Client", f"Method '{name.localname}' in namespace '{name.namespace or ''}' is not implemented")
            )
        ctx.udc["httpg.operation"] = operation.name  # for access log and metrics of the server

    def deserialize(self, ctx: Any, message: Any) -> None:
        operation = self._operations[ctx.in_body_doc.tag]
        try:
            self._validate(ctx.in_body_doc, operation)
            request = self._contract.decoder(operation.input.type_name)(ctx.in_body_doc)
            ctx.in_object = request if operation.input.members else ()  # spyne passes no argument then
        except (Invalid, ValueError, OverflowError) as invalid:
            raise Carried(Fault("Client", f"{operation.name}: {invalid}")) from None

    def _validate(self, element: etree._Element, operation: Operation) -> None:
        try:
            self._validator.check(element)
        except Invalid:
            leniency.normalise(element, self._contract.message_type(operation.input), self._contract.schemas)
            self._validator.check(element)

    def serialize(self, ctx: Any, message: Any) -> None:
        name: str = ctx.descriptor.name if ctx.descriptor else ""
        if ctx.out_error is not None:
            fault = self._translate(_brief(_ours(ctx.out_error)), name)
            ctx.out_string = [envelope.fault(self._contract, fault, name)]
        else:
            ctx.out_string = self._writers[name].chunks(ctx.out_object[0])

    def create_out_string(self, ctx: Any, charset: str | None = None) -> None:
        """Nothing left to do: `serialize` has set the bytes."""


LONGEST = 500
"""Characters of a complaint about a request: it may quote from the request, which is of any size."""


def _brief(fault: Fault) -> Fault:
    if fault.faultcode == "Server" or len(fault.faultstring) <= LONGEST:
        return fault
    return Fault(fault.faultcode, fault.faultstring[:LONGEST] + "...")


def _ours(error: Exception) -> Fault:
    if isinstance(error, Carried):
        return error.fault
    if isinstance(error, SpyneFault):
        return Fault(str(error.faultcode).partition(".")[0], str(error.faultstring))
    raise error


class _Application(Application):  # type: ignore[misc]
    """spyne's application, with our faults let through and everything else guarded."""

    def call_wrapper(self, ctx: Any) -> Any:
        try:
            with Guard(ctx.descriptor.name):
                return super().call_wrapper(ctx)
        except Fault as fault:
            log.info("%s: %s", ctx.descriptor.name, fault)
            raise Carried(fault) from None


class _Context(MethodContext):  # type: ignore[misc]
    """spyne's context of one call, without what costs time and is of no use for calls of one message each."""

    TransportContext = None
    __setattr__ = object.__setattr__

    def copy(self) -> "_Context":
        """No auxiliary methods here: the context found is the one that is used."""
        return self

    def close(self) -> None:
        """spyne collects garbage here every minute, which stops all threads for no gain."""
        self.app.event_manager.fire_event("method_context_closed", self)
        self.is_closed = True


class Frame(ServerBase):  # type: ignore[misc]
    """Drives one request through spyne: from bytes or a parsed envelope to chunks of bytes."""

    transport = "http://schemas.xmlsoap.org/soap/http"

    def __init__(self, contract: Contract, port: Port, function: Any, translate: Translate) -> None:
        service = service_class(contract, list(port.operations.values()), function)
        validator = Validator(contract)
        protocols = [_Protocol(contract, port, validator, translate) for _ in ("in", "out")]  # spyne wants two
        name = f"{contract.name}.{port.name}.{next(_number)}"  # spyne keeps a registry by name
        super().__init__(_Application([service], port.namespace, name, *protocols))

    def run(self, source: bytes | etree._Element, charset: str | None, user: Any) -> tuple[bool, Iterator[bytes]]:
        """Whether it went well, and the envelope in chunks; the chunks may raise when they are made lazily."""
        ctx = _Context(self, MethodContext.SERVER)
        ctx.udc = user
        if isinstance(source, bytes):
            ctx.in_string = [source]
        else:
            ctx.in_document = source
        ctx = self.generate_contexts(ctx, charset)[0]
        if ctx.in_error is None:
            self.get_in_object(ctx)
        if ctx.in_error is None:
            self.get_out_object(ctx)
        self.get_out_string(ctx)
        ctx.close()
        return ctx.out_error is None, iter(ctx.out_string)
