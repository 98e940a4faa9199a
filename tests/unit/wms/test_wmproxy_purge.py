"""glite-wms-wmproxy-purge-proxycache as sites call it."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import pki
from gsi.delegation import DelegationStore
from gsi.proxy import create_proxy, sign_request
from shared import ROOT
from wms.wmproxy.tending import command


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with an expired and a good proxy; an hour has gone by."""
    store = DelegationStore(tmp_path / "proxycache", pki.trust())
    for name in ("old", "good"):
        answer = sign_request(pki.proxy(), store.new_request(pki.USER_DN, name))
        path = store.put(pki.USER_DN, name, answer).path
        if name == "old":
            create_proxy(pki.user(), timedelta(seconds=-1)).save(path)
    monkeypatch.setattr("gsi.proxycache.MIN_AGE_S", -1)
    return store.root


def test_a_dry_run_prints_and_removes_nothing(cache: Path) -> None:
    done = CliRunner().invoke(command, ["--dry-run", str(cache)])
    assert done.exit_code == 0 and "old/userproxy.pem" in done.output and "would be removed" in done.output
    assert "good/userproxy.pem" not in done.output
    assert len(list(cache.glob("%2F*/*/userproxy.pem"))) == 2


def test_it_removes_what_is_expired(cache: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--verbose", str(cache)])
    assert done.exit_code == 0 and "old/userproxy.pem" in done.output
    assert [path.parent.name for path in cache.glob("%2F*/*/userproxy.pem")] == ["good"]
    assert CliRunner().invoke(command, [str(cache)]).stdout == ""


def test_the_store_is_named_by_the_configuration(cache: Path, tmp_path: Path) -> None:
    cache.parent.joinpath("wms.toml").write_text(
        f'[common]\ndocument_root = "{cache.parent}"\nqueue_directory = "q"\nevent_prefix = "e"\n'
        'host_certificate = "c"\nhost_key = "k"\n')
    assert CliRunner().invoke(command, ["-c", str(cache.parent / "wms.toml")]).exit_code == 0
    assert not list(cache.glob("%2F*/old"))


@pytest.mark.parametrize(("arguments", "words"), [
    (["/nowhere/at/all"], "/nowhere/at/all"), (["-c", "/nowhere.toml"], "/nowhere.toml"),
])
def test_what_cannot_be_read_is_said_in_a_line(arguments: list[str], words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "wms.wmproxy.tending", *arguments], capture_output=True, text=True,
                          check=False, cwd=ROOT)
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
