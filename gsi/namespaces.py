r"""Which names a CA may sign: `.namespaces` files as EUGridPMA writes them.

    #NAMESPACES-VERSION: 1.0
    TO Issuer "/DC=org/DC=example/CN=Example CA" \
      PERMIT Subject "/DC=org/DC=example/.*"
    TO Issuer SELF DENY Subject "/DC=org/DC=example/CN=admin.*"

A subject is a regular expression for the whole name. SELF is the CA whose file this is. A denial wins over any permit.
"""

import re
from collections.abc import Iterator

from gsi.errors import SigningPolicyError
from gsi.signingpolicy import Entry, decoded, folded

_TOKEN = re.compile(r'"([^"\n]*)"|([^\s"\#;\\]+)|(\#[^\n]*)|([\s;]+|\\[ \t\r]*\n)|(.)', re.DOTALL)
#: Longest regular expression, characters.
_MAX_PATTERN = 2000


def parse(octets: bytes) -> tuple[Entry, ...]:
    """Read a `.namespaces` file. Raises SigningPolicyError."""
    tokens = _tokens(decoded(octets))
    entries = []
    for token in tokens:
        _expect(token, "TO")
        _expect(_next(tokens), "ISSUER")
        issuer = _issuer(_next(tokens))
        action = _next(tokens)[0].upper()
        if action not in ("PERMIT", "DENY"):
            raise SigningPolicyError(f"PERMIT or DENY expected, not {action}")
        _expect(_next(tokens), "SUBJECT")
        pattern = (_pattern(*_next(tokens)),)
        entries.append(Entry(issuer, *((pattern, ()) if action == "PERMIT" else ((), pattern))))
    return tuple(entries)


_Token = tuple[str, bool]  # the text, and whether it was quoted


def _tokens(text: str) -> Iterator[_Token]:
    for quoted, word, _comment, _space, wrong in _TOKEN.findall(text + "\n"):
        if wrong:
            raise SigningPolicyError(f"{wrong!r} is not understood")
        if word:
            yield word, False
        elif not _comment and not _space:
            yield quoted, True


def _next(tokens: Iterator[_Token]) -> _Token:
    token = next(tokens, None)
    if token is None:
        raise SigningPolicyError("the last statement is not complete")
    return token


def _expect(token: _Token, word: str) -> None:
    if token[1] or token[0].upper() != word:
        raise SigningPolicyError(f"{word} expected, not {token[0]}")


def _issuer(token: _Token) -> str | None:
    text, quoted = token
    if quoted:
        return text
    if text.upper() != "SELF":
        raise SigningPolicyError(f"a name in quotes or SELF expected, not {text}")
    return None


def _pattern(text: str, quoted: bool) -> re.Pattern[str]:
    if not quoted or len(text) > _MAX_PATTERN:
        raise SigningPolicyError("a regular expression in quotes expected")
    try:
        return re.compile(folded(text))
    except (re.error, OverflowError, RecursionError) as error:
        raise SigningPolicyError(f"not a regular expression: {error}") from error
