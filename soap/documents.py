"""`?wsdl` and the documents that a WSDL imports: served as they are, with only the port address filled in."""

import re
from collections.abc import Mapping
from typing import Any

import wsdl
from soap.contract import Contract
from soap.scalars import escape

_ADDRESS = re.compile(rb"""(<[A-Za-z0-9_]+:address\s+location=)("[^"]*"|'[^']*')""")
_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}")


class Documents:
    """The files of one contract, by the names under which the WSDL imports them."""

    def __init__(self, contract: Contract, address: str | None = None) -> None:
        self._main = contract.file.name
        self._address = address
        self._files = {name: wsdl.read(name) for name in contract.file.files}

    def find(self, environ: Mapping[str, Any]) -> bytes | None:
        """The document that a GET asks for: `?wsdl` on any path, or an imported file by its name; else None."""
        query = environ.get("QUERY_STRING", "").partition("=")[0].lower()
        name = self._main if query == "wsdl" else environ.get("PATH_INFO", "").rpartition("/")[2]
        data = self._files.get(name)
        if data is None:
            return None
        location = escape(self._address or _address(environ)).replace('"', "&quot;").encode()
        return _ADDRESS.sub(lambda found: found[1] + b'"' + location + b'"', data)


def _address(environ: Mapping[str, Any]) -> str:
    """Where the client reached us, by its own account."""
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"
    if not _HOST.fullmatch(host):
        host = f"{environ.get('SERVER_NAME')}:{environ.get('SERVER_PORT')}"
    path = environ.get("PATH_INFO", "") or "/"
    if path.endswith((".wsdl", ".xsd")):
        path = path.rpartition("/")[0] + "/"
    return f"{environ.get('wsgi.url_scheme', 'https')}://{host}{path}"
