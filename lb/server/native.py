"""The query port 9000: purge requests in the native protocol, the web service for all that is SOAP (lb.md 4).

Of the native protocol only /purgeRequest is built; the other requests get 501 with an error in their own XML.
"""

import errno
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from gsi.authz import log_refusal
from gsi.peer import Peer
from guarded.xml import XmlRefused
from lb.model.jobid import JobId
from lb.server import nativexml
from lb.server.authority import Authority
from lb.server.errors import LbError, database_trouble, not_allowed
from lb.server.nativexml import BACKGROUND, CLIENT_DUMP, LIST
from lb.server.purge import Purge, PurgeRequest, PurgeResult
from lb.server.webservice import VERSION
from soap import whoami

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

#: Native requests that are not built, with the root element of their answer (lb.md 4.4 to 4.9).
NOT_BUILT: Final[Mapping[str, str]] = {
    "/queryJobs": "edg_wll_QueryJobsResult",
    "/queryEvents": "edg_wll_QueryEventsResult",
    "/dumpRequest": "edg_wll_DumpResult",
    "/loadRequest": "edg_wll_LoadResult",
    "/indexedAttrs": "edg_wll_GetIndexedAttributesResult",
    "/statsRequest": "edg_wll_StatsResult",
    "/notifRequest": "edg_wll_NotifResult",
    "/querySequenceCode": "edg_wll_QuerySequenceCodeResult",
}
PURGE: Final = "/purgeRequest"

_XML: Final = "application/x-dglb"
_TEXT: Final = "text/plain"
#: HTTP status of an error (lb.md 4.2, purgeRequest; EIDRM as for queries). Everything else is 500.
_STATUS: Final = {
    0: "200 OK",
    errno.ENOENT: "404 Not Found",
    errno.EPERM: "401 Unauthorized",
    errno.EINVAL: "579 Invalid Data",
    errno.EIDRM: "410 Gone",
    errno.ENOSYS: "501 Not Implemented",
}
_SERVER_ERROR: Final = "500 Internal Server Error"


class QueryPort:
    """WSGI application of the query port. soap: the web service."""

    def __init__(
        self, soap: Application, purge: Purge, authority: Authority, is_ours: Callable[[JobId], bool]
    ) -> None:
        self._soap = soap
        self._purge = purge
        self._authority = authority
        self._is_ours = is_ours

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
        if method == "POST":
            return self._post(path, environ, start_response)
        if method not in ("GET", "HEAD"):
            return _answer(start_response, "405 Method Not Allowed", _TEXT, b"only GET and POST are understood\r\n")
        query = environ.get("QUERY_STRING", "")
        if query.split("?")[0] == "version":
            return _answer(start_response, "200 OK", _TEXT, VERSION.encode())
        if query or path == whoami.PATH:
            return self._soap(environ, start_response)
        return _answer(
            start_response, "501 Not Implemented", _TEXT,
            b"The pages for browsers are not available in this release; use the web service (/?wsdl).\r\n",
        )

    def _post(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A request of the native protocol names its client; what does not, or is not known, is SOAP (lb.md 4.1)."""
        native = bool(environ.get("HTTP_USER_AGENT"))
        if native and path == PURGE:
            status, body = self._purged(environ)
            return _answer(start_response, status, _XML, body)
        if native and path in NOT_BUILT:
            missing = LbError(errno.ENOSYS, f"{path} is not available in this release")
            return _answer(
                start_response, _STATUS[errno.ENOSYS], _XML, nativexml.refusal(NOT_BUILT[path], missing)
            )
        return self._soap(environ, start_response)

    # ---- purge ------------------------------------------------------------------------------------------------------

    def _purged(self, environ: Environ) -> tuple[str, bytes]:
        try:
            request, flags = nativexml.read_purge(_body(environ))
            self._check(request, flags, environ.get("gsi.peer"))
            if BACKGROUND in flags and request.really:
                threading.Thread(target=self._in_background, args=(request,), name="purge", daemon=True).start()
                return "202 Accepted", nativexml.purge_result(None, None)
            result = self._purge.run(request)
        except XmlRefused as error:
            return "400 Bad Request", nativexml.purge_result(None, None, LbError(errno.EINVAL, str(error)))
        except LbError as error:
            if error.code == errno.EPERM:
                log_refusal(environ.get("gsi.peer"), "purge", error.description)
            return _STATUS.get(error.code, _SERVER_ERROR), nativexml.purge_result(None, None, error)
        except OSError as error:
            log.error("purge: a file cannot be written: %s", error)
            failed = LbError(error.errno or errno.EIO, "the server cannot write its files; nothing was lost")
            return _SERVER_ERROR, nativexml.purge_result(None, None, failed)
        except SQLAlchemyError as error:
            return _SERVER_ERROR, nativexml.purge_result(None, None, database_trouble("purge", error))
        trouble = _trouble(result)
        body = nativexml.purge_result(result.jobs if LIST in flags else None, result.server_file, trouble)
        return _STATUS.get(trouble.code if trouble else 0, _SERVER_ERROR), body

    def _check(self, request: PurgeRequest, flags: frozenset[str], peer: Peer | None) -> None:
        if not self._authority.may_purge(peer):
            raise not_allowed("you are not allowed to purge jobs here")
        if CLIENT_DUMP in flags:
            raise LbError(errno.ENOSYS, "client dump")
        for jobid in request.jobids or ():
            if not self._is_ours(jobid):
                raise LbError(errno.EINVAL, f"{jobid} does not match the address of this server")

    def _in_background(self, request: PurgeRequest) -> None:
        try:
            self._purge.run(request)
        except OSError:
            log.exception("purge in the background: a file cannot be written")
        except SQLAlchemyError as error:
            database_trouble("purge in the background", error)


def _trouble(result: PurgeResult) -> LbError | None:
    """What to say of the jobs that stay: a zombie among others that were purged is no trouble (lb.md 8.1, repeat)."""
    refused = list(result.refused.values())
    real = [error for error in refused if error.code != errno.EIDRM]
    if real:
        return real[0]
    return refused[0] if refused and not result.jobs else None


def _body(environ: Environ) -> bytes:
    announced = environ.get("CONTENT_LENGTH") or ""
    size = int(announced) if announced.isdecimal() else nativexml.MAX_REQUEST + 1
    body: bytes = environ["wsgi.input"].read(min(size, nativexml.MAX_REQUEST + 1))
    return body


def _answer(start_response: StartResponse, status: str, kind: str, body: bytes) -> Iterable[bytes]:
    start_response(status, [
        ("Cache-Control", "no-cache"), ("Server", "edg_wll_Server/3.0/3.0"), ("Content-Type", kind),
        ("Content-Length", str(len(body))),
    ])
    return [body]
