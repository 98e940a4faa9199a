"""What the fuzzer calls of the model of LB: readers of whatever strangers send, and what must hold of what they read.

Each raises the errors that it may raise; an ``AssertionError`` is a finding as any other exception is.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from lb.model import jobid, machine, seqcode, ulm, ulmlines
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, JobIdError
from lb.model.jobstate import JobState, StateVersionError
from lb.model.seqcode import SeqCodeError
from lb.model.times import DateError, format_date, parse_date
from lb.model.ulm import UlmError

_EVENT = Event(EVENTS["Purge"], (0, 0), "h", None, 0, JobId("h", 9000, "a"), "", "u", "LRMS")


def event_line(octets: bytes) -> None:
    """An event line: what was read is written and read again as the same, by way of text and of octets."""
    try:
        event = ulm.parse(octets)
    except UlmError as error:
        _complete(octets, error)
        raise
    line = ulm.write(event, arrived=True)
    same = ulm.parse(line) == event and ulm.parse(ulm.encode(line)) == event
    if not same or ulm.write(ulm.parse(line), arrived=True) != line:
        raise AssertionError(f"not the same: {line!r}")


def _complete(octets: bytes, error: UlmError) -> None:
    """A line that only lacks something can be looked at; errors name a place inside of the line."""
    if not -1 <= error.position <= len(octets):
        raise AssertionError(f"no such place: {error.explain()}")
    if error.code == ulm.PARSE_MSG_INCOMPLETE and error.field not in ulm.parse(octets, complete=False).missing:
        raise AssertionError(f"{error.field} is not missing")


def any_line(octets: bytes) -> None:
    """An event, notification or command line."""
    found = ulmlines.read(octets)
    if isinstance(found, Event):
        return
    if isinstance(found, ulmlines.Notification):
        line = ulmlines.write_notification(found)
    else:
        line = ulmlines.write_command(found)
    if ulmlines.read(line) != found or ulmlines.read(ulm.encode(line)) != found:
        raise AssertionError(f"not the same: {line!r}")


def codes(octets: bytes) -> None:
    """Sequence codes, one per line: compared, sorted, read, taken over."""
    texts = ulm.decode(octets).split("\n")
    events = [replace(_EVENT, seqcode=text) for text in texts]
    if len(seqcode.in_order(events)) != len(texts):
        raise AssertionError("events are lost")
    for left, right in zip(texts, texts[1:], strict=False):
        if seqcode.compare(left, right) not in (-1, 0, 1):
            raise AssertionError("neither less nor equal nor greater")
        if seqcode.components(left) is not None and seqcode.compare(left, left) != 0 and "=" in left:
            _must_be_other(left)
    for text in texts:
        code = seqcode.read(text)
        if seqcode.read(str(code)) != code or seqcode.taken_over(str(code), "LRMS") != code.increment("LRMS"):
            raise AssertionError(f"not the same: {code}")


def _must_be_other(text: str) -> None:
    """Only a code that is marked as one of PBS or Condor may be unlike itself."""
    if seqcode.form_of(text) is seqcode.Form.NORMAL:
        raise AssertionError(f"unlike itself: {text!r}")


def ids(octets: bytes) -> None:
    """Ids, and servers to make ids of."""
    text = ulm.decode(octets)
    for make in (jobid.new, jobid.new_notification):
        try:
            made = make(text)
        except JobIdError:
            continue
        if JobId.parse(str(made)) != made:
            raise AssertionError(f"not an id: {made}")
    found = JobId.parse(text)
    child = jobid.subjob(found, found.info, 0)
    if JobId.parse(found.uri) != found or JobId.parse(found.uri).info != found.info or JobId.parse(str(child)) != child:
        raise AssertionError(f"not the same: {found.uri}")


def dates(octets: bytes) -> None:
    """Dates of event lines."""
    moment = parse_date(ulm.decode(octets))
    if parse_date(format_date(moment)) != moment:
        raise AssertionError(f"not the same: {moment}")


def stored_state(octets: bytes) -> None:
    """Stored states; what is no status at all may come in, but only as a value."""
    job = JobState.load(octets.decode("utf-8", "replace"))
    stored = job.dump()
    if JobState.load(stored).dump() != stored:
        raise AssertionError("not the same")


def life(octets: bytes) -> None:
    """Lines as the events of one job, applied, sorted and stored."""
    events = list(_events(octets))
    if not events:
        return
    job = machine.new_status(events[0].jobid)
    for event in events:
        before = job.dump()
        after = machine.apply(job, event)
        if job.dump() != before:
            raise AssertionError("a state has changed")
        if JobState.load(after.dump()) != after:
            raise AssertionError("not the same when stored")
        job = after
    machine.recompute(events)


def _events(octets: bytes) -> Iterator[Event]:
    for line in octets.split(b"\n"):
        try:
            yield ulm.parse(line)
        except UlmError:
            continue


PARSERS: dict[str, tuple[Callable[[bytes], object], tuple[type[Exception], ...]]] = {
    "event line": (event_line, (UlmError,)),
    "notification or command line": (any_line, (UlmError,)),
    "sequence codes": (codes, (SeqCodeError,)),
    "job id": (ids, (JobIdError,)),
    "date": (dates, (DateError,)),
    "stored state": (stored_state, (StateVersionError,)),
    "life of a job": (life, ()),
}
"""As in ``fuzzed``: name, parser, the errors that it may raise."""
