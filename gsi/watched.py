"""Files of rules that are read again when they change: lists of peers, grid-mapfiles, access lists, policies."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from gsi.errors import GsiError, RulesError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Largest file that is read, in bytes. The grid-mapfiles of the largest sites had 1 MB.
MAX_BYTES: Final = 16 << 20


class Watched(Generic[T]):
    """What stands in a file at present.

    The file has to be good at the start. When it changes later it is read again; while it is missing, unreadable or
    makes no sense, that is logged as an error and `meanwhile` holds, or without it the last good content: a list of
    names is then empty, while rules that also forbid go on to forbid. Any number of threads may ask.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T], what: str, *, meanwhile: T | None = None) -> None:
        """read: makes the content of the bytes, raises GsiError; what: it is, for messages. Raises GsiError."""
        self.path = path
        self._name = f"{what} {path}"
        self._read = read
        self._meanwhile = meanwhile
        self._lock = threading.Lock()
        self._seen = _version(path)
        self._current = self._load()

    @property
    def current(self) -> T:
        """The content, read again when the file has changed since the last time."""
        if _version(self.path) != self._seen:
            with self._lock:
                version = _version(self.path)  # looked at before reading: a change while we read is seen next time
                if version != self._seen:
                    self._again(version)
        return self._current

    def _again(self, version: tuple[int, ...] | None) -> None:
        try:
            self._current = self._load()
            log.info("%s has changed and was read again", self._name)
        except GsiError as error:
            if self._meanwhile is None:
                log.error("%s cannot be used, what it said before stays in force: %s", self._name, error)
            else:
                log.error("%s cannot be used, nobody is named by it meanwhile: %s", self._name, error)
                self._current = self._meanwhile
        self._seen = version

    def _load(self) -> T:
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise RulesError(f"{self._name} cannot be read: {error.strerror}") from error
        if len(data) > MAX_BYTES:
            raise RulesError(f"{self._name} has more than {MAX_BYTES} bytes")
        return self._read(data)


def _version(path: Path) -> tuple[int, ...] | None:
    """What changes when the file is written, replaced or made readable; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
