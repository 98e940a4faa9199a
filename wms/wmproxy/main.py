"""glite-wms-wmproxy: the server program."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path

import click

from gsi.credential import Credential
from gsi.errors import GsiError
from httpg import daemon
from httpg.server import Limits, Listener, Server, StartUpError, Status
from httpg.wsgi import HttpProtocol
from wms.config import ConfigError, Settings, load
from wms.jobdirectory import sweep
from wms.sandbox import upload

from .app import SERVICE_PATH, wmproxy_application
from .tending import tend

log = logging.getLogger(__name__)

NAME = "glite-wms-wmproxy"
DEFAULT_CONFIG = Path("/etc/glite-wms/glite_wms.toml")
EPILOG = f"""\b
Examples:
  glite-wms-wmproxy --foreground --config glite_wms.toml
  glite-wms-wmproxy --pidfile /run/wmproxy.pid --logfile /var/log/glite/wmproxy.log
\b
The service answers at https://HOST:PORT{SERVICE_PATH}, the jobs' sandboxes below the same port.
Exit code 0: ended by SIGTERM or SIGINT; 1: it could not start, and the reason is on standard error.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config", default=DEFAULT_CONFIG, show_default=True, type=click.Path(path_type=Path),
              help="Configuration file.")  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to standard error.")
@click.option("--logfile", type=daemon.PATH, default="/var/log/glite/wmproxy.log", show_default=True,
              help="Log of a server in the background.")  # fmt: skip
@click.option("--pidfile", type=daemon.PATH, help="Write the server's process id here.")
@click.option("--check", is_flag=True, help="Read the configuration and the host credential, then exit.")
@daemon.server_options
def command(
    config: Path, foreground: bool, logfile: Path, pidfile: Path | None, check: bool,
    status_port: tuple[str, int] | None, server_limits: Limits,
) -> None:
    """Serve WMProxy: registration, start, cancel, output and purge of grid jobs."""
    settings = load(config)
    server = make_server(settings, status_port, server_limits)
    if check:
        click.echo(f"{config} is good; the service would be {settings.endpoint}")
        return
    server.bind()  # what goes wrong here is still seen on the terminal; and nobody else serves these directories now
    prepare(settings)
    daemon.log_to_stderr(settings.common.log_level)
    with daemon.Daemon(pidfile, None if foreground else logfile) as process:
        process.detach()
        log.info("serving %s", settings.endpoint)
        server.run()


def make_server(
    settings: Settings, status_port: tuple[str, int] | None = None, limits: Limits = Limits()
) -> Server:
    """The server of these settings, not yet bound. Raises GsiError."""
    common, wmproxy = settings.common, settings.wmproxy

    def credential() -> Credential:
        return Credential.load_pair(common.host_certificate, common.host_key)

    listener = Listener(wmproxy.listen_address, wmproxy.port, lambda: HttpProtocol(wmproxy_application(settings)))
    background = [("delegations", partial(tend, settings))]
    status = None if status_port is None else Status(*status_port, NAME, lambda: _check_directories(settings))
    return Server([listener], credential(), common.ca_directory, workers=wmproxy.workers, limits=limits,
                  background=background, reload=credential, status=status)


def _check_directories(settings: Settings) -> None:
    """Can jobs be taken? Raises OSError."""
    common = settings.common
    for path in (common.sandbox_directory, common.proxy_cache, common.queue_directory):
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"{path} cannot be used")


def prepare(settings: Settings) -> None:
    """Make the directories, and clear away what an earlier run left half done."""
    for path in (settings.common.sandbox_directory, settings.common.proxy_cache):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(settings.common.sandbox_directory)
    upload.prepare(settings.common.sandbox_directory)


def main() -> None:
    """Entry point."""
    try:
        command()
    except (ConfigError, GsiError, StartUpError, daemon.AlreadyRunning, OSError) as error:
        daemon.refuse(NAME, error)


if __name__ == "__main__":
    main()
