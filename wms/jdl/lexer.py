"""Tokens of the ClassAd language, each with its place in the text.

The ClassAd library answers a faulty text with "Unable to parse" and silently misreads some correct ones (``0x10``
becomes 0, ``010`` becomes 10, ``10K`` is refused, what follows the closing bracket is ignored). So the text is read
here, by the rules of wms.md 2.1, and what the library gets is a normal form it cannot misread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from .errors import JdlError, JdlKind

MAX_TEXT_CHARACTERS = 4 * 1024 * 1024
MAX_NUMBER_CHARACTERS = 60
LARGEST_INTEGER = 2**63 - 1  # the ClassAd library computes with 64-bit integers


class TokenKind(Enum):
    NAME = auto()  # identifier, plain or 'quoted'
    WORD = auto()  # true false undefined error is isnt
    STRING = auto()
    INTEGER = auto()
    REAL = auto()
    SIGN = auto()  # operators and punctuation
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    kind: TokenKind
    value: str | int | float
    line: int
    column: int
    source: str = ""  # as written; only for messages

    @property
    def spans_lines(self) -> bool:
        return self.kind is TokenKind.STRING and "\n" in self.source

    def is_sign(self, *signs: str) -> bool:
        return self.kind is TokenKind.SIGN and self.value in signs

    def __str__(self) -> str:
        return "the end of the text" if self.kind is TokenKind.END else repr(self.source[:40])


RESERVED = frozenset({"true", "false", "undefined", "error", "is", "isnt"})
SCALE = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

_PATTERN = re.compile(
    r"""
      (?P<blank>[ \t\r\f\v\n]+)
    | (?P<hash>\#[^\n]*)
    | (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<quoted>'(?:[^'\\\n]|\\.)*')
    | (?P<number>0[xX][0-9a-fA-F]+ | (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? (?:[KMGTkmgt](?![A-Za-z0-9_]))?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>=\?=|=!=|>>>|<<|>>|&&|\|\||==|!=|<=|>=|/(?!\*)|[-+*%&|^~!<>=?:.,;()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"(?:\\[0-3]?[0-7]{1,2})+|\\.", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of *text*, the last one of kind END.

    :raises JdlError: kind PARSE, with line and column, on anything that is no token.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise JdlError(JdlKind.PARSE, f"the description is longer than {MAX_TEXT_CHARACTERS} characters")
    position, line, line_start = 0, 1, 0
    while position < len(text):
        column = position - line_start + 1
        match = _PATTERN.match(text, position)
        if match is None or not _in_place(match, text):
            raise JdlError(JdlKind.PARSE, _complaint(text, position), line=line, column=column)
        token = _token(match, line, column)
        if token is not None:
            yield token
        source = match.group()
        if "\n" in source:
            line += source.count("\n")
            line_start = position + source.rindex("\n") + 1
        position = match.end()
    yield Token(TokenKind.END, "", line, position - line_start + 1)


def _in_place(match: re.Match[str], text: str) -> bool:
    """A '#' comment must be the first thing on its line; a number must not run into letters."""
    if match.lastgroup == "hash":
        return not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
    if match.lastgroup == "number":
        return re.match(r"[A-Za-z0-9_.]", text[match.end() : match.end() + 1]) is None
    return True


def _complaint(text: str, position: int) -> str:
    character = text[position]
    if character == '"':
        return "this string is never closed"
    if character == "'":
        return "this quoted name is not closed on its line"
    if text.startswith("/*", position):
        return "this comment is never closed"
    if character == "#":
        return "a '#' comment must stand on a line of its own"
    if character.isdigit() or character == ".":
        return f"malformed number {text[position:position + 20].split()[0]!r}"
    return f"unexpected character {character!r}"


def _token(match: re.Match[str], line: int, column: int) -> Token | None:
    source = match.group()
    match match.lastgroup:
        case "string":
            return Token(TokenKind.STRING, _unescape(source, line, column), line, column, source)
        case "quoted":
            return Token(TokenKind.NAME, _unescape(source, line, column), line, column, source)
        case "number":
            return _number(source, line, column)
        case "name":
            kind = TokenKind.WORD if source.lower() in RESERVED else TokenKind.NAME
            return Token(kind, source, line, column, source)
        case "sign":
            return Token(TokenKind.SIGN, source, line, column, source)
    return None


def _unescape(source: str, line: int, column: int) -> str:
    value = _ESCAPE.sub(lambda m: _escaped(m.group()[1:]), source[1:-1])
    if "\0" in value:
        raise JdlError(JdlKind.PARSE, "a string must not hold the zero character", line=line, column=column)
    return value


def _escaped(text: str) -> str:
    if text[0] in "01234567":  # a run of octal escapes is how the ClassAd library writes UTF-8
        octets = bytes(int(octal, 8) for octal in text.split("\\"))
        return octets.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode("utf-8")
    return _LETTERS.get(text, text)


def _number(source: str, line: int, column: int) -> Token:
    def token(kind: TokenKind, value: float) -> Token:
        if abs(value) > LARGEST_INTEGER and (kind is TokenKind.INTEGER or value == float("inf")):
            raise JdlError(JdlKind.PARSE, "this number is too large", line=line, column=column)
        return Token(kind, value, line, column, source)

    if len(source) > MAX_NUMBER_CHARACTERS:
        raise JdlError(JdlKind.PARSE, "this number is too long", line=line, column=column)
    if source[:2].lower() == "0x":
        return token(TokenKind.INTEGER, int(source, 16))
    suffix = source[-1].upper() if source[-1].isalpha() else ""
    digits = source[: len(source) - len(suffix)]
    if not digits.isdigit():
        return token(TokenKind.REAL, float(digits) * SCALE[suffix])
    octal = len(digits) > 1 and digits[0] == "0"
    if octal and not set(digits) <= set("01234567"):
        raise JdlError(JdlKind.PARSE, f"malformed octal number {source!r}", line=line, column=column)
    return token(TokenKind.INTEGER, int(digits, 8 if octal else 10) * SCALE[suffix])
