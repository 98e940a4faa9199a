"""The directory of one job below the sandbox directory, and the names in it (wms.md 5.1).

    <SandboxDir>/<first 2 characters of the unique part>/<encoded job id>/
        input/  output/  peek/          sandbox files, reachable by HTTPS for the owner
        user.proxy  .user.proxy.bak     the delegated proxy; never shown
        JDLOriginal                     what the user sent
        JDLToStart -> JDLStarted        the registered description; renamed when the job has been handed on
        .gacl                           who may reach the files
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from spool.files import sync_directory, write_durably

DIRECTORY_MODE = 0o700  # the original's 0770 served a mapped user; here the service alone writes
REMOVED = ".removed-"
_KEPT = re.compile(rb"[A-Za-z0-9.\- ]")
_ENCODED = re.compile(rb"_([0-9a-f]{2})")


def encode(jobid: str) -> str:
    """A job id as a file name: letters, digits, '.', '-' and blank stay, other bytes become '_' and two hex digits."""
    octets = (bytes([octet]) for octet in jobid.encode())
    return "".join(one.decode() if _KEPT.match(one) else f"_{one[0]:02x}" for one in octets)


def decode(name: str) -> str:
    """The job id of an encoded file name."""
    return _ENCODED.sub(lambda m: bytes.fromhex(m.group(1).decode()), name.encode()).decode()


@dataclass(frozen=True)
class JobDirectory:
    """The directory of *jobid* below *root* (the sandbox directory). Nothing is touched by making this object."""

    root: Path
    jobid: str

    @property
    def reduced(self) -> str:
        """The first two characters of the unique part of the job id, as it is encoded.

        :raises ValueError: they are no name for a directory.
        """
        name = encode(self.jobid.rsplit("/", 1)[-1][:2])
        if name in ("", ".", ".."):
            raise ValueError(f"not a job id: {self.jobid[:200]!r}")
        return name

    @property
    def path(self) -> Path:
        return self.root / self.reduced / encode(self.jobid)

    @property
    def relative(self) -> str:
        """``<SandboxDir>/<2 characters>/<encoded id>``: the path below the document root."""
        return f"{self.root.name}/{self.reduced}/{encode(self.jobid)}"

    @property
    def input(self) -> Path:
        return self.path / "input"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def peek(self) -> Path:
        return self.path / "peek"

    @property
    def proxy(self) -> Path:
        return self.path / "user.proxy"

    @property
    def proxy_backup(self) -> Path:
        return self.path / ".user.proxy.bak"

    @property
    def gacl(self) -> Path:
        return self.path / ".gacl"

    @property
    def jdl_original(self) -> Path:
        return self.path / "JDLOriginal"

    @property
    def jdl_to_start(self) -> Path:
        return self.path / "JDLToStart"

    @property
    def jdl_started(self) -> Path:
        return self.path / "JDLStarted"

    @property
    def maradona(self) -> Path:
        return self.path / "Maradona.output"

    @property
    def cancel_token(self) -> Path:
        return self.path / "wm_cancel_token"

    @property
    def start_lock(self) -> Path:
        return self.path / ".startLockFile.lock"

    @property
    def output_lock(self) -> Path:
        return self.path / ".getOutputLockFile.lock"

    def token(self, number: int) -> Path:
        """The token that a job takes just before it runs; *number* counts replans (wms.md 4.4)."""
        return self.path / f"token.txt_{number}"

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    @property
    def started(self) -> bool:
        """Whether the job has been handed to the workload manager."""
        return self.jdl_started.exists()

    def create(self) -> None:
        """Make the directory with input, output and peek; on disk when the call returns.

        :raises FileExistsError: there is one already.
        """
        self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.path.mkdir(mode=DIRECTORY_MODE)
        for directory in (self.input, self.output, self.peek):
            directory.mkdir(mode=DIRECTORY_MODE)
        for directory in (self.path, self.path.parent, self.root):
            sync_directory(directory)

    def write(self, path: Path, data: str | bytes, mode: int = 0o600) -> None:
        """Write one of the files above whole and durably."""
        write_durably(path, data.encode() if isinstance(data, str) else data, mode)

    def mark_started(self) -> None:
        """JDLToStart becomes JDLStarted, durably."""
        os.rename(self.jdl_to_start, self.jdl_started)
        sync_directory(self.path)

    def description(self) -> str:
        """The text of JDLStarted if it is there, else of JDLToStart.

        :raises FileNotFoundError: no description: the job is not there, or its registration was never finished.
        """
        for _ in range(2):  # a start may rename the file between the two looks
            for path in (self.jdl_started, self.jdl_to_start):
                try:
                    return path.read_text(encoding="utf-8")
                except FileNotFoundError:
                    continue
        raise FileNotFoundError(self.jdl_to_start)

    def remove(self) -> bool:
        """Remove everything; False when there was nothing. The job disappears at once, its files after that."""
        doomed = self.path.with_name(f"{REMOVED}{secrets.token_hex(8)}")
        try:
            os.rename(self.path, doomed)
        except FileNotFoundError:
            return False
        sync_directory(doomed.parent)
        shutil.rmtree(doomed, ignore_errors=True)  # what an upload still adds is swept up later
        return True


def sweep(root: Path) -> None:
    """Finish removals that were interrupted and drop registrations that nobody was told of; call before serving."""
    for path in root.glob("[!.]*/*"):
        described = (path / "JDLToStart").exists() or (path / "JDLStarted").exists()
        if path.name.startswith(REMOVED) or not described:
            shutil.rmtree(path, ignore_errors=True)


class Locked(Exception):
    """Another process holds the lock file."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file of a job directory (wms.md 5.1); it frees itself when the process dies.

    The original used fcntl locks; those do not keep apart the threads of one process.

    :raises Locked: somebody else has it.
    :raises FileNotFoundError: the job directory is not there.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            raise Locked(path) from error
        yield
    finally:
        os.close(descriptor)
