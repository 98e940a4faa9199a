"""Event files as the commands read them: the lines of plain and gzip files, one at a time, never a file as a whole.

A gzip file is known by its first octets, whatever its name is; so is one that comes through standard input (``-``). So
are files of some other forms, which are not read.
"""

import io
import os
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from lb.model.ulm import MAX_LINE
from ui.frame import UiError, visible

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

STDIN: Final = "-"
STDIN_FILENO: Final = 0
GZIP: Final = b"\x1f\x8b"
OTHER_FORMS: Final = (
    (re.compile(rb"\xfd7zXZ\0"), "packed by xz", "xz -dc"),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "packed by bzip2", "bzip2 -dc"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "packed by zstd", "zstd -dc"),
    (re.compile(rb"PK\x03\x04"), "a zip archive", "unzip -p"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
)
"""How files begin that hold no lines, what they are, and what makes lines of them."""
FORM: Final = 16
"""Octets that tell the form of a file."""
GZIP_FRAME: Final = 16
"""Has zlib expect the frame of gzip around the data."""
BUFFER: Final = 1 << 20
"""Octets read at a time."""
LONGEST: Final = MAX_LINE + len("\r\n")
"""Octets of a line that are read; of a longer one the rest is passed over."""
PATIENCE_S: Final = 1.0
"""Work that takes longer shows a bar."""
LINES_A_LOOK: Final = 1024
"""Lines between two looks at the clock."""


class Line(NamedTuple):
    """One line with its line end, and where it stands. ``too_long``: longer than a line can be, this is its begin."""

    file: str
    number: int
    octets: bytes
    too_long: bool = False

    @property
    def place(self) -> str:
        """``FILE:LINE``."""
        return f"{shown_name(self.file)}:{self.number}"


def shown_name(file: str) -> str:
    """A file's name for people."""
    return "stdin" if file == STDIN else visible(file) or "''"


def check(files: Sequence[str]) -> None:
    """Raise UiError for the first file that cannot be read, before any of them is."""
    for file in files:
        if file == STDIN:
            continue
        if not os.path.exists(file):
            raise UiError("File", f"{shown_name(file)} is not there; check the name")
        if os.path.isdir(file):
            raise UiError("File", f"{shown_name(file)} is a directory; name the files in it, "
                                  f"for instance {shown_name(file).rstrip('/')}/*")
        if not os.access(file, os.R_OK):
            raise UiError("File", f"{shown_name(file)} cannot be read: permission denied; "
                                  "ask its owner, or read it as him")


Trouble = Callable[[Line, str], None]
"""Told of a file that cannot be read to its end: the line from which on, without its octets; what is wrong."""


class OtherForm(Exception):
    """A file that has to be changed before it can be read; the text says how."""


def lines(files: Sequence[str], trouble: Trouble, quiet: bool = False) -> Iterator[Line]:
    """All lines of the files in their order. What cannot be read further is told, then the next file follows."""
    check(files)
    with Meter(files, quiet) as meter:
        for file in files:
            number = 0
            try:
                for line in _lines(file, meter):
                    number = line.number
                    yield line
            except OtherForm as error:
                trouble(Line(file, 1, b""), str(error))
            except (EOFError, zlib.error, OSError) as error:
                if isinstance(error, BrokenPipeError):  # of the one who prints the lines
                    raise
                trouble(Line(file, number + 1, b""), f"cannot be read from here on: {_why(error)}")


def _lines(file: str, meter: "Meter") -> Iterator[Line]:
    with open(STDIN_FILENO if file == STDIN else file, "rb", closefd=file != STDIN) as raw:
        begin = raw.peek(FORM)
        for pattern, what, remedy in OTHER_FORMS:
            if pattern.match(begin):
                raise OtherForm(f"not read, this is {what}; pipe it through {remedy} and name - as the file")
        packed = begin.startswith(GZIP)
        stream = io.BufferedReader(_Unpacked(raw), BUFFER) if packed else raw
        number = 0
        while octets := stream.readline(LONGEST):
            number += 1
            too_long = len(octets) == LONGEST and not octets.endswith(b"\n")
            yield Line(file, number, octets, too_long)
            while too_long and octets and not octets.endswith(b"\n"):
                octets = stream.readline(BUFFER)
            if number % LINES_A_LOOK == 0:
                meter.at(raw)
        meter.end_of(raw)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{error}; this gzip file is damaged or cut off, get it once more"


class _Unpacked(io.RawIOBase):
    """What a gzip file holds. Damage shows only when all before it has been read."""

    def __init__(self, packed: io.BufferedReader) -> None:
        self._packed = packed
        self._member = zlib.decompressobj(zlib.MAX_WBITS | GZIP_FRAME)
        self._rest = b""

    def readable(self) -> bool:
        """Yes, and nothing else."""
        return True

    def readinto(self, buffer: "Buffer") -> int:
        """Unpack as much as fits; 0 at the end. Raises zlib.error and EOFError."""
        target = memoryview(buffer).cast("B")
        while True:
            if self._member.eof:
                self._rest = (self._member.unused_data or self._packed.read(BUFFER)).lstrip(b"\0")
                if not self._rest:
                    return 0
                self._member = zlib.decompressobj(zlib.MAX_WBITS | GZIP_FRAME)
            octets = self._rest or self._packed.read1(BUFFER)
            if not octets:
                raise EOFError("the file ends too early")
            unpacked = self._member.decompress(octets, len(target))
            self._rest = self._member.unconsumed_tail
            if unpacked:
                target[: len(unpacked)] = unpacked
                return len(unpacked)


class Meter:
    """How far the reading is, on standard error when that is a terminal and it takes long."""

    def __init__(self, files: Sequence[str], quiet: bool) -> None:
        self._shown = not quiet and self.wanted()
        known = all(file != STDIN and os.path.isfile(file) for file in files)
        self._total = sum(map(os.path.getsize, files)) if known else None
        self._before = 0
        self._begun = time.monotonic()
        self._progress: Progress | None = None
        self._task = TaskID(0)

    @staticmethod
    def wanted() -> bool:
        """Whether there is somebody to look at it."""
        return sys.stderr.isatty()

    def at(self, raw: io.BufferedReader) -> None:
        """So far this file was read."""
        if not self._shown:
            return
        if self._progress is None and time.monotonic() - self._begun > PATIENCE_S:
            self._progress = Progress(
                TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True, redirect_stdout=False,
            )
            self._task = self._progress.add_task("", total=self._total)
            self._progress.start()
        if self._progress is not None and raw.seekable():
            self._progress.update(self._task, completed=self._before + raw.tell())

    def end_of(self, raw: io.BufferedReader) -> None:
        """This file is read."""
        if self._shown and raw.seekable():
            self._before += raw.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
