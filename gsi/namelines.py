"""Lines that begin with a name of somebody, as grid-mapfiles have them: quoted or bare, with escapes.

A name is a distinguished name in the slash form or a VO attribute (FQAN): the first component of a DN has a `=`, that
of an FQAN has none. The reading is that of Globus (gridmap.c of globus_gss_assist):

| in the file | read as |
|---|---|
| `"/O=Grid/CN=Jo Doe"`, with anything after the closing quote | `/O=Grid/CN=Jo Doe` |
| `/O=Grid/CN=Jo` (bare: up to the first blank) | `/O=Grid/CN=Jo` |
| `\\"` `\\\\`, and any other escaped character | the character itself |
| `\\xHH`, and bytes outside printable ASCII | the byte, shown as OpenSSL does: `\\xHH`, upper case |
| blank line, line that begins with `#` | nothing |

Globus takes the quote after an escaped backslash for escaped too; here it ends the name.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from gsi.errors import FqanError, RulesError
from gsi.fqan import FqanPattern
from gsi.names import printable

log = logging.getLogger(__name__)

#: Longest name, in characters: a limit of ours.
MAX_NAME: Final = 4096

_BOM: Final = b"\xef\xbb\xbf"
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE: Final = re.compile(rb"[^ \t]+")
_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.?))", re.DOTALL)
_HEX: Final = re.compile(rb"\\x([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that does not do what its author may have wanted. number: counted from 1; text: one sentence."""

    number: int
    text: str


class Parsed(Protocol):
    """What was made of a file, bad lines left out."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with those lines."""
        ...


Content = TypeVar("Content", bound=Parsed)


def reported(path: Path, content: Content) -> Content:
    """Log the problems of a file, and return its content."""
    for problem in content.problems:
        log.error("%s, line %d: %s", path, problem.number, problem.text)
    return content


def lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that say something, with their numbers; blanks around them and the ends of DOS lines are cut off."""
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        line = line.strip(b" \t\r\f\v")
        if line and not line.startswith(b"#"):
            yield number, line


def first_name(line: bytes) -> tuple[str, bytes]:
    """Take the name off the beginning of a line; return it and the rest without leading blanks. Raises RulesError."""
    if line.startswith(b'"'):
        quoted = _QUOTED.match(line)
        if quoted is None:
            raise RulesError("the closing quote is missing")
        return checked(_unescaped(quoted[1])), line[quoted.end() :].lstrip(b" \t")
    bare = _BARE.match(line)
    assert bare is not None, "lines() yields no empty ones"
    return checked(_unescaped(bare[0])), line[bare.end() :].lstrip(b" \t")


def whole_name(line: bytes) -> str:
    """The name that a line consists of: quoted, perhaps with a comment after it, or bare with blanks in it.

    A bare line is meant as it stands, but for bytes that the slash form writes as `\\xHH`. Raises RulesError.
    """
    if line.startswith(b'"'):
        name, rest = first_name(line)
        if rest and not rest.startswith(b"#"):
            raise RulesError("only a comment may follow the closing quote")
        return name
    return checked(printable(_HEX.sub(_unless_printable, line)))


def checked(name: str) -> str:
    """Return the name when it is a DN or an FQAN (which may be a pattern). Raises RulesError saying why not."""
    if not name.startswith("/") or len(name) < 2:
        raise RulesError("a name begins with a slash: /DC=org/CN=Jo, or /vo/Role=operator")
    if len(name) > MAX_NAME:
        raise RulesError(f"a name has at most {MAX_NAME} characters")
    if is_fqan(name):
        try:
            FqanPattern(name)
        except FqanError as error:
            raise RulesError(str(error)) from error
    return name


def is_fqan(name: str) -> bool:
    """Whether a checked name is that of a VO attribute: no `=` in its first component."""
    return "=" not in name.split("/", 2)[1]


def _unescaped(octets: bytes) -> str:
    return printable(_ESCAPE.sub(_meant, octets))


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode("ascii"))
    if not escape[2]:
        raise RulesError("a name ends in a backslash")
    return escape[2]


def _unless_printable(escape: re.Match[bytes]) -> bytes:
    octet = bytes.fromhex(escape[1].decode("ascii"))
    return escape[0] if 0x20 <= octet[0] <= 0x7E else octet
