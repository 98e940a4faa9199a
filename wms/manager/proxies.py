"""The user's delegated proxy, as the workload manager looks at it (wms.md 3.10)."""

from __future__ import annotations

from pathlib import Path

from gsi.credential import Credential
from gsi.errors import CredentialError


def proxy_trouble(path: str, now: float) -> str | None:
    """What is wrong with the proxy, in the words of an Abort event; None when it can be used."""
    try:
        expires = proxy_expires(path)
    except CredentialError:
        name = Path(path).name
        if not Path(path).is_file():
            return f"X509 proxy not found or I/O error ({name})"
        return f"invalid X509 proxy ({name})"
    return "proxy expired" if expires <= now else None


def proxy_expires(path: str) -> float:
    """When it ends, in epoch seconds. Raises CredentialError."""
    return Credential.load(Path(path)).not_after.timestamp()
