"""Who may do what: each operation declares it, a policy decides."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gsi.errors import CredentialError
from gsi.names import same_dn
from gsi.peer import Peer

log = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])
_ATTRIBUTE = "__access__"


class Access(Enum):
    """Who may call an operation."""

    #: Any peer with a verified certificate.
    AUTHENTICATED = "any authenticated peer"
    #: A peer on the service's list of trusted peers.
    TRUSTED_PEER = "a trusted peer of the service"
    #: The owner of the job that the request names.
    JOB_OWNER = "the owner of the job"
    #: An administrator of the service.
    ADMIN = "an administrator of the service"
    #: Everybody, without a certificate too: only for what is public, such as versions and WSDL.
    ANYONE = "anyone"


def requires(*access: Access) -> Callable[[Function], Function]:
    """Declare who may call the decorated operation; any one of `access` suffices."""
    if not access:
        raise TypeError("requires() needs at least one Access")

    def declare(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, access)
        return function

    return declare


def declared_access(function: Callable[..., Any]) -> tuple[Access, ...] | None:
    """What @requires declared for the function, None when nothing did."""
    return getattr(function, _ATTRIBUTE, None)


class Policy(Protocol):
    """Decides for one service."""

    def permits(self, access: Access, peer: Peer | None, operation: str, arguments: Mapping[str, Any]) -> bool:
        """Whether `peer` (None: anonymous) has `access` to call `operation` with these arguments (by wire name)."""
        ...


class PeerList:
    """Distinguished names, one per line of a file, such as the trusted peers of JPPS (jp.md 2.2).

    Slash form, compared with same_dn. Blank lines and lines that begin with # are passed over. The file is read again
    when it changes; while it cannot be read, nobody is on the list.
    """

    def __init__(self, path: Path | None = None, names: Iterable[str] = ()) -> None:
        """path: the file, which has to be there now; names: further members. Raises CredentialError."""
        self._path = path
        self._fixed = tuple(names)
        self._read: tuple[str, ...] = ()
        self._version: tuple[int, ...] | None = None
        if path is not None:
            try:
                self._refresh(path)
            except (OSError, UnicodeDecodeError) as error:
                raise CredentialError(f"the list of peers {path} cannot be read: {error}") from error

    def __contains__(self, dn: object) -> bool:
        return isinstance(dn, str) and any(same_dn(dn, member) for member in self.names())

    def names(self) -> tuple[str, ...]:
        """The members at present."""
        if self._path is not None:
            try:
                self._refresh(self._path)
            except (OSError, UnicodeDecodeError) as error:
                if self._read:
                    log.error("the list of peers %s cannot be read, nobody is on it: %s", self._path, error)
                self._read, self._version = (), None
        return self._fixed + self._read

    def _refresh(self, path: Path) -> None:
        found = os.stat(path)
        version = (found.st_mtime_ns, found.st_size, found.st_ino)
        if version != self._version:
            lines = (line.strip() for line in path.read_text("utf-8").splitlines())
            self._read = tuple(line for line in lines if line and not line.startswith("#"))
            self._version = version
