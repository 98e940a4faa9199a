"""Conditions of feeds (jp.md 2.10): operators, origins, comparison, and what is refused."""

from datetime import UTC, datetime

import pytest

from jpps.attributes import OWNER, REGTIME, Origin, Value
from jpps.conditions import Condition, Operator
from jpps.errors import Invalid

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def some(*contents: str | bytes, name: str = "a", origin: Origin = Origin.USER) -> list[Value]:
    return [Value(name, content, WHEN, origin) for content in contents]


@pytest.mark.parametrize(
    ("op", "value", "value2", "contents", "holds"),
    [
        ("EQUAL", "red", None, ["red"], True),
        ("EQUAL", "red", None, ["blue", "red"], True),
        ("EQUAL", "red", None, ["Red"], False),
        ("EQUAL", "red", None, ["red "], False),
        ("EQUAL", "", None, [""], True),
        ("EQUAL", "red", None, [], False),
        ("UNEQUAL", "red", None, ["red"], False),
        ("UNEQUAL", "red", None, ["red", "blue"], True),
        ("UNEQUAL", "red", None, [], False),
        ("LESS", "10", None, ["9"], False),
        ("LESS", "b", None, ["a"], True),
        ("GREATER", "z", None, ["ž"], True),
        ("WITHIN", "b", "d", ["b"], True),
        ("WITHIN", "b", "d", ["d"], True),
        ("WITHIN", "b", "d", ["da"], False),
        ("EXISTS", None, None, ["anything"], True),
        ("EXISTS", None, None, [b""], True),
        ("EXISTS", None, None, [], False),
        ("EQUAL", b"\0\1", None, [b"\0\1"], True),
        ("LESS", b"\0\1", None, [b"\0"], True),
        ("EQUAL", "x", None, [b"x"], False),
        ("UNEQUAL", "x", None, [b"y"], False),
    ],
)
def test_operators(op: str, value: str | bytes, value2: str | None, contents: list[str | bytes], holds: bool) -> None:
    condition = Condition("a", Operator(op), None, value, value2)
    condition.check()
    assert condition.holds(some(*contents)) is holds


def test_the_origin_counts_when_it_is_given() -> None:
    forged = some("/CN=me", name=OWNER)
    assert Condition(OWNER, Operator.EQUAL, None, "/CN=me").holds(forged)
    assert not Condition(OWNER, Operator.EQUAL, Origin.SYSTEM, "/CN=me").holds(forged)


@pytest.mark.parametrize(
    ("op", "value", "value2", "holds"),
    [
        ("EQUAL", "1000", None, True),
        ("EQUAL", "1000.000000", None, True),
        ("GREATER", "999", None, True),
        ("GREATER", "0", None, True),
        ("LESS", "9999", None, True),
        ("LESS", "1000", None, False),
        ("WITHIN", "1000", "1000", True),
        ("WITHIN", "200", "999", False),
    ],
)
def test_registration_times_compare_as_numbers(op: str, value: str, value2: str | None, holds: bool) -> None:
    condition = Condition(REGTIME, Operator(op), None, value, value2)
    condition.check()
    for text in ("1000", "1000.000000"):
        assert condition.holds(some(text, name=REGTIME)) is holds


@pytest.mark.parametrize(
    "condition",
    [
        Condition("", Operator.EXISTS),
        Condition("a", Operator.EQUAL),
        Condition("a", Operator.WITHIN, None, "a"),
        Condition("a", Operator.WITHIN, None, None, "b"),
        Condition("a", Operator.WITHIN, None, "a", b"b"),
        Condition(REGTIME, Operator.GREATER, None, "yesterday"),
        Condition(REGTIME, Operator.EQUAL, None, b"1000"),
        Condition(REGTIME, Operator.WITHIN, None, "1000", ""),
    ],
)
def test_what_nothing_could_match_is_refused(condition: Condition) -> None:
    with pytest.raises(Invalid):
        condition.check()
