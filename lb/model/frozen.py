"""Values that do not change once they are made, and are cheap to make anew.

The attributes of a value live in its ``__dict__``; what is not there has the default of the class. A draft of the same
attributes is worked on with plain assignments; making a value of it costs one reference, a new draft one copy of a
small dict.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Self, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Frozen:
    """Refuses every change to its attributes."""

    @classmethod
    def made_of(cls, attributes: dict[str, Any]) -> Self:
        """A value with these attributes, unchecked; the dict is taken over and not to be touched any more."""
        value = cls.__new__(cls)
        object.__setattr__(value, "__dict__", attributes)
        return value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} does not change; replace({name}=…) makes another")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a {type(self).__name__} does not change")


def with_item(items: Mapping[Key, Value] | None, key: Key, value: Value) -> MappingProxyType[Key, Value]:
    """A read-only mapping with one more item, or one replaced.

    Copies a dict as such, which is ten times as fast as going through its items: a job may have thousands of tags.
    """
    copy = items.copy() if isinstance(items, MappingProxyType) else dict(items or {})
    copy[key] = value
    return MappingProxyType(copy)
