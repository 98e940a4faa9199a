"""docs/event-files.md: every command in it prints what stands below it."""

import re

import pytest

import helps
from lbrecorded import DUMPS
from shared import ROOT, needs_shared

PAGE = ROOT / "docs" / "event-files.md"
PROGRAMS = {"glite-lb-state": "ui.lb_state", "glite-lb-event": "ui.lb_event"}


def examples() -> list[tuple[str, str]]:
    """(command, what it prints) of each block that begins with ``$``."""
    blocks = re.findall(r"^    \$ (.*)\n((?:    .*\n|\n(?=    [^$]))*)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(command, re.sub("^    ", "", shown, flags=re.MULTILINE).rstrip()) for command, shown in blocks]


def test_there_are_examples() -> None:
    assert {name for name in PROGRAMS for command, _ in examples() if name in command} == set(PROGRAMS)


@needs_shared
@pytest.mark.parametrize(("command", "shown"), examples())
def test_the_examples_of_the_page(command: str, shown: str) -> None:
    done = helps.shell(command, DUMPS, PROGRAMS)
    assert done.stdout.decode().rstrip() == shown
