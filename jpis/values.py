"""How a value is written into the index: losslessly as "full value", cut as "index value" (jp.md 2.8).

Full value: ``<S|B>:<epoch>:<origin>:<originDetail>:<value>``, for instance ``S:7201:F::Done``. Index value: the first
255 bytes of the string, or the constant ``XXX`` for anything binary; conditions are compared with it byte by byte.
Everything here is bytes, as it is in the database.
"""

import base64
import binascii
import re
from functools import lru_cache
from typing import NamedTuple

#: Bytes of a value that take part in comparisons.
INDEX_BYTES = 255
#: What every binary value compares as.
BLOB_INDEX = b"XXX"

#: attrOrig of the wire → number of column `origin` (jp.md 3.3); 0 would be "any".
ORIGIN_NUMBERS = {"SYSTEM": 1, "USER": 2, "FILE": 3}
_ORIGIN_LETTERS = {"SYSTEM": b"S", "USER": b"U", "FILE": b"F"}
_ORIGIN_OF_LETTER = {letter: name for name, letter in _ORIGIN_LETTERS.items()}

#: Everything up to the content; a colon within the origin detail is escaped.
_HEAD = re.compile(rb"[SB]:-?[0-9]+:[SUF]:[^:\\]*(?:\\.[^:\\]*)*:", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class ValueEncodingError(ValueError):
    """A stored full value that does not follow the format."""


class Value(NamedTuple):
    """One value of an attribute of a job."""

    content: str | bytes
    epoch: int
    """Seconds since 1970, UTC; 0 when the time is not known."""
    origin: str
    """SYSTEM, USER or FILE."""
    detail: str | None


class Encoded(NamedTuple):
    """The stored forms of one value."""

    index_value: bytes
    """What conditions are compared with."""
    full_value: bytes
    """The value without loss."""
    identity: bytes
    """The value without its origin detail: two values with equal identity are the same one, however they came."""


def index_value(content: str | bytes) -> bytes:
    """Return what `content` compares as."""
    return content.encode()[:INDEX_BYTES] if isinstance(content, str) else BLOB_INDEX


def encode(value: Value) -> Encoded:
    """Return the forms in which `value` is stored."""
    content, epoch, origin, detail = value
    if isinstance(content, str):
        text = content.encode()
        index, head = text[:INDEX_BYTES], b"S:%d:%b:" % (epoch, _ORIGIN_LETTERS[origin])
    else:
        text = _to_base64(content)
        index, head = BLOB_INDEX, b"B:%d:%b:" % (epoch, _ORIGIN_LETTERS[origin])
    full = b"%b%b:%b" % (head, _escape(detail), text) if detail else b"%b:%b" % (head, text)
    return Encoded(index, full, head + text)


def from_full(full: bytes) -> Value:
    """Read a full value back. Raises ValueEncodingError."""
    match = _HEAD.match(full)
    if match is None:
        raise ValueEncodingError("a stored value does not begin as it must")
    is_text, epoch, origin, detail = _head(match[0])
    rest = full[match.end() :]
    try:
        return Value(rest.decode() if is_text else _from_base64(rest), epoch, origin, detail)
    except UnicodeDecodeError as error:
        raise ValueEncodingError("a stored string is damaged") from error


@lru_cache(maxsize=4096)
def _head(head: bytes) -> tuple[bool, int, str, str | None]:
    """Take apart what precedes the content. The values of a job mostly share it, and answers have many values."""
    kind, epoch, letter, detail = head[:-1].split(b":", 3)
    try:
        text = _ESCAPED.sub(rb"\1", detail).decode()
    except UnicodeDecodeError as error:
        raise ValueEncodingError("a stored origin detail is damaged") from error
    return kind == b"S", int(epoch), _ORIGIN_OF_LETTER[letter], text or None


@lru_cache(maxsize=1024)
def _escape(detail: str) -> bytes:
    return detail.encode().replace(b"\\", b"\\\\").replace(b":", b"\\:")


def _to_base64(blob: bytes) -> bytes:
    # one "=" ends the text, whatever the length (jp.md 2.8)
    return base64.urlsafe_b64encode(blob).rstrip(b"=") + b"="


def _from_base64(text: bytes) -> bytes:
    bare = text.rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueEncodingError("a stored binary value is damaged") from error
