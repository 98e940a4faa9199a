"""Files below a private directory, reached without ever following a symbolic link.

A user who can plant a link somewhere below must not be able to make a service read, write or delete elsewhere: every
step opens a directory relative to the one before, with O_NOFOLLOW (EGI SVG 2013-5560 is the warning).
"""

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: No file of ours is larger: certificates and keys only.
_MAX_SIZE = 1024 * 1024


@contextmanager
def directory(root: Path, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """Open root/part/part…; yields a descriptor. create: make what is missing, mode 0700. Raises OSError."""
    descriptor = _open(root, parts, create)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def locked(root: Path, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """The same for one holder at a time, of all threads and processes; under the lock it may be removed.

    Raises OSError, FileNotFoundError when it is not there.
    """
    descriptor = _lock(root, parts, create)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def clearing(root: Path, parts: Sequence[str]) -> Iterator[int | None]:
    """The same for those who clear away, who wait for nobody: None while somebody holds the lock.

    In the meantime nobody can make a directory below `root`, so none is removed between its making and its locking.
    """
    with _held(root, LOCK_EX):
        descriptor = _open(root, parts, create=False)
        try:
            yield descriptor if _is_locked(descriptor) else None
        finally:
            os.close(descriptor)


@contextmanager
def removing(root: Path) -> Iterator[None]:
    """Nobody can make a directory below `root` within this block."""
    with _held(root, LOCK_EX):
        yield


def read(parent: int, name: str) -> bytes:
    """Return the content of a regular file. Raises OSError."""
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileNotFoundError(f"{name} is no regular file")
        return file.read(_MAX_SIZE)


def write(parent: int, name: str, octets: bytes) -> None:
    """Write a file, mode 0600, whole and on disk or not at all; one that is there is replaced. Raises OSError."""
    temporary = f".{name}.{secrets.token_hex(6)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600, dir_fd=parent), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)
    except BaseException:
        remove(parent, temporary)
        raise


def remove(parent: int, name: str) -> None:
    """Remove a file or an empty directory; nothing happens when it is not there. Raises OSError."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        os.rmdir(name, dir_fd=parent)


def names(parent: int) -> list[tuple[str, float]]:
    """The names in the directory and when they were last changed, s since 1970; oldest first."""
    found = []
    for name in os.listdir(parent):
        try:
            found.append((name, os.stat(name, dir_fd=parent, follow_symlinks=False).st_mtime))
        except FileNotFoundError:
            continue  # removed meanwhile
    return sorted(found, key=lambda entry: entry[1])


def _lock(root: Path, parts: Sequence[str], create: bool) -> int:
    if create:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with _held(root, LOCK_SH) if create else nullcontext():
            try:
                descriptor = _open(root, parts, create)
            except FileNotFoundError:
                if create:
                    continue  # its holder removed it between our making and opening it
                raise
            try:
                flock(descriptor, LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
        os.close(descriptor)  # it was removed while we waited for the lock


def _is_locked(descriptor: int) -> bool:
    """Lock it, unless somebody else has."""
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _held(root: Path, lock: int) -> Iterator[None]:
    """Hold a lock of the root: shared by those who make directories, exclusive for who removes them."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flock(descriptor, lock)
        yield
    finally:
        os.close(descriptor)


def _open(root: Path, parts: Sequence[str], create: bool) -> int:
    if create:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            if create:
                _make(part, descriptor)
            below = os.open(part, _DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _make(part: str, parent: int) -> None:
    try:
        os.mkdir(part, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)
