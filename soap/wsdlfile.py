"""One WSDL 1.1 file of wsdl/ and what it imports, read into plain descriptions."""

from dataclasses import dataclass, field
from functools import cache

from lxml import etree

import wsdl
from guarded import xml
from soap.schema import XSD, Schemas, qname

_W = "{http://schemas.xmlsoap.org/wsdl/}"
_S = "{http://schemas.xmlsoap.org/wsdl/soap/}"


class WsdlError(Exception):
    """A WSDL says something that this reader does not know, or refers to what is not there."""


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a message: `element` and `type` are Clark names, one of them is given."""

    name: str
    element: str | None
    type: str | None


@dataclass(frozen=True, slots=True)
class AbstractOperation:
    """Operation of a portType: Clark names of its messages."""

    name: str
    input: str
    output: str
    faults: tuple[str, ...]
    documentation: str


@dataclass(frozen=True, slots=True)
class BoundOperation:
    """Operation of a binding: `style` is "document" or "rpc", `namespace` that of the wrapper (rpc)."""

    name: str
    style: str
    action: str | None
    namespace: str


@dataclass(frozen=True, slots=True)
class ServicePort:
    """Port of a service."""

    name: str
    binding: str
    address: str


@dataclass(slots=True)
class WsdlFile:
    """What the file `name` and its imports define, by Clark name; `ports` only of the file itself."""

    name: str
    namespace: str = ""
    schemas: Schemas = field(default_factory=Schemas)
    messages: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    port_types: dict[str, dict[str, AbstractOperation]] = field(default_factory=dict)
    bindings: dict[str, tuple[str, dict[str, BoundOperation]]] = field(default_factory=dict)
    ports: list[ServicePort] = field(default_factory=list)
    service: str = ""
    prefixes: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


@cache
def read(name: str) -> WsdlFile:
    """Read `name` ("LB.wsdl") from wsdl/. Raises WsdlError, SchemaError, XmlRefused, FileNotFoundError."""
    root = xml.parse(wsdl.read(name))
    file = WsdlFile(name, root.get("targetNamespace", ""), files=[name])
    _prefixes(file, root)
    for node in root.iterfind(_W + "import"):
        _include(file, read(node.get("location", "")))
    _types(file, root)
    for node in root:
        _define(file, node)
    return file


def _prefixes(file: WsdlFile, root: etree._Element) -> None:
    for prefix, namespace in root.nsmap.items():
        if prefix:
            file.prefixes.setdefault(namespace, prefix)


def _include(file: WsdlFile, other: WsdlFile) -> None:
    file.schemas.include(other.schemas)
    file.messages.update(other.messages)
    file.port_types.update(other.port_types)
    file.bindings.update(other.bindings)
    for namespace, prefix in other.prefixes.items():
        file.prefixes.setdefault(namespace, prefix)
    file.files += [each for each in other.files if each not in file.files]


def _types(file: WsdlFile, root: etree._Element) -> None:
    schemas = root.findall(f"{_W}types/{{{XSD}}}schema")
    imported: list[etree._Element] = []
    for schema in schemas:
        imported += _schema_files(file, schema)
    file.schemas.read([*imported, *schemas])


def _schema_files(file: WsdlFile, schema: etree._Element) -> list[etree._Element]:
    """The schema files that a schema imports, innermost first."""
    found: list[etree._Element] = []
    for node in schema.iterfind(f"{{{XSD}}}import"):
        location = node.get("schemaLocation")
        if location is not None and location not in file.files:
            file.files.append(location)
            inner = xml.parse(wsdl.read(location))
            found += [*_schema_files(file, inner), inner]
    return found


def _define(file: WsdlFile, node: etree._Element) -> None:
    name = f"{{{file.namespace}}}{node.get('name')}"
    if node.tag == _W + "message":
        file.messages[name] = tuple(_part(each) for each in node.iterfind(_W + "part"))
    elif node.tag == _W + "portType":
        file.port_types[name] = {each.get("name", ""): _abstract(each) for each in node.iterfind(_W + "operation")}
    elif node.tag == _W + "binding":
        file.bindings[name] = (qname(node, node.get("type")), _bound_operations(node, file.namespace))
    elif node.tag == _W + "service":
        file.service = node.get("name", "")
        file.ports += [_port(each) for each in node.iterfind(_W + "port")]


def _part(node: etree._Element) -> Part:
    element, type_ = node.get("element"), node.get("type")
    return Part(
        node.get("name", ""),
        qname(node, element) if element else None,
        qname(node, type_) if type_ else None,
    )


def _abstract(node: etree._Element) -> AbstractOperation:
    name = node.get("name", "")
    messages = [_message(node, kind, name) for kind in ("input", "output")]
    faults = tuple(qname(each, each.get("message")) for each in node.iterfind(_W + "fault"))
    documentation = " ".join((node.findtext(_W + "documentation") or "").split())
    return AbstractOperation(name, messages[0], messages[1], faults, documentation)


def _message(node: etree._Element, kind: str, name: str) -> str:
    child = node.find(_W + kind)
    if child is None:
        raise WsdlError(f"operation {name} has no {kind}")
    return qname(child, child.get("message"))


def _bound_operations(node: etree._Element, namespace: str) -> dict[str, BoundOperation]:
    binding = node.find(_S + "binding")
    if binding is None:
        raise WsdlError(f"binding {node.get('name')} is not for SOAP 1.1")
    default = binding.get("style", "document")
    return {each.get("name", ""): _bound(each, default, namespace) for each in node.iterfind(_W + "operation")}


def _bound(node: etree._Element, style: str, namespace: str) -> BoundOperation:
    name = node.get("name", "")
    operation = node.find(_S + "operation")
    action = None if operation is None else operation.get("soapAction")
    style = style if operation is None else operation.get("style", style)
    for body in node.iterfind(f"{_W}*/{_S}body"):
        if body.get("use") != "literal":
            raise WsdlError(f"operation {name}: only literal use is supported")
        namespace = body.get("namespace", namespace)
    return BoundOperation(name, style, action, namespace)


def _port(node: etree._Element) -> ServicePort:
    address = node.find(_S + "address")
    location = "" if address is None else address.get("location", "")
    return ServicePort(node.get("name", ""), qname(node, node.get("binding")), location)
