"""A grid for the tests, and what the chain tests ask of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gsi.credential import Credential
from httpg.client import session
from lb.client import LbClient
from testbed import demo
from testbed import grid as grids
from testbed.layout import Choices, Layout

#: Generous: a slow machine is no failure.
PATIENCE_S = 300.0
PROGRAMS = Path(sys.executable).parent


@contextmanager
def running_grid(root: Path, db: str | None = None) -> Iterator[Layout]:
    """A grid that is up, on free ports; stopped at the end."""
    layout = Layout(root, Choices(demo.free_base_port(), 2, db))
    try:
        grids.up(layout)
        yield layout
    finally:
        grids.down(layout)


def run(grid: Layout, *command: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as the grid's user, in a shell set up by env.sh alone."""
    environment = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(grid.root), **grid.environment}
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Poll until it has happened; fails after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)


def user_lb(grid: Layout) -> LbClient:
    """The LB web service as the grid's user."""
    connection = session(Credential.load(grid.user_proxy), grid.ca_dir)
    return LbClient(grid.url("lb_ws"), connection)
