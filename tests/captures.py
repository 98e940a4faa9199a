"""Answers of the original server in the recorded conversations."""

import re

from shared import SHARED

NATIVE = SHARED / "captures" / "lb-native"


def conversation(name: str) -> bytes:
    """All that was sent both ways, without what the capture says of it."""
    return re.sub(rb"\n##### [^\n]*\n", b"", (NATIVE / name).read_bytes())


def body(name: str) -> bytes:
    """The last answer in a capture, which says before each piece who sent it, and when."""
    raw = conversation(name)
    header = list(re.finditer(rb"Content-Length: (\d+)\r\n\r\n", raw))[-1]
    return raw[header.end() : header.end() + int(header[1])]


def envelopes(name: str) -> list[bytes]:
    """The SOAP messages of a capture: request, answer."""
    return re.findall(rb"<SOAP-ENV:Envelope.*?</SOAP-ENV:Envelope>", conversation(name), re.DOTALL)
