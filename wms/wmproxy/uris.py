"""Addresses of sandboxes and the protocols that reach them (wms.md 1.7, protocol argument)."""

from __future__ import annotations

from urllib.parse import quote

from wms.config import Settings
from wms.jobdirectory import JobDirectory

from .errors import Code, OperationError

PROTOCOLS = ("https",)
"""What getTransferProtocols answers; the first is the default."""


def directory_uri(settings: Settings, directory: JobDirectory, area: str = "") -> str:
    """``https://host:port/<SandboxDir>/<2>/<encoded id>[/area]``, without a slash at the end."""
    path = f"/{directory.relative}" + (f"/{area}" if area else "")
    return f"https://{settings.common.host}:{settings.wmproxy.port}{path}"


def file_uri(settings: Settings, directory: JobDirectory, area: str, name: str) -> str:
    return f"{directory_uri(settings, directory, area)}/{quote(name)}"


def chosen_protocols(protocol: str | None) -> tuple[str, ...]:
    """The protocols that an operation's argument asks for; empty, "all" and "default" mean what there is.

    :raises OperationError: INVALID_ARGUMENT for one that is not served.
    """
    if not protocol or protocol in ("all", "default"):
        return PROTOCOLS
    if protocol in PROTOCOLS:
        return (protocol,)
    message = f"requested protocol not available: {protocol!r}; available: {', '.join(PROTOCOLS)}"
    raise OperationError(Code.INVALID_ARGUMENT, message)
