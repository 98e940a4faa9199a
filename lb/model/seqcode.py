"""Sequence codes: the causal order of a job's events, carried along by those who log (lb.md 2.3).

Three forms exist. The usual one has nine counters, one per component of the middleware; the last, ``LBS``, is absent
in old lines and counts as 0. PBS jobs have five counters. Condor jobs have a time, a position in a log, an event code
and a letter for the daemon. ``compare`` decides by what the two texts hold, as the original does, and never fails: a
code it cannot read counts as smaller when it stands left and as larger when it stands right of a readable one.
"""

import re
from collections.abc import Callable, Iterable
from functools import cmp_to_key, lru_cache
from typing import NamedTuple, Self

from lb.model.events import Event


class SeqCodeError(ValueError):
    """Not a sequence code of the form asked for."""


def _form(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(":".join(rf"{name}=\s*([+-]?[0-9]{{1,18}})" for name in names))


_GLITE = _form(("UI", "NS", "WM", "BH", "JSS", "LM", "LRMS", "APP"))
_LBS = re.compile(r":LBS=\s*([+-]?[0-9]{1,18})")
_PBS = _form(("CLIENT", "SERVER", "SCHED", "SMOM", "MOM"))
_CONDOR = re.compile(r"TIMESTAMP=([0-9]{14}):POS=([0-9]{10}):EV\.CODE=([0-9]{3}):SRC=([A-Za-z])")


class SeqCode(NamedTuple):
    """The usual form. Comparison of two is the comparison of tuples; ``str`` writes the canonical text."""

    ui: int = 0
    ns: int = 0
    wm: int = 0
    bh: int = 0
    jss: int = 0
    lm: int = 0
    lrms: int = 0
    app: int = 0
    lbs: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a code with or without ``LBS``; whatever follows is ignored, as in the original."""
        values = components(text)
        if values is None:
            raise SeqCodeError(f"not a sequence code: {text[:120]!r}")
        return cls(*values)

    def increment(self, source: str) -> Self:
        """The next code of that source; sources without a counter of their own change nothing."""
        name = COUNTERS.get(source)
        return self if name is None else self._replace(**{name: getattr(self, name) + 1})

    def __str__(self) -> str:
        return (
            "UI={:06d}:NS={:010d}:WM={:06d}:BH={:010d}:JSS={:06d}:LM={:06d}:LRMS={:06d}:APP={:06d}:LBS={:06d}"
        ).format(*self)


COUNTERS: dict[str, str] = {
    "UserInterface": "ui",
    "NetworkServer": "ns",
    "WorkloadManager": "wm",
    "BigHelper": "bh",
    "JobController": "jss",
    "LogMonitor": "lm",
    "LRMS": "lrms",
    "Application": "app",
    "LBServer": "lbs",
}
"""Which counter a source advances."""

NULL = SeqCode()
"""The code before anything happened."""
BIGHELPER_INITIAL = SeqCode(ui=2, bh=1)
SEQ_CLEAR = SeqCode(ui=9, ns=96669)
SEQ_ABORT = SeqCode(ui=0, ns=96660)


@lru_cache(maxsize=16384)
def components(text: str) -> tuple[int, ...] | None:
    """The nine counters of the usual form, or None when the text is not of that form."""
    match = _GLITE.match(text)
    if match is None:
        return None
    last = _LBS.match(text, match.end())
    if last is None and "LBS" in text:
        return None
    return (*map(int, match.groups()), int(last[1]) if last else 0)


class PbsCode(NamedTuple):
    """The form of PBS jobs."""

    client: int = 0
    server: int = 0
    sched: int = 0
    smom: int = 0
    mom: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _PBS.match(text)
        if match is None:
            raise SeqCodeError(f"not a PBS sequence code: {text[:120]!r}")
        return cls(*map(int, match.groups()))

    def increment(self, source: str) -> Self:
        name = PBS_COUNTERS.get(source)
        return self if name is None else self._replace(**{name: getattr(self, name) + 1})

    def __str__(self) -> str:
        return "CLIENT={:06d}:SERVER={:010d}:SCHED={:06d}:SMOM={:06d}:MOM={:06d}".format(*self)


PBS_COUNTERS: dict[str, str] = {
    "PBSClient": "client",
    "PBSServer": "server",
    "PBSScheduler": "sched",
    "PBSMomSuperior": "smom",
    "PBSMom": "mom",
}


class CondorCode(NamedTuple):
    """The form of Condor jobs: all parts are text of fixed width and compare as such."""

    timestamp: str
    position: str
    event_code: str
    source: str

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _CONDOR.match(text)
        if match is None:
            raise SeqCodeError(f"not a Condor sequence code: {text[:120]!r}")
        return cls(*match.groups())

    def __str__(self) -> str:
        return f"TIMESTAMP={self.timestamp}:POS={self.position}:EV.CODE={self.event_code}:SRC={self.source}"


def compare(left: str, right: str) -> int:
    """-1, 0 or 1; see the module text for unreadable codes and for how the form is chosen."""
    if "SMOM=" in left and "SMOM=" in right:
        return _by(_pbs, left, right)
    if is_condor(left) and is_condor(right):
        return _compare_condor(left, right)
    return _by(components, left, right)


def is_condor(text: str) -> bool:
    """Whether a code is meant to be of the form of Condor."""
    return "EV.CODE=" in text


def _pbs(text: str) -> tuple[int, ...] | None:
    match = _PBS.match(text)
    return None if match is None else tuple(map(int, match.groups()))


def _by(read: Callable[[str], tuple[int, ...] | None], left: str, right: str) -> int:
    mine = read(left)
    if mine is None:
        return -1
    other = read(right)
    if other is None:
        return 1
    return (mine > other) - (mine < other)


_CONDOR_REGISTRATION = "017"
_DAEMON_RANK = {"m": 2, "s": 1}
"""Daemons whose events come after those of all others at the same moment, and their order (lb.md 2.3)."""


def _compare_condor(left: str, right: str) -> int:
    try:
        mine = CondorCode.parse(left)
    except SeqCodeError:
        return -1
    try:
        other = CondorCode.parse(right)
    except SeqCodeError:
        return 1
    same_daemon = mine.source == other.source
    a, b = _condor_key(mine, same_daemon), _condor_key(other, same_daemon)
    return (a > b) - (a < b)


def _condor_key(code: CondorCode, same_daemon: bool) -> tuple[bool, str, str, int]:
    first = code.event_code != _CONDOR_REGISTRATION
    if same_daemon:
        return first, code.timestamp, code.position, 0
    return first, code.timestamp, "", _DAEMON_RANK.get(code.source, 0)


def compare_events(left: Event, right: Event) -> int:
    """Order of two events: by code, full ties by the time of the event (lb.md 2.3)."""
    order = compare(left.seqcode, right.seqcode)
    return order or (left.timestamp > right.timestamp) - (left.timestamp < right.timestamp)


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events sorted by code; equal ones stay in the order given."""
    return sorted(events, key=cmp_to_key(compare_events))
