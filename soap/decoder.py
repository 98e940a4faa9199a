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
        self._scope: dict[str, Any] = {"is_nil": is_nil, "raw": _raw, "text_of": _text_of, "new": object.__new__}
        self._tables: dict[str, dict[str, Any]] = {}
        types = {n: t for n, t in {**schemas.types, **extra}.items() if isinstance(t, ComplexType)}
        self._names = {name: f"read_{number}" for number, name in enumerate(types)}
        for name in types:
            self._scope["class_of_" + self._names[name]] = records[name]
        source = "\n".join(line for name, each in types.items() for line in self._function(name, each))
        compile_into(self._scope, source, f"<decoders of {label}>")
        self._scope.update(self._tables)

    def of(self, type_name: str) -> Decoder:
        """The decoder of a complex type."""
        decoder: Decoder = self._scope[self._names[type_name]]
        return decoder

    def member(self, type_name: str, member: Member) -> Decoder:
        """A function that reads the element of one member of a type."""
        type_ = ComplexType(type_name, type_name, (member,))
        expression = self._value(type_, member)  # may add a reader of scalars to the scope
        scope = dict(self._scope)
        compile_into(scope, f"def one(c):\n    return {expression}", f"<element {member.name}>")
        decoder: Decoder = scope["one"]
        return decoder

    def _function(self, name: str, type_: ComplexType) -> Iterator[str]:
        yield f"def {self._names[name]}(e):"
        yield f"    r = new(class_of_{self._names[name]})"
        if type_.members:
            yield "    if not len(e) and is_nil(e): return None"
            yield from self._defaults(type_)
            yield "    for c in e:"
            yield from self._by_table(name, type_) if len(type_.members) > MANY else self._by_chain(type_)
        yield "    return r"

    @staticmethod
    def _defaults(type_: ComplexType) -> Iterator[str]:
        single = [f"r.{member.attribute} = " for member in type_.members if not member.repeated]
        if single:
            yield f"    {''.join(single)}None"
        for member in type_.members:
            if member.repeated:
                yield f"    r.{member.attribute} = []"

    def _by_chain(self, type_: ComplexType) -> Iterator[str]:
        yield "        t = c.tag"
        for word, member in zip(_if(), type_.members, strict=False):
            test = "True" if member.any else f"t == {member.tag!r}"
            yield f"        {word} {test}: {self._store(type_, member)}"

    def _by_table(self, name: str, type_: ComplexType) -> Iterator[str]:
        """One small function per member, found by tag; only its text refers to the table, which comes later."""
        table = f"table_{self._names[name]}"
        yield f"        store = {table}.get(c.tag)"
        yield "        if store is not None: store(r, c)"
        self._tables[table] = {}
        for member in type_.members:
            scope = self._scope
            compile_into(scope, f"def store(r, c): {self._store(type_, member)}", f"<{type_.label}.{member.name}>")
            self._tables[table][member.tag] = scope.pop("store")

    def _store(self, type_: ComplexType, member: Member) -> str:
        value = self._value(type_, member)
        return f"r.{member.attribute}.append({value})" if member.repeated else f"r.{member.attribute} = {value}"

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
