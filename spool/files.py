"""Files that are whole and on disk, or not there at all."""

import os
import secrets
from pathlib import Path


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write `data` to `path` so that after a power cut the file is either the old one or the whole new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    write_new(temporary, data, mode)
    try:
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that must not be there yet (FileExistsError); its bytes are on disk, its name perhaps not. When the
    disk is full nothing is left of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # the umask shall not decide
            file.write(data)
            file.flush()
            sync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync(descriptor: int) -> None:
    """Wait until the file's bytes are on disk."""
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Wait until the names in the directory are on disk: a rename alone does not promise that."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
