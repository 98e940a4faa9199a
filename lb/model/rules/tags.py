"""User tags, the same for every kind of job that has them (lb.md 3.5)."""

from types import MappingProxyType

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.seqcode import compare


def user_tag(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the tag, its name in lower case; of two values the one with the newer code stays"""
    name, code = event.fields["name"].lower(), event.seqcode
    before = job.tag_codes.get(name)
    if before is None or compare(code, before) > 0:
        job.status.user_tags = MappingProxyType({**(job.status.user_tags or {}), name: event.fields["value"]})
        job.tag_codes = MappingProxyType({**job.tag_codes, name: code})
