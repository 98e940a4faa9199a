"""The grammar of the ClassAd language, by recursive descent; every complaint names line, column and attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from .errors import JdlError, JdlKind
from .lexer import Token, TokenKind, tokens
from .nodes import Attribute, Expression, ListNode, Literal, Node, Record, name_text

MAX_DEPTH = 60  # of brackets, braces, parentheses and signs in one another
MAX_OPERATORS = 400  # in a row: the library evaluates by recursion and gives up a little above

# Only which signs join two operands matters here: precedence is the library's business, the text keeps the order.
BINARY = frozenset(
    ["||", "&&", "|", "^", "&", "==", "!=", "=?=", "=!=", "<", ">", "<=", ">="]
    + ["<<", ">>", ">>>", "+", "-", "*", "/", "%"]
)
UNARY = frozenset(["-", "+", "!", "~"])


def parse_record(text: str) -> Record:
    """Read one record; a text that does not begin with ``[`` is taken as its content (wms.md 2.1).

    :raises JdlError: kind PARSE or DUPLICATE, with line, column and attribute.
    """
    return _Parser(text).document()


def parse_expression(text: str) -> Node:
    """Read one expression, for example a Requirements text of a configuration file."""
    return _Parser(text).lone_expression()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._token = next(self._tokens)
        self._before: Token | None = None
        self._attribute = ""
        self._depth = 0

    # -- tokens

    def _advance(self) -> Token:
        self._before, token = self._token, self._token
        try:
            self._token = next(self._tokens)
        except JdlError as error:
            error.attribute = error.attribute or self._attribute
            raise
        return token

    def _fail(self, wanted: str) -> NoReturn:
        at, hint = self._token, ""
        if self._before is not None and self._before.spans_lines:
            at, hint = self._before, " (or the string that begins here is not closed on its line)"
        message = f"expected {wanted}, found {self._token}{hint}"
        raise JdlError(JdlKind.PARSE, message, attribute=self._attribute, line=at.line, column=at.column)

    def _expect(self, sign: str, wanted: str = "") -> Token:
        if not self._token.is_sign(sign):
            self._fail(wanted or repr(sign))
        return self._advance()

    def _nested(self, inner: Callable[[], Node]) -> Node:
        if self._depth >= MAX_DEPTH:
            self._fail(f"at most {MAX_DEPTH} levels of nesting")
        self._depth += 1
        result = inner()
        self._depth -= 1
        return result

    def _limit(self, operators: int) -> None:
        if operators > MAX_OPERATORS:
            self._fail(f"at most {MAX_OPERATORS} operators in a row")

    # -- records

    def document(self) -> Record:
        bare = not self._token.is_sign("[")
        record = self._members(Record(line=self._token.line, column=self._token.column)) if bare else self._record()
        if self._token.kind is not TokenKind.END:
            self._attribute = ""
            self._fail("an attribute name" if bare else "nothing after the closing ']'")
        return record

    def _record(self) -> Record:
        start = self._expect("[")
        record = self._members(Record(line=start.line, column=start.column))
        self._expect("]", "';' or ']'")
        return record

    def _members(self, record: Record) -> Record:
        outer = self._attribute
        while self._token.kind is TokenKind.NAME or self._token.is_sign(";"):
            if self._token.is_sign(";"):
                self._advance()
                continue
            self._member(record, outer)
            if self._token.is_sign("=") or self._token.kind is TokenKind.NAME:
                self._fail(f"';' after the value of {self._attribute}")
            if not self._token.is_sign(";", "]") and self._token.kind is not TokenKind.END:
                self._fail(f"an operator or ';' after the value of {self._attribute}")
        if self._token.kind is TokenKind.WORD:
            self._fail("an attribute name (this word is reserved)")
        self._attribute = outer
        return record

    def _member(self, record: Record, outer: str) -> None:
        name = self._advance()
        text = str(name.value)
        self._attribute = f"{outer}.{text}" if outer else text
        if record.get(text) is not None:
            message = "the attribute is set twice in one record"
            raise JdlError(
                JdlKind.DUPLICATE, message, attribute=self._attribute, line=name.line, column=name.column
            )
        self._expect("=", "'=' after the attribute name")
        record.put(Attribute(text, self._expression(), name.line, name.column))

    # -- expressions

    def lone_expression(self) -> Node:
        value = self._expression()
        if self._token.kind is not TokenKind.END:
            self._fail("an operator or the end of the expression")
        return value

    def _expression(self) -> Node:
        return self._nested(self._ternary)

    def _ternary(self) -> Node:
        condition = self._binary()
        if not self._token.is_sign("?"):
            return condition
        self._advance()
        if self._token.is_sign(":"):
            self._advance()
            return _joined(condition, f"{condition.text()} ?: {self._expression().text()}")
        yes = self._expression()
        self._expect(":", "':' of the '? :' operator")
        return _joined(condition, f"{condition.text()} ? {yes.text()} : {self._expression().text()}")

    def _binary(self) -> Node:
        first = self._unary()
        parts: list[str] = []
        while self._at_operator():
            parts.append(self._advance().source.lower())
            parts.append(self._unary().text())
            self._limit(len(parts) // 2)
        return _joined(first, " ".join([first.text(), *parts])) if parts else first

    def _at_operator(self) -> bool:
        is_word = self._token.kind is TokenKind.WORD and self._token.source.lower() in ("is", "isnt")
        return is_word or self._token.is_sign(*BINARY)

    def _unary(self) -> Node:
        if not self._token.is_sign(*UNARY):
            return self._postfix()
        sign = self._advance()
        operand = self._nested(self._unary)
        if isinstance(operand, Literal) and sign.value == "-" and _is_number(operand.value):
            return Literal(-operand.value, line=sign.line, column=sign.column)  # type: ignore[operator]
        text = operand.text()
        gap = " " if text.startswith(("-", "+")) else ""
        return Expression(f"{sign.value}{gap}{text}", line=sign.line, column=sign.column)

    def _postfix(self) -> Node:
        first = self._primary()
        parts: list[str] = []
        while self._token.is_sign(".", "["):
            if self._token.is_sign("."):
                parts.append(self._selection())
            else:
                self._advance()
                parts.append(f"[{self._expression().text()}]")
                self._expect("]")
            self._limit(len(parts))
        return _joined(first, "".join([first.text(), *parts])) if parts else first

    def _selection(self) -> str:
        self._expect(".")
        if self._token.kind is not TokenKind.NAME:
            self._fail("an attribute name after '.'")
        return f".{name_text(str(self._advance().value))}"

    def _primary(self) -> Node:
        token = self._token
        if token.kind in (TokenKind.STRING, TokenKind.INTEGER, TokenKind.REAL):
            self._advance()
            return Literal(token.value, line=token.line, column=token.column)
        if token.kind is TokenKind.WORD and token.source.lower() not in ("is", "isnt"):
            return self._word(self._advance())
        if token.kind is TokenKind.NAME:
            return self._name(self._advance())
        if token.is_sign("["):
            return self._nested(self._record)
        if token.is_sign("{"):
            return self._nested(self._list)
        if token.is_sign("("):
            self._advance()
            inner = self._expression()
            self._expect(")")
            return Expression(f"({inner.text()})", line=token.line, column=token.column)
        if token.is_sign("."):
            return Expression(self._selection(), line=token.line, column=token.column)
        return self._fail("a value")

    def _word(self, token: Token) -> Node:
        word = token.source.lower()
        if word == "error":
            return Expression("error", line=token.line, column=token.column)
        return Literal({"true": True, "false": False}.get(word), line=token.line, column=token.column)

    def _name(self, token: Token) -> Node:
        text = name_text(str(token.value)) if token.source.startswith("'") else str(token.value)
        if self._token.is_sign("("):
            self._advance()
            text += f"({', '.join(item.text() for item in self._items(')'))})"
        return Expression(text, line=token.line, column=token.column)

    def _list(self) -> Node:
        start = self._expect("{")
        return ListNode(self._items("}"), line=start.line, column=start.column)

    def _items(self, closing: str) -> list[Node]:
        items: list[Node] = []
        while not self._token.is_sign(closing):
            if items:
                self._expect(",", f"',' or {closing!r}")
            items.append(self._expression())
        self._advance()
        return items


def _joined(first: Node, text: str) -> Expression:
    return Expression(text, line=first.line, column=first.column)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
