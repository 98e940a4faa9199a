"""Which subjobs a registration creates (lb.md 7, 8). How a parent follows them is in lb.model.rules.parents."""

import errno
from typing import Final

from lb.model.events import Event
from lb.model.jobid import JobId, subjobs
from lb.model.rules.parents import PARENTS
from lb.server.errors import LbError

#: Most subjobs that one registration may create: a limit of ours, ten times the largest DAG of the test plan.
MAX_SUBJOBS: Final = 100_000
_TYPES: Final = PARENTS | {"PARTITIONED"}


def born(event: Event) -> list[JobId]:
    """The subjobs that a registration creates; raises LbError for a number that cannot be meant."""
    count = event.get("nsubjobs") or 0
    if event.get("jobtype") not in _TYPES or count <= 0:
        return []
    if count > MAX_SUBJOBS:
        raise LbError(errno.E2BIG, f"a job may have {MAX_SUBJOBS} subjobs, not {count}")
    return subjobs(event.jobid, event.get("seed"), count)
