"""SOAP 1.1 envelopes as text: messages in pieces, faults in one.

A message goes out in chunks of about 64 KB while the values of its repeated children come from whatever
iterable the caller gave, so nothing is ever held whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from soap.contract import Contract, Message
from soap.encoder import Encoder
from soap.faults import Fault, PosixFault, TypedFault
from soap.records import Record
from soap.scalars import EncodeError, escape
from soap.schema import Member

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

CHUNK = 64 * 1024
"""Characters after which a piece of a message is handed on: four TLS records, as stack.md 1 measured."""

_CLOSE = "</SOAP-ENV:Body></SOAP-ENV:Envelope>"


@cache
def opening(contract: Contract) -> str:
    """Everything up to the content of the Body; declares each namespace of the contract."""
    spaces = "".join(f' xmlns:{prefix}="{escape(space)}"' for space, prefix in contract.prefixes.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}" xmlns:xsi="{XSI}" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f"{spaces}><SOAP-ENV:Body>"
    )


def prefixed(contract: Contract, name: str) -> str:
    """A Clark name with the prefix that `opening` declares."""
    space, _, local = name[1:].partition("}")
    return f"{contract.prefixes[space]}:{local.removeprefix('#')}"


class Writer:
    """Writes one kind of message."""

    def __init__(self, contract: Contract, message: Message) -> None:
        wrapper = prefixed(contract, message.wrapper)
        self._open = f"{opening(contract)}<{wrapper}>"
        self._close = f"</{wrapper}>{_CLOSE}"
        self._label = message.record.__name__
        self._known = frozenset(name for member in message.members for name in (member.name, member.attribute))
        self._members: list[tuple[Member, Encoder, str | None]] = [
            (member, contract.element_encoder(member), contract.stand_in(message.type_name, member))
            for member in message.members
        ]

    def chunks(self, values: Mapping[str, Any] | Record | None) -> Iterator[bytes]:
        """The message in pieces. `values` maps the wire names of the children; a missing one counts as None.

        Raises EncodeError for a value that does not fit, and whatever the iterables of the values raise.
        """
        texts = [self._open]
        size = 0
        given = self._given(values)
        for member, write, stand_in in self._members:
            value = given.get(member.name)
            if value is None:
                if stand_in is None:
                    raise EncodeError(f"{self._label}.{member.name} is not set")
                texts.append(stand_in)
            elif member.repeated:
                with _closing(self._items(member, value)) as items:
                    for item in items:
                        text = write(item)
                        texts.append(text)
                        size += len(text)
                        if size >= CHUNK:
                            yield "".join(texts).encode()
                            texts.clear()
                            size = 0
            else:
                texts.append(write(value))
        texts.append(self._close)
        yield "".join(texts).encode()

    def _items(self, member: Member, value: Any) -> Iterable[Any]:
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            raise EncodeError(f"{self._label}.{member.name} wants a list, not {type(value).__name__}")
        return value

    def _given(self, values: Mapping[str, Any] | Record | None) -> Mapping[str, Any]:
        if values is None:
            return {}
        if isinstance(values, Record):
            return {member.name: getattr(values, member.attribute) for member in values._members_}
        odd = values.keys() - self._known
        if odd:
            raise EncodeError(f"{self._label} has no {', '.join(sorted(odd))}")
        return {name.removesuffix("_"): value for name, value in values.items()}


@contextmanager
def _closing(items: Iterable[Any]) -> Iterator[Iterable[Any]]:
    """Close a generator when its values are not wanted any more: it may hold a database connection."""
    try:
        yield items
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def fault(contract: Contract, error: Fault, operation: str | None = None) -> bytes:
    """The envelope of a fault; `operation` is the source of a PosixFault that names none but needs one."""
    detail = _detail(contract, error, operation)
    untold = isinstance(error, PosixFault) and not detail
    return (
        f"{opening(contract)}<SOAP-ENV:Fault><faultcode>SOAP-ENV:{error.faultcode}</faultcode>"
        f"<faultstring>{escape(str(error) if untold else error.faultstring)}</faultstring>{detail}"
        f"</SOAP-ENV:Fault>{_CLOSE}"
    ).encode()


def _detail(contract: Contract, error: Fault, operation: str | None) -> str:
    if isinstance(error, TypedFault):
        element = _fault_element(contract, error)
        content = contract.encoder(type(error.record)._type_)(error.record)
        return f"<detail><{element}>{content}</{element}></detail>"
    if isinstance(error, PosixFault) and (known := posix_fault(contract)):
        type_name, element_name = known
        content = contract.encoder(type_name)(_generic(contract.records[type_name], error, operation))
        element = prefixed(contract, element_name)
        # Beside what the WSDL promises, the form that original clients resolve by xsi:type (jp.md 1.7).
        first = f'<fault xsi:type="{prefixed(contract, type_name)}">{content}</fault>'
        return f"<detail>{first}<{element}>{content}</{element}></detail>"
    return ""


@cache
def posix_fault(contract: Contract) -> tuple[str, str] | None:
    """Clark names of the type and the element of a contract's genericFault; None when it has none."""
    for element, type_name in contract.schemas.elements.items():
        if element.endswith("}genericFault"):
            return type_name, element
    return None


def _fault_element(contract: Contract, error: TypedFault) -> str:
    wanted = type(error.record)._type_
    for element, type_name in contract.schemas.elements.items():
        if type_name == wanted and element.endswith("}" + error.name):
            return prefixed(contract, element)
    raise EncodeError(f"{contract.name} has no fault element {error.name} of type {wanted}")


def _generic(record: type[Any], error: PosixFault, operation: str | None) -> Any:
    optional = any(member.name == "source" and member.minimum == 0 for member in record._members_)
    return record(
        source=error.source or (None if optional else operation),
        code=error.code,
        text=error.text,
        description=error.description,
        reason=None if error.reason is None else _generic(record, error.reason, operation),
    )
