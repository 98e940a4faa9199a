"""The HTTP side of SOAP 1.1, as WSGI: POST in, 200 or 500 out; GET for the WSDL only."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.message import Message
from functools import lru_cache
from typing import Any

from soap.documents import Documents

log = logging.getLogger(__name__)

Environ = Mapping[str, Any]
StartResponse = Callable[..., Any]

XML = "text/xml; charset=utf-8"


class HttpError(Exception):
    """The request is wrong as HTTP already."""

    def __init__(self, status: str, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers

    def respond(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the status and one line of text."""
        body = f"{self.text}\n".encode()
        log.info("%s: %s", self.status, self.text)
        start_response(
            self.status,
            [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *self.headers],
        )
        return [body]


def read_request(environ: Environ, limit: int) -> tuple[bytes, str | None]:
    """The body of a POST and the charset of its Content-Type. Raises HttpError."""
    if environ["REQUEST_METHOD"] != "POST":
        raise HttpError("405 Method Not Allowed", "SOAP requests are sent by POST", [("Allow", "GET, POST")])
    charset = _charset(environ.get("CONTENT_TYPE", ""))
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise HttpError("415 Unsupported Media Type", "compressed requests are not supported")
    return _body(environ, limit), charset


@lru_cache(maxsize=64)
def _charset(content_type: str) -> str | None:
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_maintype() == "multipart":
        raise HttpError("415 Unsupported Media Type", "SOAP with attachments is not supported")
    charset = header.get_param("charset")
    return charset if isinstance(charset, str) else None


def _body(environ: Environ, limit: int) -> bytes:
    too_long = HttpError("413 Content Too Large", f"a request may have {limit} bytes at most")
    announced = environ.get("CONTENT_LENGTH")
    if announced:
        if not announced.isdecimal():
            raise HttpError("400 Bad Request", "Content-Length is not a number")
        if int(announced) > limit:
            raise too_long
        body = _read(environ["wsgi.input"], int(announced))
        if len(body) < int(announced):
            raise HttpError("400 Bad Request", f"{announced} bytes were announced, {len(body)} came")
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = _read(environ["wsgi.input"], limit + 1)
    if len(body) > limit:
        raise too_long
    return body


def _read(stream: Any, size: int) -> bytes:
    body = stream.read(size)
    if len(body) == size or not body:
        return bytes(body)
    pieces = [body]
    got = len(body)
    while got < size and (piece := stream.read(size - got)):
        pieces.append(piece)
        got += len(piece)
    return b"".join(pieces)


def document(environ: Environ, start_response: StartResponse, sources: Sequence[Documents]) -> Iterable[bytes]:
    """Serve a WSDL or a document that it imports. Raises HttpError when the GET asks for anything else."""
    for source in sources:
        data = source.find(environ)
        if data is not None:
            start_response("200 OK", [("Content-Type", XML), ("Content-Length", str(len(data)))])
            return [data] if environ["REQUEST_METHOD"] == "GET" else []
    raise HttpError("405 Method Not Allowed", "SOAP comes by POST, the WSDL is at ?wsdl", [("Allow", "POST")])


def respond(
    start_response: StartResponse, good: bool, whole: bytes | None, pieces: Iterable[bytes]
) -> Iterable[bytes]:
    """Send an answer: of known length when it is `whole`, in pieces otherwise. A fault goes with status 500."""
    headers = [("Content-Type", XML)]
    if whole is not None:
        headers.append(("Content-Length", str(len(whole))))
    start_response("200 OK" if good else "500 Internal Server Error", headers)
    return [whole] if whole is not None else pieces
