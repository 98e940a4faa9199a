"""What the daemons of this room share: one process per pid file, detaching, where files are by default."""

import fcntl
import logging
import os
import sys
from pathlib import Path

import click


class AlreadyRunning(Exception):
    """Another process holds the lock; the text says which."""


class AbsolutePath(click.ParamType[Path]):
    """A path of the command line, made absolute before the daemon leaves its directory; symbolic links are kept."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        return Path(str(value)).absolute()


PATH = AbsolutePath()


def default_path(directory: str, name: str) -> Path:
    """Return where a file of a daemon is by default: in `directory` for root, in the home of others (jp.md 2.1)."""
    return Path(directory if os.geteuid() == 0 else os.environ.get("HOME", "."), name).absolute()


class PidFile:
    """A pid file that is locked as long as its process, or a child of it, lives: a stale one is no hindrance."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Lock the file. Raises AlreadyRunning, OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(f"process {other} of {self._path} is running; stop it, or name another file") from None
        self._descriptor = descriptor
        self.write()

    def write(self) -> None:
        """Write the number of this process."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def remove(self) -> None:
        """Remove the file; the lock goes with the process."""
        self._path.unlink(missing_ok=True)


def detach(logfile: Path) -> None:
    """Go on in a child without terminal; the calling process ends with exit code 0. Output goes to `logfile`."""
    log = os.open(logfile, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def log_to_stderr() -> None:
    """Log to where standard error goes, terminal or file."""
    form = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=form)
