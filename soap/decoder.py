"""Compiles the types of a contract to Python functions that read records from lxml elements.

The counterpart of `soap.encoder`. Decoders take what they know and skip the rest, in any order: whether a
message is right is decided before, by validation (servers) or not at all (clients).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lxml import etree

from soap import leniency
from soap.encoder import compile_into
from soap.scalars import reader
from soap.schema import ComplexType, Member, Schemas

Decoder = Callable[[etree._Element], Any]
"""Takes an element, returns the record of its children (None when the element is nil)."""

MANY = 12
"""Members from which on a table is faster than a chain of comparisons."""

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def is_nil(element: etree._Element) -> bool:
    """Whether an element says that it has no value."""
    return element.get(NIL) in ("true", "1")


class Decoders:
    """The decoders of all complex types of some schemas, by Clark name."""

    def __init__(
        self, schemas: Schemas, label: str, extra: Mapping[str, ComplexType], records: Mapping[str, type[Any]]
    ) -> None:
        self._schemas = schemas
        self._scope: dict[str, Any] = {"is_nil": is_nil, "raw": _raw, "text_of": _text_of}
        types = {n: t for n, t in {**schemas.types, **extra}.items() if isinstance(t, ComplexType)}
        self._names = {name: f"read_{number}" for number, name in enumerate(types)}
        for name in types:
            self._scope["make_" + self._names[name]] = records[name]
        source = "\n".join(line for name, each in types.items() for line in self._function(name, each))
        compile_into(self._scope, source, f"<decoders of {label}>")

    def of(self, type_name: str) -> Decoder:
        """The decoder of a complex type."""
        decoder: Decoder = self._scope[self._names[type_name]]
        return decoder

    def member(self, type_name: str, member: Member) -> Decoder:
        """A function that reads the element of one member of a type."""
        type_ = ComplexType(type_name, type_name, (member,))
        scope = dict(self._scope)
        compile_into(scope, f"def one(c):\n    return {self._value(type_, member)}", f"<element {member.name}>")
        decoder: Decoder = scope["one"]
        return decoder

    def _function(self, name: str, type_: ComplexType) -> Iterator[str]:
        make = "make_" + self._names[name]
        yield f"def {self._names[name]}(e):"
        if not type_.members:
            yield f"    return {make}()"
            return
        yield "    if not len(e) and is_nil(e): return None"
        yield from self._by_table(type_, make) if len(type_.members) > MANY else self._by_chain(type_, make)

    def _by_chain(self, type_: ComplexType, make: str) -> Iterator[str]:
        names = [f"v{number}" for number, _ in enumerate(type_.members)]
        for name, member in zip(names, type_.members, strict=True):
            yield f"    {name} = {'[]' if member.repeated else 'None'}"
        yield "    for c in e:"
        yield "        t = c.tag"
        for word, name, member in zip(_if(), names, type_.members, strict=False):
            test = "True" if member.any else f"t == {member.tag!r}"
            value = self._value(type_, member)
            yield f"        {word} {test}: " + (f"{name}.append({value})" if member.repeated else f"{name} = {value}")
        yield f"    return {make}({', '.join(names)})"

    def _by_table(self, type_: ComplexType, make: str) -> Iterator[str]:
        table = f"table_{make}"
        entries = []
        for member in type_.members:
            yield_value = self._value(type_, member)
            entries.append(f"{member.tag!r}: ({member.attribute!r}, {member.repeated}, lambda c: {yield_value})")
        yield f"    r = {make}()"
        yield "    for c in e:"
        yield f"        found = {table}.get(c.tag)"
        yield "        if found is None: continue"
        yield "        if found[1]: getattr(r, found[0]).append(found[2](c))"
        yield "        else: setattr(r, found[0], found[2](c))"
        yield "    return r"
        yield f"{table} = {{{', '.join(entries)}}}"

    def _value(self, type_: ComplexType, member: Member) -> str:
        if member.any:
            return "raw(c)"
        target = self._schemas.type(member.type)
        if isinstance(target, ComplexType):
            return f"{self._names[target.name]}(c)"
        read = reader(target.builtin)
        if read is None:
            text = "(c.text or text_of(c))"
            return f"({text} or None)" if leniency.empty_is_absent(type_.name, member.name) else text
        name = f"scalar_{target.builtin}"
        self._scope[name] = read
        return f"(None if c.text is None and is_nil(c) else {name}(c.text or ''))"


def _if() -> Iterator[str]:
    yield "if"
    while True:
        yield "elif"


def _text_of(element: etree._Element) -> str | None:
    """The text of an element without any: empty, or None when it is nil."""
    return None if is_nil(element) else ""


def _raw(element: etree._Element) -> bytes:
    """An element of xsd:any: its exclusive canonical form, complete in itself."""
    return etree.tostring(element, method="c14n", exclusive=True, with_tail=False)
