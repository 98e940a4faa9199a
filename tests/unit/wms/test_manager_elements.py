"""How the configuration binds computing elements to adapters."""

from pathlib import Path

import pytest

import pki
from wmgrid import WmGrid, ceid
from wms.ce.local import LocalElement
from wms.config import ConfigError
from wms.infosys import GlueFile
from wms.jobdirectory import encode
from wms.manager.elements import Elements

A = "a.example.org"


def elements(grid: WmGrid) -> Elements:
    return Elements(grid.settings, GlueFile(grid.settings.common.glue_file))


def local(grid: WmGrid) -> LocalElement:
    adapter = elements(grid).get(ceid(A))
    assert isinstance(adapter, LocalElement)
    return adapter


def test_an_element_gets_what_the_configuration_says(tmp_path: Path) -> None:
    grid = WmGrid(tmp_path, slots=7, element='max_output_bytes = 5\noptions = { SITE = "here" }')
    adapter = local(grid)
    assert (adapter.slots, adapter.max_output_bytes, dict(adapter.environment)) == (7, 5, {"SITE": "here"})
    assert adapter.root == tmp_path / "state" / "ce" / encode(ceid(A))
    assert adapter.ca_directory == pki.ca_dir()
    assert elements(grid).queue_name(ceid(A)) == str(adapter.root)
    assert elements(grid).get("unknown") is None


@pytest.mark.parametrize(("configured", "effective"), [("", 600.0), ("max_wall_clock_s = 30", 30.0)])
def test_the_shorter_of_two_time_limits_counts(tmp_path: Path, configured: str, effective: float) -> None:
    """The information system says 10 minutes."""
    assert local(WmGrid(tmp_path, element=configured)).max_wall_clock_s == effective


def test_without_the_information_system_the_configured_limit_counts(tmp_path: Path) -> None:
    grid = WmGrid(tmp_path)
    (tmp_path / "glue.ldif").unlink()
    assert local(grid).max_wall_clock_s == 3600.0


def test_a_place_of_its_own(tmp_path: Path) -> None:
    assert local(WmGrid(tmp_path, element='directory = "elsewhere"')).root == tmp_path / "elsewhere"


def test_an_unknown_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no adapter 'pbs'; there are: local"):
        elements(WmGrid(tmp_path, element='adapter = "pbs"'))
