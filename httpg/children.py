"""Processes that shall always run: started, started again when they die, taken along when the parent ends."""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from httpg.signals import SignalPipe

log = logging.getLogger(__name__)

#: A child that died is not started again sooner than this after its last start, s: no busy loop of crashes.
_RESTART_S = 1.0
_PR_SET_PDEATHSIG = 1


class StartUpError(Exception):
    """A worker could not make what it shall serve: the server does not start."""


@dataclass(slots=True)
class Child:
    """A process that shall always run. body: what it does; it returns or raises when the process shall end.

    serves: it takes connections, with credentials and CAs of its own.
    """

    name: str
    body: Callable[[], None]
    serves: bool = False
    pid: int = 0
    started: float = 0.0
    restarts: int = 0


def start_missing(children: Sequence[Child], signals: SignalPipe) -> float | None:
    """Start those that do not run and may; return after how many seconds to call again, None when all run."""
    for child in children:
        if not child.pid and (not child.started or child.started + _RESTART_S <= time.monotonic()):
            _start(child, signals)
    return _RESTART_S / 4 if any(not child.pid for child in children) else None


def reap(children: Sequence[Child]) -> None:
    """Notice those that have died. Raises StartUpError when a worker could not even start."""
    for child in children:
        if child.pid:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                log.warning("%s (process %d) ended: status %d", child.name, pid, code)
                child.pid = 0
                if code == os.EX_CONFIG and not child.restarts:
                    raise StartUpError(f"{child.name} could not start; its log says why")
                child.restarts += 1


def stop(children: Sequence[Child], signals: SignalPipe, patience_s: float) -> None:
    """End the children: SIGTERM, and for those who do not listen SIGKILL."""
    alive = [child for child in children if child.pid]
    end = time.monotonic() + patience_s
    while alive and time.monotonic() < end:
        for child in alive:
            os.kill(child.pid, signal.SIGTERM)  # again and again: one that was just forked may have missed it
        signals.wait(0.1)
        alive = [child for child in alive if not os.waitpid(child.pid, os.WNOHANG)[0]]
    for child in alive:
        log.error("%s (process %d) did not end, killed", child.name, child.pid)
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)


def _start(child: Child, signals: SignalPipe) -> None:
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        child.pid, child.started = pid, time.monotonic()
        return
    status = 1
    try:
        _die_with(parent)
        signals.abandon()
        child.body()
        status = 0
    except StartUpError:
        log.exception("%s could not start", child.name)
        status = os.EX_CONFIG
    except BaseException:
        log.exception("%s failed", child.name)
        raise
    finally:
        logging.shutdown()
        os._exit(status)  # not through the parent's exit handlers


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the server dies in whatever way."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        raise SystemExit("the server has ended already")
