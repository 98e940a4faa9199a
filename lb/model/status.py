"""The status of a job: one table of attributes, the typed record made from it, the names of states (lb.md 3.1 to 3.3).

Every attribute is declared once, in ``Status``: name, kind of value, null, place in the order. All forms derive from
it: native XML and JSON (``lb.model.native``), the web service record (``lb.model.ws``), the XSD (``lb.model.wsdl``).

Values: enumerations are texts in upper case without prefix (``"OK"``, ``"REALLY-RUNNING"``), ids are texts, a moment is
``(seconds, microseconds)``, tags are a read-only mapping in order of first appearance, lists are tuples,
``stateEnterTimes`` and ``children_hist`` are 12 numbers indexed by state code. Unset is None, or the null number.

A ``Status`` does not change. The state machine works on a ``StatusDraft``, which becomes a ``Status`` when it is done.
Both keep only what was set; the rest are defaults of the class, so ten thousand of them are cheap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from lb.model.catalogue import ws_name
from lb.model.frozen import Frozen
from lb.model.times import Timestamp

STATES: Final = (
    "Undefined",
    "Submitted",
    "Waiting",
    "Ready",
    "Scheduled",
    "Running",
    "Done",
    "Cleared",
    "Aborted",
    "Cancelled",
    "Unknown",
    "Purged",
)
"""State names by code (lb.md 3.1)."""
STATE_CODES: Final[Mapping[str, int]] = {name: code for code, name in enumerate(STATES)}
STATE_DOC: Final[Mapping[str, str]] = {
    "Undefined": "no state",
    "Submitted": "registered, nothing else is known yet",
    "Waiting": "the workload manager has it and looks for a resource",
    "Ready": "a resource is found, the job is on its way there",
    "Scheduled": "in the queue of the batch system",
    "Running": "the job wrapper or the user's program runs",
    "Done": "the execution has ended, see the done code",
    "Cleared": "the output was fetched or dropped",
    "Aborted": "given up by the middleware",
    "Cancelled": "cancelled by the user",
    "Unknown": "cannot be computed",
    "Purged": "removed from bookkeeping",
}
SLOTS: Final = len(STATES)
ZEROS: Final = (0,) * SLOTS
"""A list indexed by state code that counts nothing; one for all."""
MAX_LEVELS: Final = 64
"""Most statuses within each other that are read: a limit of ours, jobs of the middleware have three levels."""
TERMINAL: Final = frozenset({"Aborted", "Cancelled", "Cleared", "Purged"})


def with_slot(numbers: tuple[int, ...], slot: int, number: int) -> tuple[int, ...]:
    """A list indexed by state code with one number replaced."""
    return (*numbers[:slot], number, *numbers[slot + 1 :])


_BY_LOWER = {name.lower(): name for name in STATES}


def find_state(name: str) -> str | None:
    """The state of that name in any case, or None."""
    return _BY_LOWER.get(name.lower()) if name.isascii() else None


class Kind(Enum):
    """What the value of a status attribute is."""

    JOBID = "jobid"
    TEXT = "string"
    INT = "int"
    BOOL = "bool"
    ENUM = "enum"
    TIME = "timeval"
    TEXTS = "strlist"
    TAGS = "taglist"
    COUNTS = "intlist"
    STATUSES = "stslist"
    OPAQUE = "cclassad"
    """Internal, on no wire."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: native name, kind, null, enumeration values from 0, whether it may be an index, meaning.

    ``prefix`` goes before the values of an enumeration on the web service and in texts. ``required``: always present in
    the web service record.
    """

    name: str
    kind: Kind
    doc: str
    null: int = 0
    values: tuple[str, ...] = ()
    prefix: str = ""
    indexable: bool = False

    @property
    def ws_name(self) -> str:
        return ws_name(self.name)

    @property
    def required(self) -> bool:
        return self.kind is Kind.BOOL or (self.kind in (Kind.INT, Kind.ENUM) and self.null == 0)

    @property
    def ws_values(self) -> tuple[str, ...]:
        """Values as the web service writes them."""
        return tuple(self.prefix + value for value in self.values)


def _declare(kind: Kind, doc: str, default: Any, **more: Any) -> Any:
    return field(default=default, metadata={"kind": kind, "doc": doc, **more})


def _text(doc: str, *, indexable: bool = False) -> Any:
    return _declare(Kind.TEXT, doc, None, indexable=indexable)


def _job(doc: str) -> Any:
    return _declare(Kind.JOBID, doc, None)


def _int(doc: str, null: int = 0) -> Any:
    return _declare(Kind.INT, doc, null, null=null)


def _bool(doc: str) -> Any:
    return _declare(Kind.BOOL, doc, False)


def _enum(doc: str, values: str, *, null: int = -1, prefix: str = "") -> Any:
    """An enumeration with null -1 is None when unset, one with null 0 holds its first value."""
    names = tuple(values.split())
    default = None if null < 0 else names[0]
    return _declare(Kind.ENUM, doc, default, null=null, values=names, prefix=prefix)


def _time(doc: str) -> Any:
    return _declare(Kind.TIME, doc, None, indexable=True)


def _list(kind: Kind, doc: str) -> Any:
    return _declare(kind, doc, None)


JOB_TYPES: Final = (
    "SIMPLE DAG _PARTITIONABLE_UNUSED _PARTITIONED_UNUSED COLLECTION PBS CONDOR CREAM FILE_TRANSFER_COLLECTION"
    " FILE_TRANSFER VIRTUAL_MACHINE"
)
"""Job types of a status, numbered from 0; two places are not used (lb.md 3.2)."""


@dataclass(init=False, eq=False, repr=False)
class StatusDraft:
    """The status of one job in work: the rules assign its attributes, and replace lists and tags, never change them.

    The order of the attributes is the order of XML, JSON and the web service (lb.md 3.3).
    """

    state: str = "Undefined"

    jobId: str | None = _job("identifier of the job")
    owner: str | None = _text("subject name of the one who registered it", indexable=True)
    jobtype: str | None = _enum("kind of job", JOB_TYPES)
    parent_job: str | None = _job("the job that this one is part of")
    seed: str | None = _text("seed of the identifiers of the subjobs")
    children_num: int = _int("number of subjobs")
    children: tuple[str, ...] | None = _list(Kind.TEXTS, "identifiers of the subjobs, on request")
    children_hist: tuple[int, ...] | None = _list(Kind.COUNTS, "how many subjobs are in which state")
    children_states: "tuple[Status, ...] | None" = _list(Kind.STATUSES, "states of the subjobs, on request")
    condorId: str | None = _text("identifier in CondorG")
    globusId: str | None = _text("identifier at the gatekeeper or in CREAM")
    localId: str | None = _text("identifier in the batch system")
    jdl: str | None = _text("the job description as submitted")
    matched_jdl: str | None = _text("the job description after matchmaking")
    destination: str | None = _text("computing element that the job was matched to", indexable=True)
    condor_jdl: str | None = _text("the job description for CondorG")
    rsl: str | None = _text("the job description for the gatekeeper")
    reason: str | None = _text("why the job is in this state")
    location: str | None = _text("component that holds the job now", indexable=True)
    ce_node: str | None = _text("worker node")
    network_server: str | None = _text("service that took the job in", indexable=True)
    subjob_failed: bool = _bool("some subjob has failed; never set")
    done_code: str | None = _enum("how the execution ended", "OK FAILED CANCELLED")
    exit_code: int = _int("exit code of the job")
    resubmitted: bool = _bool("the job was submitted again")
    cancelling: bool = _bool("a cancellation is under way")
    cancelReason: str | None = _text("why it was cancelled")
    cpuTime: int = _int("seconds of processor time; never set", -1)
    user_tags: Mapping[str, str] | None = _list(Kind.TAGS, "remarks of users")
    stateEnterTime: Timestamp | None = _time("when the job entered this state")
    lastUpdateTime: Timestamp | None = _time("time of the latest event that counted")
    stateEnterTimes: tuple[int, ...] | None = _list(Kind.COUNTS, "when the job entered each state last")
    expectUpdate: bool = _bool("more is expected; never set")
    expectFrom: str | None = _text("from whom more is expected; never set")
    acl: str | None = _text("access rules as GACL XML, on request")
    payload_running: bool = _bool("the user's program runs")
    possible_destinations: tuple[str, ...] | None = _list(Kind.TEXTS, "all computing elements tried")
    possible_ce_nodes: tuple[str, ...] | None = _list(Kind.TEXTS, "all worker nodes tried")
    suspended: bool = _bool("the execution is suspended")
    suspend_reason: str | None = _text("why it is suspended")
    failure_reasons: str | None = _text("all reasons of failures, one per line")
    remove_from_proxy: bool = _bool("a proxy server need not keep the job")
    ui_host: str | None = _text("host that the job was submitted from")
    user_fqans: tuple[str, ...] | None = _list(Kind.TEXTS, "VOMS attributes at registration")
    sandbox_retrieved: str = _enum("what became of the output sandbox", "NOTYET USER TIMEOUT NOOUTPUT", null=0)
    jw_status: str = _enum("state of the job wrapper", "UNKNOWN WRAPPER_RUNNING PAYLOAD_RUNNING DONE", null=0)
    jdl_classad: str | None = _list(Kind.OPAQUE, "the job description, parsed")
    isb_transfer: str | None = _job("job that transfers the input sandbox")
    osb_transfer: str | None = _job("job that transfers the output sandbox")
    payload_owner: str | None = _text("subject name of the owner of the payload")
    access_rights: str | None = _text("access rules in words, on request")
    history: str | None = _text("all events as JSON, on request")
    pbs_state: str | None = _text("PBS: state letter")
    pbs_substate: int = _int("PBS: number of the substate; never set")
    pbs_queue: str | None = _text("PBS: queue")
    pbs_owner: str | None = _text("PBS: owner")
    pbs_name: str | None = _text("PBS: name of the job")
    pbs_reason: str | None = _text("PBS: why the job waits")
    pbs_scheduler: str | None = _text("PBS: scheduler")
    pbs_dest_host: str | None = _text("PBS: execution host")
    pbs_pid: int = _int("PBS: process identifier")
    pbs_resource_requested: Mapping[str, str] | None = _list(Kind.TAGS, "PBS: resources asked for")
    pbs_resource_usage: Mapping[str, str] | None = _list(Kind.TAGS, "PBS: resources used")
    pbs_exit_status: int = _int("PBS: exit status")
    pbs_error_desc: str | None = _text("PBS: all errors, one per line")
    condor_status: str | None = _text("Condor: status")
    condor_universe: str | None = _text("Condor: universe")
    condor_owner: str | None = _text("Condor: owner; never set")
    condor_preempting: str | None = _text("Condor: who had to give way; never set")
    condor_shadow_pid: int = _int("Condor: process identifier of the shadow")
    condor_shadow_exit_status: int = _int("Condor: exit status of the shadow")
    condor_starter_pid: int = _int("Condor: process identifier of the starter")
    condor_starter_exit_status: int = _int("Condor: exit status of the starter")
    condor_job_pid: int = _int("Condor: process identifier of the job")
    condor_job_exit_status: int = _int("Condor: exit status of the job")
    condor_dest_host: str | None = _text("Condor: machine")
    condor_reason: str | None = _text("Condor: why no machine was found")
    condor_error_desc: str | None = _text("Condor: error; never set")
    cream_state: str | None = _enum(
        "CREAM: state",
        "REGISTERED PENDING IDLE RUNNING REALLY-RUNNING HELD DONE-OK DONE-FAILED ABORTED CANCELLED PURGED",
        prefix="CREAM_",
    )
    cream_id: str | None = _text("CREAM: identifier")
    cream_owner: str | None = _text("CREAM: owner")
    cream_endpoint: str | None = _text("CREAM: address")
    cream_jdl: str | None = _text("CREAM: the job description")
    cream_reason: str | None = _text("CREAM: reason of the latest command")
    cream_failure_reason: str | None = _text("CREAM: reason of the failure")
    cream_lrms_id: str | None = _text("CREAM: identifier in the batch system")
    cream_node: str | None = _text("CREAM: worker node")
    cream_done_code: int = _int("CREAM: how the execution ended, 0 OK, 1 failed", -1)
    cream_exit_code: int = _int("CREAM: exit code", -1)
    cream_cancelling: bool = _bool("CREAM: a cancellation is under way")
    cream_cpu_time: int = _int("CREAM: seconds of processor time; never set")
    cream_jw_status: int = _int("CREAM: state of the job wrapper; never set", -1)
    ft_compute_job: str | None = _job("transfer: the job that the sandbox belongs to")
    ft_sandbox_type: str | None = _enum("transfer: which sandbox", "INPUT OUTPUT")
    ft_src: str | None = _text("transfer: source")
    ft_dest: str | None = _text("transfer: target")
    vm_state: str | None = _enum(
        "virtual machine: state", "PENDING BOOT RUNNING REALLY-RUNNING SHUTDOWN STOPPED DONE FAILURE", prefix="VM_"
    )
    vm_image: str | None = _text("virtual machine: image")
    vm_require: str | None = _text("virtual machine: requirements")
    vm_usage: str | None = _text("virtual machine: what it used")
    vm_hostname: str | None = _text("virtual machine: host name")
    vm_machine: str | None = _text("virtual machine: machine; never set")
    vm_id: str | None = _text("virtual machine: identifier")
    vm_name: str | None = _text("virtual machine: name")
    vm_phy_hostname: str | None = _text("virtual machine: physical host")
    vm_system_halting: bool = _bool("virtual machine: it is shutting down; never set")
    vm_manager: str | None = _text("virtual machine: manager; never set")

    @property
    def terminal(self) -> bool:
        """Nothing more is to come: Aborted, Cancelled, Cleared or Purged."""
        return self.state in TERMINAL

    @property
    def entered(self) -> dict[str, int]:
        """State name -> when it was entered last, whole seconds, only the states ever entered."""
        return {name: at for name, at in zip(STATES, self.stateEnterTimes or (), strict=False) if at}

    def values(self) -> dict[str, Any]:
        """What is set and is not the default, by attribute name, in no particular order."""
        return {name: value for name, value in self.__dict__.items() if value != DEFAULTS[name]}

    def done(self) -> "Status":
        """The status that this draft has become; the draft is not to be used any more."""
        return Status.made_of(self.__dict__)


class Status(Frozen, StatusDraft):
    """The status of one job: a value that does not change. ``Status(state="Done", exit_code=3)``.

    A list may be given as any sequence and a tag list as any mapping; what is kept does not change with them.
    ``TypeError`` for a name that is no attribute.
    """

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(_checked(values))

    def replace(self, **changes: Any) -> "Status":
        """The same status with some attributes changed."""
        return Status.made_of(self.__dict__ | _checked(changes))

    def draft(self) -> StatusDraft:
        """A draft that begins with this status."""
        draft = StatusDraft.__new__(StatusDraft)
        draft.__dict__ = self.__dict__.copy()
        return draft

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Status):
            return NotImplemented
        return self.__dict__ == other.__dict__ or self.values() == other.values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name in NAMES if (value := self.__dict__.get(name)) is not None)
        return f"Status({inner})"


ATTRIBUTES: Final = tuple(Attribute(item.name, **item.metadata) for item in fields(StatusDraft) if item.metadata)
"""The attributes after ``state``, in order."""
ATTRIBUTE: Final[Mapping[str, Attribute]] = {attribute.name: attribute for attribute in ATTRIBUTES}
NAMES: Final = ("state", *ATTRIBUTE)
DEFAULTS: Final[Mapping[str, Any]] = {name: getattr(StatusDraft, name) for name in NAMES}

_TUPLES: Final = frozenset(
    item.name for item in ATTRIBUTES if item.kind in (Kind.TEXTS, Kind.COUNTS, Kind.STATUSES, Kind.TIME)
)
_TAG_LISTS: Final = frozenset(item.name for item in ATTRIBUTES if item.kind is Kind.TAGS)


def settled(name: str, value: Any) -> Any:
    """A value as a status keeps it: what could change is copied into something that cannot."""
    if name in _TUPLES:
        return value if value is None or type(value) is tuple else tuple(value)
    if name in _TAG_LISTS:
        return value if value is None or type(value) is MappingProxyType else MappingProxyType(dict(value))
    return value


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    for name in values:
        if name not in DEFAULTS:
            raise TypeError(f"a status has no attribute {name}")
    return {name: settled(name, value) for name, value in values.items()}
