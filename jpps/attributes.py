"""Attribute names, namespaces and values (jp.md 2.8)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

SYSTEM_NAMESPACE = "http://egee.cesnet.cz/en/Schema/JP/System"
LB_NAMESPACE = "http://egee.cesnet.cz/en/Schema/LB/Attributes"
LB_JDL_NAMESPACE = "http://egee.cesnet.cz/en/Schema/LB/Attributes:JDL"
LBTAG_NAMESPACE = "http://egee.cesnet.cz/en/WSDL/jp-lbtag"
JDL_NAMESPACE = "http://jdl"
ISB_NAMESPACE = "http://egee.cesnet.cz/en/Schema/JP/ISB"
ISB_CONTENT_NAMESPACE = "http://egee.cesnet.cz/en/Schema/JP/ISB:content"

OWNER = f"{SYSTEM_NAMESPACE}:owner"
REGTIME = f"{SYSTEM_NAMESPACE}:regtime"
JOBID = f"{SYSTEM_NAMESPACE}:jobId"

#: What XML 1.0 cannot carry; surrogates come from bytes that are not UTF-8.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Origin(StrEnum):
    """Who said it: the storage itself, the user (RecordTag), or an uploaded file."""

    SYSTEM = "SYSTEM"
    USER = "USER"
    FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of one attribute of a job. `time`: UTC, whole seconds; `detail`: where a FILE value comes from."""

    name: str
    content: str | bytes
    time: datetime
    origin: Origin
    detail: str | None = None


def namespace(name: str) -> str:
    """Return the text before the last colon (jp.md 2.7)."""
    return name.rpartition(":")[0]


def now() -> datetime:
    """Return the current time as attributes have it: UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def at(epoch: int) -> datetime:
    """Return the moment; what no calendar has (old files say strange things) becomes 1970."""
    try:
        return datetime.fromtimestamp(epoch, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def text(raw: bytes | str) -> str:
    """Return `raw` as text that XML can carry.

    Old files hold Latin-1 now and then; characters that XML forbids become U+FFFD.
    """
    if isinstance(raw, str):
        raw = raw.encode("utf-8", "surrogateescape")
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        decoded = raw.decode("latin-1")
    return _NOT_XML.sub("\ufffd", decoded)
