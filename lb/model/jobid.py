"""Job identifiers, subjob identifiers and notification identifiers (lb.md 1).

A job id is ``https://HOST[:PORT]/UNIQUE[?INFO]``. The default port is 9000 and is always written out. The host is what
stands before the last ``:`` in front of the first ``/``; an IPv6 literal in brackets keeps them, and its colons mark no
port. White space in host or unique part is an error, anything else is somebody's name for a job. Whatever follows ``?``
is kept but is no part of the identity, and neither is the case of the host's letters.
"""

import base64
import errno
import hashlib
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lb.model.errors import ModelError

DEFAULT_PORT: Final = 9000
"""Port of an LB server when an id names none or 0 (lb.md 1)."""
MAX_PORT: Final = 65535
"""Largest TCP port."""
MAX_LENGTH: Final = 4096
"""Longest accepted id in characters, as given and as written; a limit of ours, the original has none."""
DEFAULT_SEED: Final = "edg_wll_GenerateSubjobIds()"
"""Seed of subjob ids when a registration gives none (lb.md 1)."""
NOTIFICATION_PREFIX: Final = "NOTIF:"
SANDBOX_PREFIX: Final = "FT:"
JOBID_FORMAT: Final = 1409
"""LB's code of a malformed id (lb.md 15)."""

CACHED: Final = 4096
"""Ids that are remembered once read, and ..."""
CACHED_LENGTH: Final = 256
"""... the longest of them in characters: 8 MB at the very most, 2 MB for ids as they are made."""

_SCHEME: Final = "https://"
_BLANK: Final = re.compile("[ \t\n\v\f\r\ud800-\udc7f\udd00-\udfff]")
"""White space as C counts it, and what no bytes decode to."""
_PORT: Final = re.compile(r"[0-9]{1,6}")
_GROWTH: Final = len(f":{DEFAULT_PORT}")
"""Characters that an id without a port gains when it is written; what is written can be read."""
_SHOWN: Final = 200
"""Characters of a bad id that an error repeats."""


class JobIdError(ModelError):
    """Not an id, or none can be made. ``code``: 1409 where an id is read, EINVAL where one is made (lb.md 1)."""

    def __init__(self, text: str, code: int = JOBID_FORMAT, position: int = -1) -> None:
        super().__init__(text, code=code, position=position)


@dataclass(frozen=True, slots=True, eq=False)
class JobId:
    """One job: the server that keeps it and its unique part there.

    ``host`` is written as in the id (an IPv6 literal keeps its brackets), ``unique`` is the database key of the job.
    """

    host: str
    port: int
    unique: str
    info: str | None = None

    @staticmethod
    def parse(text: str) -> "JobId":
        """Read an id; raises ``JobIdError``. Results are shared, which costs nothing as they are immutable."""
        return _remembered(text) if len(text) <= CACHED_LENGTH else _parse(text)

    @property
    def server(self) -> str:
        """``host:port`` of the LB server."""
        return f"{self.host}:{self.port}"

    @property
    def is_notification(self) -> bool:
        return self.unique.startswith(NOTIFICATION_PREFIX)

    @property
    def notification_key(self) -> str:
        """Database key of a notification: its unique part without ``NOTIF:``. ``JobIdError`` for another id."""
        if not self.is_notification:
            raise JobIdError(f"not a notification id: {self.uri[:_SHOWN]!r}", errno.EINVAL)
        return self.unique.removeprefix(NOTIFICATION_PREFIX)

    @property
    def uri(self) -> str:
        """The whole id with what follows ``?``; ``str`` gives the identity only."""
        return str(self) if self.info is None else f"{self}?{self.info}"

    def __str__(self) -> str:
        return f"{_SCHEME}{self.host}:{self.port}/{self.unique}"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, JobId):
            return NotImplemented
        same = self.unique == other.unique and self.port == other.port
        return same and (self.host == other.host or self.host.lower() == other.host.lower())

    def __hash__(self) -> int:
        return hash((self.unique, self.port, self.host.lower()))


def _parse(text: str) -> JobId:
    if len(text) > MAX_LENGTH:
        raise JobIdError(f"job id longer than {MAX_LENGTH} characters", position=MAX_LENGTH)
    begin = len(_SCHEME)
    if not text.startswith(_SCHEME):
        raise _malformed(text, f"does not begin with {_SCHEME}", 0)
    slash = text.find("/", begin)
    if slash < 0:
        raise _malformed(text, "has no unique part", len(text))
    host, port, wrong = _split_server(text[begin:slash])
    if wrong is not None:
        raise _malformed(text, wrong[0], begin + wrong[1])
    unique, mark, info = text[slash + 1 :].partition("?")
    blank = _BLANK.search(unique)
    if blank is not None or not unique:
        raise _malformed(text, "has no unique part without white space", slash + 1 + (blank.start() if blank else 0))
    jobid = JobId(host, port, unique, info if mark else None)
    if len(text) > MAX_LENGTH - _GROWTH and len(jobid.uri) > MAX_LENGTH:
        raise JobIdError(f"job id longer than {MAX_LENGTH} characters with its port", position=MAX_LENGTH)
    return jobid


_remembered = lru_cache(maxsize=CACHED)(_parse)


def _malformed(text: str, why: str, position: int) -> JobIdError:
    shown = f"{text[:_SHOWN]!r} {why} (character {position})"
    return JobIdError(f"not a job id (https://host:port/unique): {shown}", position=position)


Wrong = tuple[str, int]
"""What is wrong, and at which character."""


def _split_server(text: str) -> tuple[str, int, Wrong | None]:
    """(host, port, nothing) of ``host``, ``host:`` or ``host:port``, or what is wrong with it."""
    if text.startswith("["):
        end = text.find("]") + 1
        host, colon, port = text[:end], text[end : end + 1], text[end + 1 :]
        well_formed = end > 2 and "[" not in host[1:] and colon in ("", ":")
    else:
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
        well_formed = host != "" and "[" not in host and "]" not in host
    blank = _BLANK.search(host)
    if blank is not None or not well_formed:
        return "", 0, ("has no host", 0 if blank is None else blank.start())
    if not port:
        return host, DEFAULT_PORT, None
    if not _PORT.fullmatch(port) or int(port) > MAX_PORT:
        return "", 0, (f"has no port up to {MAX_PORT}", len(text) - len(port))
    return host, int(port) or DEFAULT_PORT, None


def parse_server(server: str) -> tuple[str, int]:
    """``host`` or ``host:port`` -> (host, port); port 0 or none means 9000; an id in its place is an error (EINVAL)."""
    host, port, wrong = _split_server(server)
    if wrong is None and ("/" in host or server.endswith(":") or len(server) > MAX_LENGTH):
        wrong = "is something else", 0
    if wrong is not None:
        raise JobIdError(
            f"not a server (host or host:port): {server[:_SHOWN]!r} {wrong[0]}", errno.EINVAL, position=wrong[1]
        )
    return host, port


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


def notification(server: str, key: str) -> JobId:
    """The notification id of a database key, ``https://HOST:PORT/NOTIF:<key>``."""
    host, port = parse_server(server)
    if not key or _BLANK.search(key):
        raise JobIdError(f"not a key of a notification: {key[:_SHOWN]!r}", errno.EINVAL)
    return JobId(host, port, NOTIFICATION_PREFIX + key)


def new_notification(server: str) -> JobId:
    """A fresh notification id, ``https://HOST:PORT/NOTIF:<unique>``."""
    return notification(server, _new_unique(server))


def subjob(parent: JobId, seed: str | None, index: int) -> JobId:
    """Id of subjob ``index`` (from 0): MD5 of ``<unique of parent>,<seed>,<index>`` (lb.md 1)."""
    if index < 0:
        raise JobIdError(f"subjob number {index} is negative", errno.EINVAL)
    return JobId(parent.host, parent.port, digest(f"{parent.unique},{seed or DEFAULT_SEED},{index}"))


def subjobs(parent: JobId, seed: str | None, count: int) -> list[JobId]:
    """Ids of all subjobs in order; fewer than one is an error, as in the original."""
    if count < 1:
        raise JobIdError(f"{count} subjobs asked", errno.EINVAL)
    return [subjob(parent, seed, index) for index in range(count)]


def sandbox_transfer(compute_job: JobId) -> JobId:
    """Id of the first sandbox transfer job of a compute job; further ones get a fresh id (lb.md 1)."""
    return JobId(compute_job.host, compute_job.port, SANDBOX_PREFIX + compute_job.unique)
