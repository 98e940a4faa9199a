"""The job-directory queue of the workload manager (wms.md 5.2).

    deliver: tmp/x written, fsynced ─rename─► new/x        take: new/x ─rename─► old/x        finish: old/x goes

An entry leaves `old` when its request is finished, not when it is read: that is what recovery relies on.
"""

import os
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spool.files import sync_directory, write_durably

DIRECTORIES = ("tmp", "new", "old")


@dataclass(frozen=True)
class Entry:
    """One request: `name` is its file name (they sort by time of delivery), `data` its bytes."""

    name: str
    data: bytes


class JobDir:
    """The queue below `root`; its three directories are made when they are missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in DIRECTORIES:
            (root / name).mkdir(mode=0o770, parents=True, exist_ok=True)

    def deliver(self, data: bytes, tag: str = "") -> str:
        """Put a request into the queue and return its name; it is on disk when the call returns."""
        name = self.prepare(data, tag)
        self.publish(name)
        return name

    def prepare(self, data: bytes, tag: str = "") -> str:
        """The first half of `deliver`: the request is on disk, and no reader sees it. Returns its name."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        # The random part keeps two processes apart that deliver in the same microsecond.
        name = "_".join(filter(None, (stamp, str(threading.get_native_id()), secrets.token_hex(4), tag)))
        write_durably(self.root / "tmp" / name, data, 0o660)
        return name

    def publish(self, name: str) -> None:
        """The second half of `deliver`. Raises FileNotFoundError when the request is not, or no more, in `tmp`."""
        os.rename(self.root / "tmp" / name, self.root / "new" / name)
        sync_directory(self.root / "new")

    def take(self) -> list[Entry]:
        """Take all new requests, oldest first."""
        taken = []
        for name in sorted(os.listdir(self.root / "new")):
            try:
                os.rename(self.root / "new" / name, self.root / "old" / name)
            except FileNotFoundError:  # another reader was faster
                continue
            taken.append(Entry(name, (self.root / "old" / name).read_bytes()))
        return taken

    def pending(self) -> list[Entry]:
        """Requests taken and not finished, oldest first: what a restarted reader has to look at."""
        return [Entry(name, (self.root / "old" / name).read_bytes()) for name in sorted(os.listdir(self.root / "old"))]

    def finish(self, name: str) -> None:
        """The request is finished: forget it. Harmless when it is forgotten already."""
        (self.root / "old" / name).unlink(missing_ok=True)
