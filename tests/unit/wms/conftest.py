"""Fixtures that several tests of the workload management share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wmgrid import WmGrid


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    """Makes grids for the workload manager below the test's directory; they end with the test."""
    made: list[WmGrid] = []

    def new(**options: Any) -> WmGrid:
        made.append(WmGrid(tmp_path, **options))
        return made[-1]

    yield new
    for grid in made:
        grid.close()
