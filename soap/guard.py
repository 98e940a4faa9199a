"""The one place that turns an unexpected exception into an answer that gives nothing away."""

import errno
import logging
import secrets
from types import TracebackType

from soap.faults import Fault, PosixFault

log = logging.getLogger(__name__)


class Guard:
    """`with Guard("RegisterJob"):` - faults pass; any other exception is logged with a reference and becomes EIO.

    The peer sees the reference only, so that a user's report leads to the log entry and no traceback, path or
    secret is on the wire.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, Fault):
            raise internal(self._where, error) from None


def internal(where: str, error: Exception) -> PosixFault:
    """Log `error` and make the fault that stands for it."""
    reference = secrets.token_hex(4)
    log.error("%s failed, reference %s", where, reference, exc_info=error)
    return PosixFault(errno.EIO, f"internal error, reference {reference}")
