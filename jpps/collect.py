"""What is known of a job: metadata, tags, and what its files say (jp.md 2.8).

A view is made of one moment of the database. Tags and files are read when they are first asked for; each file is opened
once, however many attributes are asked.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jpps import tags
from jpps.attributes import JOBID, OWNER, REGTIME, Origin, Value
from jpps.files import FileRow
from jpps.jobs import Job
from jpps.plugins.interface import Handle, Plugin, PluginError, StoredFile, UnknownAttribute
from jpps.plugins.registry import Registry
from jpps.storage import Storage

log = logging.getLogger(__name__)

METADATA = (OWNER, REGTIME, JOBID)


@dataclass(frozen=True)
class Sources:
    """Where values come from."""

    storage: Storage
    registry: Registry

    def view(self, job: Job, files: Sequence[FileRow]) -> "JobView":
        """Return a view of the job; `files` are its committed ones."""
        return JobView(job, files, self)

    def stored(self, job: Job, row: FileRow) -> StoredFile | None:
        """Return the file for its plug-in, None when no plug-in has its class."""
        found = self.registry.of_class(row.file_class)
        if found is None:
            return None
        return StoredFile(found[1], row.name, self.storage.path(job, row.filename), row.size)


class JobView:
    """The values of one job's attributes."""

    def __init__(self, job: Job, files: Sequence[FileRow], sources: Sources) -> None:
        self.job = job
        self._files = files
        self._sources = sources
        self._tags: list[Value] | None = None
        self._handles: dict[str, Handle | None] = {}

    def values(self, name: str, *, whole_seconds: bool = False) -> list[Value]:
        """Return every value of an attribute: of the storage itself, else tags, then files."""
        if name in METADATA:
            return [metadata(self.job, name, whole_seconds=whole_seconds)]
        return self.tagged(name) + self.filed(name)

    def tagged(self, name: str) -> list[Value]:
        """Return the values that users recorded under exactly this name, oldest first."""
        if self._tags is None:
            self._tags = self._read_tags()
        return [value for value in self._tags if value.name == name]

    def filed(self, name: str, filenames: Iterable[str] | None = None) -> list[Value]:
        """Return the values out of the files (all, or those named) whose plug-ins know the namespace."""
        wanted = None if filenames is None else set(filenames)
        found: list[Value] = []
        for plugin in self._sources.registry.of_attribute(name):
            for row in self._files:
                if row.file_class in plugin.types.values() and (wanted is None or row.filename in wanted):
                    found += self._of_file(row, name)
        return found

    def _of_file(self, row: FileRow, name: str) -> list[Value]:
        stored = self._sources.stored(self.job, row)
        handle = self._open(row, stored)
        if stored is None or handle is None:
            return []
        try:
            values = handle.attr(name)
        except UnknownAttribute:
            return []
        # The blank is there for files without a name, too (jp.md 2.8).
        detail = f"{stored.uri} {stored.name}"
        return [Value(name, value.content, value.time, Origin.FILE, detail) for value in values]

    def _open(self, row: FileRow, stored: StoredFile | None) -> Handle | None:
        if row.filename not in self._handles:
            self._handles[row.filename] = None if stored is None else open_file(self._sources.registry, stored)
        return self._handles[row.filename]

    def _read_tags(self) -> list[Value]:
        path = self._sources.storage.path(self.job, tags.FILE_NAME)
        try:
            return [tagged_value(tag) for tag in tags.read(path)]
        except tags.TagFileError as error:
            log.error("the tags of %s cannot be read: %s", self.job.jobid, error)
            return []


def metadata(job: Job, name: str, *, whole_seconds: bool = False) -> Value:
    """Return a value that the storage itself knows; `name` is one of METADATA.

    The registration time has a fraction, but none in history feeds (jp.md 2.8).
    """
    epoch = int(job.registered.timestamp())
    regtime = str(epoch) if whole_seconds else f"{epoch}.000000"
    content = {OWNER: job.owner, REGTIME: regtime, JOBID: job.jobid}[name]
    return Value(name, content, job.registered, Origin.SYSTEM)


def tagged_value(tag: tags.Tag) -> Value:
    """Return a tag as a value."""
    return Value(tag.name, tag.content, tag.time, Origin.USER)


def open_file(registry: Registry, stored: StoredFile) -> Handle | None:
    """Open a file with its plug-in; None, and a line in the log, when it is not what it should be."""
    try:
        return _plugin(registry, stored).open(stored)
    except (PluginError, OSError) as error:
        log.warning("%s yields no attributes: %s", stored.path, error)
        return None


def says(registry: Registry, stored: StoredFile) -> Sequence[tuple[str, str]]:
    """Return what the commit hook of the file's plug-in wants recorded as tags. Raises OSError."""
    try:
        return _plugin(registry, stored).committed(stored)
    except PluginError as error:
        log.warning("%s is not what its type says: %s", stored.path, error)
        return ()


def _plugin(registry: Registry, stored: StoredFile) -> Plugin:
    return next(plugin for plugin in registry.plugins if stored.uri in plugin.types)
