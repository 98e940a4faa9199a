"""The main job of the project on one machine: submit, match, run, track, purge, remember, find again.

`make demo` runs it. Everything is done with the commands a user has; only the grid's start and stop are the testbed's.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from testbed import grid as grids
from testbed.layout import SHIFTED_PORTS, Choices, Damaged, Layout, NotAGrid

JOBS = {
    "slice x": "slice-x.jdl", "slice y": "slice-y.jdl", "slice z": "slice-z.jdl",
    "fails": "fails.jdl", "no match": "nomatch.jdl",
}
OVER = ("Done", "Aborted", "Cleared", "Cancelled")
#: Generous: a slow machine is no failure. Seconds.
PATIENCE_S = 600.0
POLL_S = 1.0
#: How long the job that nothing matches may wait for a match, in seconds.
UNMATCHED_S = 15
FIRST_PORT, LAST_PORT = 19000, 29000
OUTPUT = "pictures"

KEPT = """
The grid is still up. To use it:
  . {root}/env.sh
  glite-wms-job-submit -a examples/hello.jdl
To stop it:
  {testbed} down {root}"""


class DemoFailed(Exception):
    """A step did not come out as it must; the message says which."""


@dataclass
class Job:
    """One job of the demonstration and what was seen of it."""

    name: str
    jobid: str
    state: str = "Submitted"
    before: str = ""
    after: str = ""
    archived: str = ""
    exit_code: str = ""
    picture: Path | None = None
    history: list[str] = field(default_factory=list)


class Demo:
    """The steps, in their order; each raises DemoFailed when the chain is broken."""

    def __init__(self, grid: Layout, console: Console) -> None:
        self.grid = grid
        self.console = console
        self.jobs: list[Job] = []
        self.programs = Path(sys.executable).parent

    def submit(self, only: Iterable[str] = tuple(JOBS)) -> None:
        """Submit the jobs with the user's command."""
        for name in only:
            jobid = self.run("glite-wms-job-submit", "-a", "--nomsg", str(self._description(name))).strip()
            self.jobs.append(Job(name, jobid))
            self.console.print(f"  {name:<9} {jobid}", highlight=False)
            self._look()

    def watch(self) -> None:
        """Follow the jobs until each is over."""
        self._until(self._look, "the jobs to end")

    def fetch(self) -> None:
        """Fetch the output sandboxes of the jobs that produced one."""
        target = self.grid.root / OUTPUT
        for job in self.jobs:
            if not job.state.startswith("Done"):
                continue
            self.run("glite-wms-job-output", "--nosubdir", "--dir", str(target), job.jobid)
            picture = target / f"{job.name.replace(' ', '-')}.png"
            if picture.exists():
                job.picture = picture
                self.console.print(f"  {job.name:<9} {picture}", highlight=False)

    def purge(self) -> None:
        """Have LB forget the jobs; it answers that they were purged from then on."""
        self._until(self._settled, "LB to note that the outputs were fetched")
        listed = self.grid.root / "jobids"
        listed.write_text("".join(f"{job.jobid}\n" for job in self.jobs))
        report = self.run("glite-lb-purge", "--server-dump", "--return-list", "-j", str(listed))
        missing = [job.jobid for job in self.jobs if job.jobid not in report]
        if missing:
            raise DemoFailed(f"LB did not purge {', '.join(missing)}")

    def find_again(self) -> None:
        """Look the jobs up by the status command and by the index client."""
        self._until(self._archived, "Job Provenance to know all jobs")
        query = ["glite-jpis-client", "--json", *(w for job in self.jobs for w in ("--jobid", job.jobid))]
        found = json.loads(self.run(*query))
        known = {record["jobid"] for record in found["jobs"]}
        missing = [job.jobid for job in self.jobs if job.jobid not in known]
        if missing:
            raise DemoFailed(f"the index server does not find {', '.join(missing)}")
        self.console.print(f"  glite-jpis-client finds {len(known)} of {len(self.jobs)} jobs", highlight=False)

    def table(self) -> Table:
        """The closing table."""
        table = Table(title="What became of the jobs", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("job", "LB, before", "after purge", "Job Provenance", "exit code", "picture"):
            table.add_column(column, no_wrap=True)
        for job in self.jobs:
            picture = job.picture.name if job.picture else ""
            table.add_row(job.name, job.before, job.after, job.archived, job.exit_code, picture)
        return table

    def run(self, *command: str) -> str:
        """Run a user command in the environment of the grid and return what it prints; raises DemoFailed."""
        done = self.attempt(*command)
        if done.returncode != 0:
            raise DemoFailed(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a user command, whatever comes of it."""
        environment = {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.grid.root), **self.grid.environment}
        program = str(self.programs / command[0])
        return subprocess.run([program, *command[1:]], env=environment, capture_output=True, text=True, check=False)

    def statuses(self, *options: str) -> dict[str, Any]:
        """What glite-wms-job-status says of each job; a server that does not answer just now leaves jobs out."""
        done = self.attempt("glite-wms-job-status", "--json", *options, *(job.jobid for job in self.jobs))
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            return {}

    def _description(self, name: str) -> Path:
        """The job description; the one that nothing matches gets an expiry of its own, lest we wait for hours."""
        original = Path(str(files("examples") / JOBS[name]))
        if name != "no match":
            return original
        path = self.grid.root / original.name
        path.write_text(f"{original.read_text()}ExpiryTime = {int(time.time()) + UNMATCHED_S};\n")
        return path

    def _look(self) -> bool:
        found = self.statuses()
        for job in self.jobs:
            status = found.get(job.jobid)
            if isinstance(status, dict) and "current_status" in status:
                self._note(job, status)
        return all(job.state.startswith(OVER) for job in self.jobs)

    def _note(self, job: Job, status: dict[str, Any]) -> None:
        if status["current_status"] != job.state:
            job.state = status["current_status"]
            job.history.append(job.state)
            where = f" at {status['destination']}" if status.get("destination") else ""
            self.console.print(f"  {time.strftime('%H:%M:%S')} {job.name:<9} {job.state}{where}", highlight=False)
        if status.get("exitCode") is not None and job.state.startswith("Done"):
            job.exit_code = str(status["exitCode"])

    def _settled(self) -> bool:
        found = self.statuses()
        for job in self.jobs:
            status = found.get(job.jobid)
            job.before = status.get("current_status", "") if isinstance(status, dict) else ""
        return all(job.before and not job.before.startswith("Done") for job in self.jobs)

    def _archived(self) -> bool:
        found = self.statuses()
        for job in self.jobs:
            status = found.get(job.jobid)
            if isinstance(status, dict) and status.get("source") == "Job Provenance":
                job.after, job.archived = "purged", status["current_status"]
        return all(job.archived for job in self.jobs)

    def _until(self, happened: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {PATIENCE_S:.0f} s in vain for {what}; logs: {self.grid.root / 'log'}")
            time.sleep(POLL_S)


def free_base_port() -> int:
    """The first block of ports that nobody uses."""
    for base in range(FIRST_PORT, LAST_PORT, 20):
        if all(_is_free(base + shift) for shift in SHIFTED_PORTS.values()):
            return base
    raise DemoFailed(f"no {len(SHIFTED_PORTS)} free ports between {FIRST_PORT} and {LAST_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def play(demo: Demo) -> None:
    """All steps of the demonstration on a grid that is up."""
    say = demo.console.print
    say("[bold]2. Five jobs are submitted:[/] three slice a brain, one fails, one suits no computing element")
    demo.submit()
    say("[bold]3. They run until all are over[/]")
    demo.watch()
    say("[bold]4. The output sandboxes are fetched[/]")
    demo.fetch()
    say("[bold]5. LB purges the jobs[/] and keeps a zombie of each")
    demo.purge()
    say("[bold]6. Job Provenance remembers them[/]")
    demo.find_again()
    say()
    say(demo.table())


@click.command()
@click.option("--keep", is_flag=True, help="Leave the grid up and tell how to use it.")
@click.option("--dir", "directory", default="demo", type=click.Path(path_type=Path), help="Folder of the grid.")
@click.option("--db", metavar="URL", help="MySQL/MariaDB server and database prefix, instead of SQLite files.")
def command(keep: bool, directory: Path, db: str | None) -> None:
    """Show a job's whole life on this machine."""
    console = Console(soft_wrap=True)
    _clear(directory)
    try:
        grid = Layout(directory.resolve(), Choices(free_base_port(), 2, db))
        console.print(f"[bold]1. A grid comes up[/] in {grid.root}")
        try:
            grids.up(grid, say=lambda text: console.print(text, highlight=False))
            play(Demo(grid, console))
        finally:
            if not keep:
                grids.down(grid)
    except (DemoFailed, grids.NotUp) as error:
        console.print(f"\n[bold red]The demonstration failed:[/] {error}", highlight=False)
        sys.exit(1)
    if keep:
        console.print(KEPT.format(root=grid.root, testbed=Path(sys.executable).parent / "glite-testbed"))
    else:
        places = f"The pictures are in {grid.root / OUTPUT}, the logs in {grid.root / 'log'}."
        console.print(f"\nEverything has been stopped. {places}", highlight=False)


def _clear(directory: Path) -> None:
    """A second demonstration begins anew; a folder that is no grid is left alone."""
    if not directory.exists():
        return
    try:
        grids.down(Layout.load(directory))
    except NotAGrid:
        if any(directory.iterdir()):
            raise click.UsageError(f"{directory} exists and is no grid; name another folder with --dir") from None
    except Damaged as error:
        raise click.UsageError(str(error)) from None
    shutil.rmtree(directory)


if __name__ == "__main__":
    command()
