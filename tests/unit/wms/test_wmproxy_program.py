"""The program glite-wms-wmproxy as it is started and stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import pki
from httpg.client import session
from tlsserver import free_port, wait_for
from unit.wms import wmproxy_support as support
from wms.config import Settings, load

TOML = """
[common]
document_root = "wms"
queue_directory = "queue"
event_prefix = "events/dglogd.log"
host_certificate = "hostcert.pem"
host_key = "hostkey.pem"
ca_directory = "{ca}"
host = "localhost"
default_vo = "testvo"

[wmproxy]
listen_address = "127.0.0.1"
port = {port}
workers = 1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    support.host_files(tmp_path)
    path = tmp_path / "glite_wms.toml"
    path.write_text(TOML.format(ca=pki.ca_dir(), port=free_port()))
    return path


def program(config: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "wms.wmproxy.main", "--config", str(config), *options]


def settings(config: Path) -> Settings:
    return load(config)


def answers(chosen: Settings) -> bool:
    try:
        with session(pki.proxy(), pki.ca_dir(), timeout=5) as http:
            return http.get(f"{chosen.endpoint}?wsdl").status_code == 200
    except requests.ConnectionError:
        return False


def test_it_serves_until_it_is_told_to_end(config: Path) -> None:
    process = subprocess.Popen(program(config, "--foreground"), stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: answers(settings(config)))
        leftover = settings(config).common.sandbox_directory / ".upload" / "now"
        leftover.touch()
        second = subprocess.run(program(config, "--foreground"), capture_output=True, text=True, check=False)
        assert second.returncode == 1 and "Address already in use" in second.stderr
        assert "Traceback" not in second.stderr and leftover.exists()
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "serving https://localhost:" in log and "Traceback" not in log
    assert settings(config).common.sandbox_directory.stat().st_mode & 0o777 == 0o700


def test_in_the_background_it_leaves_its_number_and_a_log(config: Path, tmp_path: Path) -> None:
    pidfile, logfile = tmp_path / "pid", tmp_path / "log"
    command = program(config, "--pidfile", str(pidfile), "--logfile", str(logfile))
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
    wait_for(lambda: pidfile.exists() and pidfile.read_text().strip())
    pid = int(pidfile.read_text())
    wait_for(lambda: answers(settings(config)))
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not pidfile.exists())
    assert "serving https://localhost:" in logfile.read_text()


@pytest.mark.parametrize(
    "change, words",
    [
        (("port =", "prot ="), "unknown key 'wmproxy.prot'; did you mean 'port'?"),
        (('"hostkey.pem"', '"nokey.pem"'), "nokey.pem cannot be read: No such file or directory"),
        (("listen_address", "users_file = 'none'\nlisten_address"), "none cannot be read"),
    ],
)
def test_it_says_what_is_wrong_and_ends_with_one(config: Path, change: tuple[str, str], words: str) -> None:
    config.write_text(config.read_text().replace(*change))
    done = subprocess.run(program(config, "--foreground"), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert words in done.stderr


def test_the_configuration_can_be_checked_and_the_options_are_explained(config: Path) -> None:
    checked = subprocess.run(program(config, "--check"), capture_output=True, text=True, check=True)
    assert "is good; the service would be https://localhost:" in checked.stdout
    helped = subprocess.run(program(config, "--help"), capture_output=True, text=True, check=True)
    assert "Examples:" in helped.stdout and "--pidfile" in helped.stdout
