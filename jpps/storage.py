"""Where files lie and how they get there (jp.md 2.4).

    <root>/data/<MD5 of owner DN>/<week of registration>/<job key>/<class>[.<name>]

Every directory has mode 0700. A file arrives under a temporary name, is fsynced and renamed into place; once committed
it is replaced by its gzip form under the same name when that is smaller. Its URL is the external prefix and the same
relative path. Whatever changes a job's directory holds the job's lock.
"""

import fcntl
import gzip
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from jpps.errors import Invalid
from jpps.jobs import Job
from spool.files import sync, sync_directory

SECONDS_PER_WEEK = 604_800
#: Committed files larger than this, in bytes, are compressed.
PACK_ABOVE = 1024
#: Longest file name the file system takes, less what a temporary name adds.
MAX_NAME_BYTES = 200
_COPY_SIZE = 1 << 20
_REMEMBERED = 10_000
_GZIP_MAGIC = b"\x1f\x8b"
_PART_NAME = re.compile(r"\.[0-9a-f]{16}\.part$")


class Storage:
    """The tree below `root`, published at `prefix` (a URL without trailing slash)."""

    def __init__(self, root: Path, prefix: str) -> None:
        self.root = root
        self.prefix = prefix.rstrip("/")
        #: Directories of weeks whose own names this process has brought to disk.
        self._on_disk: set[Path] = set()
        (root / "data").mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def url_path(self) -> str:
        """The path part of every URL up to the owner's hash, for instance `/jpps/data/`."""
        return f"{urlsplit(self.prefix).path}/data/"

    def url(self, job: Job, filename: str) -> str:
        """Return the URL under which a file is uploaded and fetched."""
        return f"{self.prefix}/{quote(f'{_relative(job)}/{filename}', safe='/~.,:=+@-')}"

    def split_url(self, url: str) -> tuple[str, str] | None:
        """Return job key and file name that `url` speaks of, None when it is none of ours."""
        if not url.startswith(self.prefix):
            return None
        return self.split_path(unquote(urlsplit(self.prefix).path + url[len(self.prefix) :]))

    def split_path(self, path: str) -> tuple[str, str] | None:
        """Return job key and file name that the (decoded) URL path speaks of, None when it is none of ours.

        Nothing is promised about the two: they are to be looked up, never to be opened.
        """
        parts = path.removeprefix(self.url_path).split("/")
        if not path.startswith(self.url_path) or len(parts) != 4:
            return None
        return parts[2], parts[3]

    def directory(self, job: Job) -> Path:
        """Return the job's directory."""
        return self.root / _relative(job)

    def path(self, job: Job, filename: str) -> Path:
        """Return where a stored file of the job lies."""
        return self.directory(job) / filename

    def make_directory(self, job: Job) -> Path:
        """Make the job's directory if it is missing; cheap when it is there."""
        directory = self.directory(job)
        if not directory.is_dir():
            for level in (*reversed(directory.parents[:2]), directory):
                level.mkdir(mode=0o700, exist_ok=True)
        return directory

    @contextmanager
    def lock(self, job: Job) -> Iterator[Path]:
        """Hold the job's lock against all threads and processes; yields the job's directory."""
        directory = self.make_directory(job)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield directory
        finally:
            os.close(descriptor)

    def sync(self, job: Job) -> None:
        """Wait until the job's directory, its name and its file names are on disk."""
        directory = self.directory(job)
        for level in (directory, directory.parent):
            sync_directory(level)
        week_directory = directory.parent
        if week_directory not in self._on_disk:
            for level in week_directory.parents[:2]:
                sync_directory(level)
            if len(self._on_disk) >= _REMEMBERED:
                self._on_disk.clear()
            self._on_disk.add(week_directory)

    @contextmanager
    def receive(self, job: Job, filename: str) -> Iterator["Arrival"]:
        """Take an upload; it disappears at the end unless `Arrival.publish` was called."""
        directory = self.make_directory(job)
        part = directory / f".{filename}.{secrets.token_hex(8)}.part"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                yield Arrival(file, part, directory / filename)
        finally:
            part.unlink(missing_ok=True)

    def remove(self, job: Job, filename: str) -> None:
        """Remove an upload that was given up, whole or in parts. The caller holds the job's lock."""
        directory = self.directory(job)
        (directory / filename).unlink(missing_ok=True)
        self.remove_parts(job, filename)

    def remove_parts(self, job: Job, filename: str) -> None:
        """Remove what broken uploads left behind. The caller holds the job's lock."""
        for entry in os.scandir(self.directory(job)):
            if _PART_NAME.sub("", entry.name) == f".{filename}":
                Path(entry.path).unlink(missing_ok=True)

    def pack(self, job: Job, filename: str) -> bool:
        """Replace a file of more than PACK_ABOVE bytes by its gzip form if that is smaller; say whether it was.

        The caller holds the job's lock. Readers find either form. What is gzip already stays as it is.
        """
        path = self.path(job, filename)
        stat = path.stat()
        if stat.st_size <= PACK_ABOVE or is_packed(path):
            return False
        with self.receive(job, filename) as arrival:
            with path.open("rb") as plain, gzip.GzipFile("", "wb", 6, arrival.file, mtime=0) as packed:
                shutil.copyfileobj(plain, packed, _COPY_SIZE)
            # Equally long forms could not be told apart by their size (see open_plain).
            if arrival.file.tell() >= stat.st_size:
                return False
            arrival.file.flush()
            os.utime(arrival.file.fileno(), ns=(stat.st_atime_ns, stat.st_mtime_ns))
            arrival.publish()
        return True


class Arrival:
    """An upload on its way. `size` in bytes and `sha256` in hex are of what was written so far."""

    def __init__(self, file: BinaryIO, part: Path, target: Path) -> None:
        self.file = file
        self.size = 0
        self._digest = hashlib.sha256()
        self._on_disk = False
        self._part = part
        self._target = target

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append a piece of the content."""
        self.file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)
        self._on_disk = False

    def flush(self) -> None:
        """Wait until the content is on disk; long, so done before the job is locked."""
        self.file.flush()
        sync(self.file.fileno())
        self._on_disk = True

    def publish(self) -> None:
        """Put the content on disk and into place. The caller holds the job's lock."""
        if not self._on_disk:
            self.flush()
        os.rename(self._part, self._target)
        sync_directory(self._target.parent)


def check_name(name: str) -> None:
    """Raise Invalid unless `name` can be the second part of a file name."""
    plain = name.isprintable() and "/" not in name and name == name.strip()
    if not plain or len(name.encode()) > MAX_NAME_BYTES:
        raise Invalid(f"file name: at most {MAX_NAME_BYTES} bytes, printable, no slash, no blank at either end")


def is_packed(path: Path) -> bool:
    """Say whether the file looks like gzip."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def open_plain(path: Path, size: int | None) -> IO[bytes] | gzip.GzipFile:
    """Open a stored file for reading its content as it was uploaded, `size` bytes long.

    A file on disk of another length is our own gzip form of it. Without a known size (a file of the original) gzip is
    told by content, which was the original's rule.
    """
    file = path.open("rb")
    try:
        # All questions go to the open file: the name may be given to the packed form meanwhile.
        packed = os.pread(file.fileno(), 2, 0) == _GZIP_MAGIC
        if packed and (size is None or os.fstat(file.fileno()).st_size != size):
            return _Unpacked(file)
    except BaseException:
        file.close()
        raise
    return file


class _Unpacked(gzip.GzipFile):
    """Reads a compressed file and closes it as well."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._compressed = file

    def close(self) -> None:
        super().close()
        self._compressed.close()


def digest(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a file as it lies on disk."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
        return file.tell(), found.hexdigest()


def week(moment: datetime) -> int:
    """Return the number of the week since 1970 (jp.md 2.4)."""
    return int(moment.timestamp()) // SECONDS_PER_WEEK


def _relative(job: Job) -> str:
    return f"data/{job.owner_hash}/{week(job.registered)}/{job.key}"
