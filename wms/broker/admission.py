"""The conditions that a site's operator ANDs to every job, WmsRequirements as deployed (wms.md 3.4).

They are computed here and not as a ClassAd text, because most of them need fqanMember, and because a refusal can then
be told in words. A description that carries the same conditions as text gets the same answer twice, which is harmless.
"""

from __future__ import annotations

from wms.broker.functions import fqan_member
from wms.broker.job import Applicant
from wms.infosys import ComputingElement

_SHORT_DEADLINE = "sdj"


def refusal(job: Applicant, ce: ComputingElement) -> str | None:
    """Why the element is not for this job, or None when it is. The numbers are those of wms.md 3.4."""
    # 1: short deadline jobs, and only they, go to the queues for them
    if ce.ceid.endswith(_SHORT_DEADLINE) is not job.short_deadline:
        return "not for short deadline jobs" if job.short_deadline else "for short deadline jobs only"
    # 2: room for one more job; 0 means no limit, and so does a limit that is not published
    if ce.max_total_jobs and ce.total_jobs is not None and ce.total_jobs >= ce.max_total_jobs:
        return "full"
    # 3: jobs to be replanned need a CREAM
    if job.feedback and "cream" not in ce.implementation:
        return "without CREAM"
    # 4 and 5: who may run there
    if not _admitted(job, ce):
        return f"not open to {_who(job)}"
    if job.fqan is not None and fqan_member(f"DENY:{job.fqan}", list(ce.rules)):
        return f"closed to {job.fqan}"
    # 6: the wanted storage element is close
    if job.output_se is not None and job.output_se.lower() not in ce.storage:
        return f"not close to {job.output_se}"
    return None


def _admitted(job: Applicant, ce: ComputingElement) -> bool:
    if job.subject is not None and job.subject.lower() in ce.access:
        return True
    if job.vo is not None and f"vo:{job.vo.lower()}" in ce.access:
        return True
    return job.fqan is not None and fqan_member(f"VOMS:{job.fqan}", list(ce.rules))


def _who(job: Applicant) -> str:
    return f"VO:{job.vo}" if job.vo is not None else job.subject or "a user without a VO"
