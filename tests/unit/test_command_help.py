"""Every command and subcommand of the package shows examples in its --help, as the README says."""

import configparser
import importlib
import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from shared import ROOT


def scripts() -> dict[str, click.Command]:
    """The console scripts of setup.cfg: name -> its click command, which stands beside `main` in each module."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = settings["options.entry_points"]["console_scripts"].split("\n")
    pairs = [line.split(" = ") for line in lines if line]
    return {name: importlib.import_module(where.removesuffix(":main")).command for name, where in pairs}


SCRIPTS = scripts()


def paths(name: str, command: click.Command, *before: str) -> Iterator[tuple[str, ...]]:
    """The command lines that lead to a command and to all of its subcommands."""
    yield (*before, name)
    if isinstance(command, click.Group):
        for each, sub in command.commands.items():
            yield from paths(each, sub, *before, name)


ALL = [path for name, command in SCRIPTS.items() for path in paths(name, command)]


def test_all_commands_are_looked_at() -> None:
    assert len(SCRIPTS) > 20 and ("glite-testbed", "up") in ALL


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_examples(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(SCRIPTS[path[0]], [*path[1:], "--help"], prog_name=path[0])
    assert done.exit_code == 0
    examples = re.search(r"^ *Examples?:$(.*)", done.output, re.MULTILINE | re.DOTALL)
    assert examples, "no examples"
    assert " ".join(path) in examples[1], "no example with the command itself"
