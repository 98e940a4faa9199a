"""Job identifiers, subjob identifiers and notification identifiers (lb.md 1).

A job id is ``https://HOST[:PORT]/UNIQUE[?INFO]``. The default port is 9000 and is always written out. Whatever follows
``?`` is kept but is no part of the identity.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

DEFAULT_PORT = 9000
"""Port of an LB server when an id names none (lb.md 1)."""
MAX_PORT = 65535
MAX_LENGTH = 4096
"""Longest accepted id in characters; a limit of ours, the original has none."""
DEFAULT_SEED = "edg_wll_GenerateSubjobIds()"
"""Seed of subjob ids when a registration gives none (lb.md 1)."""
NOTIFICATION_PREFIX = "NOTIF:"
SANDBOX_PREFIX = "FT:"

_SCHEME = "https://"
_HOST = r"(?P<host>\[[^\s\[\]/]+\]|[^\s/\[\]:]+)"
_FORM = re.compile(rf"https://{_HOST}(?::(?P<port>[0-9]{{0,6}}))?/(?P<unique>[^\s?]+)(?:\?(?P<info>.*))?", re.DOTALL)
_SERVER = re.compile(rf"{_HOST}(?::(?P<port>[0-9]{{1,6}}))?")


class JobIdError(ValueError):
    """Not a job id: JOBID_FORMAT 1409 where an event is read, EINVAL elsewhere (lb.md 1)."""

    code = 1409


@dataclass(frozen=True, slots=True)
class JobId:
    """One job: the server that keeps it and its unique part there.

    ``host`` is written as in the id (an IPv6 literal keeps its brackets), ``unique`` is the database key of the job.
    """

    host: str
    port: int
    unique: str
    info: str | None = field(default=None, compare=False)

    @staticmethod
    def parse(text: str) -> "JobId":
        """Read an id; raises ``JobIdError``. Results are shared, which costs nothing as they are immutable."""
        return _parse(text)

    @property
    def server(self) -> str:
        """``host:port`` of the LB server."""
        return f"{self.host}:{self.port}"

    @property
    def is_notification(self) -> bool:
        return self.unique.startswith(NOTIFICATION_PREFIX)

    def __str__(self) -> str:
        return f"{_SCHEME}{self.host}:{self.port}/{self.unique}"


@lru_cache(maxsize=8192)
def _parse(text: str) -> JobId:
    if len(text) > MAX_LENGTH:
        raise JobIdError(f"job id longer than {MAX_LENGTH} characters")
    match = _FORM.fullmatch(text)
    if match is None:
        raise JobIdError(f"not a job id (https://host:port/unique): {text[:200]!r}")
    return JobId(match["host"], _port(match["port"]), match["unique"], match["info"])


def _port(text: str | None) -> int:
    port = int(text or 0) or DEFAULT_PORT
    if port > MAX_PORT:
        raise JobIdError(f"port {port} is over {MAX_PORT}")
    return port


def parse_server(server: str) -> tuple[str, int]:
    """``host`` or ``host:port`` -> (host, port); port 0 or none means 9000; an id in its place is an error."""
    match = None if server.startswith(_SCHEME) else _SERVER.fullmatch(server)
    if match is None:
        raise JobIdError(f"not a server (host or host:port): {server[:200]!r}")
    return match["host"], _port(match["port"])


def digest(text: str) -> str:
    """22 characters: base64url without padding of the MD5 of the text. An identifier, not a protection."""
    raw = hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _new_unique(host: str) -> str:
    return digest(f"{host}-rnd:{secrets.token_hex(32)}")


def new(server: str) -> JobId:
    """A fresh id on the given server (``host`` or ``host:port``)."""
    host, port = parse_server(server)
    return JobId(host, port, _new_unique(host))


def new_notification(server: str) -> JobId:
    """A fresh notification id, ``https://HOST:PORT/NOTIF:<unique>``."""
    host, port = parse_server(server)
    return JobId(host, port, NOTIFICATION_PREFIX + _new_unique(host))


def subjob(parent: JobId, seed: str | None, index: int) -> JobId:
    """Id of subjob ``index`` (from 0): MD5 of ``<unique of parent>,<seed>,<index>`` (lb.md 1)."""
    if index < 0:
        raise JobIdError(f"subjob number {index} is negative")
    return JobId(parent.host, parent.port, digest(f"{parent.unique},{seed or DEFAULT_SEED},{index}"))


def subjobs(parent: JobId, seed: str | None, count: int) -> list[JobId]:
    """Ids of all subjobs in order; fewer than one is an error, as in the original."""
    if count < 1:
        raise JobIdError(f"{count} subjobs asked")
    return [subjob(parent, seed, index) for index in range(count)]


def sandbox_transfer(compute_job: JobId) -> JobId:
    """Id of the (first) sandbox transfer job of a compute job."""
    return JobId(compute_job.host, compute_job.port, SANDBOX_PREFIX + compute_job.unique)
