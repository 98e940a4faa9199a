"""One job's events as a file for Job Provenance, and the message that tells the importer of it (jp.md 4.3, 4.5)."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lb.model.jobid import JobId
from spool.files import write_durably

#: Server part of the name of a message (jp.md 4.5).
MESSAGE_SERVER: Final = "localhost"
_FILE_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750
_ATTEMPTS: Final = 100


class JobFiles:
    """The directory of per-job files; it is made when it is missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.is_dir():
            root.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            root.chmod(_DIRECTORY_MODE)  # the umask shall not decide

    def write(self, jobid: JobId, lines: Iterable[bytes]) -> Path:
        """Write the lines (without line ends) of one job to `<UNIQUE>.<sec>_<usec>`; on disk when the call returns."""
        path = self._free_name(jobid)
        write_durably(path, b"".join(line + b"\n" for line in lines), _FILE_MODE)
        return path

    def _free_name(self, jobid: JobId) -> Path:
        if "/" in jobid.unique or jobid.unique.startswith("."):
            raise ValueError(f"the unique part of {jobid} cannot name a file")
        now = time.time_ns() // 1000
        for number in range(now, now + _ATTEMPTS):
            path = self.root / f"{jobid.unique}.{number // 1_000_000}_{number % 1_000_000:06}"
            if not os.path.lexists(path):
                return path
        raise FileExistsError(f"no free name for the events of {jobid} in {self.root}")


def message(jobid: JobId, path: Path, jpps: str | None = None) -> bytes:
    """The dump message: keys and values, one pair per line.

    The original wrote `jpps` without a line feed before it, which spoiled the file name (jp.md 4.3); here it has one.
    """
    pairs = {"jobid": str(jobid), "file": str(path), "jpps": jpps}
    return "\n".join(f"{key:<7}{value}" for key, value in pairs.items() if value is not None).encode()
