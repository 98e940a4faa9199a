"""Event lines of one job or a few, for tests of what reads files of them."""

from pathlib import Path
from typing import Any

from lb.model import ulm

JOB = "https://lb.example.org:9000/job"
CODE = "UI={:06d}:NS=0000000000:WM=000000:BH=0000000000:JSS=000000:LM={:06d}:LRMS=000000:APP=000000:LBS=000000"


def line(event: str, second: int, fields: str = "", *, job: str | None = JOB, user: str | None = "/CN=me",
         source: str = "UserInterface", code: str | None = None) -> str:
    """An event line of the given second; without job or user the line does not name them."""
    named = "" if job is None else f'DG.JOBID="{job}" '
    written = "" if user is None else f'DG.USER="{user}" '
    return (f'DATE=202601010000{second:02d}.000000 HOST="h" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=0 '
            f'DG.SOURCE="{source}" DG.SRC_INSTANCE="" DG.EVNT="{event}" {named}'
            f'DG.SEQCODE="{code or CODE.format(second, 0)}" {written}{fields}\n')


def registration(second: int = 1, *, kind: str = "SIMPLE", more: str = "", **names: Any) -> str:
    fields = f'DG.REGJOB.NS="ns" DG.REGJOB.JOBTYPE="{kind}" {more}'
    return line("RegJob", second, fields, code=CODE.format(1, 0), **names)


def running(second: int, *, source: str = "LogMonitor", **names: Any) -> str:
    return line("Running", second, 'DG.RUNNING.NODE="wn1"', source=source, code=CODE.format(1, second), **names)


def done(second: int, status: str = "OK", **names: Any) -> str:
    fields = f'DG.DONE.STATUS_CODE="{status}" DG.DONE.REASON="why not" DG.DONE.EXIT_CODE="3"'
    return line("Done", second, fields, source="LogMonitor", code=CODE.format(1, second), **names)


def written(path: Path, *lines: str) -> Path:
    path.write_bytes(ulm.encode("".join(lines)))
    return path
