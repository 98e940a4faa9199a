"""The broker's own ClassAd functions (wms.md 3.6), which the library can neither supply nor learn.

A call such as `fqanMember(strcat("VOMS:", VOMS_FQAN), other.GlueCEAccessControlBaseRule)` is replaced by the name of an
attribute of the job; before the expression is evaluated for an element, the arguments are, the function is computed
here, and its value becomes that attribute. Only kept expressions are evaluated, so nothing leaks per element.

Of the functions of wms.md 3.6, fqanMember is here. The others are refused by name: as plain calls they would silently
make the whole expression Error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import classad2

from wms.broker.errors import HelperError, UnavailableError
from wms.jdl.lexer import Token, TokenKind, tokens

MEMBER_OF = "fqanmember"
MISSING = {
    name.lower(): name
    for name in ("anyMatch", "allMatch", "whichMatch", "listAttrRegEx", "retrieveCloseSEsInfo", "successFraction")
}
_PREFIXES = ("VOMS:", "DENY:")
#: Names of the attributes that stand for calls; no job description uses them.
_SLOT = "_wms_function_"


@dataclass(slots=True)
class Calls:
    """The calls found in the expressions of one job: slot name and argument expressions, inner calls first."""

    found: list[tuple[str, list[classad2.ExprTree]]] = field(default_factory=list)

    def add(self, arguments: Sequence[str]) -> str:
        name = f"{_SLOT}{len(self.found)}"
        self.found.append((name, [self.compile(argument) for argument in arguments]))
        return name

    def compile(self, text: str) -> classad2.ExprTree:
        try:
            return classad2.ExprTree(text)
        except classad2.ClassAdException:
            raise HelperError(f"the expression cannot be read: {text}") from None

    def prepare(self, job: classad2.ClassAd, ce: classad2.ClassAd) -> None:
        """Compute every call for this element and leave the values in the job's ad."""
        for name, arguments in self.found:
            job[name] = fqan_member(*(_plain(argument.eval(job, ce)) for argument in arguments))


def rewrite(text: str, calls: Calls) -> str:
    """The expression with the broker's functions replaced by attribute names, which `calls` can then fill.

    :raises UnavailableError: a function that is not built.
    :raises HelperError: fqanMember without two arguments.
    """
    return _text(_rewritten(significant(text), calls))


def significant(text: str) -> list[Token]:
    """The tokens of an expression, without the end mark."""
    return [token for token in tokens(text) if token.kind is not TokenKind.END]


def _rewritten(stream: Sequence[Token], calls: Calls) -> list[Token]:
    result: list[Token] = []
    position = 0
    while position < len(stream):
        token = stream[position]
        name = str(token.value).lower()
        opens = position + 1 < len(stream) and stream[position + 1].is_sign("(")
        if token.kind is not TokenKind.NAME or not opens or name not in MISSING.keys() | {MEMBER_OF}:
            result.append(token)
            position += 1
            continue
        if name in MISSING:
            raise UnavailableError(f"the function {MISSING[name]} is not available in this release")
        arguments, position = _arguments(stream, position + 2)
        if len(arguments) != 2:
            raise HelperError(f"fqanMember takes two arguments, not {len(arguments)}")
        slot = calls.add([_text(_rewritten(argument, calls)) for argument in arguments])
        result.append(Token(TokenKind.NAME, slot, token.line, token.column, slot))
    return result


def _arguments(stream: Sequence[Token], start: int) -> tuple[list[list[Token]], int]:
    """The arguments of a call whose bracket opened before `start`, and the position behind its closing bracket."""
    arguments: list[list[Token]] = [[]]
    depth = 1
    for position in range(start, len(stream)):
        token = stream[position]
        depth += token.is_sign("(", "[", "{") - token.is_sign(")", "]", "}")
        if depth == 0:
            return [argument for argument in arguments if argument], position + 1
        if depth == 1 and token.is_sign(","):
            arguments.append([])
        else:
            arguments[-1].append(token)
    raise HelperError("a function call is never closed")


def _text(stream: Sequence[Token]) -> str:
    return " ".join(token.source for token in stream)


def _plain(value: object) -> object:
    """List members come back as expressions: evaluate them; what needs a scope is no literal and matches nothing."""
    if not isinstance(value, list):
        return value
    return [item.eval() if isinstance(item, classad2.ExprTree) else item for item in value]


def fqan_member(first: object, second: object) -> bool:
    """Is the FQAN, prefixed by `VOMS:` or `DENY:`, among the access rules? Arguments in either order (wms.md 3.6)."""
    fqan, rules = (second, first) if isinstance(first, list) else (first, second)
    if not isinstance(fqan, str) or not isinstance(rules, list) or not fqan.startswith(_PREFIXES):
        return False
    prefix, name = fqan[:5], fqan[5:]
    return any(_fits(name, rule[5:]) for rule in rules if isinstance(rule, str) and rule.startswith(prefix))


def _fits(fqan: str, rule: str) -> bool:
    (group, role), (wanted_group, wanted_role) = _split(fqan), _split(rule)
    if not _like(group, wanted_group):
        return False
    if role is None or wanted_role is None:
        return (role or "NULL") == (wanted_role or "NULL")
    return _like(role, wanted_role)


def _split(fqan: str) -> tuple[str, str | None]:
    """Group and role of `/vo/group/Role=role/Capability=…`; the capability is ignored."""
    fqan = fqan.partition("/Capability=")[0]
    group, mark, role = fqan.partition("/Role=")
    return group, role if mark else None


def _like(text: str, pattern: str) -> bool:
    """Whole match, `*` standing for any text."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
