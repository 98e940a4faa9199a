"""The store protocol: how events reach an LB server, without any I/O (lb.md 5.3).

A message is a header of 17 bytes, the length of the body as a decimal right-aligned in 16 columns and a line feed, then
the body. Inside, a text is ``<length> <bytes>LF`` and a number is ``<decimal>LF``::

    request   text "michal" (a fixed word), text <the event line>
    reply     number <major>, number <minor>, text <words>

Bytes go in, messages come out::

    decoder = Decoder()
    for body in decoder.feed(received):
        line = decode_event(body)

The line feed of the event line is part of its text; the one that ends the text comes after it.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

HEADER_SIZE: Final = 17
#: Largest body that the protocol carries, in bytes (lb.md 2.2).
MAX_BODY: Final = 102_400_000
#: First text of a delivery.
WORD: Final = b"michal"
#: "LB server (bkserver, lbproxy) store protocol error" (lb.md 15).
IL_PROTO: Final = 1417
#: Error codes of LB begin above this number, POSIX ones are below.
LB_CODES: Final = 1400


class Major(IntEnum):
    """First number of a reply."""

    OK = 0
    NOMEM = 200
    PROTO = 400
    AUTH = 500
    PERM = 600
    DBERR = 700
    SYS = 800
    TIME = 900


class ProtocolError(ValueError):
    """The bytes are no message of this protocol; nothing after them can be understood."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says to one message: `minor` is an errno or an LB code, 0 where the major says it all."""

    major: int
    minor: int = 0
    text: str = "OK"

    @property
    def ok(self) -> bool:
        return self.major == Major.OK

    @property
    def code(self) -> int:
        """The error as one number, 0 for success: what a client that registers directly reports."""
        if self.ok or self.minor:
            return self.minor
        return _MEANING.get(self.major, errno.EIO)

    @property
    def final(self) -> bool:
        """Whether the sender is rid of the message: stored, or refused for good (IL reaction, lb.md 5.3)."""
        if self.major in (Major.OK, Major.PERM, Major.PROTO):
            return True
        return self.major == Major.DBERR and self.minor == errno.ENOENT


OK: Final = Reply(Major.OK)
_MEANING: Final[dict[int, int]] = {
    Major.PERM: errno.EPERM, Major.NOMEM: errno.ENOMEM, Major.PROTO: IL_PROTO, Major.TIME: errno.ETIMEDOUT,
}


@dataclass(frozen=True, slots=True)
class Oversized:
    """Takes the place of a body that was longer than the decoder's limit and was passed over; `size` in bytes."""

    size: int


def failure(code: int, text: str) -> Reply:
    """The reply to an error `code` (errno or LB code; lb.md 5.3, "server choice")."""
    if code == 0:
        return OK
    if code == errno.ENOMEM:
        return Reply(Major.NOMEM, 0, text)
    if code == errno.EPERM:
        return Reply(Major.PERM, 0, text)
    if code == IL_PROTO:
        return Reply(Major.PROTO, 0, text)
    if code > LB_CODES:
        return Reply(Major.PROTO, code, text)
    return Reply(Major.DBERR, code, text)


# ---- framing --------------------------------------------------------------------------------------------------------


class Decoder:
    """Cuts a stream into bodies. A body over `limit` bytes is passed over without being kept."""

    def __init__(self, limit: int = MAX_BODY) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._body: int | None = None
        self._skipping = 0

    @property
    def idle(self) -> bool:
        """True between two messages: the stream may end here."""
        return self._body is None and not self._buffer and not self._skipping

    def feed(self, received: bytes) -> Iterator[bytes | Oversized]:
        """Take bytes; yield every body that is complete. Raises ProtocolError."""
        self._buffer += received
        while (message := self._next()) is not None:
            yield message

    def _next(self) -> bytes | Oversized | None:
        if self._body is None:
            if len(self._buffer) < HEADER_SIZE:
                return None
            self._body = _length(bytes(self._buffer[:HEADER_SIZE]))
            del self._buffer[:HEADER_SIZE]
            if self._body > self._limit:
                self._skipping = self._body
        if self._skipping:
            return self._skip()
        if len(self._buffer) < self._body:
            return None
        body = bytes(self._buffer[: self._body])
        del self._buffer[: self._body]
        self._body = None
        return body

    def _skip(self) -> Oversized | None:
        dropped = min(self._skipping, len(self._buffer))
        del self._buffer[:dropped]
        self._skipping -= dropped
        if self._skipping or self._body is None:
            return None
        size, self._body = self._body, None
        return Oversized(size)


def _length(header: bytes) -> int:
    digits = header[:-1].strip(b" ")
    if header[-1:] != b"\n" or not digits.isdigit():
        raise ProtocolError("the header is not a length in 16 columns and a line feed")
    length = int(digits)
    if length > MAX_BODY:
        raise ProtocolError(f"a message of {length} bytes is over {MAX_BODY}")
    return length


def _frame(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise ProtocolError(f"a message of {len(body)} bytes is over {MAX_BODY}")
    return b"%16d\n%b" % (len(body), body)


# ---- bodies ---------------------------------------------------------------------------------------------------------


def _text(value: bytes) -> bytes:
    return b"%d %b\n" % (len(value), value)


def encode_event(line: bytes) -> bytes:
    """The message that delivers one event line, given with or without its line feed."""
    return _frame(_text(WORD) + _text(line.rstrip(b"\n") + b"\n"))


def decode_event(body: bytes) -> bytes:
    """The event line of a delivery, without line ends. Raises ProtocolError."""
    word, rest = _take_text(body)
    if word != WORD:
        raise ProtocolError("the message does not begin with the word of a delivery")
    line, _rest = _take_text(rest)
    return line.rstrip(b"\n\0")


def encode_reply(reply: Reply) -> bytes:
    """The message that answers a delivery."""
    return _frame(b"%d\n%d\n%b" % (reply.major, reply.minor, _text(reply.text.encode("utf-8", "replace"))))


def decode_reply(body: bytes) -> Reply:
    """Read an answer. Raises ProtocolError."""
    major, rest = _take_number(body)
    minor, rest = _take_number(rest)
    text, _rest = _take_text(rest)
    return Reply(major, minor, text.decode("utf-8", "replace"))


def _take_number(data: bytes) -> tuple[int, bytes]:
    digits, end, rest = data.partition(b"\n")
    if not end or not digits.isdigit():
        raise ProtocolError("a number and a line feed were expected")
    return int(digits), rest


def _take_text(data: bytes) -> tuple[bytes, bytes]:
    digits, blank, rest = data[:20].partition(b" ")
    if not blank or not digits.isdigit():
        raise ProtocolError("a length and a blank were expected")
    start = len(digits) + 1
    end = start + int(digits)
    if data[end : end + 1] != b"\n":
        raise ProtocolError("a text is shorter or longer than its length says")
    return data[start:end], data[end + 1 :]
