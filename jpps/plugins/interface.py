"""What a file-type plug-in is (jp.md 2.7).

A plug-in is pure: it is given a stored file, or text out of another file, and answers values. It changes nothing; what
its commit hook wants recorded as tags it returns, and the server records it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from jpps.attributes import at
from jpps.storage import open_plain

#: The largest content, in bytes, that is taken to pieces. Dumps are below 5 MB in all but rare cases (jp.md 9).
MAX_DIGESTED = 256 * 1024 * 1024


class PluginError(Exception):
    """Root of what plug-ins report."""


class UnreadableFile(PluginError):
    """The file is not what its type says; it is kept, but yields no value (EINVAL of the original)."""


class UnknownAttribute(PluginError):
    """The attribute is not defined for this type of file (ENOSYS of the original)."""


@dataclass(frozen=True, slots=True)
class FileValue:
    """One value out of a file. `time`: UTC, whole seconds."""

    content: str
    time: datetime


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A committed file. `name`: the part after the class, empty for most; `size` in bytes, None when not known."""

    uri: str
    name: str
    path: Path
    size: int | None

    @property
    def modified(self) -> datetime:
        """When the file was written."""
        return at(int(self.path.stat().st_mtime))

    def read(self) -> bytes:
        """Return the content, uncompressed. Raises UnreadableFile, OSError."""
        with open_plain(self.path, self.size) as file:
            try:
                data = file.read(MAX_DIGESTED + 1)
            except EOFError as error:
                raise UnreadableFile("the compressed file is cut short") from error
        if len(data) > MAX_DIGESTED:
            raise UnreadableFile(f"more than {MAX_DIGESTED} bytes")
        return data


class Handle(Protocol):
    """An opened file."""

    def attr(self, name: str) -> Sequence[FileValue]:
        """Return the values of the attribute with this full name, newest last; none when it has no value.

        Raises UnknownAttribute.
        """
        ...


class Plugin(Protocol):
    """A plug-in. `types`: type URI → file class (a name without dots); `namespaces` of the attributes it knows."""

    name: str
    types: Mapping[str, str]
    namespaces: Sequence[str]

    def open(self, file: StoredFile) -> Handle:
        """Open a stored file of one of `types`. Raises UnreadableFile, OSError."""
        ...

    def committed(self, file: StoredFile) -> Sequence[tuple[str, str]]:
        """Return names and values to be recorded as tags of the job when the file is committed.

        Raises UnreadableFile, OSError.
        """
        ...


class TextPlugin(Plugin, Protocol):
    """A plug-in that also opens text found in other plug-ins' files."""

    def open_text(self, text: str) -> Handle:
        """Open `text`. Raises UnreadableFile."""
        ...
