"""Clearing away what nobody can use any more in a store of delegated proxies (wms.md 1.10).

    expired proxies that were last changed over an hour ago       the hour: a renewal may be on its way
    keys whose request was not answered within a day              nobody will answer it
    what a crash left half written, after an hour
    empty directories

Nothing else is touched, no link is followed, and what is put meanwhile stays: each directory is looked at and removed
under its lock.
"""

import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from gsi import private
from gsi.credential import read_certificates
from gsi.delegation import PENDING, PENDING_LIFETIME_S, PROXY
from gsi.errors import CredentialError

log = logging.getLogger(__name__)

#: Seconds since the last change before anything is removed; of the original.
MIN_AGE_S = 3600
#: Directories of DNs are url-encoded: they begin with the slash of the DN, and nothing else in the store does.
_DN = "%2F"

_IsStale = Callable[[int, str, os.stat_result], bool]


def purge(root: Path, *, dry_run: bool = False) -> Iterator[Path]:
    """Remove what is stale below `root`; yields each file and directory that was, or with dry_run would be, removed.

    Raises OSError when `root` itself cannot be read; other trouble is logged and the entry is left.
    """
    with suppress(FileNotFoundError):
        yield from _purge_names(root, (PENDING,), _is_stale_key, dry_run)
    yield from _purge_names(root, (), _is_stale_proxy, dry_run)


def _purge_names(root: Path, above: tuple[str, ...], is_stale: _IsStale, dry_run: bool) -> Iterator[Path]:
    for dn in _subdirectories(root, above):
        if dn.startswith(_DN):
            try:
                yield from _purge_delegations(root, (*above, dn), is_stale, dry_run)
            except OSError as error:
                log.warning("%s is left alone: %s", dn, error.strerror)


def _purge_delegations(root: Path, parts: tuple[str, ...], is_stale: _IsStale, dry_run: bool) -> Iterator[Path]:
    left = _subdirectories(root, parts)
    for name in list(left):
        removed = list(_purge_one(root, (*parts, name), is_stale, dry_run))
        yield from removed
        if root.joinpath(*parts, name) in removed:
            left.remove(name)
    if left:
        return
    with private.removing(root):
        gone = _is_removed(root, parts, dry_run)
    if gone:
        yield root.joinpath(*parts)


def _purge_one(root: Path, parts: tuple[str, ...], is_stale: _IsStale, dry_run: bool) -> Iterator[Path]:
    """Clear one directory of a delegation and remove it when nothing is left; it comes last. One in use is left."""
    try:
        with private.clearing(root, parts) as home:
            if home is None:
                return
            names = os.listdir(home)
            stale = [name for name in names if is_stale(home, name, os.stat(name, dir_fd=home, follow_symlinks=False))]
            for name in stale:
                if not dry_run:
                    os.unlink(name, dir_fd=home)
                yield root.joinpath(*parts, name)
            if len(stale) == len(names) and _is_removed(root, parts, dry_run):
                yield root.joinpath(*parts)
    except OSError as error:
        log.warning("%s is left alone: %s", root.joinpath(*parts), error.strerror)


def _is_removed(root: Path, parts: tuple[str, ...], dry_run: bool) -> bool:
    """Remove an empty directory, or look whether it could be."""
    *above, last = parts
    if dry_run:
        return True
    with private.directory(root, above) as parent:
        try:
            os.rmdir(last, dir_fd=parent)
        except OSError:
            return False  # somebody has put something into it
    return True


def _subdirectories(root: Path, parts: tuple[str, ...]) -> list[str]:
    with private.directory(root, parts) as opened, os.scandir(opened) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _is_stale_proxy(home: int, name: str, found: os.stat_result) -> bool:
    if not stat.S_ISREG(found.st_mode) or time.time() - found.st_ctime <= MIN_AGE_S:
        return False
    return name.startswith(f".{PROXY}.") or (name == PROXY and _is_expired(private.read(home, name)))


def _is_stale_key(home: int, name: str, found: os.stat_result) -> bool:
    lifetime = MIN_AGE_S if name.startswith(".") else PENDING_LIFETIME_S
    return stat.S_ISREG(found.st_mode) and time.time() - found.st_ctime > lifetime


def _is_expired(octets: bytes) -> bool:
    """Whether it cannot be used any more; what cannot be read never could."""
    try:
        return min(one.not_valid_after_utc for one in read_certificates(octets)) <= datetime.now(UTC)
    except CredentialError:
        return True
