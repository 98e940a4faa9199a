"""Where the recorded traces, oracles and captures are, and the mark for tests that read them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(),
    reason="recorded traces and oracles (../shared beside the checkout) are not here",
)


def envelopes(path: Path) -> list[bytes]:
    """The SOAP envelopes of a capture, the log's own lines taken out."""
    joined = re.sub(rb"\n##### [^\n]*\n", b"", path.read_bytes())
    return re.findall(rb"<SOAP-ENV:Envelope.*?</SOAP-ENV:Envelope>", joined, re.DOTALL)
