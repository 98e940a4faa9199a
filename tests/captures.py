"""Answers of the original server in the recorded conversations."""

import re

from shared import SHARED

NATIVE = SHARED / "captures" / "lb-native"


def body(name: str) -> bytes:
    """The last answer in a capture, which says before each piece who sent it, and when."""
    raw = re.sub(rb"\n##### [^\n]*\n", b"", (NATIVE / name).read_bytes())
    header = list(re.finditer(rb"Content-Length: (\d+)\r\n\r\n", raw))[-1]
    return raw[header.end() : header.end() + int(header[1])]
