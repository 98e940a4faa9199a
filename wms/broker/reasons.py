"""Why nothing matched, in words for the Pending event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import classad2

from wms.broker.admission import refusal
from wms.broker.functions import rewrite, significant
from wms.broker.job import Applicant
from wms.infosys import ComputingElement
from wms.jdl import Jdl
from wms.jdl.lexer import Token, TokenKind

#: wms.md 3.7, step 8.
NO_COMPATIBLE = "BrokerHelper: no compatible resources"
#: Causes named in one text, the commonest first, and characters of a requirement that are shown.
MAX_CAUSES = 4
MAX_SHOWN = 120


def why_not(jdl: Jdl, ces: Sequence[ComputingElement]) -> str:
    """The reason why `match` found nothing, beginning with the broker's known words.

    Example: `BrokerHelper: no compatible resources (of 2 computing elements: 2 fail other.GlueCEStateFreeCPUs > 100)`.
    """
    if not ces:
        return f"{NO_COMPATIBLE} (no computing element is published)"
    causes = _causes(Applicant.read(jdl), ces)
    told = ", ".join(f"{count} {cause}" for cause, count in causes.most_common(MAX_CAUSES))
    elements = "1 computing element" if len(ces) == 1 else f"{len(ces)} computing elements"
    return f"{NO_COMPATIBLE} (of {elements}: {told})"


def _causes(job: Applicant, ces: Sequence[ComputingElement]) -> Counter[str]:
    """For each cause the number of elements; an element may fail several parts of the requirements."""
    causes: Counter[str] = Counter()
    parts = [(part, job.calls.compile(rewrite(part, job.calls))) for part in conjuncts(job.requirements_text)]
    for ce in ces:
        refused = refusal(job, ce)
        if refused is not None:
            causes[refused] += 1
            continue
        causes.update(_failing(job, parts, ce))
    return causes


def _failing(
    job: Applicant, parts: Sequence[tuple[str, classad2.ExprTree]], ce: ComputingElement
) -> list[str]:
    failed = [text for text, expression in parts if job.value_of(expression, ce.ad) is not True]
    shown = [text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…" for text in failed]
    return [f"fail {text}" for text in shown]


def conjuncts(text: str) -> list[str]:
    """The parts of `a && b && c`; an expression of another form is one part."""
    stream = _unwrapped(significant(text))
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in stream:
        depth += token.is_sign("(", "[", "{") - token.is_sign(")", "]", "}")
        if depth == 0 and token.is_sign("||", "?"):
            return [_shown(stream)]
        if depth == 0 and token.is_sign("&&"):
            parts.append([])
        else:
            parts[-1].append(token)
    if len(parts) == 1:
        return [_shown(stream)]
    return [part for tokens in parts for part in conjuncts(_shown(tokens))]


def _unwrapped(stream: list[Token]) -> list[Token]:
    """Without round brackets that enclose the whole expression."""
    while len(stream) > 2 and stream[0].is_sign("(") and _closing(stream) == len(stream) - 1:
        stream = stream[1:-1]
    return stream


def _closing(stream: Sequence[Token]) -> int:
    depth = 0
    for position, token in enumerate(stream):
        depth += token.is_sign("(") - token.is_sign(")")
        if depth == 0:
            return position
    return -1


def _shown(stream: Sequence[Token]) -> str:
    """As one would write it: blanks around operators, none around dots and inside brackets."""
    text = ""
    for before, token in zip([None, *stream], stream, strict=False):
        text += token.source if before is None or _together(before, token) else f" {token.source}"
    return text


def _together(before: Token, token: Token) -> bool:
    call = before.kind is TokenKind.NAME and token.is_sign("(", "[")
    return call or before.is_sign(".", "(", "[", "!") or token.is_sign(".", ")", "]", ",")
