"""One Primary Storage as its uploading client sees it."""

import base64
import binascii
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

import soap.client
import soap.contract
from gsi.errors import GsiError
from jpps.importer.messages import url as secure
from soap.faults import PosixFault

log = logging.getLogger(__name__)

#: How long after its start an upload shall be committed, in seconds (jp.md 4.6).
COMMIT_WITHIN_S = 1000
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")


class Unreachable(Exception):
    """The Primary Storage does not answer; whatever was asked is to be asked again."""


class UploadFailed(Exception):
    """The file was not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be uploaded: its type, the media type to go with it, where it lies."""

    uri: str
    content_type: str
    path: Path


class Primary:
    """Calls one Primary Storage; for one thread. Every method raises Unreachable, and PosixFault as it comes."""

    def __init__(self, url: str, connect: Callable[[], requests.Session]) -> None:
        """connect: makes a session, with the credential of that moment."""
        self.url = url
        self._connect = connect
        self._session: requests.Session | None = None

    def register(self, jobid: str, owner: str) -> None:
        """Register a job."""
        self._call("RegisterJob", job=jobid, owner=owner)

    def start(self, jobid: str, source: Source) -> str:
        """Open an upload; return its URL."""
        before = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=COMMIT_WITHIN_S)
        destination: str = self._call(
            "StartUpload", job=jobid, class_=source.uri, name=None, commitBefore=before, contentType=source.content_type
        ).destination
        return destination

    def put(self, destination: str, source: Source) -> None:
        """Send the file. Raises UploadFailed, OSError when the file cannot be read."""
        with source.path.open("rb") as file:
            answer = self._http("PUT", destination, data=file, headers={"Content-Type": source.content_type})
        if answer.status_code not in (200, 201, 204):
            raise UploadFailed(f"PUT of {destination}: HTTP {answer.status_code} {answer.text.strip()[:200]}")

    def commit(self, destination: str) -> None:
        """Make the upload permanent."""
        self._call("CommitUpload", destination=destination)

    def stored(self, destination: str) -> "Stored | None":
        """Return what is committed at the URL of an upload of ours; None when nothing is yet."""
        answer = self._http("HEAD", destination)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise UploadFailed(f"HEAD of {destination}: HTTP {answer.status_code}")
        match = _DIGEST.search(answer.headers.get("Repr-Digest", ""))
        return Stored(_decoded(match[1]) if match else None)

    def hang_up(self) -> None:
        """Close the connection; the next call makes a new one."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _call(self, operation: str, **arguments: object) -> Any:
        try:
            client = soap.client.Client(soap.contract.load("JobProvenancePS"), self.url, self._open())
            return client.call(operation, **arguments)
        except (soap.client.TransportError, GsiError) as error:
            raise self._lost(error) from error

    def _http(self, method: str, url: str, **options: object) -> requests.Response:
        if not url.startswith(("http://", "https://")):
            raise UploadFailed(f"cannot upload to {url}: only HTTPS is spoken here")
        try:
            return self._open().request(method, secure(url), allow_redirects=False, **options)  # type: ignore[arg-type]
        except (requests.RequestException, GsiError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> Unreachable:
        self.hang_up()
        return Unreachable(f"{self.url}: {error}")

    def _open(self) -> requests.Session:
        if self._session is None:
            self._session = self._connect()
        return self._session


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is stored. `sha256`: None when the server does not tell."""

    sha256: bytes | None

    def same_as(self, path: Path) -> bool:
        """Say whether the file at `path` is the stored one, as far as one can know."""
        if self.sha256 is None:
            return True
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == self.sha256


def location(fault: PosixFault) -> str | None:
    """Return where the caller's own upload stands, from the EEXIST of StartUpload; None when it is not told."""
    return next((link.description for link in fault.chain() if link.source == "destination"), None)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
