"""Signals as events: whatever the main thread does when they come."""

import signal
import subprocess
import sys
import textwrap

import pytest

WAITING = """
    import os, signal
    from httpg.signals import stop_event
    stop = stop_event()
    with stop._cond:  # as inside stop.wait()
        os.kill(os.getpid(), signal.{name})
    assert stop.wait(60)
"""


def run(program: str) -> int:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=60, check=False).returncode


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_that_comes_inside_wait_sets_the_event(name: str) -> None:
    assert run(WAITING.format(name=name)) == 0


def test_other_signals_do_what_they_did() -> None:
    assert run(WAITING.format(name="SIGUSR1")) == -signal.SIGUSR1
