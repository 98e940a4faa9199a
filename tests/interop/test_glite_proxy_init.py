"""Proxies of glite-proxy-init, read by the programs of others: Globus, VOMS, OpenSSL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pki
from gsi.credential import pem

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[2]
#: Name: options of glite-proxy-init, Globus' word for the type.
CASES = {
    "default": ([], "RFC 3820 compliant impersonation proxy"),
    "limited": (["-limited"], "RFC 3820 compliant limited proxy"),
    "EC": (["--key-type", "ec"], "RFC 3820 compliant impersonation proxy"),
    "4096 bits": (["-bits", "4096"], "RFC 3820 compliant impersonation proxy"),
    "path length": (["-pathlen", "2"], "RFC 3820 compliant impersonation proxy"),
}


def run(*command: object) -> str:
    environment = {**os.environ, "X509_CERT_DIR": str(pki.ca_dir())}
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=True, capture_output=True,
                          text=True).stdout


def proxy_init(out: Path, *options: object) -> Path:
    certificate, key = pki.user_files()
    given = options if "-cert" in options else ("-cert", certificate, "-key", key, *options)
    run(sys.executable, "-m", "ui.proxy_init", "-out", out, *given)
    return out


@pytest.mark.parametrize("case", CASES)
def test_they_read_it(tmp_path: Path, case: str) -> None:
    options, kind = CASES[case]
    proxy = proxy_init(tmp_path / "proxy", *options)
    assert run("grid-proxy-info", "-file", proxy, "-identity", "-type").splitlines() == [pki.USER_DN, kind]
    told = run("voms-proxy-info", "-file", proxy, "-identity", "-type").splitlines()
    assert told == [pki.USER_DN, "RFC compliant proxy"]
    assert int(run("grid-proxy-info", "-file", proxy, "-timeleft")) > 11 * 3600
    run("grid-proxy-info", "-file", proxy, "-exists", "-valid", "11:00")


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_openssl_verifies_each_level(tmp_path: Path, levels: int) -> None:
    proxy = proxy_init(tmp_path / "1")
    for level in range(2, levels + 1):
        proxy = proxy_init(tmp_path / str(level), "-cert", proxy)
    root = tmp_path / "root.pem"
    root.write_bytes(pem(pki.authority().certificate))
    told = run("openssl", "verify", "-allow_proxy_certs", "-CAfile", root, "-untrusted", proxy, proxy)
    assert told == f"{proxy}: OK\n"


def test_globus_makes_a_further_level(tmp_path: Path) -> None:
    proxy = proxy_init(tmp_path / "first")
    run("grid-proxy-init", "-rfc", "-cert", proxy, "-key", proxy, "-out", tmp_path / "second", "-pwstdin")
    assert run("grid-proxy-info", "-file", tmp_path / "second", "-identity").strip() == pki.USER_DN
