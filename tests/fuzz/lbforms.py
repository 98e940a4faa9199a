"""What the fuzzer calls of the forms of events and statuses beside the line, and of the jobs of a whole server."""

from collections.abc import Callable

from lb.model import eventjson, eventxml, native, ulm
from lb.model.acl import Acl, AclError
from lb.model.eventjson import EventJsonError
from lb.model.events import Event
from lb.model.ledger import Ledger
from lb.model.nativexml import NativeError
from lb.model.rules import parents
from lb.model.ulm import UlmError


def event_json(octets: bytes) -> None:
    """What was read is written and read again as the same, as JSON and as a line."""
    event = eventjson.from_json(octets)
    if eventjson.from_json(eventjson.to_json(event)) != event:
        raise AssertionError(f"not the same: {event}")
    _as_line(event)


def event_xml(octets: bytes) -> None:
    """The same of XML."""
    event = eventxml.from_xml(octets)
    if eventxml.from_xml(eventxml.to_xml(event)) != event:
        raise AssertionError(f"not the same: {event}")
    _as_line(event)


def _as_line(event: Event) -> None:
    """The other forms hold nothing that a line could not."""
    if ulm.parse(ulm.encode(ulm.write(event, arrived=True))) != event:
        raise AssertionError(f"not the same as a line: {event}")


def status_xml(octets: bytes) -> None:
    """A status in native XML, and the same as JSON."""
    status = native.from_xml(octets)
    if native.from_xml(native.to_xml(status)) != status or native.from_object(native.to_object(status)) != status:
        raise AssertionError(f"not the same: {status}")


def access_list(octets: bytes) -> None:
    """An access list; what it says in words and whom it lets in can be asked of any."""
    acl = Acl.parse(octets)
    if Acl.parse(acl.to_xml()) != acl:
        raise AssertionError(f"not the same: {acl.to_xml()}")
    acl.describe()
    acl.permits("READ", "/CN=u", ("/vo/Role=a",))


def server(octets: bytes) -> None:
    """Lines for all jobs of a server: each is taken or refused, and duplicates change nothing."""
    ledger = Ledger()
    for line in octets.split(b"\n"):
        try:
            event = ulm.parse(line)
        except UlmError:
            continue
        if ledger.take(event) is None:
            before = ledger.jobs[event.jobid]
            if ledger.take(event) is not None or ledger.jobs[event.jobid] != before:
                raise AssertionError("a duplicate is not the same")
    for jobid, job in ledger.jobs.items():
        histogram = job.status.children_hist
        if job.status.jobtype in parents.PARENTS and histogram is not None and min(histogram) < 0:
            raise AssertionError(f"{jobid} has fewer than no subjobs")
        ledger.history(jobid)
    ledger.recompute()


PARSERS: dict[str, tuple[Callable[[bytes], object], tuple[type[Exception], ...]]] = {
    "event JSON": (event_json, (EventJsonError,)),
    "event XML": (event_xml, (NativeError,)),
    "status XML": (status_xml, (NativeError,)),
    "access list": (access_list, (AclError,)),
    "jobs of a server": (server, ()),
}
"""As in ``fuzzed``: name, parser, the errors that it may raise."""
