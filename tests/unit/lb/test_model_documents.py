"""docs/events.md, written from the catalogue: up to date, and nothing left out."""

import pkgutil
import re
from types import ModuleType

import pytest

import lb.model
from docs import markdown
from docs.events import events_document
from docs.generate import ROOT
from lb.model import rules
from lb.model.events import EVENTS
from lb.model.status import ATTRIBUTES
from lb.model.vocabulary import FLAGS, LEVELS, SOURCES

DOCUMENT = events_document()


def rows(heading: str) -> list[list[str]]:
    """Cells of the table rows between a heading and the next heading."""
    after = DOCUMENT.partition(f"\n{heading}\n")[2]
    part = re.split(r"\n##+ ", after, maxsplit=1)[0]
    lines = (line for line in part.splitlines() if line.startswith("| "))
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_the_document_is_up_to_date() -> None:
    assert (ROOT / "docs" / "events.md").read_text(encoding="utf-8") == DOCUMENT, "run `make docs`"


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_of_every_event_is_told(name: str) -> None:
    kind = EVENTS[name]
    told = rows(f"### {kind.code} {name}")[1:]
    assert [row[0] for row in told] == [field.ulm for field in kind.fields]
    for row, field in zip(told, kind.fields, strict=True):
        assert row[1:4] == [field.xml, field.ws, field.kind.value]
        assert row[5:7] == ["yes" if field.required else "", field.since]
        assert all(f"{value} {field.number(value)}" in row[7] for value in field.values)


def test_every_event_is_in_the_list_of_its_family() -> None:
    told = re.findall(r"^\| (\d+) \| \[(\w+)\]\(#([\w-]+)\) ", DOCUMENT, re.MULTILINE)
    assert [(int(code), name) for code, name, _ in told] == [(kind.code, name) for name, kind in EVENTS.items()]
    headings = re.findall(r"^### (.*)$", DOCUMENT, re.MULTILINE)
    assert [anchor for _, _, anchor in told] == [heading.lower().replace(" ", "-") for heading in headings]


def test_all_attributes_sources_levels_and_flags_are_told() -> None:
    attributes = [row for row in rows("## The status") if row[0].isdigit()]
    assert [(int(row[0]), row[1]) for row in attributes] == [(n, a.name) for n, a in enumerate(ATTRIBUTES, 1)]
    assert len(attributes) == 107
    assert [row[1] for row in rows("## Sources")[2:]] == list(SOURCES)
    assert {*LEVELS, *(flag.name for flag in FLAGS)} <= {row[1] for row in rows("## An event")}


def test_a_bar_stays_in_its_cell() -> None:
    assert markdown.table(("a", "b"), [("x|y", 1)]) == "| a | b |\n|---|---|\n| x\\|y | 1 |"


@pytest.mark.parametrize("package", [lb.model, rules])
def test_the_modules_of_the_package_stand_in_its_text(package: ModuleType) -> None:
    told = re.findall(r"^``(\w+)``", package.__doc__ or "", re.MULTILINE)
    assert sorted(told) == sorted(module.name for module in pkgutil.iter_modules(package.__path__))
