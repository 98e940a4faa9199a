"""Reading DER, one level at a time.

The shapes of an attribute certificate are few and a server reads one for every connection: walking the levels takes a
third of the time that typed classes take. asn1crypto splits the octets; what is read is definite-length and complete.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from asn1crypto import core, parser, x509
from cryptography import x509 as certificates

from gsi.certificates import facts

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, GENERALIZED_TIME = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x18
SEQUENCE, SET = 0x30, 0x31
_CONSTRUCTED, _CONTEXT = 0x20, 0x80
#: Most values on one level: nobody is in so many groups, and a parser is no place to spend a second.
MAX_VALUES = 1024
#: Names whose parts are remembered: those of the CAs and servers of a grid.
_KNOWN = 1024


class Value(NamedTuple):
    """tag: identifier octet; content: what is in it; der: the whole of it."""

    tag: int
    content: bytes
    der: bytes


def context(number: int, *, constructed: bool = True) -> int:
    """The identifier octet of a context-specific tag."""
    return _CONTEXT | number | (_CONSTRUCTED if constructed else 0)


def values(content: bytes) -> list[Value]:
    """The values that stand one after the other. Raises ValueError."""
    found: list[Value] = []
    while content:
        class_, method, tag, header, inner, trailer = parser.parse(content)
        if trailer or tag > 30:
            raise ValueError("not DER")
        if len(found) == MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
        size = len(header) + len(inner)
        found.append(Value(class_ << 6 | method << 5 | tag, inner, content[:size]))
        content = content[size:]
    return found


def whole(octets: bytes, tag: int) -> bytes:
    """The content of the one value that the octets are. Raises ValueError."""
    return only(values(octets), tag).content


def only(found: list[Value], tag: int) -> Value:
    """The one value in the list, which has this tag. Raises ValueError."""
    if len(found) != 1:
        raise ValueError(f"{len(found)} values instead of one")
    return expect(found[0], tag)


def expect(value: Value, tag: int) -> Value:
    """The value, which has this tag. Raises ValueError."""
    if value.tag != tag:
        raise ValueError(f"tag {value.tag:#04x} instead of {tag:#04x}")
    return value


def members(value: Value, tag: int = SEQUENCE) -> list[Value]:
    """What is in a constructed value with this tag. Raises ValueError."""
    return values(expect(value, tag).content)


def integer(value: Value) -> int:
    """Raises ValueError."""
    if not expect(value, INTEGER).content:
        raise ValueError("an integer without digits")
    return int.from_bytes(value.content, signed=True)


def time(value: Value) -> datetime:
    """A GeneralizedTime, UTC, whole seconds, as RFC 5755 4.2.6 wants it. Raises ValueError."""
    text = expect(value, GENERALIZED_TIME).content
    if len(text) != 15 or not text[:14].isdigit() or text[14:] != b"Z":
        raise ValueError("not a GeneralizedTime in UTC")
    year, month, day, hour, minute, second = (int(text[a:b]) for a, b in _FIELDS)
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


_FIELDS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))


def text(value: Value, tag: int = OCTET_STRING) -> str:
    """Printable UTF-8. Raises ValueError."""
    found = expect(value, tag).content.decode("utf-8")
    if not found.isprintable():
        raise ValueError("a text with control characters")
    return found


def oid(dotted: str) -> bytes:
    """The content octets of an object identifier."""
    return bytes(core.ObjectIdentifier(dotted).contents)


def dotted(content: bytes) -> str:
    """An object identifier for people. Raises ValueError."""
    return str(core.ObjectIdentifier(contents=content).dotted)


@lru_cache(_KNOWN)
def subject(of: certificates.Certificate) -> bytes:
    """The subject in DER. Raises ValueError.

    Remembered by certificate: names are equal that were written in other types, and one that somebody made up would
    be taken for all of them.
    """
    return facts(of).subject.public_bytes()


@lru_cache(_KNOWN)
def issuer(of: certificates.Certificate) -> bytes:
    """The name of the issuer in DER. Raises ValueError."""
    return facts(of).issuer.public_bytes()


def same_name(a: bytes, b: bytes) -> bool:
    """Whether two DER names are the same: equal text in each part, whatever string type it was written in.

    VOMS servers write anew the names that they copy. Raises ValueError when one cannot be read.
    """
    return a == b or _parts(a) == _parts(b)


@lru_cache(_KNOWN)
def _parts(octets: bytes) -> tuple[frozenset[tuple[str, str]], ...]:
    try:
        rdns = x509.Name.load(octets, strict=True).chosen
        return tuple(frozenset((part["type"].dotted, str(part["value"].native)) for part in rdn) for rdn in rdns)
    except (TypeError, KeyError, AttributeError) as error:  # asn1crypto's words for some malformed values
        raise ValueError(f"not a name: {error}") from error
