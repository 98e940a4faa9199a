"""The WSGI application of the sandboxes: GET, HEAD and PUT below the sandbox directory, for whom the job's list names.

    /SandboxDir/<2>/<encoded id>/input/<name>       what the job takes along    PUT by the user, GET by the job
    /SandboxDir/<2>/<encoded id>/output/<name>      what it leaves              PUT by the job, GET by the user
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from wsgiref.types import StartResponse, WSGIEnvironment

from gsi.authz import log_refusal
from gsi.gacl import Permission
from gsi.peer import Peer

from .files import NoSuchFile, Place, open_file
from .upload import BLOCK_BYTES, Incomplete, TooLarge, receive

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "PUT")


class SandboxApplication:
    """Serves the job directories below *root*. Limits count the bytes of all files of one job's area together."""

    def __init__(self, root: Path, *, max_input_bytes: int, max_output_bytes: int) -> None:
        self.root = root
        self.limits = {"input": max_input_bytes, "output": max_output_bytes, "peek": max_output_bytes, "": 1 << 20}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        try:
            if method not in METHODS:
                return _plain(start_response, "405 Method Not Allowed", "use GET, HEAD or PUT", _allow())
            place = Place.of_url_path(_path(environ), self.root)
            if not self._permitted(place, environ["gsi.peer"], method):
                reason = "the access list of the job does not grant it"
                log_refusal(environ["gsi.peer"], f"{method} in the sandbox of {place.directory.jobid}", reason)
                return _plain(start_response, "403 Forbidden", reason)
            if method == "PUT":
                return self._put(place, environ, start_response)
            return self._get(place, method, start_response)
        except NoSuchFile:
            return _plain(start_response, "404 Not Found", "no such file")

    def _permitted(self, place: Place, peer: Peer | None, method: str) -> bool:
        if peer is None:
            return False
        return place.gacl().permits(peer, Permission.WRITE if method == "PUT" else Permission.READ)

    def _get(self, place: Place, method: str, start_response: StartResponse) -> Iterable[bytes]:
        with place.opened() as directory:
            file = open_file(directory, place.name)
        size = os.fstat(file.fileno()).st_size
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
        if method == "HEAD":
            file.close()
            return []
        return _Content(file, size)

    def _put(self, place: Place, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or None
        limit = self.limits[place.area]
        try:
            if "HTTP_CONTENT_RANGE" in environ:
                return _plain(start_response, "501 Not Implemented", "send the whole file")
            new = receive(environ["wsgi.input"], None if length is None else int(length), place, limit)
        except TooLarge:
            message = f"the files of this sandbox may hold {limit} bytes together"
            return _plain(start_response, "413 Content Too Large", message)
        except Incomplete:
            return _plain(start_response, "400 Bad Request", "the file ended before its announced length")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            log.error("no room for an upload to %s: %s", place.directory.path, error.strerror)
            return _plain(start_response, "507 Insufficient Storage", "the server's disk is full")
        log.info("%s stored %s/%s", environ["gsi.peer"].dn, place.directory.path / place.area, place.name)
        if new:
            return _plain(start_response, "201 Created", "stored")
        start_response("204 No Content", [])
        return []


class _Content:
    """The bytes of an opened file, at most as many as announced; closed by the server when it is done."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (block := self._file.read(min(BLOCK_BYTES, self._left))):
            self._left -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()


def _path(environ: WSGIEnvironment) -> str:
    """The decoded path; WSGI carries its bytes as latin-1 (PEP 3333)."""
    path: str = environ["PATH_INFO"]
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError as error:
        raise NoSuchFile(path) from error


def _allow() -> tuple[str, str]:
    return ("Allow", ", ".join(METHODS))


def _plain(start_response: StartResponse, status: str, text: str, *more: tuple[str, str]) -> list[bytes]:
    body = f"{text}\n".encode()
    headers: list[Any] = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *more]
    start_response(status, headers)
    return [body]
