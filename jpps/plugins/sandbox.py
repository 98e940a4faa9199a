"""Input sandboxes, uploaded as tar archives (jp.md 2.7, 2.8): their members and what is in them."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime

from jpps.attributes import ISB_CONTENT_NAMESPACE, ISB_NAMESPACE, at, namespace, text
from jpps.plugins.interface import FileValue, StoredFile, UnknownAttribute, UnreadableFile

URI = "urn:org.glite.jp.primary:isb"
FILENAME = f"{ISB_NAMESPACE}:filename"
#: The largest member, in bytes, that is given out as an attribute value.
MAX_MEMBER = 16 * 1024 * 1024


class SandboxPlugin:
    """Values: the member names, and the text of each member by its path."""

    name = "sandbox"
    types: Mapping[str, str] = {URI: "sandbox"}
    namespaces: Sequence[str] = (ISB_NAMESPACE, ISB_CONTENT_NAMESPACE)

    def open(self, file: StoredFile) -> "SandboxHandle":
        return SandboxHandle(file.read())

    def committed(self, file: StoredFile) -> Sequence[tuple[str, str]]:
        return ()


class SandboxHandle:
    """One archive; links, devices and directories are no members here."""

    def __init__(self, data: bytes) -> None:
        try:
            self._archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")  # noqa: SIM115  (only memory)
            self._members = [member for member in self._archive.getmembers() if member.isreg()]
        except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
            raise UnreadableFile("not a tar archive") from error

    def attr(self, name: str) -> Sequence[FileValue]:
        if name == FILENAME:
            return [FileValue(text(member.name), _time(member)) for member in self._members]
        if namespace(name) != ISB_CONTENT_NAMESPACE:
            raise UnknownAttribute(name)
        wanted = name.rpartition(":")[2]
        return [FileValue(self._text(member), _time(member)) for member in self._members if member.name == wanted]

    def _text(self, member: tarfile.TarInfo) -> str:
        file = self._archive.extractfile(member)
        if file is None or member.size > MAX_MEMBER:
            raise UnknownAttribute(f"{member.name} is too large for an attribute")
        return text(file.read())


def _time(member: tarfile.TarInfo) -> datetime:
    return at(int(member.mtime))
