"""Values of a job description: what the parser makes, and how it is written back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .lexer import RESERVED

Scalar: TypeAlias = str | int | float | bool | None  # None is the ClassAd value undefined
# Names with a meaning of their own in the ClassAd language: the library writes them quoted.
_SPECIAL = RESERVED | {"parent", "self", "root", "toplevel", "my", "target"}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_QUOTE = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
    | {chr(code): f"\\{code:03o}" for code in (*range(1, 8), 11, *range(14, 32))}
)


@dataclass(slots=True)
class Node:
    """A value with the place where it begins (line 0: not from the user's text)."""

    line: int = field(default=0, kw_only=True)
    column: int = field(default=0, kw_only=True)

    def text(self) -> str:
        raise NotImplementedError


@dataclass(slots=True)
class Literal(Node):
    value: Scalar

    def text(self) -> str:
        return scalar_text(self.value)


@dataclass(slots=True)
class Expression(Node):
    """Anything that has to be evaluated; kept as its normalised text."""

    source: str

    def text(self) -> str:
        return self.source


@dataclass(slots=True)
class ListNode(Node):
    items: list[Node]

    def text(self) -> str:
        return "{ " + ", ".join(item.text() for item in self.items) + " }" if self.items else "{ }"


@dataclass(slots=True)
class Attribute:
    """One ``name = value`` with the place of its name."""

    name: str
    value: Node
    line: int = 0
    column: int = 0


@dataclass(slots=True)
class Record(Node):
    """An ad: attributes in the order of the text, found by name without regard to case."""

    attributes: dict[str, Attribute] = field(default_factory=dict)

    def get(self, name: str) -> Attribute | None:
        return self.attributes.get(name.lower())

    def put(self, attribute: Attribute) -> None:
        self.attributes[attribute.name.lower()] = attribute

    def text(self) -> str:
        return "[ " + "".join(f"{name_text(a.name)} = {a.value.text()}; " for a in self.attributes.values()) + "]"


def copied(record: Record) -> Record:
    """A record that can be changed without the other; what cannot be changed inside is shared (deepcopy takes 10 times
    as long, and users write descriptions with thousands of items)."""
    attributes = {
        key: Attribute(one.name, _copied(one.value), one.line, one.column) for key, one in record.attributes.items()
    }
    return Record(attributes, line=record.line, column=record.column)


def _copied(value: Node) -> Node:
    if isinstance(value, Record):
        return copied(value)
    if isinstance(value, ListNode):
        return ListNode([_copied(item) for item in value.items], line=value.line, column=value.column)
    return value


def name_text(name: str) -> str:
    """An attribute name as it is written, quoted where the language needs it."""
    if _PLAIN_NAME.match(name) and name.lower() not in _SPECIAL:
        return name
    return "'" + name.translate(_QUOTE).replace("'", "\\'") + "'"


def string_text(value: str) -> str:
    return '"' + value.translate(_QUOTE) + '"'


def scalar_text(value: Scalar) -> str:
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")  # 1e+20 needs its point
    return str(value)


Plain: TypeAlias = Scalar | Node | Sequence["Plain"] | Mapping[str, "Plain"]


def node(value: Plain) -> Node:
    """The node of a plain Python value: scalars, lists, mappings (records); a node stays as it is."""
    if isinstance(value, Node):
        return value
    if isinstance(value, Mapping):
        record = Record()
        for name, member in value.items():
            record.put(Attribute(name, node(member)))
        return record
    if value is None or isinstance(value, str | bool | int | float):
        return Literal(value)
    return ListNode([node(item) for item in value])
