"""Jobs whose rules are a table with one step for each type of event (lb.md 3.7)."""

from collections.abc import Callable, Mapping

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict

Step = Callable[[JobDraft, Event, Verdict], None]


def follow(steps: Mapping[str, Step], location: str, job: JobDraft, event: Event, verdict: Verdict) -> None:
    """Take the step of the event's type, if there is one; a job that is nowhere yet is at `location` then."""
    step = steps.get(event.type.name)
    if step is not None:
        step(job, event, verdict)
    if job.status.location is None:
        job.status.location = location
