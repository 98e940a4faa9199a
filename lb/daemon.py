"""What the daemons of this room share: one process per pid file, detaching from the terminal, logging."""

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


class AlreadyRunning(Exception):
    """Another process holds the pid file; the text says which."""


class AbsolutePath(click.ParamType[Path]):
    """A path of the command line, made absolute before the daemon leaves its directory."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        return Path(str(value)).absolute()


PATH = AbsolutePath()


def default_path(directory: str, name: str) -> Path:
    """Where a file of a daemon is by default: in `directory` for root, in the home of others."""
    return Path(directory if os.geteuid() == 0 else os.environ.get("HOME", "."), name).absolute()


@contextmanager
def running(name: str, pidfile: Path | None, *, foreground: bool) -> Iterator[None]:
    """The life of a daemon: pid file held, and detached from the terminal unless `foreground`.

    Without `foreground` pid file and log file have default names. Raises AlreadyRunning, OSError.
    """
    if not foreground:
        pidfile = pidfile or default_path("/var/run/glite", f"{name}.pid")
        detach(default_path("/var/log/glite", f"{name}.log"))
    if pidfile is None:
        yield
        return
    descriptor = _hold(pidfile)
    try:
        yield
    finally:
        pidfile.unlink(missing_ok=True)
        os.close(descriptor)


def _hold(pidfile: Path) -> int:
    """Write our number; the lock says that we live, so that a file left by a crash is no hindrance."""
    pidfile.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(pidfile, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise AlreadyRunning(f"process {other} of {pidfile} is running; stop it, or use another file (-i)") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def detach(logfile: Path) -> None:
    """Go on in a child without terminal; the calling process ends with exit code 0. Output goes to `logfile`."""
    logfile.parent.mkdir(parents=True, exist_ok=True)
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
