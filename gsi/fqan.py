"""Fully qualified attribute names: what a VO says of its member, and the patterns by which policies name them.

    /vo[/group…][/Role=role][/Capability=capability]

VOMS writes an absent role or capability as `NULL` in some versions and leaves it out in others; the normal form here
leaves it out. A capability was never given a meaning, but is kept.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from gsi.errors import FqanError

#: Longest name, characters: what the VOMS naming scheme admits.
MAX_LENGTH = 255
NULL = "NULL"

# A name begins with a letter or digit: the VO is also the name of a directory (gsi.voms.vomsdir).
_NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FQAN = re.compile(
    rf"(?P<group>/(?P<vo>{_NAME})(?:/{_NAME})*)(?:/Role=(?P<role>[A-Za-z0-9_.-]+))?"
    r"(?:/Capability=(?P<capability>[A-Za-z0-9_. -]+))?"
)
_STARRED = "[A-Za-z0-9_.*-]+"
_PATTERN = re.compile(
    rf"(?P<head>[*]|/{_STARRED}(?:/{_STARRED})*)(?:/Role=(?P<role>{_STARRED}))?"
    r"(?:(?P<rest>/[*])|/Capability=(?P<capability>[A-Za-z0-9_.* -]+))?"
)
_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Fqan:
    """group: `/vo/group…`, begins with a slash; role, capability: None when absent or `NULL`."""

    group: str
    role: str | None = None
    capability: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Fqan":
        """Take a name apart. Raises FqanError."""
        return _parse(text)

    @property
    def vo(self) -> str:
        """The virtual organization: the first component of the group."""
        return self.group.split("/", 2)[1]

    @property
    def full(self) -> str:
        """The long form that VOMS tools print: `/vo/Role=NULL/Capability=NULL`."""
        return f"{self.group}/Role={self.role or NULL}/Capability={self.capability or NULL}"

    def __str__(self) -> str:
        """The normal form."""
        role = f"/Role={self.role}" if self.role else ""
        return self.group + role + (f"/Capability={self.capability}" if self.capability else "")


def normal(text: str) -> str:
    """Return the normal form of a name. Raises FqanError."""
    return str(_parse(text))


class FqanPattern:
    """What a policy names: one FQAN, or many with `*` (wms.md 1.9, as gACL and LCMAPS files have them).

    `*` stands for any text, slashes included; everything else is exact and case-sensitive.

    | pattern | admits |
    |---|---|
    | `/vo`, `/vo/Role=NULL`, `/vo/Role=NULL/Capability=NULL` | `/vo` alone: no group below it, no role |
    | `/vo/Role=admin` | that role in that group |
    | `/vo/Role=admin/*` | the same with any capability |
    | `/vo/*`, `/vo/*/Capability=NULL` | `/vo`, all groups below, with and without role |
    | `/vo/*/Role=NULL` | the groups below `/vo`, without role |
    | `/vo/Role=*` | any role in `/vo`; somebody without role is not meant |

    A policy that admits `/vo` does not admit `/vo/Role=admin`: the user of that name shows both, as VOMS lists the
    plain group as well.
    """

    __slots__ = ("text", "_head", "_open", "_role", "_capability")

    def __init__(self, text: str) -> None:
        """Raises FqanError."""
        found = _PATTERN.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if found is None:
            raise FqanError(f"not a name or pattern of VO attributes: {text[:MAX_LENGTH]!r}")
        head, role, capability = found["head"], found["role"], found["capability"]
        self.text = text
        #: The last * stands for the role too, unless the pattern says which.
        self._open = role is None and head.endswith("*")
        self._head = _head(head) if self._open else _glob(head)
        self._role = role
        self._capability = "*" if found["rest"] or (capability is None and self._open) else capability

    def admits(self, fqan: str | Fqan) -> bool:
        """Whether the pattern names it. Raises FqanError when it is no FQAN."""
        found = _parse(fqan) if isinstance(fqan, str) else fqan
        subject = found.group
        if self._open and found.role is not None:
            subject += f"/Role={found.role}"
        return (
            self._head.fullmatch(subject) is not None
            and (self._open or _part(self._role, found.role))
            and (self._capability == "*" or _part(self._capability, found.capability))
        )

    def __repr__(self) -> str:
        return f"FqanPattern({self.text!r})"


def matches(pattern: str, fqan: str) -> bool:
    """Whether the pattern of a policy admits the name. Raises FqanError for either."""
    return _pattern(pattern).admits(fqan)


@lru_cache(_KNOWN)
def _parse(text: str) -> Fqan:
    found = _FQAN.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        raise FqanError(f"not a name of VO attributes (/vo/group/Role=role): {text[:MAX_LENGTH]!r}")
    role, capability = found["role"], found["capability"]
    return Fqan(found["group"], None if role == NULL else role, None if capability == NULL else capability)


@lru_cache(_KNOWN)
def _pattern(text: str) -> FqanPattern:
    return FqanPattern(text)


def _head(head: str) -> re.Pattern[str]:
    """For an open pattern: `/vo/*` admits `/vo` too, as it does its long form `/vo/Role=NULL/Capability=NULL`."""
    return _glob(head[:-2], "(?:/.*)?") if head.endswith("/*") else _glob(head)


@lru_cache(_KNOWN)
def _glob(text: str, tail: str = "") -> re.Pattern[str]:
    """The expression for a text with *. Each middle piece is taken where it first occurs and never reconsidered:
    people write such patterns into the ACLs of their jobs, and matching must not take exponential time.
    """
    first, *pieces = map(re.escape, text.split("*"))
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[:-1])
    return re.compile(first + middle + (f".*{pieces[-1]}" if pieces else "") + tail)


def _part(pattern: str | None, value: str | None) -> bool:
    if pattern is None or pattern == NULL:
        return value is None
    return value is not None and _glob(pattern).fullmatch(value) is not None
