"""One upload: the bytes go to a staging file of the same file system and get their name when they are whole."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from .files import NoSuchFile, Place, used_bytes

STAGING = ".upload"  # below the sandbox directory; not two characters, so no URL leads there
BLOCK_BYTES = 1 << 16


class TooLarge(Exception):
    """The files of the area would hold more than the limit."""


class Incomplete(Exception):
    """The body ended before its announced length."""


def prepare(root: Path) -> None:
    """Make the staging directory and throw away what uploads of an earlier run left; call before serving."""
    staging = root / STAGING
    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in staging.iterdir():
        left.unlink()


def receive(body: BinaryIO, announced_bytes: int | None, place: Place, limit_bytes: int) -> bool:
    """Store an upload durably at its place; True when the file is new, False when it replaced another.

    Nothing can be seen of it before it is whole; nothing is left of it when it fails.

    :raises TooLarge: over the limit of the area, all its files together.
    :raises Incomplete: fewer bytes than announced.
    :raises NoSuchFile: the job is not there (any more).
    """
    with place.opened() as directory:
        room = limit_bytes - used_bytes(directory, place.name)
        if announced_bytes is not None and announced_bytes > room:
            raise TooLarge
        staged = place.directory.root / STAGING / secrets.token_hex(16)
        try:
            _write(staged, body, announced_bytes, room)
            return _put_in_place(staged, directory, place, limit_bytes)
        finally:
            staged.unlink(missing_ok=True)


def _write(path: Path, body: BinaryIO, announced_bytes: int | None, room: int) -> None:
    received = 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        while block := body.read(BLOCK_BYTES):
            received += len(block)
            if received > room:
                raise TooLarge
            file.write(block)
        if announced_bytes is not None and received != announced_bytes:
            raise Incomplete
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(staged: Path, directory: int, place: Place, limit_bytes: int) -> bool:
    if staged.stat().st_size + used_bytes(directory, place.name) > limit_bytes:  # others were faster meanwhile
        raise TooLarge
    try:
        os.stat(place.name, dir_fd=directory, follow_symlinks=False)
        new = False
    except FileNotFoundError:
        new = True
    try:
        os.rename(staged, place.name, dst_dir_fd=directory)  # replaces a link, never follows it
    except IsADirectoryError as error:
        raise NoSuchFile(place.name) from error
    os.fsync(directory)
    return new
