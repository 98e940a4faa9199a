"""Graphviz text of a state diagram (``lb.model.diagrams``).

The states stand in one column, in the order of their codes, each box around its states. Beside a state stand the events
that lead to it, inside the box that they lead from; states outside the box stand below it. The broad grey line is the
usual way and no rule. Final states have a double line, exceptions from their finality are red, what happens only under
further conditions is dashed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Final

from lb.model.diagrams import Cause, Diagram
from lb.model.rules.rows import ANY
from lb.model.status import STATE_DOC, STATES, TERMINAL

_ATTRIBUTES: Final = (
    'graph [fontname="Helvetica", fontsize=11, labelloc=t, labeljust=l, nodesep=0.35, ranksep=0.3]',
    'node [fontname="Helvetica", fontsize=13, shape=box, style="rounded,filled", fillcolor="#e4edf8", color="#3d5a80",'
    " height=0.45, width=1.3]",
    'edge [fontname="Helvetica", fontsize=9, color="#5b7ba6", arrowsize=0.7]',
)
_BOX: Final = 'labeljust=r; style="rounded,filled"; color="#aab7c8"; margin=14'
_SHADES: Final = ("#f4f6f9", "#ffffff")
_START: Final = 'start [shape=point, group=column, width=0.2, color="#c9ced6", fillcolor="#c9ced6"]'
_PALE: Final = 'fillcolor="#ffffff", color="#aab7c8", fontcolor="#7b8794"'
_USUAL: Final = 'color="#c9ced6", penwidth=4, arrowsize=0.6, weight=100'
_HIDDEN: Final = "style=invis, weight=100"
_EXCEPTION: Final = 'color="#b3261e", fontcolor="#b3261e"'
_WIDTH: Final = 40
"""Characters in a line of events."""


def text(diagram: Diagram) -> str:
    """The diagram in the language of Graphviz."""
    groups = list(_gathered(diagram))
    title = _quoted(diagram.title + "\n" + diagram.note)
    lines = [*_ATTRIBUTES, f"label={title}", _START]
    lines += _box(diagram, groups, 0)
    lines += [_node(diagram, state) for state in diagram.outside]
    if len(diagram.outside) > 1:
        lines.append(f"{{ rank=same; {' -> '.join(diagram.outside)} [style=invis] }}")
    lines += _column(diagram)
    lines += [line for group in groups for line in group.edges(diagram)]
    return "\n".join([f"digraph {_quoted(diagram.title)} {{", *(f"  {line}" for line in lines), "}"]) + "\n"


def _quoted(words: str) -> str:
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\l") + '"'


# ---- states and boxes -----------------------------------------------------------------------------------------------


def _node(diagram: Diagram, state: str) -> str:
    double = "peripheries=2, " if state in TERMINAL else ""
    pale = "" if any(arrow.head == state for arrow in diagram.arrows) else f"{_PALE}, "
    group = "group=column, " if state in (*diagram.inside, "Cleared") else ""
    return f"{state} [{double}{pale}{group}tooltip={_quoted(STATE_DOC[state])}]"


def _box(diagram: Diagram, groups: "Sequence[Group]", number: int) -> list[str]:
    """A box as a cluster with its states, the events that lead from it, and the next box inside."""
    if number == len(diagram.boxes):
        return []
    box, inner = diagram.boxes[number], frozenset[str]().union(*(box.states for box in diagram.boxes[number + 1 :]))
    return [
        f"subgraph cluster_{number} {{",
        f'  label={_quoted(box.label)}; {_BOX}; fillcolor="{_SHADES[number]}"',
        *(f"  {line}" for line in _box(diagram, groups, number + 1)),
        *(f"  {_node(diagram, state)}" for state in diagram.states if state in box.states - inner),
        *(f"  {group.node}" for group in groups if group.box == number),
        "}",
    ]


def _column(diagram: Diagram) -> Iterator[str]:
    """The states one below the other, with the usual way through them."""
    column = ["start", *diagram.inside]
    usual = set(column) - {"Aborted", "Cancelled"}
    for before, after in zip(column, column[1:], strict=False):
        yield f"{before} -> {after} [{_USUAL if before in usual and after in usual else _HIDDEN}]"
    if "Cleared" in diagram.outside:
        last = column[-1]
        yield f"{last} -> Cleared [{_USUAL if last == 'Done' else _HIDDEN}, minlen=2]"
        if last != "Done":
            yield f"Done -> Cleared [{_USUAL}, constraint=false]"


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """All causes that lead from one place to one state. ``box``: number of the box, None for a state outside of it."""

    tail: str
    head: str
    box: int | None
    perhaps: bool
    causes: tuple[Cause, ...]
    plain: bool

    @property
    def name(self) -> str:
        return f"{self.head}_from_{self.box}{'_perhaps' if self.perhaps else ''}"

    @property
    def node(self) -> str:
        return f'{self.name} [shape=plain, style="", width=0, height=0, label=<{_table(self.causes, self.plain)}>]'

    def _exception(self, states: list[str], style: str) -> str:
        """Final states stand side by side in their order; an arrow is written from left to right to keep it so."""
        if self.tail == self.head:
            return f"{self.head}:s -> {self.head}:s [{style}]"
        if states.index(self.tail) < states.index(self.head):
            return f"{self.tail} -> {self.head} [{style}]"
        return f"{self.head} -> {self.tail} [{style}, dir=back]"

    def edges(self, diagram: Diagram) -> Iterator[str]:
        """What ties the group to its state, and holds it beside it."""
        if self.box is None:
            words = ", ".join(f"{cause.who}: {cause.what}" for cause in _joined(self.causes))
            style = f"label={_quoted(f' {words} ')}, {_EXCEPTION}"
            yield self._exception(diagram.states, style)
            return
        inside = diagram.inside
        if self.head in inside:
            dashed = ", style=dashed" if self.perhaps else ""
            yield f"{self.head} -> {self.name} [constraint=false, dir=back{dashed}]"
            before = ["start", *inside][inside.index(self.head)]
        else:
            yield f"{self.name} -> {self.head} [weight=10]"
            before = inside[-1]
        yield f"{before} -> {self.name} [style=invis]"


def _gathered(diagram: Diagram) -> Iterator[Group]:
    plain = all(arrow.cause.source == ANY and not arrow.cause.but for arrow in diagram.arrows)
    found: dict[tuple[str, str, int | None, bool], list[Cause]] = {}
    for arrow in diagram.arrows:
        number, box = next(item for item in enumerate(diagram.boxes) if item[1].states <= arrow.tails)
        found.setdefault(("", arrow.head, number, arrow.perhaps), []).append(arrow.cause)
        for state in sorted(arrow.tails - box.states, key=STATES.index):
            found.setdefault((state, arrow.head, None, arrow.perhaps), []).append(arrow.cause)
    for (tail, head, place, perhaps), causes in found.items():
        yield Group(tail, head, place, perhaps, tuple(causes), plain)


def _joined(causes: Iterable[Cause]) -> list[Cause]:
    """Sources that are excepted, but lead the same way here, are no exceptions."""
    told = {(cause.event, cause.outcome, cause.source) for cause in causes}
    return [
        replace(cause, but=tuple(name for name in cause.but if (cause.event, cause.outcome, name) not in told))
        for cause in causes
        if cause.source == ANY or (cause.event, cause.outcome, ANY) not in told
    ]


_CELL: Final = '<TD ALIGN="{0}" BALIGN="{0}" VALIGN="TOP">{1}</TD>'


def _table(causes: Iterable[Cause], plain: bool) -> str:
    """Causes by source as an HTML-like table; ``plain``: sources do not matter."""
    by_source: dict[str, tuple[str, ...]] = {}
    for cause in _joined(tuple(causes)):
        by_source[cause.who] = (*by_source.get(cause.who, ()), cause.what)
    by_events: dict[tuple[str, ...], list[str]] = {}
    for source, whats in by_source.items():
        by_events.setdefault(whats, []).append(source)
    rows = "".join(_row("" if plain else ", ".join(who), whats) for whats, who in by_events.items())
    return f'<FONT POINT-SIZE="10"><TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1">{rows}</TABLE></FONT>'


def _row(who: str, whats: tuple[str, ...]) -> str:
    left = _CELL.format("RIGHT", f"<B>{escape(who)}</B>") if who else ""
    return f"<TR>{left}{_CELL.format('LEFT', '<BR/>'.join(map(escape, _wrapped(whats))))}</TR>"


def _wrapped(whats: tuple[str, ...]) -> Iterator[str]:
    line = ""
    for number, what in enumerate(whats):
        more = what if number == len(whats) - 1 else f"{what}, "
        if line and len(line) + len(more) > _WIDTH:
            yield line.rstrip()
            line = ""
        line += more
    yield line
