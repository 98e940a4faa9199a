"""Signals as something to wait for: the handlers do nothing, the numbers arrive in a pipe."""

import logging
import os
import selectors
import signal
import threading
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Self

log = logging.getLogger(__name__)

#: What ends a daemon.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: What a server sends its workers instead of SIGHUP when the new credential is no good: only CAs and CRLs are read.
AUTHORITIES_SIGNAL = signal.SIGUSR1


class SignalPipe:
    """Receives the given signals while it is open. Only in the main thread of a process."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = tuple(signals)
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, _nothing) for number in self._signals}
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._read, selectors.EVENT_READ)

    def fileno(self) -> int:
        """The descriptor that becomes readable when a signal has come."""
        return self._read

    def wait(self, timeout: float | None) -> set[int]:
        """Wait for signals; return their numbers, none when `timeout` (s) has passed."""
        self._selector.select(timeout)
        return self.arrived()

    def arrived(self) -> set[int]:
        """The signals that have come since the last call."""
        try:
            return set(os.read(self._read, 4096))
        except BlockingIOError:
            return set()

    def forget(self) -> None:
        """Let the signals do again what they did before."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._close()

    def abandon(self) -> None:
        """In a forked child: leave the parent's pipe without touching what the parent sees.

        The signals do nothing until the child wants something of them: one that comes right now must not kill it.
        """
        signal.set_wakeup_fd(-1)
        self._close()

    def _close(self) -> None:
        self._selector.close()
        os.close(self._read)
        os.close(self._write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.forget()


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set from now on, for the rest of the life of this process.

    To be called in the main thread.

    SIGHUP does nothing: it is for processes that read their credentials anew each time they need them.

    A thread sets it: a handler would run in the main thread, and wait for ever for the lock of the event when the
    main thread is just inside `Event.wait`.
    """
    pipe, stop = SignalPipe((*STOP_SIGNALS, signal.SIGHUP)), threading.Event()

    def watch() -> None:
        while not pipe.wait(None) & set(STOP_SIGNALS):
            log.debug("SIGHUP: nothing to do here, credentials are read for each connection")
        stop.set()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    return stop


def survive_sighup() -> None:
    """Let SIGHUP do nothing from now on, until somebody waits for it; programs that are started get it as ever."""
    signal.signal(signal.SIGHUP, _nothing)


def _nothing(number: int, frame: FrameType | None) -> None:
    """The number is in the pipe already."""
