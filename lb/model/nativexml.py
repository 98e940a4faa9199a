r"""What the XML of the native protocol has in common: texts, numbers, moments, the door in (lb.md 4.3).

One character is one octet: a document is ISO-8859-1 to XML, while the octets of a text are, as a rule, UTF-8. Control
characters and the percent sign are written as ``%xx``, so any octets survive. In memory a text is ``str`` decoded from
UTF-8 with ``surrogateescape``, as in ``lb.model.ulm``; a document as ``str`` has the octets as characters.
"""

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from guarded import xml
from lb.model.times import Timestamp
from lb.model.ulm import decode, encode

CRLF: Final = "\r\n"
CHARSET: Final = "iso-8859-1"

_ESCAPED: Final = re.compile("[<>&\"'%\x00-\x1f\x80-\x9f]")
_ENTITIES: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&apos;"}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_REAL: Final = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{0,400})?(?:[eE][+-]?[0-9]{1,4})?")
_MOMENT: Final = re.compile(r"(-?[0-9]{1,12})\.([0-9]{6})")


class NativeError(ValueError):
    """What came is not what it should be. ``element``: name of the element (or attribute) at fault, maybe empty."""

    def __init__(self, element: str, text: str) -> None:
        super().__init__(f"{element}: {text}" if element else text)
        self.element = element


def escape(text: str) -> str:
    """A value on its way out: octets as characters, entities, control characters and the percent sign as %xx."""
    if not text.isascii():
        text = encode(text).decode(CHARSET)
    return text if _ESCAPED.search(text) is None else _ESCAPED.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return _ENTITIES.get(match[0]) or f"%{ord(match[0]):02x}"


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


def number(name: str, text: object, least: int = -(1 << 31), most: int = (1 << 31) - 1) -> int:
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
    return int(match[1]), int(match[2])


def wrong(name: str, value: object, wanted: str) -> NativeError:
    """The error for a value that is not what is wanted."""
    return NativeError(name, f"{wanted}, not {ascii(value)[:80]}")
