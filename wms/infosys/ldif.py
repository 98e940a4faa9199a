"""LDIF content records (RFC 2849): what `ldapsearch -LLL` prints and what a BDII loads.

Read are the version line, comments, folded lines, base64 values (`::`) and base64 names (`dn::`). Change records and
values by URL (`:<`) are refused: neither belongs in a snapshot of an information system.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Longest value, in characters, that a record may hold. GLUE values are below a kilobyte.
MAX_VALUE = 1 << 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*|[0-9]+(?:\.[0-9]+)+")


class LdifError(ValueError):
    """A text that is no LDIF; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


@dataclass(slots=True)
class Record:
    """One entry: attribute names as written first, values in their order. Look-up by `values` ignores case."""

    dn: str
    line: int
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def values(self, name: str) -> list[str]:
        """All values of the attribute, the empty list when it is absent."""
        lowered = name.lower()
        return next((values for key, values in self.attributes.items() if key.lower() == lowered), [])

    def rdns(self) -> list[tuple[str, str]]:
        """The components of the name, innermost first, as (lower-case attribute, value)."""
        parts = re.split(r"(?<!\\),", self.dn)
        pairs = (part.partition("=") for part in parts)
        return [(name.strip().lower(), value.strip().replace("\\,", ",")) for name, _, value in pairs]


def records(text: str) -> Iterator[Record]:
    """The records of the text.

    :raises LdifError: with the line of the first thing that is not LDIF.
    """
    current: Record | None = None
    for number, line in _logical_lines(text):
        if not line:
            if current is not None:
                yield current
            current = None
            continue
        name, value = _attribute(number, line)
        if current is None:
            if name.lower() == "version":
                if value != "1":
                    raise LdifError(number, f"LDIF version {value!r} is not known, only 1 is")
                continue
            current = _begin(number, name, value)
        elif name.lower() == "changetype":
            raise LdifError(number, "change records are not content of an information system")
        else:
            _add(current, name, value)
    if current is not None:
        yield current


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers: folded ones joined, comments (folded ones too) left out, one empty line at the end."""
    start, parts = 0, [""]
    for number, line in enumerate(re.split(r"\r?\n", text), 1):
        if line.startswith(" "):
            if start == 0:
                raise LdifError(number, "a continuation line has no line before it")
            parts.append(line[1:])
            continue
        if start and not parts[0].startswith("#"):
            yield start, "".join(parts)
        start, parts = number, [line]
    if not parts[0].startswith("#"):
        yield start, "".join(parts)


def _attribute(number: int, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or _NAME.fullmatch(name) is None:
        raise LdifError(number, f"expected 'attribute: value', found {line[:40]!r}")
    if len(value) > MAX_VALUE:
        raise LdifError(number, f"the value of {name} is longer than {MAX_VALUE} characters")
    if value.startswith("<"):
        raise LdifError(number, f"the value of {name} is given by URL, which is not allowed here")
    if not value.startswith(":"):
        return name, value.strip(" ")
    try:
        return name, base64.b64decode(value[1:].strip(" "), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise LdifError(number, f"the value of {name} is no base64 of UTF-8 text") from None


def _begin(number: int, name: str, value: str) -> Record:
    if name.lower() != "dn":
        raise LdifError(number, f"a record begins with 'dn:', found {name!r}")
    return Record(value, number)


def _add(record: Record, name: str, value: str) -> None:
    existing = record.values(name)
    if existing:
        existing.append(value)
    else:
        record.attributes[name] = [value]
