"""glite-wms-workload-manager: the server program."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from lb.producer import EventSpool
from wms.config import ConfigError, Settings, load
from wms.infosys import GlueFile, InfosysError
from wms.manager.elements import Elements
from wms.manager.lifecycle import Lifecycle
from wms.manager.loop import Loop
from wms.manager.record import Store
from wms.queue import Queue

log = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("/etc/glite-wms/glite_wms.toml")
EPILOG = """\b
Examples:
  glite-wms-workload-manager --foreground --config glite_wms.toml
  glite-wms-workload-manager --pidfile /run/wm.pid --logfile /var/log/glite/workload_manager.log
\b
Jobs of local computing elements go on running when the manager ends, and are taken up by the next one.
Exit code 0: ended by SIGTERM or SIGINT; 1: it could not start, and the reason is on standard error.
"""


class AlreadyRunning(Exception):
    """Another manager works on the same state directory."""


@click.command(epilog=EPILOG)
@click.option("-c", "--config", default=DEFAULT_CONFIG, show_default=True, type=click.Path(path_type=Path),
              help="Configuration file.")  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to standard error.")
@click.option("--logfile", type=click.Path(path_type=Path), default="/var/log/glite/workload_manager.log",
              show_default=True, help="Log of a manager in the background.")  # fmt: skip
@click.option("--pidfile", type=click.Path(path_type=Path), help="Write the manager's process id here.")
@click.option("--check", is_flag=True, help="Read the configuration and the computing elements, then exit.")
def command(config: Path, foreground: bool, logfile: Path, pidfile: Path | None, check: bool) -> None:
    """Match grid jobs with computing elements, run them there, and log what happens to them."""
    settings = load(config)
    if check:
        click.echo(_checked(settings, config))
        return
    if not foreground:
        _detach(logfile)
    logging.basicConfig(
        level=settings.common.log_level, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    with only_one(settings.state_directory):
        if pidfile is not None:
            pidfile.write_text(f"{os.getpid()}\n")
        try:
            run(settings)
        finally:
            if pidfile is not None:
                pidfile.unlink(missing_ok=True)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    loop = Loop(make_lifecycle(settings))
    log.info("working on %s", settings.common.queue_directory)
    loop.run(stop)
    log.info("ended")


def make_lifecycle(settings: Settings) -> Lifecycle:
    """Everything the manager works with. Raises ConfigError."""
    glue = GlueFile(settings.common.glue_file)
    return Lifecycle(
        settings=settings,
        glue=glue,
        elements=Elements(settings, glue),
        store=Store(settings.state_directory),
        queue=Queue(settings.common.queue_directory),
        events=EventSpool(settings.common.event_prefix),
    )


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the lock of the state directory: two managers would run every job twice. Raises AlreadyRunning."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"another workload manager is at work on {state}") from None
        yield


def _checked(settings: Settings, config: Path) -> str:
    """What --check prints: the elements that are published, and which of them are bound to an adapter."""
    glue = GlueFile(settings.common.glue_file)
    bound = {element.id: element.adapter for element in settings.computing_element}
    published = list(dict.fromkeys(ce.ceid for ce in glue.ces()))
    lines = [f"{ceid}: {bound.get(ceid, 'no adapter, jobs cannot be sent there')}" for ceid in published]
    lines += [f"{ceid}: not in {settings.common.glue_file}" for ceid in bound if ceid not in published]
    return "\n".join([*lines, f"{config} is good"])


def _detach(logfile: Path) -> None:
    """Go on in the background, output to the log file; the caller's process ends well."""
    with logfile.open("ab", buffering=0) as output, open(os.devnull, "rb") as nothing:
        if os.fork():
            os._exit(0)
        os.setsid()
        for stream, target in ((0, nothing), (1, output), (2, output)):
            os.dup2(target.fileno(), stream)


def main() -> None:
    """Entry point."""
    try:
        command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)
    except (ConfigError, InfosysError, AlreadyRunning, OSError) as error:
        click.echo(f"glite-wms-workload-manager: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
