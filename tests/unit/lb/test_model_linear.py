"""Reading takes linear time: shown by how the patterns are built, and by counting steps, not by a clock.

``re`` takes more than linear time in two ways. It tries again after a failure, which a possessive repetition (``++``,
``*+``, ``?+``) never does; and it tries from every character on, which ``match`` and ``fullmatch`` never do. So every
repetition without a small bound is possessive, and a pattern that has one is only ever matched at a place.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

import pytest

import lb.model
from lb.model import jobid, machine, seqcode, ulm, ulmlines
from lb.model.catalogue import Kind
from lb.model.events import EVENTS
from lb.model.jobid import JobId, JobIdError
from lb.model.rules.order import Branch, Verdict
from lb.model.rules.tags import user_tag
from lb.model.seqcode import SeqCodeError
from lb.model.times import parse_date
from lb.model.ulm import UlmError

BOUND = 400
"""Largest repetition that may be tried again: digits of a number."""
SCANNING = frozenset({"search", "sub", "subn", "split", "findall", "finditer"})

_parser = import_module("re._parser")
_MODEL = Path(lb.model.__file__).parent
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")


def modules() -> list[str]:
    paths = sorted(_MODEL.rglob("*.py"))
    names = (path.relative_to(_MODEL).with_suffix("").parts for path in paths if path.name != "__init__.py")
    return [".".join(("lb.model", *parts)) for parts in names]


def repetitions(tree: Any) -> Iterator[tuple[str, int, bool]]:
    """(kind, largest number, whether anything in it repeats) of all repetitions in a parsed pattern."""
    for operator, argument in tree:
        name = str(operator)
        if name in (*_REPEATS, "POSSESSIVE_REPEAT"):
            inner = list(repetitions(argument[2]))
            yield name, int(argument[1]), bool(inner)
            yield from inner
        elif name == "SUBPATTERN":
            yield from repetitions(argument[3])
        elif name == "ATOMIC_GROUP":
            yield from repetitions(argument)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from repetitions(branch)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from repetitions(argument[1])


def is_linear(pattern: str) -> bool:
    """Whether nothing that may be long, or holds a repetition itself, is tried again."""
    found = repetitions(_parser.parse(pattern))
    return all(kind not in _REPEATS or (most <= BOUND and not nested) or most == 1 for kind, most, nested in found)


def is_short(pattern: str) -> bool:
    """Whether it matches only so many characters, so that trying from everywhere does no harm."""
    return all(most <= BOUND for _, most, _ in repetitions(_parser.parse(pattern)))


def test_the_measure_itself() -> None:
    for pattern in (r"(a+)+b", r"a*b", r".*?x", r"(?:a|b)*c", r"(\s*x){2,}", r"a{0,500}", r"(?:a{1,9}b){1,9}"):
        assert not is_linear(pattern), pattern
    for pattern in (r"a++b", r"(?:[^\"\\]++|\\.)*+", r"[0-9]{1,18}+:", r"(?:\.[0-9]*+)?+", r"(?>a*+)b", r"[0-9]{1,4}"):
        assert is_linear(pattern), pattern
    assert is_short(r"\\(.)")
    assert not is_short(r"a++")


@pytest.mark.parametrize("name", modules())
def test_no_pattern_tries_again(name: str) -> None:
    """Every pattern of the model, as it was compiled or as it is written where it is used."""
    module = import_module(name)
    compiled = {key: value for key, value in vars(module).items() if isinstance(value, re.Pattern)}
    for key, pattern in compiled.items():
        assert is_linear(pattern.pattern), f"{name}.{key}"
    for call in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        target = call.func if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or not isinstance(target, ast.Attribute):
            continue
        if not isinstance(target.value, ast.Name):
            continue
        if target.value.id == "re" and target.attr not in ("compile", "escape"):
            assert isinstance(call.args[0], ast.Constant), f"{name}: a pattern that nobody can read"
            written = str(call.args[0].value)
            assert is_linear(written), f"{name}: {written}"
            assert target.attr not in SCANNING or is_short(written), f"{name}: {written}"
        if target.value.id in compiled and target.attr in SCANNING:
            assert is_short(compiled[target.value.id].pattern), f"{name}.{target.value.id}"


# ---- counted steps --------------------------------------------------------------------------------------------------


def steps(call: Callable[[], object]) -> int:
    """Calls that it makes, of Python and of C, and lines of Python that it runs."""
    count = 0

    def counted(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return counted

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(counted)
    sys.setprofile(counted)
    try:
        call()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def tried(read: Callable[[str], object], text: str) -> int:
    """Steps of reading this, whether or not it is any good."""

    def once() -> None:
        try:
            read(text)
        except (UlmError, JobIdError, SeqCodeError, ValueError):
            return

    return steps(once)


_HEAD = (
    'DATE=20260313114125.327248 HOST="h" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="LRMS" DG.EVNT="{}"'
    ' DG.JOBID="https://h/a" DG.SEQCODE="" DG.USER="u" '
)
_USAGE = _HEAD.format("ResourceUsage") + 'DG.RESOURCEUSAGE.{}="'
_PBS_USAGE = _HEAD.format("PBSResourceUsage") + 'DG.PBSRESOURCEUSAGE.{}="'
ADVERSARIES: dict[str, tuple[Callable[[str], object], Callable[[int], str]]] = {
    "quotes": (ulm.parse, lambda n: 'A="' + '\\"' * n),
    "backslashes": (ulm.parse, lambda n: 'A="' + "\\" * n + '" B=1'),
    "escapes": (ulm.parse, lambda n: _HEAD.format("Abort") + 'DG.ABORT.REASON="' + "\\n\\a" * n + '"'),
    "octets apart": (ulm.parse, lambda n: _HEAD.format("Abort") + 'DG.ABORT.REASON="' + "\udcc4\\\udc8d" * n + '"'),
    "a name": (ulm.parse, lambda n: "a" * n),
    "a value": (ulm.parse, lambda n: "A=" + "b" * n + '"'),
    "blanks": (ulm.parse, lambda n: " " * n + "\t" * n),
    "blanks between": (ulm.parse, lambda n: "A=1" + " \t" * n + "B"),
    "many fields": (ulm.parse, lambda n: "A=1 " * n),
    "a long number": (ulm.parse, lambda n: _HEAD.format("Done").replace("=4", "=" + "0" * n + "9" * n)),
    "a long real": (ulm.parse, lambda n: _USAGE.format("QUANTITY") + "0." + "1" * n + 'e"'),
    "many tags": (ulm.parse, lambda n: _PBS_USAGE.format("RESOURCES") + "a=b,=," * n + '"'),
    "entities": (ulmlines.unescape_once, lambda n: "&amp" * n + "&lt;" * n),
    "an id of colons": (JobId.parse, lambda n: "https://" + ":" * n + "/a"),
    "an id of brackets": (JobId.parse, lambda n: "https://" + "[" * n + "]" * n + "/a"),
    "a server": (jobid.parse_server, lambda n: "a:" * n),
    "a code of digits": (seqcode.read, lambda n: "UI=" + "1" * n),
    "a code of blanks": (seqcode.read, lambda n: "UI=" + " " * n + "1:NS="),
    "codes compared": (lambda text: seqcode.compare(text, text), lambda n: "SMOM=" * n),
    "a date": (parse_date, lambda n: "20260313114125." + "1" * n),
}


@pytest.mark.parametrize("name", ADVERSARIES)
def test_twice_the_text_takes_twice_the_steps(name: str) -> None:
    read, text = ADVERSARIES[name]
    tried(read, text(10))
    assert tried(read, text(2000)) <= 2.1 * tried(read, text(1000)) + 20


@pytest.mark.parametrize("count", [64, 512])
def test_sorting_compares_each_event_with_few_others(count: int) -> None:
    code = "UI=000003:NS={:010d}:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
    line = _HEAD.replace('SEQCODE=""', f'SEQCODE="{code}"')
    events = [ulm.parse(line.format("Purge", number * 7919 % count)) for number in range(count)]
    compared = 0

    class Counted(str):
        __slots__ = ()

        def __len__(self) -> int:
            nonlocal compared
            compared += 1
            return super().__len__()

    for event in events:
        event.seqcode = Counted(event.seqcode)
    assert [event.seqcode for event in seqcode.in_order(events)] == sorted(event.seqcode for event in events)
    assert count <= compared <= 4 * count * count.bit_length()


def test_one_more_tag_does_not_go_through_all_the_others() -> None:
    """Tags, their codes and branches are copied as a whole: no name among them is looked up."""
    looked_up = 0

    class Counted(str):
        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal looked_up
            looked_up += 1
            return super().__hash__()

    tags: MappingProxyType[str, str] = MappingProxyType({Counted(f"tag{number}"): "x" for number in range(1000)})
    job = machine.new_status(JobId.parse("https://h/a"), "u").draft()
    job.status.user_tags = job.tag_codes = tags
    event = ulm.parse(_HEAD.format("UserTag") + 'DG.USERTAG.NAME="New" DG.USERTAG.VALUE="v"')
    looked_up = 0
    user_tag(job, event, Verdict(True, Branch.NONE))
    assert job.status.user_tags["new"] == "v"
    assert len(job.status.user_tags) == len(job.tag_codes) == 1001
    assert looked_up < 10


def test_every_kind_of_value_is_among_the_adversaries() -> None:
    """Those whose reader is more than a look into a table."""
    read = {Kind.TEXT, Kind.INT, Kind.DOUBLE, Kind.TAGS, Kind.JOBID, Kind.TIME}
    kinds = {field.kind for kind in EVENTS.values() for field in kind.fields}
    assert kinds - read == {Kind.ENUM, Kind.SOURCE, Kind.PORT}
