"""Where we do not do as the original did, on purpose: the whole list.

Everything else of the 1,321 recorded sequences (lb-oracle) is the same, event by event, field by field, reply by reply.
``tests/unit/lb/test_oracle.py`` proves both: no other case differs, each case named here does, and only in what its
corrections touch; and a ledger that makes these mistakes on purpose agrees with the recordings entirely.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Correction:
    """One intended difference: its reason, the attributes of a status (or ``reply``) that it touches, the cases."""

    name: str
    reason: str
    touches: frozenset[str]
    cases: tuple[str, ...]


def _named(*rows: tuple[str, str]) -> tuple[str, ...]:
    """Case names from rows of (group, numbers)."""
    return tuple(f"{group}-{number}" for group, numbers in rows for number in numbers.split())


def _attributes(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


_TIMES: Final = "lastUpdateTime stateEnterTime stateEnterTimes"

CORRECTIONS: Final = (
    Correction(
        "recomputation",
        "After a ChangeACL the original threw the state of the job away and computed it anew at the next event, from"
        " all its events sorted by code, its parent not told and a subjob without registration of its own lost. The"
        " access list is no part of the state: ours goes on as if nothing had been. (The new computation also kept the"
        " spelling of user tags, whose names are in lower case otherwise.)",
        _attributes(
            "state", _TIMES, "jobtype parent_job children children_hist children_states user_tags",
            "jdl matched_jdl condor_jdl rsl destination location network_server ui_host ce_node condorId",
            "possible_destinations possible_ce_nodes reason failure_reasons resubmitted remove_from_proxy",
            "jw_status payload_running suspended suspend_reason",
        ),
        _named(
            ("simple-branch", "0130"),
            (
                "simple-flow",
                "0027 0048 0066 0084 0098 0118 0124 0135 0151 0186 0194 0201 0222 0228 0235 0290 0300 0303 0384 0385"
                " 0394 0395 0411 0415 0444 0454",
            ),
            ("simple-wild", "0021 0054 0084 0095 0180 0204 0217 0231 0246 0286 0310 0311"),
            ("collection", "0017 0055 0067 0075 0106"),
            ("cream", "0111"),
            ("dag", "0000 0005 0045 0057"),
            ("pbs", "0005 0036"),
        ),
    ),
    Correction(
        "rights-of-the-owner",
        "The original let anybody change the access list of a job or grant its payload, if only he did not name one of"
        " the sources of the owner. Ours are the owner's to change, whatever the source. (What touches more than the"
        " reply, the list and the payload owner is the recomputation that a ChangeACL led to there.)",
        _attributes(
            "reply acl access_rights payload_owner state", _TIMES, "location ce_node possible_destinations",
            "possible_ce_nodes reason failure_reasons jw_status payload_running suspended suspend_reason user_tags",
        ),
        _named(
            ("simple-owner", "0002 0003 0004 0005 0014 0017 0018 0033 0040 0063 0064 0069 0075 0077"),
            (
                "simple-wild",
                "0010 0021 0067 0084 0090 0096 0130 0188 0201 0203 0204 0205 0207 0217 0233 0246 0249 0261 0277 0286"
                " 0294 0299 0310",
            ),
        ),
    ),
    Correction(
        "unregistered-parent",
        "The original refused every event that would have changed the class of a subjob whose parent it did not know,"
        " so that such a job could never run nor end. Ours takes it for a job like any other.",
        _attributes(
            "reply state", _TIMES, "location ce_node possible_ce_nodes possible_destinations matched_jdl reason",
            "done_code jw_status payload_running remove_from_proxy sandbox_retrieved",
        ),
        (
            "trace-perf_simple_avg", "trace-perf_simple_avg@delay", "trace-perf_simple_avg@swap",
            "trace-perf_simple_max", "trace-perf_simple_max@swap",
        ),
    ),
    Correction(
        "virtual-machine-owner",
        "When VMCreate named somebody else as the owner, the original showed the job to nobody any more, the one who"
        " had registered it included. Ours shows what was said, and the job stays whose it was.",
        _attributes("state"),
        _named(("vm", "0004 0006 0013 0039 0044")),
    ),
    Correction(
        "server-death",
        "The original's process died: of ReallyRunning from a source that cannot know the branch when none is known, of"
        " more than 100 fields in a line, of PBSRun, PBSRerun and PBSDone from a source that does not run jobs, of a"
        " PBS state that there is none of. Ours answers: the line is refused as broken, the others are stored and are"
        " bad events.",
        _attributes("reply payload_running"),
        _named(
            ("simple-refused", "0035 0046 0049"),
            ("simple-wild", "0007 0009 0039 0043 0054 0076 0084 0137 0146 0239 0292 0294 0315"),
            ("pbs", "0004 0029 0097 0102 0116"),
        ),
    ),
    Correction(
        "misused-key",
        "A field of another type of event is misused (1405). The original said that it was there twice (1404) when the"
        " two types happened to keep it and a field that was set in the same place of memory.",
        _attributes("reply"),
        _named(("simple-refused", "0037 0048 0054 0055 0061 0064 0077")),
    ),
    Correction(
        "condor-code",
        "The original read the sequence codes of Condor beyond their end: it took late events for in time, and never"
        " saw which daemon had spoken. Ours reads them.",
        _attributes(
            "state", _TIMES, "condor_status condor_universe condor_shadow_pid",
            "condor_shadow_exit_status condor_starter_pid condor_starter_exit_status condor_job_pid",
            "condor_job_exit_status",
        ),
        _named(
            (
                "condor",
                "0001 0002 0004 0006 0009 0010 0012 0014 0015 0017 0018 0021 0022 0023 0024 0025 0028 0029 0030 0033"
                " 0034 0036 0037 0039 0044 0045 0046 0047 0049 0050 0051 0052 0053 0054 0057 0058 0059 0060 0061"
                " 0067 0068 0070 0071 0072 0073 0076 0077 0078 0079",
            ),
        ),
    ),
)
"""All intended differences."""


def of_case(name: str, corrections: Iterable[Correction] = CORRECTIONS) -> tuple[Correction, ...]:
    """The corrections that a case shows."""
    return tuple(correction for correction in corrections if name in correction.cases)
