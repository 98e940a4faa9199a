"""Tables: on a terminal fitted into its width and coloured, elsewhere one line per row, nothing cut, nothing folded."""

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


def terminal_width() -> int | None:
    """Columns of standard output, None when it is no terminal."""
    console = Console()
    return console.width if console.is_terminal else None


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print the rows below the names of the columns."""
    console = Console(highlight=False)
    pending = iter(rows)
    part = list(islice(pending, ROWS))
    while True:
        if console.is_terminal:
            console.print(_fitted(columns, part))
        else:
            click.echo("\n".join(_plain(columns, part)))
        part = list(islice(pending, ROWS))
        if not part:
            break


def _fitted(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else Text(*cell) for cell in row))
    return table


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterable[str]:
    texts = [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in (columns, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for number, row in enumerate(texts):
        yield GAP.join(text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        if number == 0:
            yield GAP.join("-" * width for width in widths)
