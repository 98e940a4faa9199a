"""User tags, the same for every kind of job that has them (lb.md 3.5).

Names are kept in lower case; only the letters of ASCII have a case there, as in the original.
"""

from string import ascii_lowercase, ascii_uppercase
from typing import Final

from lb.model.events import Event
from lb.model.frozen import with_item
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.seqcode import compare

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def lowered(name: str) -> str:
    """The name of a tag as it is kept."""
    return name.translate(_LOWER)


def user_tag(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the tag, its name in lower case; of two values the one with the newer code stays"""
    name, code = lowered(event.fields["name"]), event.seqcode
    before = job.tag_codes.get(name)
    if before is None or compare(code, before) > 0:
        job.status.user_tags = with_item(job.status.user_tags, name, event.fields["value"])
        job.tag_codes = with_item(job.tag_codes, name, code)
