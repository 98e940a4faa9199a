"""Sequence codes: the causal order of a job's events, carried along by those who log (lb.md 2.3).

=============  =====  ===============================================================================================
form           type   text
=============  =====  ===============================================================================================
``NORMAL``     1      nine counters, one per component; the last, ``LBS``, is absent in old lines and counts as 0
``PBS``        2      five counters
``CONDOR``     3      a time, a position in a log, an event code and a letter for the daemon
``CREAM``      4      as NORMAL; jobs of CREAM do not go by it
``DUPLICATE``  11     as NORMAL; the logger's own counter is the time, so that no two of its events have one code
=============  =====  ===============================================================================================

``compare`` decides by what the two texts hold, as the original does, and never fails. A code it cannot read counts as
smaller when it stands left; when it stands right of a readable one it is the smaller again among the usual codes, while
the codes of PBS and Condor make whatever stands left smaller. Of the usual codes the original looks at the first 102
characters, the length of the null code, at 32 bits of each number and at them without their sign; so do we.

Who logs takes over the code of the job, advances his own counter, and again after every event (``taken_over``,
``increment``); the code he ends with goes on with the job.
"""

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import cmp_to_key, lru_cache
from typing import Final, NamedTuple, Self

from lb.model.errors import ModelError
from lb.model.events import Event


class SeqCodeError(ModelError):
    """Not a sequence code of the form asked for."""


class Form(IntEnum):
    """The kinds of sequence codes, numbered as in the original's interface."""

    NORMAL = 1
    PBS = 2
    CONDOR = 3
    CREAM = 4
    DUPLICATE = 11


LENGTH: Final = 102
"""Characters of the usual form that the original compares (lb.md 2.3: the length of the null code)."""
MAX_DIGITS: Final = 18
"""Digits of one counter; a limit of ours, the forms have 6 or 10."""
COUNTER_BITS: Final = 32
"""Size of a counter, without a sign."""
CACHED: Final = 4096
"""Codes that are remembered once read: 3 MB with their counters, as none is longer than ``LENGTH``."""

_SHOWN: Final = 120
"""Characters of a bad code that an error repeats."""


def _form(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(":".join(rf"{name}=[ \t\n\v\f\r]*+([+-]?[0-9]{{1,{MAX_DIGITS}}}+)" for name in names))


_COMPONENTS: Final = ("UI", "NS", "WM", "BH", "JSS", "LM", "LRMS", "APP", "LBS")
_GLITE = _form(_COMPONENTS)
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
        """Read a code with or without ``LBS``; whatever follows ``LBS`` is ignored, as in the original."""
        values = _numbers(_GLITE, _complete(text))
        if values is None:
            raise SeqCodeError(f"not a sequence code: {text[:_SHOWN]!r}")
        return cls(*values)

    def increment(self, source: str) -> Self:
        """The next code of that source; sources without a counter of their own change nothing."""
        name = COUNTERS.get(source)
        return self if name is None else self._replace(**{name: getattr(self, name) + 1})

    def duplicate(self, source: str, now_s: int) -> Self:
        """The code of form DUPLICATE: the source's own counter is the time, in seconds since 1970."""
        name = COUNTERS.get(source)
        return self if name is None else self._replace(**{name: now_s})

    def __str__(self) -> str:
        return (
            "UI={:06d}:NS={:010d}:WM={:06d}:BH={:010d}:JSS={:06d}:LM={:06d}:LRMS={:06d}:APP={:06d}:LBS={:06d}"
        ).format(*self)


COUNTERS: Final[dict[str, str]] = {
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

NULL: Final = SeqCode()
"""The code before anything happened."""
BIGHELPER_INITIAL: Final = SeqCode(ui=2, bh=1)
SEQ_CLEAR: Final = SeqCode(ui=9, ns=96669)
SEQ_ABORT: Final = SeqCode(ui=0, ns=96660)
USUAL_FIRST: Final = SeqCode(ui=3)
"""What a job usually goes on with after its registration."""


def components(text: str) -> tuple[int, ...] | None:
    """The nine counters of the usual form as ``compare`` sees them, or None when the text is not of that form."""
    if len(text) != LENGTH or "LBS" not in text:
        text = _complete(text)[:LENGTH]
    return _remembered(text)


def _complete(text: str) -> str:
    return text if "LBS" in text else f"{text}:LBS=000000"


def _numbers(form: re.Pattern[str], text: str) -> tuple[int, ...] | None:
    match = form.match(text)
    return None if match is None else tuple([int(number) & _MASK for number in match.groups()])


_MASK: Final = (1 << COUNTER_BITS) - 1


@lru_cache(maxsize=CACHED)
def _remembered(text: str) -> tuple[int, ...] | None:
    return _numbers(_GLITE, text)


def forget() -> None:
    """Read all codes anew from now on; for measurements."""
    _remembered.cache_clear()


class PbsCode(NamedTuple):
    """The form of PBS jobs."""

    client: int = 0
    server: int = 0
    sched: int = 0
    smom: int = 0
    mom: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a code; whatever follows is ignored, as in the original."""
        values = _pbs(text)
        if values is None:
            raise SeqCodeError(f"not a PBS sequence code: {text[:_SHOWN]!r}")
        return cls(*values)

    def increment(self, source: str) -> Self:
        """The next code of that source; sources without a counter of their own change nothing."""
        name = PBS_COUNTERS.get(source)
        return self if name is None else self._replace(**{name: getattr(self, name) + 1})

    def __str__(self) -> str:
        return "CLIENT={:06d}:SERVER={:010d}:SCHED={:06d}:SMOM={:06d}:MOM={:06d}".format(*self)


PBS_COUNTERS: Final[dict[str, str]] = {
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
        """Read a code; whatever follows is ignored, as in the original."""
        match = _CONDOR.match(text)
        if match is None:
            raise SeqCodeError(f"not a Condor sequence code: {text[:_SHOWN]!r}")
        return cls(*match.groups())

    def increment(self, source: str) -> Self:
        """The same code: a daemon of Condor gets a new one from the log it writes."""
        return self

    def __str__(self) -> str:
        return f"TIMESTAMP={self.timestamp}:POS={self.position}:EV.CODE={self.event_code}:SRC={self.source}"


AnyCode = SeqCode | PbsCode | CondorCode


def form_of(text: str) -> Form:
    """What a code is meant to be, readable or not. CREAM and DUPLICATE look as NORMAL and are told so."""
    if "SMOM=" in text:
        return Form.PBS
    return Form.CONDOR if is_condor(text) else Form.NORMAL


def is_condor(text: str) -> bool:
    """Whether a code is meant to be of the form of Condor."""
    return "EV.CODE=" in text


_FORMS: Final[dict[Form, type[SeqCode] | type[PbsCode] | type[CondorCode]]] = {
    Form.NORMAL: SeqCode,
    Form.PBS: PbsCode,
    Form.CONDOR: CondorCode,
}


def read(text: str) -> AnyCode:
    """A code of any form. Raises ``SeqCodeError``."""
    return _FORMS[form_of(text)].parse(text)


def taken_over(text: str | None, source: str) -> AnyCode:
    """The code with which a source begins to log (lb.md 2.3): the given one, its own counter advanced.

    Without a code (None or empty) it is the null code of the form that the source uses. Raises ``SeqCodeError``.
    """
    code = read(text) if text else PbsCode() if source in PBS_COUNTERS else NULL
    return code.increment(source)


def compare(left: str, right: str) -> int:
    """-1, 0 or 1; see the module text for unreadable codes and for how the form is chosen."""
    form = form_of(left)
    if form is Form.NORMAL or form_of(right) is not form:
        return _by(components, left, right, 1)
    return _by(_pbs, left, right, -1) if form is Form.PBS else _compare_condor(left, right)


def _pbs(text: str) -> tuple[int, ...] | None:
    return _numbers(_PBS, text)


def _by(read: Callable[[str], tuple[int, ...] | None], left: str, right: str, right_unreadable: int) -> int:
    mine = read(left)
    if mine is None:
        return -1
    other = read(right)
    if other is None:
        return right_unreadable
    return (mine > other) - (mine < other)


_CONDOR_REGISTRATION = "017"
_DAEMON_RANK = {"m": 2, "s": 1}
"""Daemons whose events come after those of all others at the same moment, and their order (lb.md 2.3)."""


def _compare_condor(left: str, right: str) -> int:
    try:
        mine, other = CondorCode.parse(left), CondorCode.parse(right)
    except SeqCodeError:
        return -1
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
