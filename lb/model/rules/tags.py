"""User tags, the same for every kind of job that has them (lb.md 3.5)."""

from lb.model.events import Event
from lb.model.jobstate import JobState
from lb.model.rules.order import Verdict
from lb.model.seqcode import compare


def user_tag(job: JobState, event: Event, verdict: Verdict) -> None:
    """the tag, its name in lower case; of two values the one with the newer code stays"""
    name, code = event.fields["name"].lower(), event.seqcode
    before = job.tag_codes.get(name)
    if before is None or compare(code, before) > 0:
        tags = job.status.user_tags
        if tags is None:
            tags = job.status.user_tags = {}
        tags[name] = event.fields["value"]
        job.tag_codes[name] = code
