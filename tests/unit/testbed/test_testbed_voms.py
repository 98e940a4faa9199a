"""Users of a testbed with VO attributes, and the tools that make them."""

import sys
from datetime import timedelta

import pytest

from gsi.credential import Credential
from gsi.rules import Rules
from gsi.trust import Trust
from testbed import configuration, main
from testbed import grid as grids
from testbed.layout import USER_DN, VO, VOMS_HOST, Choices, Layout


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A grid with credentials and configuration, in which nothing runs."""
    made = Layout(tmp_path_factory.mktemp("grid"), Choices(20000, 1, None))
    configuration.make_directories(made)
    grids.credentials(made)
    configuration.write(made, "/CN=host", USER_DN, "/usr/bin")
    made.save()
    return made


def attributes(grid: Layout) -> tuple[str, ...]:
    """What a service of the grid sees of the user's proxy."""
    proxy = Credential.load(grid.user_proxy)
    return Trust(grid.ca_dir, Rules(), grid.vomsdir).verify([proxy.certificate, *proxy.chain]).fqans


def test_a_proxy_with_attributes_is_believed(grid: Layout) -> None:
    assert attributes(grid) == ()
    grids.new_proxy(grid, timedelta(hours=1), limited=True, fqans=[f"/{VO}/Role=admin", f"/{VO}"])
    assert attributes(grid) == (f"/{VO}/Role=admin", f"/{VO}")


def test_the_environment_names_the_servers(grid: Layout) -> None:
    assert (grid.vomsdir / VO / f"{VOMS_HOST}.lsc").read_text().splitlines() == [
        f"/DC=org/DC=example/CN={VOMS_HOST}", "/DC=org/DC=example/CN=Test CA"]
    assert f'export X509_VOMS_DIR="{grid.vomsdir}"\n' in (grid.root / "env.sh").read_text()
    assert grid.voms_key.stat().st_mode & 0o777 == 0o400


def test_a_grid_of_before_gets_a_server(grid: Layout) -> None:
    grid.voms_key.unlink()
    (grid.vomsdir / VO / f"{VOMS_HOST}.lsc").unlink()
    grids.credentials(grid)
    grids.new_proxy(grid, timedelta(hours=1), fqans=[f"/{VO}"])
    assert attributes(grid) == (f"/{VO}",)


def test_the_command_makes_one(grid: Layout, monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["glite-testbed", "proxy", str(grid.root), *arguments])
        try:
            main.main()
        except SystemExit as end:
            assert end.code
            return capsys.readouterr().err
        return capsys.readouterr().out

    assert USER_DN in run("--fqan", f"/{VO}/Role=production", "--fqan", f"/{VO}/group")
    assert attributes(grid) == (f"/{VO}/Role=production", f"/{VO}/group")
    assert "no name of the VO" in run("--fqan", "/other/Role=production")
    assert "VO attributes" in run("--fqan", "nonsense")
    assert attributes(grid) == (f"/{VO}/Role=production", f"/{VO}/group")
    assert USER_DN in run()
    assert attributes(grid) == ()
