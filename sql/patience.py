"""A database server that is not there yet: a service that starts waits for it.

At the boot of a machine nobody says which of the two is up first. Only a server that cannot be reached is waited for;
one that answers but will not have us (password, name of the database) is told at once, as everything about SQLite is.
"""

import logging
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)

#: Seconds that a service waits altogether before it gives up, and between two attempts at first and at most.
PATIENCE_S = 300
FIRST_PAUSE_S = 1
LONGEST_PAUSE_S = 30
#: MySQL: too many connections 1040, shutting down 1053, no socket 2002, no connection 2003, no such host 2005, server
#: gone 2006, connection lost 2013.
_UNREACHABLE_MYSQL = frozenset({1040, 1053, 2002, 2003, 2005, 2006, 2013})


def await_server(engine: Engine, pause: Callable[[float], None] = time.sleep) -> None:
    """Return when the database server takes a connection. Raises SQLAlchemyError when it refuses, or was not there for
    PATIENCE_S. `pause(seconds)` waits.
    """
    waited, next_pause = 0, FIRST_PAUSE_S
    shown = engine.url.set(query={})  # there a password would be seen, and what it says of a socket the error says too
    while True:
        try:
            with engine.connect():
                return
        except DBAPIError as error:
            if not _is_unreachable(error) or waited >= PATIENCE_S:
                raise
            log.warning("the database %s does not answer, trying again in %d s: %s", shown, next_pause, error.orig)
        pause(next_pause)
        waited += next_pause
        next_pause = min(2 * next_pause, LONGEST_PAUSE_S)


def _is_unreachable(error: DBAPIError) -> bool:
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return code in _UNREACHABLE_MYSQL
