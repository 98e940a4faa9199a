"""docs/states.md and docs/diagrams: tables, worked examples and state diagrams that follow from `lb.model`.

The page is written by hand but for what stands between marks; the diagrams are written whole.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs import stories
from docs.markdown import table
from lb.model import dot
from lb.model.corrections import CORRECTIONS
from lb.model.diagrams import COLLECTION_STATE, DIAGRAMS
from lb.model.rules import condor, cream, glite, parents, pbs, transfer, virtual
from lb.model.rules.rows import ANY, COUNTS, Change, Key, Row, Rules
from lb.model.status import STATE_DOC, STATES, TERMINAL

PAGE = Path(__file__).parent / "states.md"
FOLDER = Path(__file__).parent / "diagrams"
INSTALL = "dot of Graphviz is missing, so the diagrams in docs/diagrams were not rendered: apt-get install graphviz"


def page(text: str) -> str:
    """The page with everything between its marks renewed."""
    for name, content in _blocks():
        text = _renewed(text, name, content)
    return text


def write() -> None:
    """Write the page and the diagrams, as text and as pictures."""
    PAGE.write_text(page(PAGE.read_text()))
    for name, diagram in DIAGRAMS.items():
        (FOLDER / f"{name}.dot").write_text(dot.text(diagram))
    program = shutil.which("dot")
    if program is None:
        sys.exit(INSTALL)
    for name in DIAGRAMS:
        source = FOLDER / f"{name}.dot"
        subprocess.run([program, "-Tsvg", "-o", str(source.with_suffix(".svg")), str(source)], check=True)


def _renewed(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: written by `make docs` -->", f"<!-- /{name} -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"docs/states.md has no place for {name!r}: {begin} … {end}")
    return f"{head}{begin}\n{content}\n{end}{tail}"


CREAM_EVENTS = frozenset(event for event, _, _ in cream.ROWS)


def _blocks() -> Iterator[tuple[str, str]]:
    yield "states", _states()
    yield "classes", _classes()
    yield "corrections", _corrections()
    yield "late", stories.table(stories.LATE)
    yield "shallow", stories.table(stories.SHALLOW)
    yield "deep", stories.table(stories.DEEP)
    for name, rules, skipped in (
        ("simple", glite.RULES, CREAM_EVENTS | {COLLECTION_STATE}),
        ("cream", cream.RULES, frozenset[str]()),
        ("pbs", pbs.RULES, frozenset[str]()),
        ("condor", condor.RULES, frozenset[str]()),
        ("file transfer", transfer.RULES, frozenset[str]()),
        ("file transfer collection", transfer.COLLECTION_RULES, frozenset({COLLECTION_STATE})),
        ("virtual machine", virtual.RULES, frozenset[str]()),
    ):
        yield f"rows of {name}", _rows(rules, skipped)
        yield f"data of {name}", _functions(rules, skipped)


# ---- states ---------------------------------------------------------------------------------------------------------


def _states() -> str:
    rows = ((str(code), name, "yes" if name in TERMINAL else "", STATE_DOC[name]) for code, name in enumerate(STATES))
    return table(("code", "state", "final", "meaning"), rows)


def _classes() -> str:
    slots = {slot: name for name, slot in parents.CLASSES.items() if name == STATES[slot]}
    by_slot = {slot: [name for name, other in parents.CLASSES.items() if other == slot] for slot in slots}
    rows = [(slots[slot].upper(), ", ".join(names), STATES[slot]) for slot, names in by_slot.items()]
    return table(("class", "states of the subjob", "slot"), [*rows, ("REST", "all others", STATES[parents.REST])])


def _corrections() -> str:
    """The intended differences, each with its cases by group."""
    return "\n\n".join(
        f"**{each.name}**: {each.reason}  \n"
        f"Touches {', '.join(f'`{name}`' for name in sorted(each.touches))}.  \n"
        f"{len(each.cases)} cases: {_cases(each.cases)}."
        for each in CORRECTIONS
    )


def _cases(names: tuple[str, ...]) -> str:
    """Names of cases, those that differ by a number only in one go."""
    groups: dict[str, list[str]] = {}
    for name in names:
        group, _, number = name.rpartition("-")
        known = group if number.isdecimal() else name
        groups.setdefault(known, []).extend([number] if known == group else [])
    return ", ".join(" ".join((f"`{group}`", *numbers)) for group, numbers in groups.items())


# ---- rows -----------------------------------------------------------------------------------------------------------


def _rows(rules: Rules, skipped: frozenset[str]) -> str:
    """The rows of some rules; sources and outcomes that lead to the same share a line."""
    by_source: dict[tuple[str, str, Row], list[str]] = {}
    for key, row in rules.rows.items():
        if key[0] not in skipped:
            by_source.setdefault((key[0], _outcome(rules, key), row), []).append(_source(rules.rows, key))
    by_outcome: dict[tuple[str, str, Row], list[str]] = {}
    for (event, outcome, row), sources in by_source.items():
        by_outcome.setdefault((event, ", ".join(sources), row), []).append(outcome)
    return table(
        ("event", "outcome", "said by", "state", "location", "besides"),
        (
            (event, ", ".join(outcomes), sources, *_effect(row))
            for (event, sources, row), outcomes in by_outcome.items()
        ),
    )


def _outcome(rules: Rules, key: Key) -> str:
    event, outcome, _ = key
    return outcome if outcome is not None else "any other" if event in rules.outcome else ""


def _source(rows: Mapping[Key, Row], key: Key) -> str:
    if key[2] != ANY:
        return key[2]
    own = any(event == key[0] and outcome == key[1] and source != ANY for event, outcome, source in rows)
    return "any other" if own else "any"


def _effect(row: Row) -> tuple[str, str, str]:
    state = row.state or (f"{row.may}, perhaps" if row.may else "")
    return state, _doc(row.where) if row.where else "", "; ".join(_besides(row)).replace(":;", ":")


def _besides(row: Row) -> Iterator[str]:
    if row == COUNTS:
        yield "counts, no more"
    if row.worth is not None:
        yield f"**{row.worth.value}**"
    if row.only is not None:
        yield f"{row.condition}:"
    if row.reason:
        yield f"{_names(row.reason)} from the event{', if given' if row.given else ''}"
    for name, value in row.sets:
        yield f"`{name}` {_value(value)}"
    if row.hide_lm:
        yield "its code is remembered with LM 0"


def _names(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    return f"“{text}”" if " " in text else text


def _doc(function: object) -> str:
    text = getattr(function, "__doc__", None)
    assert isinstance(text, str), f"{function!r} has no text for the documentation"
    return text.strip()


def _functions(rules: Rules, skipped: frozenset[str]) -> str:
    """What events do beside their rows, in the words of the functions that do it."""
    events = [name for name in dict.fromkeys((*rules.data, *rules.extra)) if name not in skipped]

    def words(functions: Mapping[str, Change], event: str) -> str:
        return _doc(functions[event]) if event in functions else ""

    rows = ((event, words(rules.data, event), words(rules.extra, event)) for event in events)
    if any(event in rules.extra for event in events):
        return table(("event", "leaves, in time or late", "in time, besides"), rows)
    return table(("event", "leaves, in time or late"), (row[:2] for row in rows))
