"""User tags, the same for every kind of job that has them (lb.md 3.5).

Names are kept in lower case; only the letters of ASCII have a case there, as in the original.
"""

from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.seqcode import compare

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def user_tag(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the tag, its name in lower case; of two values the one with the newer code stays"""
    name, code = event.fields["name"].translate(_LOWER), event.seqcode
    before = job.tag_codes.get(name)
    if before is None or compare(code, before) > 0:
        job.status.user_tags = MappingProxyType({**(job.status.user_tags or {}), name: event.fields["value"]})
        job.tag_codes = MappingProxyType({**job.tag_codes, name: code})
