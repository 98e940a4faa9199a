"""A contract: one WSDL of wsdl/ as Python sees it, ports, operations, record classes, codec.

    contract = soap.contract.load("JobProvenancePS")
    contract.types.tagValue(name="urn:x:colour", value=contract.types.stringOrBlob(string="green"))
    contract.operations["RegisterJob"].input.members
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from soap.decoder import Decoder, Decoders
from soap.encoder import Encoder, Encoders
from soap.records import record_class
from soap.schema import ComplexType, Member, Schemas
from soap.wsdlfile import AbstractOperation, BoundOperation, Part, ServicePort, WsdlError, WsdlFile, read

PREFIXES = {
    "http://glite.org/wsdl/types/jp": "jptype",
    "http://glite.org/wsdl/services/jp": "jpsrv",
    "http://glite.org/wsdl/elements/jp": "jpelem",
    "http://glite.org/wsdl/types/lb": "lbt",
    "http://glite.org/wsdl/services/lb": "lb",
    "http://glite.org/wsdl/elements/lb": "lbe",
    "http://glite.org/wms/wmproxy": "ns1",
    "http://www.gridsite.org/namespaces/delegation-1": "delegation1",
    "http://www.gridsite.org/namespaces/delegation-2": "delegation2",
}
"""Prefixes that the original peers write (jp.md 1.1, lb.md 6); any other is as good."""


class Types:
    """The record classes of a contract, as attributes; by Clark name in brackets.

    A name that two namespaces share means the one of `preferred`. The name of a global element (a fault, say)
    means the record class of its type.
    """

    def __init__(self, classes: Mapping[str, type[Any]], elements: Mapping[str, str], preferred: str) -> None:
        self._classes = classes
        named = {**{element: classes[t] for element, t in elements.items() if t in classes}, **classes}
        self._by_name: dict[str, type[Any]] = {}
        for name, each in named.items():
            local = each.__name__ if "#" in name else name.rpartition("}")[2]
            if local not in self._by_name or name.startswith(f"{{{preferred}}}"):
                self._by_name[local] = each

    def __getattr__(self, name: str) -> type[Any]:
        try:
            return self._by_name[name]
        except KeyError:
            raise AttributeError(f"the contract has no type {name!r}") from None

    def __getitem__(self, name: str) -> type[Any]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name


@dataclass(frozen=True, slots=True)
class Message:
    """What is in the SOAP body: `wrapper` is the Clark name of its element, `members` are its children."""

    wrapper: str
    type_name: str
    members: tuple[Member, ...]
    record: type[Any]

    def member(self, name: str) -> Member:
        """The child called `name` on the wire; KeyError when there is none."""
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its name on the wire and as a Python method, its messages, its fault elements (Clark)."""

    name: str
    method: str
    style: str
    input: Message
    output: Message
    faults: tuple[str, ...]
    documentation: str


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the service with its operations by name, in the order of the WSDL."""

    name: str
    address: str
    namespace: str
    operations: Mapping[str, Operation]
    types: Types


class Contract:
    """One WSDL, read. Make it with `load`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file: WsdlFile = read(name + ".wsdl")
        self.schemas: Schemas = self.file.schemas
        self._synthetic: dict[str, ComplexType] = {}
        for port in self.file.ports:
            self._wrap_rpc(*self._binding(port))
        self.records = self._record_classes()
        self.ports: dict[str, Port] = {port.name: self._port(port) for port in self.file.ports}
        self.types = Types(self.records, self.schemas.elements, self._main_namespace())

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations of the first port."""
        return next(iter(self.ports.values())).operations if self.ports else {}

    def port(self, name: str | None = None) -> Port:
        """The port called `name`, the first one without a name; KeyError when there is none."""
        return self.ports[name] if name is not None else next(iter(self.ports.values()))

    @property
    def wrappers(self) -> Mapping[str, ComplexType]:
        """The types made up for the wrappers of rpc/literal messages, by Clark name."""
        return self._synthetic

    def message_type(self, message: Message) -> ComplexType:
        """The type of a message's wrapper."""
        return self._synthetic.get(message.type_name) or self._complex(message.type_name)

    def _complex(self, name: str) -> ComplexType:
        type_ = self.schemas.type(name)
        if not isinstance(type_, ComplexType):
            raise WsdlError(f"{self.name}: {name} has no children")
        return type_

    @cached_property
    def _encoders(self) -> Encoders:
        return Encoders(self.schemas, self.name, self._synthetic)

    @cached_property
    def _decoders(self) -> Decoders:
        return Decoders(self.schemas, self.name, self._synthetic, self.records)

    def encoder(self, type_name: str) -> Encoder:
        """Writes the members of a record of this type as XML text."""
        return self._encoders.of(type_name)

    def element_encoder(self, member: Member) -> Encoder:
        """Writes one value of a member as an element."""
        return self._encoders.element(member)

    def stand_in(self, type_name: str, member: Member) -> str | None:
        """What is written for a member that is None; None when it must be set."""
        return self._encoders.stand_in(type_name, member)

    def decoder(self, type_name: str) -> Decoder:
        """Reads an element of this type into a record."""
        return self._decoders.of(type_name)

    def member_decoder(self, type_name: str, member: Member) -> Decoder:
        """Reads the element of one member of a type."""
        return self._decoders.member(type_name, member)

    @cached_property
    def prefixes(self) -> dict[str, str]:
        """Namespace to prefix for what this side writes; every namespace of the contract is there."""
        spaces = {name[1:].partition("}")[0] for name in [*self.schemas.types, *self.schemas.elements]}
        spaces |= {message[1:].partition("}")[0] for message in self._synthetic} | {self.file.namespace}
        fallback = {space: f"ns{10 + number}" for number, space in enumerate(sorted(spaces))}
        return {space: PREFIXES.get(space, fallback[space]) for space in sorted(spaces)}

    def _main_namespace(self) -> str:
        return next(iter(self.ports.values())).namespace if self.ports else self.file.namespace

    def _binding(self, port: ServicePort) -> tuple[dict[str, BoundOperation], dict[str, AbstractOperation]]:
        try:
            port_type, operations = self.file.bindings[port.binding]
            abstract = self.file.port_types[port_type]
        except KeyError as missing:
            raise WsdlError(f"{self.name}: port {port.name} refers to {missing}, which is not there") from None
        if set(operations) != set(abstract):
            odd = ", ".join(sorted(set(operations) ^ set(abstract)))
            raise WsdlError(f"{self.name}: binding and portType of {port.name} differ in {odd}")
        return operations, abstract

    def _wrap_rpc(self, operations: Mapping[str, BoundOperation], abstract: Mapping[str, AbstractOperation]) -> None:
        for name, operation in operations.items():
            if operation.style == "rpc":
                for suffix, message in (("", abstract[name].input), ("Response", abstract[name].output)):
                    members = tuple(self._parameter(part) for part in self.file.messages[message])
                    type_name = f"{{{operation.namespace}}}#{name}{suffix}"
                    self._synthetic[type_name] = ComplexType(type_name, name + suffix, members)

    @staticmethod
    def _parameter(part: Part) -> Member:
        if part.type is None:
            raise WsdlError(f"rpc part {part.name} needs a type")
        return Member(part.name, part.name, part.type)

    def _record_classes(self) -> dict[str, type[Any]]:
        types = {**self.schemas.types, **self._synthetic}
        return {
            name: _shared_record_class(each.label, name, each.members)
            for name, each in types.items()
            if isinstance(each, ComplexType)
        }

    def _port(self, port: ServicePort) -> Port:
        bound, abstract = self._binding(port)
        operations = {name: self._operation(bound[name], each) for name, each in abstract.items()}
        first = next(iter(operations.values()))
        namespace = first.input.wrapper[1:].partition("}")[0]
        types = Types(self.records, self.schemas.elements, namespace)
        return Port(port.name, port.address, namespace, operations, types)

    def _operation(self, bound: BoundOperation, abstract: AbstractOperation) -> Operation:
        faults = tuple(
            part.element or part.type or ""
            for message in abstract.faults
            for part in self.file.messages[message]
        )
        return Operation(
            abstract.name,
            method_name(abstract.name),
            bound.style,
            self._message(bound, abstract.input, ""),
            self._message(bound, abstract.output, "Response"),
            faults,
            abstract.documentation,
        )

    def _message(self, bound: BoundOperation, message: str, suffix: str) -> Message:
        if bound.style == "rpc":
            wrapper = f"{{{bound.namespace}}}{bound.name}{suffix}"
            type_name = f"{{{bound.namespace}}}#{bound.name}{suffix}"
        else:
            parts = self.file.messages[message]
            if len(parts) != 1 or parts[0].element is None:
                raise WsdlError(f"{self.name}: message {message} must have one part with an element")
            wrapper = parts[0].element
            type_name = self.schemas.elements[wrapper]
        type_ = self._synthetic.get(type_name) or self._complex(type_name)
        return Message(wrapper, type_name, type_.members, self.records[type_name])


@cache
def load(name: str) -> Contract:
    """The contract in wsdl/<name>.wsdl; the same object every time."""
    return Contract(name)


@cache
def _shared_record_class(label: str, name: str, members: tuple[Member, ...]) -> type[Any]:
    """One class per type, so that records of JobProvenanceTypes fit PS and IS alike."""
    return record_class(label, name, members)


_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s$)[a-z])")


def method_name(operation: str) -> str:
    """RegisterJob → register_job, getSandboxBulkDestURI → get_sandbox_bulk_dest_uri, GetFeedIDs → get_feed_ids."""
    return _BOUNDARY.sub("_", operation).lower()
