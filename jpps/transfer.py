"""Files by HTTPS on the port of the service: PUT to the URL of StartUpload, GET and HEAD of committed files.

| method | who | when |
|---|---|---|
| PUT | the peer that started the upload | until commit or deadline; a repeated PUT replaces the content |
| GET | the owner of the job | committed |
| HEAD | the owner; the uploader as well | committed |

A file is given out as it was uploaded, whatever form it has on disk. Its SHA-256 is in `Repr-Digest` (RFC 9530).
"""

import base64
import errno
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

import sql
from gsi.authz import log_refusal
from gsi.peer import Peer
from jpps import files, jobs
from jpps.errors import Denied, Invalid, JppsError, NotFound
from jpps.files import FileRow
from jpps.jobs import Job, userid
from jpps.rights import Rights
from jpps.storage import Storage, open_plain
from jpps.uploads import AlreadyStored, TooLarge, Uploads
from soap import whoami

log = logging.getLogger(__name__)

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]

#: Bytes moved at a time.
PIECE = 256 * 1024
_STATUS: Mapping[type[JppsError], HTTPStatus] = {
    AlreadyStored: HTTPStatus.CONFLICT,
    NotFound: HTTPStatus.NOT_FOUND,
    Denied: HTTPStatus.FORBIDDEN,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Invalid: HTTPStatus.BAD_REQUEST,
}
_METHODS = "GET, HEAD, PUT"


class Refusal(JppsError):
    """The request is wrong as HTTP."""

    def __init__(self, status: HTTPStatus, description: str) -> None:
        super().__init__(description)
        self.status = status


class Transfer:
    """WSGI application in front of the SOAP application: takes what concerns files, leaves the rest."""

    def __init__(self, engine: Engine, storage: Storage, uploads: Uploads, rights: Rights, soap: Application) -> None:
        self._engine = engine
        self._storage = storage
        self._uploads = uploads
        self._rights = rights
        self._soap = soap

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        method = environ["REQUEST_METHOD"]
        ours = path.startswith(self._storage.url_path) and path != whoami.PATH and method != "POST"
        if not ours and method != "PUT":
            return self._soap(environ, start_response)
        try:
            return self._answer(environ, start_response, path)
        except JppsError as error:
            if isinstance(error, Denied):
                log_refusal(environ.get("gsi.peer"), f"{environ['REQUEST_METHOD']} of a file", error.description)
            return _refuse(start_response, _status(error), error.description)
        except (ConnectionError, TimeoutError):  # OSErrors of the client's making
            raise
        except (SQLAlchemyError, OSError) as error:
            log.exception("%s of a file failed", method)
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            status = HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.INTERNAL_SERVER_ERROR
            return _refuse(start_response, status, "the file cannot be handled at present")

    def _answer(self, environ: Environ, start_response: Start, path: str) -> Iterable[bytes]:
        peer: Peer | None = environ.get("gsi.peer")
        if peer is None:
            raise Denied("a certificate is needed")
        place = self._storage.split_path(path)
        if place is None:
            raise NotFound("no such file")
        method = environ["REQUEST_METHOD"]
        if method == "PUT":
            return self._put(environ, start_response, place, peer)
        if method in ("GET", "HEAD"):
            return self._get(environ, start_response, place, peer)
        return _refuse(start_response, HTTPStatus.METHOD_NOT_ALLOWED, f"only {_METHODS}", ("Allow", _METHODS))

    def _put(self, environ: Environ, start_response: Start, place: tuple[str, str], peer: Peer) -> Iterable[bytes]:
        if "HTTP_CONTENT_RANGE" in environ:
            raise Refusal(HTTPStatus.BAD_REQUEST, "files are uploaded as a whole")
        if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the file as it is, without a content encoding")
        if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "say how long the file is, or send it in chunks")
        self._uploads.receive(*place, peer.dn, _pieces(environ))
        start_response("201 Created", [("Content-Length", "0")])
        return []

    def _get(self, environ: Environ, start_response: Start, place: tuple[str, str], peer: Peer) -> Iterable[bytes]:
        only_head = environ["REQUEST_METHOD"] == "HEAD"
        job, row = self._readable(place, peer, only_head)
        file = open_plain(self._storage.path(job, row.filename), row.size)
        start_response("200 OK", _headers(row))
        if only_head:
            file.close()
            return []
        return _Sent(file)

    def _readable(self, place: tuple[str, str], peer: Peer, only_head: bool) -> tuple[Job, FileRow]:
        with sql.read(self._engine) as conn:
            job, row = jobs.by_key(conn, place[0]), files.get(conn, *place)
        if job is None or row is None:
            raise NotFound("no such file")
        if not (only_head and row.uploader == userid(peer.dn)):
            self._rights.check_owner(peer, job)
        if not row.is_committed:
            raise NotFound("no such file")
        return job, row


class _Sent:
    """The content of a file, piece by piece; closed by the server whatever happens."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._file.read(PIECE):
            yield piece

    def close(self) -> None:
        self._file.close()


def _pieces(environ: Environ) -> Iterator[bytes]:
    """Yield the body; what goes wrong with the connection is raised, so nothing is stored of half a file."""
    body, announced, received = environ["wsgi.input"], environ.get("CONTENT_LENGTH"), 0
    while piece := body.read(PIECE):
        received += len(piece)
        yield piece
    if announced and received != int(announced):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body ended before its end")


def _headers(row: FileRow) -> list[tuple[str, str]]:
    headers = [
        ("Content-Type", _media_type(row.content_type)),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Disposition", "attachment"),
        ("Cache-Control", "private"),
    ]
    if row.size is not None:
        headers.append(("Content-Length", str(row.size)))
    if row.sha256 is not None:
        digest = base64.b64encode(bytes.fromhex(row.sha256)).decode()
        headers.append(("Repr-Digest", f"sha-256=:{digest}:"))
    return headers


def _media_type(wanted: str | None) -> str:
    """Return what the uploader called it if that can stand in a header."""
    plain = wanted and wanted.isascii() and wanted.isprintable() and "/" in wanted
    return wanted if wanted and plain else "application/octet-stream"


def _status(error: JppsError) -> HTTPStatus:
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)


def _refuse(start_response: Start, status: HTTPStatus, text: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    fixed = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", [*fixed, *headers])
    return [body]
