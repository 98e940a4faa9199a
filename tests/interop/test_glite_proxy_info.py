"""glite-proxy-info beside grid-proxy-info and voms-proxy-info: the same values of the same proxies."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import acs
import pki
from testbed import ca

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
KINDS = ["-rfc", "-old", "-draft", "-rfc -limited", "-old -limited", "-draft -limited", "-rfc -bits 4096"]
VALUES = ["-subject", "-issuer", "-identity", "-type", "-strength", "-path"]


def run(*command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "X509_CERT_DIR": str(acs.ca_dir()), "X509_VOMS_DIR": str(acs.vomsdir())}
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=check, capture_output=True,
                          text=True)


def ours(proxy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "ui.proxy_info", "-file", proxy, *options, check=False)


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_of_globus(tmp_path: Path, kind: str) -> None:
    certificate, key = pki.user_files()
    proxy = tmp_path / "proxy"
    run("grid-proxy-init", "-cert", certificate, "-key", key, "-out", proxy, "-pwstdin", *kind.split())
    for options in (VALUES, ["-subject", "-issuer", "-rfc2253"]):
        theirs = run("grid-proxy-info", "-file", proxy, *options).stdout
        assert ours(proxy, *options).stdout == theirs
    seconds = int(run("grid-proxy-info", "-file", proxy, "-timeleft").stdout)
    assert 0 <= seconds - int(ours(proxy, "-timeleft").stdout) < seconds / 2
    for options in (["-exists"], ["-exists", "-valid", "11:00"], ["-exists", "-valid", "13:00"],
                    ["-exists", "-bits", "2048"], ["-exists", "-bits", "8192"]):
        theirs_code = run("grid-proxy-info", "-file", proxy, *options, check=False).returncode
        assert ours(proxy, *options).returncode == theirs_code


def test_the_lines_of_globus(tmp_path: Path) -> None:
    """Whoever cuts lines at the colon finds what he found before."""
    certificate, key = pki.user_files()
    proxy = tmp_path / "proxy"
    run("grid-proxy-init", "-cert", certificate, "-key", key, "-out", proxy, "-pwstdin")

    def lines(text: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z]+) *: (.*)$", text, re.MULTILINE))

    theirs, told = lines(run("grid-proxy-info", "-file", proxy).stdout), lines(ours(proxy).stdout)
    assert theirs.keys() == {"subject", "issuer", "identity", "type", "strength", "path", "timeleft"}
    assert {name: told[name] for name in theirs if name != "timeleft"} == {
        name: value for name, value in theirs.items() if name != "timeleft"}


@pytest.fixture(scope="module")
def voms_proxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A proxy with attributes, made by VOMS' own tool."""
    folder = tmp_path_factory.mktemp("voms")
    ca.save_pair(pki.user(), folder / "usercert.pem", folder / "userkey.pem")
    ca.save_pair(acs.server().credential, folder / "hostcert.pem", folder / "hostkey.pem")
    run("voms-proxy-fake", "-cert", folder / "usercert.pem", "-key", folder / "userkey.pem", "-certdir", acs.ca_dir(),
        "-hostcert", folder / "hostcert.pem", "-hostkey", folder / "hostkey.pem", "-voms", acs.VO, "-rfc",
        "-uri", f"{acs.HOST}:15000", "-out", folder / "proxy", "-hours", "2",
        "-fqan", "/testvo/Role=NULL/Capability=NULL", "-fqan", "/testvo/prod/Role=admin/Capability=NULL")
    return folder / "proxy"


def test_the_attributes_of_voms(voms_proxy: Path) -> None:
    for option in ("-vo", "-fqan", "-uri", "-acissuer"):
        told = ours(voms_proxy, option)
        assert (told.stdout, told.stderr) == (run("voms-proxy-info", "-file", voms_proxy, option).stdout, "")
    assert ours(voms_proxy, "-fqan").stdout.splitlines() == [
        "/testvo/Role=NULL/Capability=NULL", "/testvo/prod/Role=admin/Capability=NULL"]
    for vo, code in (("testvo", 0), ("othervo", 1)):
        assert run("voms-proxy-info", "-file", voms_proxy, "-acexists", vo, check=False).returncode == code
        assert ours(voms_proxy, "-acexists", vo).returncode == code
    assert "believed  : yes, verified" in ours(voms_proxy).stdout
