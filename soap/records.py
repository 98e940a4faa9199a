"""Record classes: plain objects with the members of a complex type, named as on the wire."""

from collections.abc import Sequence
from typing import Any

from soap.schema import Member


class Record:
    """Base of all record classes.

    `_members_` are the members in wire order, `_type_` the Clark name of the XSD type. All members default to
    None, repeated ones to an empty list. Equal when the class and all members are.
    """

    __slots__: tuple[str, ...] = ()
    _members_: tuple[Member, ...] = ()
    _type_: str = ""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ((name, getattr(self, name)) for name in self.__slots__)
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in shown if v is not None and v != [])})"


def record_class(name: str, type_name: str, members: Sequence[Member]) -> type[Any]:
    """A new subclass of Record called `name`."""
    attributes = {
        "__slots__": tuple(member.attribute for member in members),
        "__init__": _init(members),
        "__module__": "soap.records",
        "_members_": tuple(members),
        "_type_": type_name,
    }
    return type(name, (Record,), attributes)


def _init(members: Sequence[Member]) -> Any:
    """An __init__ written out: as fast as by hand, and its signature names the members."""
    names = [member.attribute for member in members]
    lines = [f"def __init__(self, {', '.join(f'{name}=None' for name in names)}):" if names else "def __init__(self):"]
    for member, name in zip(members, names, strict=True):
        default = f"[] if {name} is None else {name}" if member.repeated else name
        lines.append(f"    self.{name} = {default}")
    scope: dict[str, Any] = {}
    exec("\n".join([*lines, "    return"]), scope)
    return scope["__init__"]
