"""Tables: what a terminal of some width shows, and what a file gets."""

from functools import partial

import pytest
from rich.console import Console

from ui import tables
from ui.tables import Cell, print_table

COLUMNS = ("job", "state", "destination")
LONG = "https://lb.example.org:9000/" + "x" * 22
DESTINATION = "ce.example.org:2119/jobmanager"
ROWS: list[tuple[Cell, ...]] = [(LONG, ("Done", "green"), DESTINATION), ("  sub", "Running", "")]


def on_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "Console", partial(Console, force_terminal=True, no_color=True, width=width))


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines, without the marks of bold print."""
    text = capsys.readouterr().out.replace("\x1b[1m", "").replace("\x1b[0m", "")
    return [line.rstrip() for line in text.splitlines()]


def test_a_file_gets_one_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, ROWS)
    lines = shown(capsys)
    assert [line.split() for line in lines] == [
        list(COLUMNS), ["-" * 50, "-" * 7, "-" * 30], [LONG, "Done", DESTINATION], ["sub", "Running"],
    ]


def test_a_terminal_folds_columns_but_the_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(80, monkeypatch)
    print_table(COLUMNS, ROWS)
    lines = shown(capsys)
    assert max(map(len, lines)) <= 80 and lines[2].startswith(f"{LONG}  Done     ce.example.org:")
    assert lines[3].split() == ["/jobmanager"] and lines[4] == "  sub" + " " * 47 + "Running"


def test_a_terminal_too_narrow_for_that_shows_blocks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts stay whole, for copying; what is empty is left out."""
    on_terminal(40, monkeypatch)
    print_table(COLUMNS, ROWS)
    assert shown(capsys) == [
        f"job          {LONG}", "state        Done", f"destination  {DESTINATION}", "",
        "job          sub", "state        Running", "",
    ]
