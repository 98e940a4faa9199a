"""glite-wms-wmproxy: the server program."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from gsi.credential import Credential
from gsi.errors import CredentialError
from httpg.server import Listener, Server, StartUpError
from httpg.wsgi import HttpProtocol
from wms.config import ConfigError, Settings, load
from wms.jobdirectory import sweep
from wms.sandbox import upload

from .app import SERVICE_PATH, wmproxy_application

log = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("/etc/glite-wms/glite_wms.toml")
EPILOG = f"""\b
Examples:
  glite-wms-wmproxy --foreground --config glite_wms.toml
  glite-wms-wmproxy --pidfile /run/wmproxy.pid --logfile /var/log/glite/wmproxy.log
\b
The service answers at https://HOST:PORT{SERVICE_PATH}, the jobs' sandboxes below the same port.
Exit code 0: ended by SIGTERM or SIGINT; 1: it could not start, and the reason is on standard error.
"""


@click.command(epilog=EPILOG)
@click.option("-c", "--config", default=DEFAULT_CONFIG, show_default=True, type=click.Path(path_type=Path),
              help="Configuration file.")  # fmt: skip
@click.option("--foreground", is_flag=True, help="Stay in the foreground and log to standard error.")
@click.option("--logfile", type=click.Path(path_type=Path), default="/var/log/glite/wmproxy.log", show_default=True,
              help="Log of a server in the background.")  # fmt: skip
@click.option("--pidfile", type=click.Path(path_type=Path), help="Write the server's process id here.")
@click.option("--check", is_flag=True, help="Read the configuration and the host credential, then exit.")
def command(config: Path, foreground: bool, logfile: Path, pidfile: Path | None, check: bool) -> None:
    """Serve WMProxy: registration, start, cancel, output and purge of grid jobs."""
    settings = load(config)
    server = make_server(settings)
    if check:
        click.echo(f"{config} is good; the service would be {settings.endpoint}")
        return
    server.bind()  # what goes wrong here is still seen on the terminal; and nobody else serves these directories now
    prepare(settings)
    if not foreground:
        _detach(logfile)
    logging.basicConfig(
        level=settings.common.log_level, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    if pidfile is not None:
        pidfile.write_text(f"{os.getpid()}\n")
    try:
        log.info("serving %s", settings.endpoint)
        server.run()
    finally:
        if pidfile is not None:
            pidfile.unlink(missing_ok=True)


def make_server(settings: Settings) -> Server:
    """The server of these settings, not yet bound. Raises CredentialError."""
    common, wmproxy = settings.common, settings.wmproxy
    credential = Credential.load_pair(common.host_certificate, common.host_key)
    listener = Listener(wmproxy.listen_address, wmproxy.port, lambda: HttpProtocol(wmproxy_application(settings)))
    return Server([listener], credential, common.ca_directory, workers=wmproxy.workers)


def prepare(settings: Settings) -> None:
    """Make the directories, and clear away what an earlier run left half done."""
    for path in (settings.common.sandbox_directory, settings.common.proxy_cache):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(settings.common.sandbox_directory)
    upload.prepare(settings.common.sandbox_directory)


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
    except (ConfigError, CredentialError, StartUpError, OSError) as error:
        click.echo(f"glite-wms-wmproxy: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
