"""The user's delegated proxy, as the workload manager looks at it (wms.md 3.10).

It may be replaced at any time by a newer one, when its owner renews the delegation (wms.wmproxy.jobproxies). Each look
is at the file as it is; an element that has the job already is told.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from gsi.credential import Credential
from gsi.errors import CredentialError
from wms.ce.base import CeError
from wms.manager.elements import Elements
from wms.manager.record import Record

log = logging.getLogger(__name__)


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


def proxy_version(path: str) -> str:
    """Another text after each replacement of the proxy; empty when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_mtime_ns}.{found.st_ino}"


def has_new_proxy(record: Record) -> bool:
    """Whether the job's proxy is another than the one that its element was given."""
    return record.attempt is not None and proxy_version(record.proxy) not in (record.attempt.proxy_version, "")


def pass_on(draft: Record, elements: Elements) -> bool:
    """Give the element that has the job the newer proxy, and note so in the draft; False: there is nothing to note."""
    attempt = draft.attempt
    adapter = None if attempt is None else elements.get(attempt.ceid)
    if attempt is None or adapter is None or not has_new_proxy(draft):
        return False
    version = proxy_version(draft.proxy)  # before it is read: what replaces it in between is noticed later
    try:
        adapter.renew(attempt.lrms_id, Path(draft.proxy), proxy_expires(draft.proxy))
    except (CeError, CredentialError) as error:
        log.warning("%s: the renewed proxy is not passed on yet: %s", draft.jobid, error)
        return False
    log.info("%s: the renewed proxy was passed on", draft.jobid)
    attempt.proxy_version = version
    return True
