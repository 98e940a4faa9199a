"""Compiles the types of a contract to Python functions that write records as XML text.

For every complex type a function is written out and compiled once, at start-up: the content of a record of
14,000 jobs goes out in half a second that way, in ten when a generic serializer walks the model (facts:
stack.md 1). The text of the functions is registered with linecache, so tracebacks show it.
"""

import linecache
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from soap import leniency
from soap.scalars import EncodeError, base64, double, escape, instant
from soap.schema import INTEGERS, STRINGS, ComplexType, Member, Schemas, SimpleType

Encoder = Callable[[Any], str]
"""Takes a record (or anything with its attributes), returns the XML of its members."""

NIL = 'xsi:nil="true"'


class Encoders:
    """The encoders of all complex types of some schemas, by Clark name."""

    def __init__(self, schemas: Schemas, label: str, extra: Mapping[str, ComplexType]) -> None:
        self._schemas = schemas
        self._scope: dict[str, Any] = {
            "escape": escape, "instant": instant, "double": double, "base64": base64, "EncodeError": EncodeError,
        }  # fmt: skip
        self._tables = self._enumerations()
        types = {n: t for n, t in {**schemas.types, **extra}.items() if isinstance(t, ComplexType)}
        self._names = {name: f"write_{number}" for number, name in enumerate(types)}
        source = "\n".join(line for name, each in types.items() for line in self._function(name, each))
        compile_into(self._scope, source, f"<encoders of {label}>")

    def _enumerations(self) -> dict[str, str]:
        """Tables from the enumerators to their text, so that writing one is checking it; their names by type."""
        names = {}
        for number, (name, each) in enumerate(self._schemas.types.items()):
            if isinstance(each, SimpleType) and each.values:
                names[name] = f"enum_{number}"
                self._scope[names[name]] = {value: escape(value) for value in each.values}
        return names

    def of(self, type_name: str) -> Encoder:
        """The encoder of a complex type."""
        encoder: Encoder = self._scope[self._names[type_name]]
        return encoder

    def element(self, member: Member) -> Encoder:
        """A function that writes one value of `member` as a whole element."""
        scope = dict(self._scope)
        compile_into(scope, f"def one(v):\n    return {self._element(member)}", f"<element {member.name}>")
        encoder: Encoder = scope["one"]
        return encoder

    def _function(self, name: str, type_: ComplexType) -> Iterator[str]:
        yield f"def {self._names[name]}(r):"
        if not type_.members:
            yield "    return ''"
        elif all(member.choice and not member.repeated for member in type_.members):
            yield from self._choice(type_)
        else:
            yield "    s = ''"
            for member in type_.members:
                yield from self._member(type_, member)
            yield "    return s"

    def _choice(self, type_: ComplexType) -> Iterator[str]:
        for member in type_.members:
            yield f"    v = r.{member.attribute}"
            yield f"    if v is not None: return {self._element(member)}"
        yield f"    raise EncodeError('{type_.label}: none of the members is set')"

    def _member(self, type_: ComplexType, member: Member) -> Iterator[str]:
        if member.repeated:
            yield f"    for v in r.{member.attribute}:"
            yield f"        s += {self._element(member)}"
            return
        yield f"    v = r.{member.attribute}"
        yield "    if v is not None:"
        yield f"        s += {self._element(member)}"
        absent = self._absent(type_, member)
        if absent:
            yield "    else:"
            yield f"        {absent}"

    def _absent(self, type_: ComplexType, member: Member) -> str | None:
        """The statement for a member that is None."""
        text = self.stand_in(type_.name, member)
        if text is None:
            return f"raise EncodeError('{type_.label}.{member.name} is not set')"
        return f"s += {text!r}" if text else None

    def stand_in(self, type_name: str, member: Member) -> str | None:
        """What is written for None: nothing, an empty or a nil element; None when the member must be set."""
        if member.repeated or member.minimum == 0:
            return ""
        if member.nillable:
            return f"<{self.tag(member)} {NIL}/>"
        simple = None if member.any else self._schemas.type(member.type)
        if isinstance(simple, SimpleType) and simple.builtin in STRINGS and not simple.values:
            return f"<{self.tag(member)}/>"  # as gSOAP 2.8 writes a null string (jp.md 1.6)
        return "" if leniency.may_be_absent(type_name, member.name) else None

    def tag(self, member: Member) -> str:
        """The tag as written; qualified members carry their own namespace declaration on every element."""
        if not member.tag.startswith("{"):
            return member.tag
        return f'q:{member.name} xmlns:q="{member.tag[1:].partition("}")[0]}"'

    def _element(self, member: Member) -> str:
        if member.any:
            return "v.decode() if isinstance(v, bytes) else v"
        open_, close = self.tag(member), member.name if member.tag == member.name else "q:" + member.name
        return f"f'<{open_}>{{{self._value(member)}}}</{close}>'"

    def _value(self, member: Member) -> str:
        type_ = self._schemas.type(member.type)
        if isinstance(type_, ComplexType):
            return f"{self._names[type_.name]}(v)"
        if type_.values:
            return f"{self._tables[type_.name]}[v]"
        if type_.builtin in STRINGS:
            return 'v if v.isprintable() and "&" not in v and "<" not in v and ">" not in v else escape(v)'
        if type_.builtin in INTEGERS:
            return "v:d"
        call = {"boolean": '"true" if v else "false"', "dateTime": "instant(v)", "base64Binary": "base64(v)",
                "double": "double(v)", "float": "double(v)", "decimal": "v:f"}  # fmt: skip
        return call[type_.builtin]


def compile_into(scope: dict[str, Any], source: str, name: str) -> None:
    """Run generated source in `scope`, so that its lines show in tracebacks."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), scope)
