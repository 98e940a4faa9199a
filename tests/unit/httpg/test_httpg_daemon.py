"""What all daemons share: the pid file, leaving the terminal, options, logging, the end."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from httpg import daemon
from httpg.daemon import AlreadyRunning, Daemon
from tlsserver import wait_for

PROGRAM = """
    import logging
    import os
    import sys
    from pathlib import Path
    from httpg import daemon
    from httpg.signals import stop_event

    pidfile, logfile = map(Path, sys.argv[1:])
    daemon.log_to_stderr()
    with daemon.Daemon(pidfile, logfile) as process:
        process.detach()
        print("directory", os.getcwd(), flush=True)
        logging.getLogger("test").info("leader %s", os.getsid(0) != os.getpid())
        stop_event().wait()
"""


def start(*arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run the program until the process that was started ends; the daemon keeps no pipe of ours open."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_one_daemon_per_pid_file(tmp_path: Path) -> None:
    pidfile = tmp_path / "run" / "pid"
    with Daemon(pidfile, None):
        assert pidfile.read_text() == f"{os.getpid()}\n"
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} of"), Daemon(pidfile, None):
            pass
        assert pidfile.exists()
    assert not pidfile.exists()


def test_a_pid_file_left_by_a_crash_is_no_hindrance(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    pidfile.write_text("1234567890\n")
    with Daemon(pidfile, None):
        assert pidfile.read_text() == f"{os.getpid()}\n"


def test_without_files_nothing_happens() -> None:
    with Daemon.of("x", foreground=True, pidfile=None, logfile=Path("/nonexistent/log")) as process:
        process.detach()
        assert process.pidfile is None and process.logfile is None


def test_default_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/glite")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    made = Daemon.of("x", foreground=False, pidfile=None, below="/glite")
    assert (made.pidfile, made.logfile) == (Path("/home/glite/x.pid"), Path("/home/glite/x.log"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    made = Daemon.of("x", foreground=False, pidfile=None, below="/glite")
    assert (made.pidfile, made.logfile) == (Path("/var/run/glite/x.pid"), Path("/var/log/glite/x.log"))
    assert Daemon.of("x", foreground=False, pidfile=Path("/p"), logfile=Path("/l")).pidfile == Path("/p")


def test_in_the_background(tmp_path: Path) -> None:
    pidfile, logfile = tmp_path / "pid", tmp_path / "log" / "daemon"
    started = start(pidfile, logfile)
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    pid = int(pidfile.read_text())  # of the daemon, at once
    wait_for(lambda: "leader True" in logfile.read_text())
    assert "directory /\n" in logfile.read_text()
    assert logfile.stat().st_mode & 0o777 == 0o600
    second = start(pidfile, logfile)
    assert second.returncode == 1 and f"process {pid} of {pidfile} is running" in second.stderr
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not pidfile.exists())


def test_a_log_that_cannot_be_written_is_seen_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    started = start(tmp_path / "pid", tmp_path / "file" / "log")
    assert started.returncode == 1 and "file" in started.stderr
    assert not (tmp_path / "pid").exists()


def test_a_lock_is_free_again_when_it_is_closed(tmp_path: Path) -> None:
    first = daemon.hold(tmp_path / "lock", "taken")
    with pytest.raises(AlreadyRunning, match="taken"):
        daemon.hold(tmp_path / "lock", "taken")
    os.close(first)
    os.close(daemon.hold(tmp_path / "lock", "taken"))


def test_credential_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @daemon.credential_options("Whose.", "Its key.")
    def command(cert: Path | None, key: Path | None, ca_dir: Path | None) -> None:
        click.echo(f"{cert} {key} {ca_dir}")

    monkeypatch.chdir(tmp_path)
    for option in ("-C", "--CAdir", "--ca-dir"):
        done = CliRunner().invoke(command, ["-c", "cert.pem", "-k", "/k", option, "ca"])
        assert done.output == f"{tmp_path / 'cert.pem'} /k {tmp_path / 'ca'}\n"
    assert "Whose." in CliRunner().invoke(command, ["--help"]).output


def test_a_refusal_has_the_programs_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        daemon.refuse("glite-x", ValueError("no port"))
    assert left.value.code == 1
    assert capsys.readouterr().err == "glite-x: no port\n"


def test_nothing_that_a_client_sends_makes_a_line_of_the_log() -> None:
    formatter = daemon.OneLine("%(levelname)s %(message)s")
    forged = "x\r\n2026-01-01 INFO root: /CN=Admin purged\x1b[2J\u2028y\x85z"
    record = logging.LogRecord("a", logging.INFO, "", 0, "%s called", (forged,), None)
    line = formatter.format(record)
    assert line == "INFO x\\r\\n2026-01-01 INFO root: /CN=Admin purged\\x1b[2J\\u2028y\\x85z called"


def test_a_traceback_cannot_pretend_to_be_a_line_of_the_log() -> None:
    try:
        raise ValueError("bad\n2026-01-01 INFO root: all is well")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    first, *others = daemon.OneLine("%(message)s").format(record).splitlines()
    assert first == "failed" and others and all(line.startswith("    ") for line in others)


def test_a_long_message_is_cut() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "y" * 5_000_000, (), None)
    assert len(daemon.OneLine("%(message)s").format(record)) < 5000


def test_the_time_of_a_record_is_that_of_the_library() -> None:
    ours, theirs = daemon.OneLine("%(asctime)s"), logging.Formatter("%(asctime)s")
    for created in (0.0, 1.5, 1.9996, 1_790_000_000.25, 1_790_000_000.5, 1.5):
        record = logging.LogRecord("a", logging.INFO, "", 0, "x", (), None)
        record.created, record.msecs = created, (created - int(created)) * 1000
        assert ours.format(record) == theirs.format(record)
