"""The file of a job's tags (jp.md 2.6): magic, then records, each with its length in front; only ever appended to.

A record that a crash cut short was never acknowledged: readers end before it, the next append removes it. Files that
the original left gzip-compressed are read as they are and rewritten plain, which the original reads as well.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jpps.attributes import text
from spool.files import sync, write_durably

FILE_NAME = "tags"
MAGIC = 0x74C016F2.to_bytes(4, "big")
_LENGTH = struct.Struct(">I")
_GZIP_MAGIC = b"\x1f\x8b"


class TagFileError(ValueError):
    """Not a tag file, or damaged in the middle."""


@dataclass(frozen=True, slots=True)
class Tag:
    """What a user said of a job. `time`: UTC, whole seconds."""

    name: str
    content: str | bytes
    time: datetime


def read(path: Path) -> list[Tag]:
    """Return the tags of the file in the order they were recorded; none when there is no file. Raises TagFileError."""
    data = _content(path)
    return [_decode(data[start:end]) for start, end in _records(data)]


def append(path: Path, tags: Sequence[Tag]) -> None:
    """Append `tags`; they are on disk when the call returns. The caller holds the lock of the job (jpps.storage)."""
    fresh = b"".join(_encode(tag) for tag in tags)
    data = _content(path)
    whole = max((end for _, end in _records(data)), default=len(MAGIC))
    if not data or _is_packed(path):
        write_durably(path, (data[:whole] or MAGIC) + fresh)
        return
    with path.open("r+b") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(fresh)
        file.flush()
        sync(file.fileno())


def _content(path: Path) -> bytes:
    """Return the plain bytes, empty when there is no file or its creation was cut short."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    if data[:2] == _GZIP_MAGIC:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise TagFileError("the compressed tag file is damaged") from error
    if len(data) < len(MAGIC) and MAGIC.startswith(data):
        return b""
    if not data.startswith(MAGIC):
        raise TagFileError("wrong magic in the tag file")
    return data


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return os.pread(file.fileno(), 2, 0) == _GZIP_MAGIC


def _records(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of every whole record's body."""
    position = len(MAGIC)
    while position + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        start = position + _LENGTH.size
        position = start + length
        if length == 0 or position > len(data):
            return
        yield start, position


def _encode(tag: Tag) -> bytes:
    kind, value = ("S", tag.content.encode()) if isinstance(tag.content, str) else ("B", tag.content)
    body = b"%b\0%d %b\0%b" % (tag.name.encode(), int(tag.time.timestamp()), kind.encode(), value)
    return _LENGTH.pack(len(body)) + body


def _decode(body: bytes) -> Tag:
    try:
        name, header, value = body.split(b"\0", 2)
        seconds, kind = header.split(b" ")
        time = datetime.fromtimestamp(int(seconds), UTC)
        if kind not in (b"S", b"B"):
            raise TagFileError("a tag is neither string nor binary")
        return Tag(text(name), text(value) if kind == b"S" else value, time)
    except (ValueError, OverflowError) as error:
        raise TagFileError("a record of the tag file is damaged") from error
