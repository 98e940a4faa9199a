"""A job description as a value: read attributes, change them, write the text again."""

from __future__ import annotations

from collections.abc import Iterator

import classad2

from .errors import JdlError, JdlKind
from .nodes import Attribute, Expression, ListNode, Literal, Node, Plain, Record, copied, node
from .parser import parse_expression, parse_record


def parse(text: str) -> Jdl:
    """Read a job description.

    The outer brackets may be missing; ``#`` and ``//`` comment lines and ``/* */`` are skipped; an attribute set twice
    in one record is refused (wms.md 2.1).

    :raises JdlError: kind PARSE or DUPLICATE, with line, column and attribute.
    """
    return Jdl(parse_record(text))


class Jdl:
    """The attributes of one job description, in the order of the text, names without regard to case."""

    def __init__(self, record: Record | None = None) -> None:
        self.record = record if record is not None else Record()
        self._ad: classad2.ClassAd | None = None

    # -- looking

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.record.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (attribute.name for attribute in self.record.attributes.values())

    def attribute(self, name: str) -> Attribute | None:
        return self.record.get(name)

    def expression(self, name: str) -> str | None:
        """The text of an attribute's value, not evaluated; None when it is absent."""
        found = self.record.get(name)
        return found.value.text() if found else None

    def get(self, name: str, default: object = None) -> object:
        """The evaluated value: str, int, float, bool, list, Jdl (a record), or *default* when absent or undefined.

        :raises JdlError: kind MISMATCH when the value is the ClassAd value error.
        """
        found = self.record.get(name)
        if found is None:
            return default
        value = self._evaluate(found.name, found.value)
        return default if value is None else value

    def string(self, name: str) -> str | None:
        value = self.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self._mismatch(name, "a string")

    def integer(self, name: str) -> int | None:
        value = self.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._mismatch(name, "an integer")

    def boolean(self, name: str) -> bool | None:
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._mismatch(name, "true or false")

    def items(self, name: str) -> list[object]:
        """The members of a list; a single value counts as a list of one, an absent attribute as none (wms.md 2.1)."""
        value = self.get(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def strings(self, name: str) -> list[str]:
        """Like items, all of them strings."""
        items = self.items(name)
        if all(isinstance(item, str) for item in items):
            return [str(item) for item in items]
        raise self._mismatch(name, "a list of strings")

    def text(self) -> str:
        """The description on one line, in a form that any ClassAd library reads."""
        return self.record.text()

    __str__ = text

    def ad(self) -> classad2.ClassAd:
        """The same description for the ClassAd library; made once, and again after a change."""
        if self._ad is None:
            self._ad = _library_ad(self.record)
        return self._ad

    # -- changing

    def copy(self) -> Jdl:
        return Jdl(copied(self.record))

    def set(self, name: str, value: Plain) -> None:
        """Set a plain value: scalar, list, mapping."""
        self._put(name, node(value))

    def set_expression(self, name: str, text: str) -> None:
        """Set an unevaluated expression.

        :raises JdlError: the text is no expression.
        """
        self._put(name, parse_expression(text))

    def remove(self, name: str) -> None:
        """Remove an attribute; no complaint when it is absent."""
        self.record.attributes.pop(name.lower(), None)
        self._ad = None

    def _put(self, name: str, value: Node) -> None:
        old = self.record.get(name)
        place = (old.name, old.line, old.column) if old else (name, 0, 0)
        self.record.put(Attribute(place[0], value, place[1], place[2]))
        self._ad = None

    # -- errors

    def error(self, kind: JdlKind, name: str, message: str) -> JdlError:
        """An error about attribute *name*, at its place, or at the record's when it is absent."""
        found = self.record.get(name)
        place: Attribute | Record = found or self.record
        return JdlError(kind, message, attribute=found.name if found else name, line=place.line, column=place.column)

    def _mismatch(self, name: str, wanted: str) -> JdlError:
        return self.error(JdlKind.MISMATCH, name, f"{wanted} is needed, not {self._shown(name)}")

    def _shown(self, name: str) -> str:
        text = self.expression(name) or ""
        return text if len(text) <= 60 else text[:57] + "..."

    # -- evaluation

    def _evaluate(self, name: str, value: Node) -> object:
        if isinstance(value, Literal):
            return value.value
        if isinstance(value, Record):
            return Jdl(value)
        if isinstance(value, ListNode) and not _has_expression(value):
            return [self._evaluate(name, item) for item in value.items]
        try:
            result = _from_library(self.ad().eval(name), self.ad())
        except (classad2.ClassAdException, UnicodeDecodeError):  # too deep, too long, a function without an answer
            result = classad2.Value.Error
        if result is classad2.Value.Error:
            raise self.error(JdlKind.MISMATCH, name, f"the value cannot be computed: {self._shown(name)}")
        return result


def _has_expression(value: Node) -> bool:
    if isinstance(value, ListNode):
        return any(map(_has_expression, value.items))
    return isinstance(value, Expression)


def _from_library(value: object, scope: classad2.ClassAd) -> object:
    """A value of the library as ours; the members of an evaluated list still have to be evaluated."""
    if isinstance(value, classad2.ExprTree):
        value = value.eval(scope)
    if value is classad2.Value.Undefined:
        return None
    if isinstance(value, list):
        return [_from_library(item, scope) for item in value]
    if isinstance(value, classad2.ClassAd):
        return parse(str(value))
    return value


def _library_ad(record: Record) -> classad2.ClassAd:
    """Our grammar and the library's agree; should they not, the attribute that it refuses is named."""
    try:
        return classad2.ClassAd(record.text())
    except classad2.ClassAdException:
        for attribute in record.attributes.values():
            one = Record(attributes={attribute.name.lower(): attribute})
            try:
                classad2.ClassAd(one.text())
            except classad2.ClassAdException as error:
                raise _refused(attribute) from error
        raise


def _refused(attribute: Attribute) -> JdlError:
    message = "the ClassAd library cannot read this value"
    return JdlError(
        JdlKind.PARSE, message, attribute=attribute.name, line=attribute.line, column=attribute.column
    )
