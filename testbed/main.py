"""glite-testbed: a whole grid in one folder, on 127.0.0.1, without root and without system services."""

import json
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from gsi.errors import GsiError
from gsi.fqan import Fqan
from sql.engines import DatabaseUrlError
from testbed import grid as grids
from testbed.layout import DEFAULT_WORKERS, VO, Choices, Damaged, Layout, NotAGrid
from testbed.services import SERVICES

EPILOG = """\b
Examples:
  glite-testbed up mygrid && . mygrid/env.sh     make and start a grid, use it
  glite-testbed up mygrid --base-port 19000      on other ports than the usual ones
  glite-testbed up mygrid --db mysql://user:pw@localhost/grid?unix_socket=/run/mysqld/mysqld.sock
  glite-testbed status mygrid
  glite-testbed logs mygrid lb
  glite-testbed proxy mygrid --fqan /testvo/Role=production    speak as a member of a VO
  glite-testbed down mygrid
\b
Exit code 0: done; 1: not done, or a service does not run; 2: wrong usage.
"""

UP_EXAMPLES = """\b
Examples:
  glite-testbed up mygrid
  glite-testbed up mygrid --base-port 19000 --workers 4
  glite-testbed up mygrid --db mysql://user:pw@localhost/grid?unix_socket=/run/mysqld/mysqld.sock
"""
DOWN_EXAMPLES = """\b
Examples:
  glite-testbed down mygrid
"""
STATUS_EXAMPLES = """\b
Examples:
  glite-testbed status mygrid
  glite-testbed status mygrid --json
"""
ENV_EXAMPLES = """\b
Examples:
  eval "$(glite-testbed env mygrid)"
"""
LOGS_EXAMPLES = """\b
Examples:
  glite-testbed logs mygrid
  glite-testbed logs mygrid lb -n 100
"""
PROXY_EXAMPLES = """\b
Examples:
  glite-testbed proxy mygrid
  glite-testbed proxy mygrid --hours 0.5 --limited
  glite-testbed proxy mygrid --fqan /testvo/Role=production --fqan /testvo
"""

FOLDER = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="glite-py", prog_name="glite-testbed")
def command() -> None:
    """Make, start and stop a whole grid in one folder."""


@command.command(epilog=UP_EXAMPLES)
@FOLDER
@click.option("--base-port", type=click.IntRange(1024, 65500), help="Use the ports from here on.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes of each server.  [default: 2]")
@click.option("--db", metavar="URL", help="MySQL/MariaDB server and database prefix, instead of SQLite files.")
def up(directory: Path, base_port: int | None, workers: int | None, db: str | None) -> None:
    """Make the grid in DIR if it is not there, start what does not run, return when every service answers.

    The options belong to the grid: they are chosen when it is made, and later calls need none.
    """
    try:
        grid = Layout.load(directory)
    except NotAGrid:
        grid = Layout(directory.resolve(), Choices(base_port, workers or DEFAULT_WORKERS, db))
    else:
        _refuse_other_choices(grid, {"--base-port": base_port, "--workers": workers, "--db": db})
    grids.up(grid, say=click.echo)
    click.echo(f"The grid is up. To use it:  . {grid.root}/env.sh")


def _refuse_other_choices(grid: Layout, asked: dict[str, int | str | None]) -> None:
    """Ports are part of the job ids, the database holds the jobs: neither can be changed under a grid that is there."""
    kept = {"--base-port": grid.choices.base_port, "--workers": grid.choices.workers, "--db": grid.choices.db}
    for option, value in asked.items():
        if value is not None and value != kept[option]:
            known = kept[option] if option != "--db" or kept[option] is None else "URL of its own"
            was = f"made with {option} {known}" if known is not None else f"made without {option}"
            raise click.UsageError(f"the grid in {grid.root} was {was} and keeps that; leave the option out, or make "
                                   f"another grid in another folder")


@command.command(epilog=DOWN_EXAMPLES)
@FOLDER
def down(directory: Path) -> None:
    """Stop all services of the grid; its data stay."""
    grids.down(Layout.load(directory))
    click.echo("All services have stopped.")


@command.command(epilog=STATUS_EXAMPLES)
@FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def status(directory: Path, as_json: bool) -> None:
    """Tell which services run and answer; exit code 1 when one does not."""
    grid = Layout.load(directory)
    found = grids.status(grid)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for name, state in found.items():
            click.echo(f"{name:<18}{state['state']:<15}{state.get('url') or ''}")
            for reason in state["why"]:
                click.echo(f"{'':<18}{reason}")
    if any(state["state"] != "running" for state in found.values()):
        sys.exit(1)


@command.command(epilog=ENV_EXAMPLES)
@FOLDER
def env(directory: Path) -> None:
    """Print the settings of a user's shell: eval "$(glite-testbed env DIR)"."""
    click.echo((Layout.load(directory).root / "env.sh").read_text(), nl=False)


@command.command(epilog=LOGS_EXAMPLES)
@FOLDER
@click.argument("service", required=False)
@click.option("-n", "--lines", default=20, show_default=True, help="How many lines of each log.")
def logs(directory: Path, service: str | None, lines: int) -> None:
    """Print the last lines of the logs, or of one SERVICE."""
    grid = Layout.load(directory)
    known = [found.name for found in SERVICES]
    if service and service not in known:
        raise click.UsageError(f"no service {service}; there are {', '.join(known)}")
    for name in [service] if service else known:
        path = grid.log(name)
        click.echo(f"==> {path} <==")
        if path.exists():
            click.echo("\n".join(path.read_text(errors="replace").splitlines()[-lines:]))


@command.command(epilog=PROXY_EXAMPLES)
@FOLDER
@click.option("--hours", default=12.0, show_default=True, help="How long the proxy is valid.")
@click.option("--limited", is_flag=True, help="Make a limited proxy.")
@click.option("--fqan", "fqans", multiple=True, metavar="FQAN",
              help=f"What the VO says of the user, such as /{VO}/Role=admin; may be repeated, the first is primary.")
def proxy(directory: Path, hours: float, limited: bool, fqans: tuple[str, ...]) -> None:
    """Make a new proxy of the user."""
    grid = Layout.load(directory)
    for fqan in fqans:
        if Fqan.parse(fqan).vo != VO:
            raise click.UsageError(f"{fqan} is no name of the VO {VO}")
    made = grids.new_proxy(grid, timedelta(hours=hours), limited=limited, fqans=fqans)
    click.echo(f"{grid.user_proxy}: {made.dn}, valid until {made.not_after:%Y-%m-%d %H:%M:%S} UTC")


def main() -> None:
    """Entry point."""
    logging.basicConfig(level=os.environ.get("GLITE_LOG_LEVEL", "WARNING"), format="%(levelname)s %(message)s")
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except (NotAGrid, Damaged, grids.NotUp, DatabaseUrlError, GsiError, OSError) as error:
        click.echo(f"glite-testbed: {error}", err=True)
        sys.exit(1)
    except SQLAlchemyError as error:
        click.echo(f"glite-testbed: the database cannot be used: {getattr(error, 'orig', error)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
