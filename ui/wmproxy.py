"""The WMProxy as the commands see it: the calls of wms.md 6.6 in their order."""

import logging
import secrets
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from gsi.credential import Credential
from soap.client import Client
from soap.contract import load
from soap.delegation import DELEGATION_1, DELEGATION_2, DelegationClient
from ui.frame import UiError

log = logging.getLogger(__name__)

#: Bytes read at once from a sandbox file that is fetched.
CHUNK = 1 << 16
#: Servers from this version on speak the delegation-2 port type (wms.md 1.5).
DELEGATION_2_SINCE = (2, 9, 0)


class WmProxy:
    """One WMProxy endpoint, called with the user's credential."""

    def __init__(self, url: str, session: requests.Session, credential: Credential) -> None:
        self.url = url
        self._session = session
        self._credential = credential
        self._client = Client(load("WMProxy"), url, session)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call an operation of the main port type and return its response record."""
        log.debug("%s at %s", operation, self.url)
        return self._client.call(operation, **arguments)

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The server's version; an answer that cannot be read counts as 1.0 (wms.md 1.5)."""
        answer: str = self.call("getVersion").version
        parts = answer.strip().split(".")
        return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (1, 0)

    @cached_property
    def delegation(self) -> DelegationClient:
        """The delegation port that this server has (wms.md 1.5)."""
        contract = DELEGATION_2 if self.version >= DELEGATION_2_SINCE else DELEGATION_1
        return DelegationClient(self.url, self._session, self._credential, contract=contract)

    def delegate(self, delegation_id: str | None = None) -> str:
        """Delegate the user's proxy and return the delegation id (a fresh one when none is given)."""
        return self.delegation.put(delegation_id or secrets.token_hex(8)).id

    def sandbox_uri(self, jobid: str) -> str:
        """Where the input sandbox of a registered job goes, by HTTPS."""
        uris: list[str] = self.call("getSandboxDestURI", jobId=jobid, protocol="https").path.Item
        if not uris:
            raise UiError("Sandbox", f"{self.url} offers no HTTPS sandbox for {jobid}")
        return uris[0].rstrip("/")

    def put(self, path: Path, uri: str) -> None:
        """Transfer one file by HTTPS PUT."""
        log.debug("%s -> %s", path, uri)
        with path.open("rb") as file:
            answer = self._session.put(uri, data=file)
        _refuse(answer, f"transfer of {path}")

    def get(self, uri: str, path: Path) -> None:
        """Fetch one file by HTTPS GET; it appears under its name only when it is whole."""
        partial = path.with_name(path.name + ".part")
        with self._session.get(uri, stream=True) as answer:
            _refuse(answer, f"fetching {uri}")
            with partial.open("wb") as file:
                for chunk in _chunks(answer):
                    file.write(chunk)
        partial.rename(path)


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    yield from answer.iter_content(CHUNK)


def _refuse(answer: requests.Response, what: str) -> None:
    if answer.status_code >= 300:
        text = answer.text.strip().splitlines()[:1] if "text/plain" in answer.headers.get("Content-Type", "") else []
        raise UiError("Transfer", f"{what} was refused: {answer.status_code} {answer.reason} {' '.join(text)}".strip())
