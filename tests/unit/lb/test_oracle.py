"""Every sequence that the original L&B server answered for the oracle, against our ledger (lb-oracle/README.md).

1,321 cases, event by event: each reply with its code and text, the state of the job and of the main job after the
event, and at the end every field of every status, both histograms of parents included. Nothing is taken from the
recording but the lines. What is different is in ``lb.model.corrections``, and nothing else is.
"""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from lb.model import corrections
from lb.model.corrections import CORRECTIONS, Correction
from lboracle import Comparison
from lbrecorded import FILES, all_cases, cases
from shared import SHARED, needs_shared

pytestmark = needs_shared

MISTAKES = frozenset(correction.name for correction in CORRECTIONS)

Record = Callable[[str, object], None]


def groups() -> list[tuple[str, str]]:
    if not (SHARED / "data").is_dir():
        return []
    return sorted({(name, case["kind"]) for name in FILES for case in cases(name)})


@pytest.mark.parametrize(("name", "kind"), groups())
def test_all_is_as_in_the_original_but_for_the_corrections(name: str, kind: str, record_property: Record) -> None:
    count, wrong = Counter[str](), {}
    for case in (case for case in cases(name) if case["kind"] == kind):
        found, intended = Comparison(case), corrections.of_case(case["name"])
        count += found.count
        count["corrected"] += bool(intended)
        touched = frozenset().union(*(correction.touches for correction in intended))
        if bool(found.differences) != bool(intended) or not found.attributes <= touched:
            wrong[case["name"]] = found.differences[:5]
    record_property("oracle", (
        f"{name + ', ' + kind:<50} {count['cases']:5} cases {count['events']:6} events {count['states']:6} states"
        f" {count['fields']:6} fields   {count['corrected']:3} cases differ as intended, {len(wrong)} otherwise"
    ))
    assert not wrong, json.dumps(wrong, indent=1)


def test_with_the_mistakes_of_the_original_nothing_is_different() -> None:
    """Not a reply, not a state, not a field of any case."""
    found = {case["name"]: Comparison(case, MISTAKES).differences for case in all_cases()}
    wrong = {name: differences[:5] for name, differences in found.items() if differences}
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda correction: correction.name)
def test_a_correction_touches_what_it_says_and_nothing_else(correction: Correction) -> None:
    """All mistakes are made but this one: exactly its cases differ, in exactly its attributes."""
    named = frozenset(name for each in CORRECTIONS for name in each.cases)
    found: dict[str, frozenset[str]] = {}
    for case in (case for case in all_cases() if case["name"] in named):
        if touched := Comparison(case, MISTAKES - {correction.name}).attributes:
            found[case["name"]] = touched
    assert set(found) == set(correction.cases)
    assert frozenset().union(*found.values()) == correction.touches


def test_the_list_of_corrections_is_in_order() -> None:
    recorded = [case["name"] for case in all_cases()]
    assert len(recorded) == len(set(recorded)) == 1321
    for correction in CORRECTIONS:
        assert set(correction.cases) <= set(recorded)
        assert len(set(correction.cases)) == len(correction.cases)
        assert correction.reason.endswith((".", ")"))
    assert len({correction.name for correction in CORRECTIONS}) == len(CORRECTIONS)
