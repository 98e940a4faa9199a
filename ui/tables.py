"""Tables: on a terminal fitted into its width and coloured, elsewhere one line per row, nothing cut, nothing folded.

On a terminal that is too narrow for a table each row becomes a block of lines, a column per line.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | tuple[str, str]
"""A text, or a text and its style on a terminal. To be made harmless with ``frame.visible`` by whoever makes it."""

ROWS: Final = 500
"""Rows whose widths are looked at together, so that a long table begins at once."""
GAP: Final = "  "
FOLDED: Final = 10
"""Columns of a terminal that a column of a table is folded into at the least; the first one is never folded."""


def terminal_width() -> int | None:
    """Columns of standard output, None when it is no terminal."""
    console = Console()
    return console.width if console.is_terminal else None


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print the rows below the names of the columns."""
    console = Console(highlight=False)
    pending = iter(rows)
    part = list(islice(pending, ROWS))
    narrow = console.is_terminal and _least_width(columns, part) > console.width
    while True:
        if narrow:
            _print_blocks(console, columns, part)
        elif console.is_terminal:
            console.print(_fitted(columns, part))
        else:
            click.echo("\n".join(_plain(columns, part)))
        part = list(islice(pending, ROWS))
        if not part:
            break


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _widths(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [max(cell_len(_text(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> int:
    """Columns of a terminal that the table needs to be of use."""
    first, *others = _widths(columns, rows)
    return first + sum(min(width, FOLDED) + len(GAP) for width in others)


def _fitted(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, len(GAP) - 1, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else Text(*cell) for cell in row))
    return table


def _print_blocks(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Texts are left to the terminal to fold, so that what is copied from it is whole."""
    width = max(map(len, columns))
    for row in rows:
        for name, cell in zip(columns, row, strict=True):
            if text := _text(cell).strip():
                style = "" if isinstance(cell, str) else cell[1]
                console.print(Text.assemble((name.ljust(width), "bold"), GAP, (text, style)), soft_wrap=True)
        console.print()


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterable[str]:
    widths = _widths(columns, rows)
    for number, row in enumerate((columns, *rows)):
        texts = zip(map(_text, row), widths, strict=True)
        yield GAP.join(text + " " * (width - cell_len(text)) for text, width in texts).rstrip()
        if number == 0:
            yield GAP.join("-" * width for width in widths)
