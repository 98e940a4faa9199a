r"""What the XML of the native protocol has in common: texts, numbers, moments, the door in (lb.md 4.3).

One character is one octet: a document is ISO-8859-1 to XML, while the octets of a text are, as a rule, UTF-8. Control
characters and the percent sign are written as ``%xx``, so any octets survive. In memory a text is ``str`` decoded from
UTF-8 with ``surrogateescape``, as in ``lb.model.ulm``; a document as ``str`` has the octets as characters.
"""

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from guarded import xml
from lb.model.atoi import INT_MAX, INT_MIN
from lb.model.errors import ModelError
from lb.model.times import FIRST, LAST, Timestamp
from lb.model.ulm import decode, encode

CRLF: Final = "\r\n"
CHARSET: Final = "iso-8859-1"

_CONTROLS: Final = bytes((*range(0x20), *range(0x80, 0xA0)))
_SPECIAL: Final = b"<>&\"'%" + _CONTROLS
_COMMON: Final = (
    (b"%", b"%25"),
    (b"&", b"&amp;"),
    (b"<", b"&lt;"),
    (b">", b"&gt;"),
    (b'"', b"&quot;"),
    (b"'", b"&apos;"),
    (b"\n", b"%0a"),
)
"""What is replaced first, in this order: job descriptions are full of these."""
_REST: Final = re.compile(b"[\x00-\x1f\x80-\x9f]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_REAL: Final = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{0,400})?(?:[eE][+-]?[0-9]{1,4})?")
_MOMENT: Final = re.compile(r"(-?[0-9]{1,12})\.([0-9]{6})")


class NativeError(ModelError):
    """Something native that is not what it should be. ``field``: the element, or the attribute of the status."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text, field=field)


def escape(text: str) -> str:
    """A value on its way out: octets as characters, entities, control characters and the percent sign as %xx."""
    octets = encode(text)
    if _has(octets, _SPECIAL):
        for octet, written in _COMMON:
            octets = octets.replace(octet, written)
        if _has(octets, _CONTROLS):
            octets = _REST.sub(lambda match: b"%%%02x" % ord(match[0]), octets)
    return octets.decode(CHARSET)


def _has(octets: bytes, some: bytes) -> bool:
    """Whether any of these octets is there; ten times as fast as a regular expression."""
    return len(octets.translate(None, some)) < len(octets)


def unescape(text: str | None) -> str:
    """A value on its way in; the entities are undone by the parser. Takes anything that the parser can give."""
    if text is None or ("%" not in text and text.isascii()):
        return text or ""
    octets = _octets(text)
    return decode(unquote_to_bytes(octets) if "%" in text else octets)


def _octets(text: str) -> bytes:
    try:
        return text.encode(CHARSET)
    except UnicodeEncodeError:  # a reference such as &#382; stands for the character, not for an octet
        return b"".join(encode(char) if char > "\xff" else char.encode(CHARSET) for char in text)


def parse(source: bytes | str, limit: int = xml.DEFAULT_LIMIT) -> Any:
    """The root element of a document. Raises ``NativeError``."""
    try:
        data = source if isinstance(source, bytes) else source.encode(CHARSET)
        return xml.parse(data, charset=CHARSET, limit=limit)
    except UnicodeEncodeError as error:
        raise NativeError("", f"not one octet: character {error.start}") from None
    except xml.XmlRefused as error:
        raise NativeError("", f"not XML: {error}") from None


def only_text(element: Any) -> str:
    """The text of an element that has no inner elements."""
    if len(element):
        raise NativeError(element.tag, f"<{element[0].tag}> has no place here")
    return unescape(element.text)


# ---- values ---------------------------------------------------------------------------------------------------------


def number(name: str, text: object, least: int = INT_MIN, most: int = INT_MAX) -> int:
    """A decimal number. Raises ``NativeError``."""
    if not isinstance(text, str) or _NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
        raise wrong(name, text, f"a number from {least} to {most}")
    return int(text)


def real(name: str, text: str) -> float:
    """A finite real number. Raises ``NativeError``."""
    value = float(text) if _REAL.fullmatch(text) else float("inf")
    if abs(value) == float("inf"):
        raise wrong(name, text, "a number")
    return value


def moment(name: str, text: object) -> Timestamp:
    """``sec.uuuuuu``. Raises ``NativeError``."""
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise wrong(name, text, "a time, seconds and six decimals")
    seconds = int(match[1])
    if not FIRST <= seconds <= LAST:
        raise wrong(name, text, "a time of the years 1 to 9999")
    return seconds, int(match[2])


def wrong(name: str, value: object, wanted: str) -> NativeError:
    """The error for a value that is not what is wanted; of what is no text only the type is told."""
    shown = ascii(value[:60]) if isinstance(value, str) else f"a value of type {type(value).__name__}"
    return NativeError(name, f"{wanted}, not {shown}")
