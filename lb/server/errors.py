"""What the LB server refuses, and the number it says it with (lb.md 15)."""

import errno
import logging
import os
from typing import Final

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from lb.model.rules.store import Refusal

log = logging.getLogger(__name__)

NOINDEX: Final = 1416
_TEXTS: Final = {NOINDEX: "No indexed condition in query"}


class LbError(Exception):
    """A request that cannot be done: `code` is an errno or an LB code, the text says why, for the caller to read."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(description)
        self.code = code

    @property
    def text(self) -> str:
        """The words that belong to the code."""
        return error_text(self.code)

    @property
    def description(self) -> str:
        return str(self)


def error_text(code: int) -> str:
    """Text of an errno or an LB code."""
    return _TEXTS.get(code) or os.strerror(code)


def not_allowed(description: str) -> LbError:
    """EPERM."""
    return LbError(errno.EPERM, description)


def refused(refusal: Refusal) -> LbError:
    """What a rule of the store has against an event."""
    return LbError(refusal.code, str(refusal))


def heed(refusal: Refusal | None) -> None:
    """Raise what a rule of the store has answered, if it has anything against the event."""
    if refusal is not None:
        raise refused(refusal)


def database_trouble(what: str, error: SQLAlchemyError) -> LbError:
    """EIO; what the database says goes to the log, with a traceback unless it just does not answer."""
    if isinstance(error, OperationalError):
        log.error("%s: the database does not answer: %s", what, error.orig)
    else:
        log.error("%s: the database fails", what, exc_info=error)
    return LbError(errno.EIO, "the database does not answer; try again later")
