"""glite-wms-workload-manager: the server program."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from httpg import daemon
from httpg.signals import stop_event
from httpg.solo import SoloStatus
from httpg.status import Status
from lb.producer import EventSpool
from wms.config import ConfigError, Settings, load
from wms.infosys import GlueFile, InfosysError
from wms.manager.elements import Elements
from wms.manager.lifecycle import Lifecycle
from wms.manager.loop import Loop
from wms.manager.record import Store
from wms.queue import Queue

log = logging.getLogger(__name__)

NAME = "glite-wms-workload-manager"
DEFAULT_CONFIG = Path("/etc/glite-wms/glite_wms.toml")
EPILOG = """\b
Examples:
  glite-wms-workload-manager --foreground --config glite_wms.toml
  glite-wms-workload-manager --pidfile /run/wm.pid --logfile /var/log/glite/workload_manager.log
\b
Jobs of local computing elements go on running when the manager ends, and are taken up by the next one.
Exit code 0: ended by SIGTERM or SIGINT; 1: it could not start, and the reason is on standard error.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config", default=DEFAULT_CONFIG, show_default=True, type=click.Path(path_type=Path),
              help="Configuration file.")  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to standard error.")
@click.option("--logfile", type=daemon.PATH, default="/var/log/glite/workload_manager.log",
              show_default=True, help="Log of a manager in the background.")  # fmt: skip
@click.option("--pidfile", type=daemon.PATH, help="Write the manager's process id here.")
@click.option("--check", is_flag=True, help="Read the configuration and the computing elements, then exit.")
@daemon.status_option
def command(
    config: Path, foreground: bool, logfile: Path, pidfile: Path | None, check: bool,
    status_port: tuple[str, int] | None,
) -> None:
    """Match grid jobs with computing elements, run them there, and log what happens to them."""
    settings = load(config)
    if check:
        click.echo(_checked(settings, config))
        return
    daemon.log_to_stderr(settings.common.log_level)
    status = SoloStatus(None if status_port is None else Status(*status_port, NAME, lambda: _check_files(settings)))
    with only_one(settings.state_directory), daemon.Daemon(pidfile, None if foreground else logfile) as process:
        process.detach()
        status.start()
        run(settings)


def _check_files(settings: Settings) -> None:
    """Can jobs be matched? Raises OSError."""
    os.listdir(settings.common.queue_directory)
    settings.common.glue_file.stat()


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = stop_event()
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
    lock = daemon.hold(state / "lock", f"another workload manager is at work on {state}")
    try:
        yield
    finally:
        os.close(lock)


def _checked(settings: Settings, config: Path) -> str:
    """What --check prints: the elements that are published, and which of them are bound to an adapter."""
    glue = GlueFile(settings.common.glue_file)
    bound = {element.id: element.adapter for element in settings.computing_element}
    published = list(dict.fromkeys(ce.ceid for ce in glue.ces()))
    lines = [f"{ceid}: {bound.get(ceid, 'no adapter, jobs cannot be sent there')}" for ceid in published]
    lines += [f"{ceid}: not in {settings.common.glue_file}" for ceid in bound if ceid not in published]
    return "\n".join([*lines, f"{config} is good"])


def main() -> None:
    """Entry point."""
    try:
        command()
    except (ConfigError, InfosysError, daemon.AlreadyRunning, OSError) as error:
        daemon.refuse(NAME, error)


if __name__ == "__main__":
    main()
