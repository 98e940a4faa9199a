"""Signals as something to wait for: the handlers do nothing, the numbers arrive in a pipe."""

import os
import selectors
import signal
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Self


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
        """In a forked child: leave the parent's pipe without touching what the parent sees."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._selector.close()
        os.close(self._read)
        os.close(self._write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.forget()


def _nothing(number: int, frame: FrameType | None) -> None:
    """The number is in the pipe already."""
