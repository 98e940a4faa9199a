"""Running commands: in this process, in one of their own, and as help and documentation show them."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from click.testing import CliRunner, Result

from shared import ROOT


def told(command: click.Command, *arguments: object) -> Result:
    """A command in this process; its exception, if it has one."""
    result = CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def process(module: str, *arguments: object, octets: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own, with these octets for standard input."""
    return subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, input=octets,
                          capture_output=True, check=False)


def examples(command: click.Command) -> list[str]:
    """The lines below "Examples:" in the help."""
    shown = command.epilog or ""
    block = shown.split("Examples:\n", 1)[1].split("\b\n", 1)[0]
    return [line.strip() for line in block.splitlines() if line.strip()]


def shell(line: str, folder: Path, programs: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in a folder. ``programs``: names of our commands and the modules they are."""
    for name, module in programs.items():
        line = re.sub(rf"(?<![\w/-]){name}(?![\w-])", f"{shlex.quote(sys.executable)} -m {module}", line)
    return subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=folder, capture_output=True, check=False,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})


def works(line: str, folder: Path, programs: Mapping[str, str]) -> bool:
    """Whether a line succeeds and prints something."""
    done = shell(line, folder, programs)
    return done.returncode == 0 and bool(done.stdout) and b"Traceback" not in done.stderr
