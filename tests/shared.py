"""Where the recorded traces, oracles and captures are, and the mark for tests that read them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(),
    reason="recorded traces and oracles (../shared beside the checkout) are not here",
)
