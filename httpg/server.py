"""The pre-forked server: binds, forks workers, keeps them alive, and takes them along when it ends.

    Server([Listener("", 8901, lambda: HttpProtocol(application()))], credential, ca_dir, workers=2).run()
"""

import ctypes
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gsi.context import ServerContexts
from gsi.credential import Credential
from gsi.trust import Trust
from httpg.connection import Connection
from httpg.limits import Limits
from httpg.signals import SignalPipe, stop_event
from httpg.worker import ConnectionHandler, Port, Worker

__all__ = ["Connection", "ConnectionHandler", "Limits", "Listener", "Server", "StartUpError"]

log = logging.getLogger(__name__)

_BACKLOG = 1024
#: A child that died is not started again sooner than this after its last start, s: no busy loop of crashes.
_RESTART_S = 1.0
_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StartUpError(Exception):
    """A worker could not make what it shall serve: the server does not start."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A port and what is spoken on it.

    host: name or address, "" = all IPv4 addresses, "::" = all addresses; port: 0 = any free one (see Server.bind);
    protocol: called once in each worker after the fork, so that what it opens is the worker's own;
    anonymous: admit clients without a certificate.
    """

    host: str
    port: int
    protocol: Callable[[], ConnectionHandler]
    anonymous: bool = False


@dataclass(slots=True)
class _Child:
    """A process that shall always run."""

    name: str
    body: Callable[[], None]
    pid: int = 0
    started: float = 0.0
    restarted: bool = False


@dataclass(slots=True)
class Server:
    """See the module. workers: number of processes; background: (name, function) pairs, each function runs in a process
    of its own with an Event that is set when it has to end; it is started again when it returns or dies before that.
    """

    listeners: Sequence[Listener]
    credential: Credential
    ca_dir: Path
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    background: Sequence[tuple[str, Callable[[threading.Event], None]]] = ()
    _sockets: list[socket.socket] = field(default_factory=list, init=False)

    def bind(self) -> list[int]:
        """Bind every listener now; return the port numbers. Raises OSError. run() does it otherwise."""
        if not self._sockets:
            self._sockets = [_bound(listener.host, listener.port) for listener in self.listeners]
        return [sock.getsockname()[1] for sock in self._sockets]

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP, then let what is in flight end, and return. Only in the main thread.

        Raises OSError (a port is taken), gsi.errors.CredentialError, StartUpError (a protocol could not be made).
        """
        self.bind()
        ServerContexts(self.credential, Trust(self.ca_dir))  # what cannot be used is told before any worker starts
        children = [_Child(f"worker {n + 1}", self._work) for n in range(self.workers)]
        children += [_Child(name, partial(self._in_background, function)) for name, function in self.background]
        with SignalPipe((*_STOP_SIGNALS, signal.SIGCHLD)) as signals:
            try:
                _supervise(children, signals)
            finally:
                for sock in self._sockets:
                    sock.close()
                _stop(children, signals, self.limits.grace_s + 5)

    def _ports(self) -> list[Port]:
        trust = Trust(self.ca_dir)
        return [
            Port(sock, ServerContexts(self.credential, trust, allow_anonymous=listener.anonymous), listener.protocol)
            for sock, listener in zip(self._sockets, self.listeners, strict=True)
        ]

    def _work(self) -> None:
        with SignalPipe(_STOP_SIGNALS) as signals:
            try:
                worker = Worker(self._ports(), self.limits)
            except Exception as error:
                raise StartUpError("a protocol could not be made") from error
            worker.run(signals)

    def _in_background(self, function: Callable[[threading.Event], None]) -> None:
        """Run a background function in the main thread."""
        for sock in self._sockets:
            sock.close()  # or the ports would look open after the workers have gone
        function(stop_event(_STOP_SIGNALS))


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _supervise(children: Sequence[_Child], signals: SignalPipe) -> None:
    """Keep the children running until a signal to stop."""
    while True:
        now = time.monotonic()
        waiting = [child for child in children if not child.pid]
        for child in waiting:
            if child.started + _RESTART_S <= now or not child.started:
                _start(child, signals)
        pause = _RESTART_S / 4 if any(not child.pid for child in children) else None
        if signals.wait(pause) & set(_STOP_SIGNALS):
            return
        _reap(children)


def _start(child: _Child, signals: SignalPipe) -> None:
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
        signals.forget()
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


def _reap(children: Sequence[_Child]) -> None:
    for child in children:
        if child.pid:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                log.warning("%s (process %d) ended: status %d", child.name, pid, code)
                child.pid = 0
                if code == os.EX_CONFIG and not child.restarted:
                    raise StartUpError(f"{child.name} could not start; its log says why")
                child.restarted = True


def _stop(children: Sequence[_Child], signals: SignalPipe, patience_s: float) -> None:
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
