"""The information supermarket over a file: the present set of computing elements (wms.md 3.1)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from wms.infosys.glue import ComputingElement, compose
from wms.infosys.ldif import LdifError, records

log = logging.getLogger(__name__)

#: Largest file that is read, in bytes. A BDII of the whole grid exported some 100 MB.
MAX_FILE = 512 << 20


class InfosysError(Exception):
    """The information system cannot be read and there is no earlier answer to fall back on."""


class GlueFile:
    """Computing elements from an LDIF file of GLUE 1.3 records. Threads may share one object.

    The file is read again when it has changed. A file that cannot be read or understood leaves the last good set in
    force, as a failing directory server does (wms.md 3.1); when there is none, `ces` raises `InfosysError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._elements: tuple[ComputingElement, ...] | None = None

    def ces(self) -> Sequence[ComputingElement]:
        """The computing elements of the file as it is now."""
        with self._lock:
            try:
                self._refresh()
            except (OSError, ValueError) as error:
                self._keep_old(error)
            assert self._elements is not None
            return self._elements

    def _refresh(self) -> None:
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            if version == self._seen:
                return
            if status.st_size > MAX_FILE:
                raise LdifError(1, f"the file is larger than {MAX_FILE} bytes")
            # Noted before reading: a faulty file is reported once, not on every call.
            self._seen = version
            self._elements = tuple(compose(records(file.read().decode())))
        log.info("%s: %d computing elements", self.path, len(self._elements))

    def _keep_old(self, error: Exception) -> None:
        if self._elements is None:
            self._seen = None
            raise InfosysError(f"cannot read the computing elements from {self.path}: {error}") from error
        log.warning("%s cannot be read (%s); the last good set stays in force", self.path, error)
