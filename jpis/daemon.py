"""Running detached from the terminal, as the original does without -d (jp.md 3.1)."""

import os
import sys
from pathlib import Path


class AlreadyRunning(Exception):
    """The pid file names a process that lives."""


def default_path(directory: str, name: str) -> Path:
    """Return where a file of the daemon is by default: in `directory` for root, in the home of others (jp.md 3.1)."""
    return Path(directory if os.geteuid() == 0 else os.environ.get("HOME", "."), name)


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


def check_pid_file(path: Path) -> None:
    """Raise AlreadyRunning when the process of the pid file lives; a file left by a crash is no hindrance."""
    try:
        pid = int(path.read_text())
    except (FileNotFoundError, ValueError):
        return
    if pid == os.getpid():
        return
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError:
        pass
    raise AlreadyRunning(f"{path} says that process {pid} is running already; stop it, or use another file with -i")


def write_pid_file(path: Path) -> None:
    """Note this process in the pid file."""
    path.write_text(f"{os.getpid()}\n")
