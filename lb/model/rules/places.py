"""Locations of a job: component, host and instance that hold it, read from the event that says so (lb.md 3.5).

What is unset is printed as ``(null)``, as the original does. The first line of each function's text is its name in the
documentation.
"""

from lb.model.events import Event
from lb.model.rules.rows import LRMS, WMS


def place(name: str | None, host: str | None, instance: str | None) -> str:
    """name/host/instance"""
    return "/".join("(null)" if part is None else part for part in (name, host, instance))


def own(event: Event) -> str:
    """the source of the event"""
    return place(event.source, event.host, event.src_instance)


def destination(event: Event) -> str:
    """where the event hands the job over to"""
    get = event.fields.get
    return place(get("destination"), get("dest_host"), get("dest_instance"))


def sender(event: Event) -> str:
    """where the event has the job from"""
    get = event.fields.get
    return place(get("from"), get("from_host"), get("from_instance"))


def queue(event: Event) -> str:
    """the queue, at the source of the event"""
    return place(event.fields["queue"], event.host, event.src_instance)


def helper(event: Event) -> str:
    """the helper, at the source of the event"""
    return place(event.fields["helper_name"], event.host, event.src_instance)


def manager(event: Event) -> str:
    """the workload manager at the event's host"""
    return place(WMS, event.host, event.src_instance)


def node(event: Event) -> str:
    """`LRMS/worknode/` and the node"""
    return f"{LRMS}/worknode/{event.fields['node']}"


def instance(event: Event) -> str | None:
    """the instance of the source"""
    return event.src_instance


def nowhere(_: Event) -> str:
    """`none`"""
    return "none"
