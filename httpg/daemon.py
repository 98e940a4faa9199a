"""What all daemons share: one process per pid file, leaving the terminal, logging, refusing to start.

::

    with daemon.Daemon.of(NAME, foreground=foreground, pidfile=pidfile, logfile=logfile) as process:
        server.bind()       # what goes wrong until here is still seen on the terminal
        process.detach()
        server.run()
"""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import click

from httpg.limits import Limits
from httpg.signals import survive_sighup

Command = TypeVar("Command", bound=Callable[..., Any])

LOG_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
#: Longest line, in characters; what clients send may be megabytes.
MAX_LOG_LINE = 4000
#: Libraries that tell of each step they take: only their warnings are logged.
TALKATIVE = ("alembic", "spyne")


class AlreadyRunning(Exception):
    """Another process holds the lock; the text says which."""


# ---- options --------------------------------------------------------------------------------------------------------


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


def credential_options(
    certificate: str = "Server certificate.", key: str = "Server key."
) -> Callable[[Command], Command]:
    """The options -c, -k and -C (parameters `cert`, `key`, `ca_dir`) with these help texts."""

    def add(command: Command) -> Command:
        names = ("-C", "--CAdir", "--ca-dir", "ca_dir")
        command = click.option(*names, type=PATH, help="Directory of trusted CAs.")(command)
        command = click.option("-k", "--key", type=PATH, help=key)(command)
        return click.option("-c", "--cert", type=PATH, help=certificate)(command)

    return add


class AddressParam(click.ParamType[tuple[str, int]]):
    """`PORT` of this machine or `ADDRESS:PORT`."""

    name = "[ADDRESS:]PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return address and port."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"{value!r}: write a port, as 9101, or an address and a port, as 192.0.2.7:9101", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)


def status_option(command: Command) -> Command:
    """The option --status-port (parameter `status_port`: (host, port) or None)."""
    text = "Show health and metrics there, on this machine unless an address is given: /healthz, /metrics."
    return click.option("--status-port", type=AddressParam(), help=text)(command)


def _limits(ctx: click.Context, param: click.Parameter, settings: tuple[str, ...]) -> Limits:
    try:
        return Limits.of(settings)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def server_options(command: Command) -> Command:
    """The options of all servers: --status-port and --limit (parameter `server_limits`: Limits)."""
    text = "Another limit of connections or requests than the default, repeatable; docs/security.md lists them."
    option = click.option("--limit", "server_limits", multiple=True, metavar="NAME=NUMBER", callback=_limits, help=text)
    return status_option(option(command))


# ---- one process, in the background ---------------------------------------------------------------------------------


class Daemon:
    """This program, alone with its pid file while the `with` block lasts; `detach` takes it into the background.

    The pid file is locked as long as the process, or a child of it, lives: one left by a crash is no hindrance.
    """

    def __init__(self, pidfile: Path | None, logfile: Path | None) -> None:
        """pidfile: None for none; logfile: where output goes in the background, None to stay in the foreground."""
        self.pidfile = pidfile
        self.logfile = logfile
        self._lock = -1

    @classmethod
    def of(
        cls, name: str, *, foreground: bool, pidfile: Path | None, logfile: Path | None = None, below: str = ""
    ) -> Self:
        """In the background both files have default names, below /var/run and /var/log (+ `below`) for root."""
        if foreground:
            return cls(pidfile, None)
        return cls(
            pidfile or default_path(f"/var/run{below}", f"{name}.pid"),
            logfile or default_path(f"/var/log{below}", f"{name}.log"),
        )

    def __enter__(self) -> Self:
        """Lock the pid file and write it; from then on SIGHUP kills no more. Raises AlreadyRunning, OSError."""
        survive_sighup()
        if self.pidfile is not None:
            self.pidfile.parent.mkdir(parents=True, exist_ok=True)
            other = _first_line(self.pidfile)
            refusal = f"process {other} of {self.pidfile} is running; stop it, or name another file"
            self._lock = hold(self.pidfile, refusal, 0o644)
            self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.pidfile is not None:
            self.pidfile.unlink(missing_ok=True)
            os.close(self._lock)

    def detach(self) -> None:
        """Go on in a child without terminal; the calling process ends when the pid file names the child.

        It ends with exit code 0, or 1 when the child could not write the file. Raises OSError.
        """
        if self.logfile is None:
            return
        self.logfile.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(self.logfile, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        settled = _fork_away()
        os.chdir("/")
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        self._write()
        os.write(settled, b".")
        for descriptor in (null, log, settled):
            os.close(descriptor)

    def _write(self) -> None:
        if self.pidfile is not None:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)


def hold(path: Path, refusal: str, mode: int = 0o600) -> int:
    """Lock a file until the returned descriptor is closed, at the latest until this process and its children end.

    The file is made with `mode` when it is missing. Raises AlreadyRunning(refusal) when another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(refusal) from None
    return descriptor


def _fork_away() -> int:
    """Return in a grandchild with a session of its own: a pipe to the caller, who waits until a byte comes."""
    ready, settled = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os.close(settled)
        os._exit(0 if os.read(ready, 1) else 1)
    os.close(ready)
    os.setsid()
    if os.fork():
        os._exit(0)
    return settled


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(32).decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


# ---- the life of the process ----------------------------------------------------------------------------------------


class OneLine(logging.Formatter):
    """Writes each record so that nothing in it looks like another one.

    Names, ids and paths in messages come from clients: control characters are written as escapes, the end of what is
    very long is left out, and the lines of a traceback are indented.
    """

    _second = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The time of a record; the text is made once a second."""
        second, text = self._second
        if second != int(record.created):
            text = time.strftime(self.default_time_format, time.localtime(record.created))
            self._second = int(record.created), text
        return f"{text},{int(record.msecs):03d}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the library's name)
        """The line of a record."""
        line = super().formatMessage(record)
        if len(line) > MAX_LOG_LINE:
            line = f"{line[:MAX_LOG_LINE]}… ({len(line)} characters)"
        return line if line.isprintable() else "".join(map(_visible, line))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The lines of a traceback."""
        return "\n".join(f"    {line}" for line in super().formatException(ei).splitlines())


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def log_to_stderr(level: int | str = logging.INFO) -> None:
    """Log to where standard error goes, terminal or file."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(LOG_FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def refuse(name: str, reason: object) -> NoReturn:
    """Leave the program `name` with exit code 1 and the reason on standard error."""
    click.echo(f"{name}: {reason}", err=True)
    sys.exit(1)
