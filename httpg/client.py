"""The client side: a requests session that speaks to grid services with a credential.

    with session(Credential.find(), ca_directory()) as http:
        http.put(url, data=file)
"""

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from gsi.context import client_ssl_context
from gsi.credential import Credential
from gsi.errors import CredentialError

#: Seconds to connect, and between two pieces of an answer.
DEFAULT_TIMEOUT_S = 120.0
#: Connections kept for one server; more are made when more threads need them.
_POOL = 16


def session(credential: Credential | None, ca_dir: Path, *, timeout: float = DEFAULT_TIMEOUT_S) -> requests.Session:
    """Return a session that presents `credential` (None: no certificate) and trusts the CAs of `ca_dir`, no others.

    The server's name is checked. Connections are kept alive. timeout: for connecting and for each silence, in seconds,
    unless a call names another one. Environment (proxies, .netrc, REQUESTS_CA_BUNDLE) has no influence. Make it after a
    fork, use it from one thread at a time. Raises CredentialError.
    """
    made = requests.Session()
    made.trust_env = False
    made.headers["User-Agent"] = "glite-py"
    made.mount("https://", GsiAdapter(credential, ca_dir, timeout))
    return made


class GsiAdapter(HTTPAdapter):
    """A requests adapter with a TLS context of ours, whatever `verify` and `cert` of the session say."""

    def __init__(self, credential: Credential | None, ca_dir: Path, timeout: float) -> None:
        self._context = client_ssl_context(credential, ca_dir)
        self._timeout = timeout
        super().__init__(pool_connections=_POOL, pool_maxsize=_POOL)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give the pools our context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Do not let requests add its own bundle of public web CAs to the context."""
        if verify is False or cert is not None:
            raise CredentialError("certificates of a GSI session are chosen when it is made")

    def send(self, request: Any, stream: bool = False, timeout: Any = None, verify: bool | str = True,
             cert: Any = None, proxies: Any = None) -> requests.Response:
        """Send with the session's time-out unless the call has its own."""
        timeout = self._timeout if timeout is None else timeout
        return super().send(request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies)
