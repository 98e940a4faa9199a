"""XML Schema, as much of it as the contracts use, read into plain descriptions.

Reader for the schemas in wsdl/: sequence, choice and all (nested), element references, extension of complex
types, anonymous types, restriction by enumeration, xsd:any, elementFormDefault. Anything else stops with a
SchemaError rather than being left out in silence; attributes (xsd:anyAttribute of JSDL) are not read. Names are in
Clark notation, "{namespace}local".

The order of members is that of the document, whatever refers forward (facts: stack.md 1).
"""

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

XSD = "http://www.w3.org/2001/XMLSchema"
_X = f"{{{XSD}}}"

STRINGS = frozenset({
    "string", "normalizedString", "token", "anyURI", "ID", "NCName", "language", "QName", "duration",
})  # fmt: skip
INTEGERS = frozenset({
    "int", "integer", "long", "short", "byte", "unsignedInt", "unsignedLong", "unsignedShort",
    "nonNegativeInteger", "positiveInteger",
})  # fmt: skip
BUILTINS = STRINGS | INTEGERS | {"double", "float", "decimal", "boolean", "dateTime", "base64Binary"}
"""Local names of the xsd: types that the codec knows."""


class SchemaError(Exception):
    """A schema uses something that this reader does not know, or refers to what is not there."""


@dataclass(frozen=True, slots=True)
class Member:
    """One child element of a complex type.

    `tag` is the name on the wire (Clark notation only when qualified), `type` the Clark name of its type,
    `maximum` None when unbounded. `any` marks xsd:any: whatever elements are there.
    """

    name: str
    tag: str
    type: str
    minimum: int = 1
    maximum: int | None = 1
    nillable: bool = False
    choice: bool = False
    any: bool = False

    @property
    def repeated(self) -> bool:
        return self.maximum != 1

    @property
    def attribute(self) -> str:
        """The name in Python: the wire name, with "_" after it when it is a keyword."""
        return self.name + "_" if keyword.iskeyword(self.name) else self.name


@dataclass(frozen=True, slots=True)
class SimpleType:
    """A type of text: its built-in base (local name) and, for an enumeration, the values in order."""

    name: str
    builtin: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComplexType:
    """A type of elements with children; inherited members come first."""

    name: str
    label: str
    members: tuple[Member, ...]
    base: str | None = None


Type = SimpleType | ComplexType


@dataclass(slots=True)
class Schemas:
    """All types and global elements of some schema documents; `elements` maps an element to its type."""

    types: dict[str, Type] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)
    documents: list[etree._Element] = field(default_factory=list)

    def include(self, other: "Schemas") -> None:
        """Add everything of `other`."""
        self.types.update(other.types)
        self.elements.update(other.elements)
        self.documents += [each for each in other.documents if each not in self.documents]

    def read(self, schemas: list[etree._Element]) -> None:
        """Add the content of xsd:schema elements; they may refer to each other and to what is there already."""
        own: dict[str, Type] = {}
        for schema in schemas:
            _Reader(own, self, schema).declare()
        for name, each in own.items():
            self.types[name] = self._whole(each, own) if isinstance(each, ComplexType) else each
        self.documents += schemas

    def _whole(self, type_: ComplexType, own: Mapping[str, Type]) -> ComplexType:
        """The type with the members of its base in front of its own."""
        if type_.base is None:
            return type_
        base = own.get(type_.base)
        whole = self._whole(base, own) if isinstance(base, ComplexType) else self.types.get(type_.base)
        if not isinstance(whole, ComplexType):
            raise SchemaError(f"{type_.name} extends {type_.base}, which is no complex type")
        return replace(type_, members=whole.members + type_.members)

    def type(self, name: str) -> Type:
        """The type called `name` ("@" in front: the type of that element); SchemaError when there is none."""
        if name.startswith("@"):
            name = self.elements.get(name[1:], name)
        if name.startswith(_X):
            return SimpleType(name, _builtin(name))
        try:
            return self.types[name]
        except KeyError:
            raise SchemaError(f"type {name} is not defined") from None


def _builtin(name: str) -> str:
    local = name.removeprefix(_X)
    if local not in BUILTINS:
        raise SchemaError(f"xsd:{local} is not supported")
    return local


class _Reader:
    """Reads one xsd:schema."""

    def __init__(self, types: dict[str, Type], known: Schemas, schema: etree._Element) -> None:
        self._types = types
        self._known = known
        self._schema = schema
        self._namespace = schema.get("targetNamespace", "")
        self._qualified = schema.get("elementFormDefault", "unqualified") == "qualified"

    def declare(self) -> None:
        for node in self._schema:
            name = node.get("name", "")
            if node.tag == _X + "complexType":
                self._complex(node, self._clark(name), name)
            elif node.tag == _X + "simpleType":
                self._simple(node, self._clark(name))
            elif node.tag == _X + "element":
                self._known.elements[self._clark(name)] = self._type_of(node, name)
            elif node.tag not in (_X + "import", _X + "include", _X + "annotation"):
                raise SchemaError(f"{_local(node)} at the top of a schema is not supported")

    def _clark(self, name: str) -> str:
        return f"{{{self._namespace}}}{name}"

    def _type_of(self, node: etree._Element, label: str) -> str:
        """The type of an element: named, or anonymous and then known by "#" and its place."""
        if node.get("type") is not None:
            return qname(node, node.get("type"))
        for child in node:
            anonymous = self._clark("#" + label)
            if child.tag == _X + "complexType":
                self._complex(child, anonymous, label.replace("/", "_"))
                return anonymous
            if child.tag == _X + "simpleType":
                self._simple(child, anonymous)
                return anonymous
        raise SchemaError(f"element {label} has no type")

    def _simple(self, node: etree._Element, name: str) -> None:
        restriction = node.find(_X + "restriction")
        if restriction is None or restriction.get("base") is None:
            raise SchemaError(f"simple type {name}: only restrictions of a named type are supported")
        values = tuple(each.get("value", "") for each in restriction.iterfind(_X + "enumeration"))
        base = qname(restriction, restriction.get("base"))
        known = self._types.get(base) or self._known.types.get(base)
        builtin = known.builtin if isinstance(known, SimpleType) else _builtin(base)
        self._types[name] = SimpleType(name, builtin, values)

    def _complex(self, node: etree._Element, name: str, label: str) -> None:
        base = None
        body = node
        content = node.find(_X + "complexContent")
        if content is not None:
            extension = content.find(_X + "extension")
            if extension is None:
                raise SchemaError(f"complex type {name}: only extension is supported")
            base, body = qname(extension, extension.get("base")), extension
        members = tuple(member for child in body for member in self._particle(child, label, False, False))
        self._types[name] = ComplexType(name, label, members, base)

    def _particle(self, node: etree._Element, label: str, choice: bool, optional: bool) -> Iterator[Member]:
        tag = node.tag
        if tag in (_X + "sequence", _X + "choice", _X + "all"):
            if node.get("maxOccurs", "1") != "1":
                raise SchemaError(f"{label}: a repeated group is not supported")
            for child in node:
                inner = choice or tag == _X + "choice"
                yield from self._particle(child, label, inner, optional or inner or node.get("minOccurs") == "0")
        elif tag == _X + "element":
            yield self._element(node, label, choice, optional)
        elif tag == _X + "any":
            minimum, maximum = _occurs(node)
            yield Member("any_", "*", "", minimum, maximum, any=True)
        elif tag not in (_X + "annotation", _X + "anyAttribute"):
            raise SchemaError(f"{label}: {_local(node)} is not supported")

    def _element(self, node: etree._Element, label: str, choice: bool, optional: bool) -> Member:
        minimum, maximum = _occurs(node)
        nillable = node.get("nillable") in ("true", "1")
        minimum = 0 if optional else minimum
        if node.get("ref") is not None:
            reference = qname(node, node.get("ref"))
            return Member(reference.rpartition("}")[2], reference, "@" + reference, minimum, maximum, nillable, choice)
        name = node.get("name", "")
        qualified = node.get("form", "qualified" if self._qualified else "unqualified") == "qualified"
        type_ = self._type_of(node, f"{label}/{name}")
        return Member(name, self._clark(name) if qualified else name, type_, minimum, maximum, nillable, choice)


def qname(node: etree._Element, text: str | None) -> str:
    """A prefixed name found in an attribute of `node`, in Clark notation."""
    prefix, colon, local = (text or "").rpartition(":")
    namespace = node.nsmap.get(prefix if colon else None)
    if namespace is None and colon:
        raise SchemaError(f"prefix of {text!r} is not declared")
    return f"{{{namespace}}}{local}" if namespace else local


def _occurs(node: etree._Element) -> tuple[int, int | None]:
    maximum = node.get("maxOccurs", "1")
    return int(node.get("minOccurs", "1")), None if maximum == "unbounded" else int(maximum)


def _local(node: etree._Element) -> str:
    return str(etree.QName(node).localname)
