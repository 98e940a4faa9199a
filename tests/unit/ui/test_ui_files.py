"""Files the user names: read alike in every locale, and a bad one is said, not shown as a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from ui.frame import UiError, read_jobids, read_text
from ui.settings import Settings


def test_a_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.jdl"
    path.write_bytes(b'Arguments = "Gr\xfc\xdfe";')
    with pytest.raises(UiError, match=r"latin\.jdl is no UTF-8 text: byte 16 is 0xfc"):
        read_text(path)
    with pytest.raises(UiError, match="cannot read .*: No such file"):
        read_jobids(tmp_path / "none")


def test_texts_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("Grüße".encode())
    script = "import sys, pathlib, ui.frame\n" \
             "sys.stdout.buffer.write(ui.frame.read_text(pathlib.Path(sys.argv[1])).encode())"
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", script, str(path)], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == "Grüße"


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "glite_wmsui.conf"
    path.write_text("[ WmsClient = [")
    with pytest.raises(UiError, match=r"glite_wmsui\.conf: "):
        Settings(None, path, None).config  # noqa: B018
