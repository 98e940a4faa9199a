"""Handing a job to the workload manager exactly once, whatever dies in between.

    1. the command is written to tmp/ of the queue           a crash here: a stray file, the start begins anew
    2. the marker ``.handedover`` names it, durably          a crash here: finish() takes the command out of tmp/
    3. the command is renamed into new/                      a crash here: finish() finds tmp/ empty, all is done
    4. EnQueued OK is logged, JDLStarted takes the place of JDLToStart, the marker goes

The marker also keeps the sequence code that the command carries: EnQueued OK is logged with the same one however late
it comes, so it sorts before everything the workload manager logs meanwhile.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from spool.files import write_durably
from wms.jdl import Jdl
from wms.jobdirectory import JobDirectory
from wms.queue import Queue

MARKER = ".handedover"


@dataclass(frozen=True)
class Pending:
    """A job on its way: the command's name in the queue, its sequence code, the final description."""

    name: str
    seqcode: str
    jdl: str


class Handover:
    """The way into the workload manager's queue below *root* (wms.md 5.2, 5.4)."""

    def __init__(self, root: Path) -> None:
        self.queue = Queue(root)

    def prepare(self, directory: JobDirectory, jdl: Jdl, seqcode: str) -> Pending:
        """Steps 1 and 2: from here on the job will be handed over."""
        pending = Pending(self.queue.prepare(jdl), seqcode, jdl.text())
        write_durably(directory.path / MARKER, json.dumps(asdict(pending)).encode())
        return pending

    def pending(self, directory: JobDirectory) -> Pending | None:
        """What an interrupted start left to be finished."""
        try:
            return Pending(**json.loads((directory.path / MARKER).read_bytes()))
        except FileNotFoundError:
            return None

    def deliver(self, pending: Pending) -> None:
        """Step 3; harmless when it has been done already."""
        with suppress(FileNotFoundError):
            self.queue.publish(pending.name)

    def close(self, directory: JobDirectory, pending: Pending) -> None:
        """Step 4 but for the event."""
        directory.write(directory.jdl_to_start, pending.jdl)
        directory.mark_started()
        (directory.path / MARKER).unlink(missing_ok=True)

    def cancel(self, jobid: str, seqcode: str) -> None:
        """Put the wish to cancel a job into the queue; durable when this returns."""
        self.queue.cancel(jobid, seqcode)

