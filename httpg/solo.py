"""Health and metrics of a daemon that is a single process and serves nobody."""

import logging
import os
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from gsi.credential import Credential
from gsi.errors import GsiError
from httpg.metrics import DaemonMetrics
from httpg.status import Check, Health, Status, StatusServer

log = logging.getLogger(__name__)


class SoloStatus:
    """Bound when it is made, so that what goes wrong is seen on the terminal; answers after start()."""

    def __init__(self, status: Status | None, credential: Callable[[], Credential] | None = None) -> None:
        """status: None for none; credential: reads what the daemon presents to others. Raises OSError."""
        self._status = status
        self._credential = credential
        self._sock = None if status is None else status.bind()

    def start(self) -> None:
        """Answer from now on, until the process ends. To be called when it has gone into the background."""
        if self._status is None or self._sock is None:
            return
        check = Check(self._status.ready)
        registry = CollectorRegistry()
        registry.register(DaemonMetrics(self._status.service, lambda: {"main": os.getpid()}, self._not_after))
        StatusServer(self._sock, registry, lambda: self._health(check)).start()

    def _health(self, check: Check) -> Health:
        not_after = self._not_after()
        unfit = [check.failure()]
        if self._credential is not None and not_after is None:
            unfit.append("its credential cannot be read, the log says why")
        elif not_after is not None and not_after < time.time():
            unfit.append("its credential has expired")
        return Health(unfit=tuple(filter(None, unfit)))

    def _not_after(self) -> float | None:
        """When the credential that is in the files now expires, as Unix time."""
        if self._credential is None:
            return None
        try:
            return self._credential().not_after.timestamp()
        except GsiError as error:
            log.error("not ready: %s", error)
            return None
