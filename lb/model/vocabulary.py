"""The names with numbers that all events share: sources, levels, flags of delivery (lb.md 2.1 to 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lb.model.since import UNKNOWN


@dataclass(frozen=True, slots=True)
class Source:
    """A component that logs.

    ``name``: as in a line. ``symbols``: how the original's programs call it. ``component``: the part of a sequence code
    that it advances, empty when it has none. ``ws``: its name on the web service. ``since``: see ``lb.model.since``.
    """

    name: str
    symbols: tuple[str, ...]
    component: str
    doc: str
    since: str
    ws: str


def _source(name: str, symbols: str, component: str, doc: str, since: str = "1.x", ws: str = "") -> Source:
    return Source(name, tuple(symbols.split()), component, doc, since, ws or name)


SOURCE_TABLE: Final = (
    _source("UserInterface", "USER_INTERFACE", "UI", "the user's commands"),
    _source("NetworkServer", "NETWORK_SERVER WM_PROXY", "NS", "the service that takes jobs in: WMProxy"),
    _source("WorkloadManager", "WORKLOAD_MANAGER", "WM", "the workload manager"),
    _source("BigHelper", "BIG_HELPER", "BH", "a helper of the workload manager, such as the planner of DAGs"),
    _source("JobController", "JOB_SUBMISSION", "JSS", "hands jobs to the grid's batch system", ws="JobSubmission"),
    _source("LogMonitor", "LOG_MONITOR", "LM", "watches what becomes of those jobs"),
    _source("LRMS", "LRMS", "LRMS", "the batch system, and the job wrapper on the worker node"),
    _source("Application", "APPLICATION", "APP", "the user's own program"),
    _source("LBServer", "LB_SERVER", "LBS", "the LB server itself"),
    _source("CREAMInterface", "CREAM_INTERFACE", "", "the door of the computing element CREAM", UNKNOWN),
    _source("CREAMExecutor", "CREAM_EXECUTOR", "", "carries out the commands of CREAM", UNKNOWN),
    _source("PBSClient", "PBS_CLIENT", "CLIENT", "the commands of PBS", "3.3"),
    _source("PBSServer", "PBS_SERVER", "SERVER", "the server of PBS", "3.3"),
    _source("PBSMomSuperior", "PBS_SMOM", "SMOM", "the first of a job's execution hosts", "3.3", "PBSsMom"),
    _source("PBSMom", "PBS_MOM", "MOM", "another execution host", "3.3"),
    _source("PBSScheduler", "PBS_SCHEDULER", "SCHED", "the scheduler of PBS", "3.3"),
    _source("CloudManager", "CLOUD_MANAGER", "", "the manager of a cloud", "3.3"),
    _source("VMManager", "VM_MANAGER", "", "the manager of virtual machines", "3.3"),
    _source("VMSystem", "VM_SYSTEM", "", "the system inside a virtual machine", "3.3"),
)
"""Components in the order of their codes from 1; 0 is no source (lb.md 2.3)."""

SOURCES: Final = tuple(source.name for source in SOURCE_TABLE)
SOURCE_CODES: Final[Mapping[str, int]] = MappingProxyType({name: code for code, name in enumerate(SOURCES, 1)})
SOURCE_BY_NAME: Final[Mapping[str, str]] = MappingProxyType({name.lower(): name for name in SOURCES})
"""Look-up of a source without regard to case."""
SOURCE_ON_WS: Final[Mapping[str, str]] = MappingProxyType(
    {source.name: source.ws for source in SOURCE_TABLE if source.ws != source.name}
)
"""The two sources that the web service spells differently (lb.md 2.3)."""
SERVER: Final = "LBServer"
"""Source of what the LB server itself logs."""
NO_SOURCE: Final = "Undefined"
"""How code 0 is called; never in an event."""

LEVELS: Final = (
    "EMERGENCY",
    "ALERT",
    "ERROR",
    "WARNING",
    "AUTH",
    "SECURITY",
    "USAGE",
    "SYSTEM",
    "IMPORTANT",
    "DEBUG",
)
"""Levels of an event in the order of their codes from 1; 0 is undefined (lb.md 2.1). Producers use SYSTEM."""
LEVEL_CODES: Final[Mapping[str, int]] = MappingProxyType({name: code for code, name in enumerate(LEVELS, 1)})


def level_code(name: str | None) -> int:
    """Code of a level, 0 for none."""
    return 0 if name is None else LEVEL_CODES[name]


def level_named(code: int) -> str | None:
    """Level of a code, None for a code that names none."""
    return LEVELS[code - 1] if 1 <= code <= len(LEVELS) else None


@dataclass(frozen=True, slots=True)
class PriorityFlag:
    """One bit of DG.PRIORITY: its name, its value, what it says of the way the event went."""

    name: str
    value: int
    doc: str
    since: str = UNKNOWN


ASYNC: Final = 0
SYNC_COMPAT: Final = 1
SYNC: Final = 2
LOCAL: Final = 4
PROXY: Final = 8
DIRECT: Final = 16
INTERNAL: Final = 32
EXCLUSIVE: Final = 64
FILE: Final = 128

FLAGS: Final = (
    PriorityFlag("ASYNC", ASYNC, "answered as soon as it is in the local logger's file", "1.x"),
    PriorityFlag("SYNC_COMPAT", SYNC_COMPAT, "the old mark of synchronous delivery", "1.x"),
    PriorityFlag("SYNC", SYNC, "answered when it is delivered"),
    PriorityFlag("LOCAL", LOCAL, "by way of the local logger"),
    PriorityFlag("PROXY", PROXY, "by way of the store socket of an LB proxy"),
    PriorityFlag("DIRECT", DIRECT, "straight to the store port of the LB server"),
    PriorityFlag("INTERNAL", INTERNAL, "made by the server itself, never forwarded"),
    PriorityFlag("EXCL", EXCLUSIVE, "a registration that has to be the first of its job", "2.1"),
    PriorityFlag("FILE", FILE, "the producer wrote the event's file itself"),
)
"""The flags of DG.PRIORITY by value (lb.md 2.2)."""
