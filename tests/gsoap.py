"""C code from the contracts with Debian's gSOAP, and the Job Provenance client made of it."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import wsdl

SOURCES = Path(__file__).parent / "interop" / "gsoap"
TYPEMAP = """\
jpsrv = "http://glite.org/wsdl/services/jp"
jptype = "http://glite.org/wsdl/types/jp"
jpelem = "http://glite.org/wsdl/elements/jp"
wms = "http://glite.org/wms/wmproxy"
deleg = "http://www.gridsite.org/namespaces/delegation-2"
lbsrv = "http://glite.org/wsdl/services/lb"
lbt = "http://glite.org/wsdl/types/lb"
lb = "http://glite.org/wsdl/elements/lb"
"""

needs_gsoap = pytest.mark.skipif(
    shutil.which("soapcpp2") is None or shutil.which("gcc") is None,
    reason="gSOAP or gcc is not installed; `make test` installs them",
)


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a tool; its output, or an assertion error that shows it."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def generate(folder: Path, contracts: Sequence[str]) -> str:
    """Turn WSDL files into C stubs in `folder`, from local copies only; what the tools said."""
    for name in wsdl.names():
        (folder / name).write_bytes(wsdl.read(name))
    (folder / "typemap.dat").write_text(TYPEMAP)
    files = [f"{name}.wsdl" for name in contracts]
    said = run("wsdl2h", "-c", "-t", "typemap.dat", "-o", "service.h", *files, folder=folder)
    return said + run("soapcpp2", "-c", "-C", "-L", "-x", "service.h", folder=folder)


def compile_stubs(folder: Path) -> None:
    """Compile the generated C; warnings of its own apart, it has to pass."""
    run("gcc", "-w", "-c", "soapC.c", "soapClient.c", folder=folder)


@dataclass(frozen=True)
class Done:
    """How the client ended: 0 success, 1 fault with detail, 2 anything else."""

    status: int
    lines: list[str]
    errors: str


@dataclass(frozen=True)
class JpClient:
    """The compiled tests/interop/gsoap/jpclient.c with a credential."""

    program: Path
    proxy: Path
    ca_dir: Path

    def __call__(self, command: str, url: str, *arguments: str) -> Done:
        """Run `register URL JOB OWNER`, `attributes URL JOB NAME...` or `query URL NAME VALUE WANTED...`."""
        done = subprocess.run(
            [self.program, self.proxy, self.ca_dir, command, url, *arguments], capture_output=True, text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout.splitlines(), done.stderr)


def build_jp_client(folder: Path) -> Path:
    """Compile the Job Provenance client; its path."""
    generate(folder, ["JobProvenancePS", "JobProvenanceIS"])
    program = folder / "jpclient"
    run("gcc", "-w", "-DWITH_OPENSSL", f"-I{folder}", "-o", program, SOURCES / "jpclient.c", folder / "soapC.c",
        folder / "soapClient.c", "-lgsoapssl", "-lssl", "-lcrypto", "-lz", folder=folder)
    return program


def build_cgsi_client(folder: Path) -> Path:
    """Compile the client of WMProxy and LB that leaves security to the CGSI plug-in; its path."""
    generate(folder, ["WMProxy", "WMProxy-gridsite-delegation-2.0.0", "LB"])
    program = folder / "cgsiclient"
    run("gcc", "-w", f"-I{folder}", "-o", program, SOURCES / "cgsiclient.c", folder / "soapC.c",
        folder / "soapClient.c", "-lcgsi_plugin", "-lgsoap", folder=folder)
    return program
