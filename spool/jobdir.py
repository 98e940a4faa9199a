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

from spool.files import sync, sync_directory

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
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        # The random part keeps two processes apart that deliver in the same microsecond.
        name = "_".join(filter(None, (stamp, str(threading.get_native_id()), secrets.token_hex(4), tag)))
        temporary = self.root / "tmp" / name
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660), "wb") as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        os.rename(temporary, self.root / "new" / name)
        sync_directory(self.root / "new")
        return name

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
