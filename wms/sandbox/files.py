"""Files of one job directory, opened so that no path and no link can lead out of it.

1. A URL path must be exactly ``/<SandboxDir>/<2>/<encoded id>/<area>/<name>``: five plain components, and the third has
   to be the place of the job that the fourth encodes. This stops ``..``, empty and hidden components.
2. Every directory on the way is opened relative to its parent with O_NOFOLLOW: a link planted anywhere is refused.
3. Areas are input, output and peek, and beside them only Maradona.output: proxies, descriptions and the access list
   have no URL at all (EGI SVG 2012-4073 was users' proxies shown by a WMS).
4. What is opened must be a regular file; opening never blocks.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gsi.gacl import Gacl, GaclError
from wms.jobdirectory import JobDirectory, decode

AREAS = ("input", "output", "peek")
ROOT_FILES = ("Maradona.output",)
FORBIDDEN_NAMES = (".gacl", ".", "..")
MAX_NAME_BYTES = 255
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_A_FILE = (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENOTDIR, errno.ENOENT)


class NoSuchFile(Exception):
    """There is no such job, area or file, or it is not one that may be shown."""


@dataclass(frozen=True)
class Place:
    """A file that a URL path names: the job, the area ("" for the directory itself) and the file's name."""

    directory: JobDirectory
    area: str
    name: str

    @classmethod
    def of_url_path(cls, path: str, root: Path) -> Place:
        """Read a decoded URL path; *root* is the sandbox directory.

        :raises NoSuchFile: it names nothing that could ever be reached.
        """
        match path.split("/"):
            case ["", root.name, reduced, encoded, area, name] if area in AREAS:
                pass
            case ["", root.name, reduced, encoded, name] if name in ROOT_FILES:
                area = ""
            case _:
                raise NoSuchFile(path)
        if not name or name in FORBIDDEN_NAMES or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
            raise NoSuchFile(path)
        return cls(_job(root, reduced, encoded, path), area, name)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The descriptor of the directory the file is in.

        :raises NoSuchFile: the job is not there, or a link stands in the way.
        """
        relative = self.directory.path.relative_to(self.directory.root)
        with open_directory(self.directory.root, *relative.parts, *filter(None, [self.area])) as descriptor:
            yield descriptor

    def gacl(self) -> Gacl:
        """The access list of the job.

        :raises NoSuchFile: the job is not there.
        """
        relative = self.directory.path.relative_to(self.directory.root)
        with open_directory(self.directory.root, *relative.parts) as descriptor:
            file = open_file(descriptor, self.directory.gacl.name)
        with file:
            try:
                return Gacl.parse(file.read())
            except GaclError as error:
                raise NoSuchFile(f"{self.directory.gacl}: {error}") from error


def _job(root: Path, reduced: str, encoded: str, path: str) -> JobDirectory:
    try:
        directory = JobDirectory(root, decode(encoded))
        in_place = directory.path.parts[-2:] == (reduced, encoded)
    except ValueError as error:  # not the encoding of any job id
        raise NoSuchFile(path) from error
    if not in_place or not encoded.startswith("https_3a_2f_2f"):
        raise NoSuchFile(path)
    return directory


@contextmanager
def open_directory(root: Path, *names: str) -> Iterator[int]:
    """Open a directory below *root*, one component after the other, following no link."""
    descriptor = os.open(root, _DIRECTORY)
    try:
        for name in names:
            descriptor = _descend(descriptor, name)
        yield descriptor
    finally:
        os.close(descriptor)


def _descend(parent: int, name: str) -> int:
    try:
        child = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            raise NoSuchFile(name) from error
        raise
    os.close(parent)
    return child


def open_file(directory: int, name: str) -> BinaryIO:
    """Open a regular file of an opened directory for reading.

    :raises NoSuchFile: there is none, or it is a link, a device, a directory.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            raise NoSuchFile(name) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoSuchFile(name)
    return os.fdopen(descriptor, "rb")


def used_bytes(directory: int, but: str) -> int:
    """How much the files of an opened directory hold together, without the one named *but*."""
    with os.scandir(directory) as entries:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in entries if entry.name != but)
