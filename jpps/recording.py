"""Tags: what users say of jobs (RecordTag, RecordMultiTags), and what a committed file says in their stead."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from jpps import tags
from jpps.collect import tagged_value
from jpps.errors import Invalid
from jpps.feeds import Change
from jpps.jobs import Job
from jpps.storage import Storage
from jpps.tags import Tag

#: Longest value of a tag, in bytes or characters; what is longer is a file.
MAX_VALUE = 4 * 1024 * 1024


def check(name: str, content: str | bytes | None) -> str | bytes:
    """Return the value of a tag. Raises Invalid for a tag that cannot be."""
    if not name or "\0" in name:
        raise Invalid("a tag needs a name")
    if content is None:
        raise Invalid(f"tag {name} has no value")
    if len(content) > MAX_VALUE:
        raise Invalid(f"values of tags are limited to {MAX_VALUE} bytes; upload a file instead")
    return content


def record(storage: Storage, job: Job, new: Sequence[Tag]) -> Change:
    """Append tags to a job's; they are on disk when the call returns. Returns the change to announce."""
    with storage.lock(job) as directory:
        path = directory / tags.FILE_NAME
        fresh = not path.exists()
        tags.append(path, new)
        if fresh:
            storage.sync(job)
    return Change(tuple(tagged_value(tag) for tag in new))


def record_of_commit(storage: Storage, job: Job, said: Sequence[tuple[str, str]], moment: datetime) -> Change:
    """Record as tags what a file says, stamped with the time of its commit; the caller holds the job's lock.

    A commit that was broken off is repeated with the same time: what it has already recorded is not recorded again.
    """
    path = storage.path(job, tags.FILE_NAME)
    there = Counter((tag.name, tag.content) for tag in tags.read(path) if tag.time == moment)
    stamped = [Tag(name, content, moment) for name, content in said]
    missing = [tag for tag in stamped if not _take(there, tag)]
    if missing:
        tags.append(path, missing)
    return Change(tuple(tagged_value(tag) for tag in stamped))


def _take(there: "Counter[tuple[str, str | bytes]]", tag: Tag) -> bool:
    key = (tag.name, tag.content)
    if there[key] == 0:
        return False
    there[key] -= 1
    return True
