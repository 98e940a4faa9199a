#!/usr/bin/env python3
"""The job wrapper: what a batch system runs on the worker node in place of the user's program.

    python3 jobwrapper.py job.json

It fetches the input sandbox, runs the program, sends the output sandbox back, and writes down what happened. It needs
nothing but Python's own library (3.8 or later), because worker nodes have nothing else.

job.json names the job, its program, its files and two directories (wms.wrapper.describe has the list):
    work     the program's working directory
    state    status.json: {"phase": "started" | "running" | "done", ...}, always whole, replaced as the job goes on
             events.jsonl: the LB events of source LRMS, one JSON object a line, appended

The exit status is 0 whenever status.json says "done"; whether the job was any good is in there.
"""

from __future__ import annotations

import contextlib
import glob
import http.client
import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
from typing import IO, Any, Iterator, Tuple, Union  # noqa: UP035 - for Python 3.8
from urllib.parse import urlsplit

#: Signals on which the job is ended in an orderly way and its output still sent (wms.md 4.8).
TERMINATING = (signal.SIGXCPU, signal.SIGQUIT, signal.SIGINT, signal.SIGTERM)
#: Seconds a program may take to end after SIGTERM.
TERMINATION_GRACE_S = 10.0
#: Seconds without a byte after which a transfer is given up, and the longest time one may take (wms.md 4.9).
SILENCE_S = 300.0
TRANSFER_S = 3600.0
#: Tries per file and the wait before the second one, doubled each time: input, output (wms.md 4.9).
RETRIES = {"ISB": (2, 60.0), "OSB": (6, 300.0)}
BLOCK = 1 << 20
#: Standard input, output and error of a program: files, or the null device.
Streams = Tuple[Union[IO[bytes], int], Union[IO[bytes], int], Union[IO[bytes], int]]  # noqa: UP006, UP007
NO_STREAMS: Streams = (subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL)


class Failure(Exception):
    """The job cannot be completed; the text is the reason that goes to LB."""


class Terminated(BaseException):
    """A terminating signal arrived. Not an Exception: no handler of ordinary trouble may swallow it."""


class TransferError(Exception):
    """One try at one file failed."""


class Wrapper:
    """One run of one job. `job` is the content of job.json."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.work: str = job["work"]
        self.state: str = job["state"]
        self.node = socket.getfqdn()
        self.counter = 0
        self.status: dict[str, Any] = {"phase": "started", "node": self.node}
        self.notices: list[str] = []
        self.sent = False

    # -- the course of events -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Everything, once; ends with the phase "done"."""
        failure = None
        try:
            self.go_through()
        except Failure as error:
            failure = str(error)
        except Terminated as ending:
            failure = f"Job has been terminated (got {ending})"
        _ignore_signals()
        if failure is not None and not self.sent:
            # What there is may tell the user why; its transfer must not hide the first reason.
            try:
                self.send_output()
            except Failure as error:
                failure += "; " + str(error)
        self.finish(failure)

    def go_through(self) -> None:
        self.enter()
        self.log("Running", node=self.node)
        self.write_status()
        self.fetch_input()
        self.script("prologue")
        self.payload(self.executable())
        self.script("epilogue")
        self.send_output()

    def enter(self) -> None:
        try:
            os.makedirs(self.work, mode=0o700, exist_ok=True)
            os.chdir(self.work)
        except OSError as error:
            raise Failure(f"Cannot create directory {self.work}: {error.strerror}") from error
        if not os.access(".", os.W_OK):
            raise Failure(f"Working directory not writable: {self.work}")

    def finish(self, failure: str | None) -> None:
        code = self.status.get("exit_code")
        if failure is None:
            self.log("Done", status_code="OK", reason="", exit_code=code)
            self.send_maradona()
        else:
            self.log("Done", status_code="FAILED", reason=failure, exit_code=0)
        self.status.update(phase="done", failure=failure, notices=self.notices)
        self.write_status()

    # -- files in -----------------------------------------------------------------------------------------------------

    def fetch_input(self) -> None:
        for item in self.job["input_sandbox"]:
            name, source = item["name"], item["source"]
            try:
                self.patiently("ISB", lambda name=name, source=source: self.download(source, name))
            except TransferError as error:
                raise Failure(f"Cannot download {name} from {source}: {error}") from error

    def download(self, source: str, name: str) -> None:
        if os.path.basename(name) != name or name in ("", ".", ".."):
            raise TransferError(f"{name!r} is no plain file name")
        deadline = time.monotonic() + TRANSFER_S
        connection, target = self.connect(source)
        try:
            connection.request("GET", target)
            answer = _checked(connection.getresponse())
            with open(name + ".part", "wb") as file:
                while True:
                    block = answer.read(BLOCK)
                    if not block:
                        break
                    file.write(block)
                    _in_time(deadline)
            if answer.length:
                raise TransferError(f"the server ended {answer.length} bytes early")
            os.replace(name + ".part", name)
        finally:
            connection.close()

    # -- running ------------------------------------------------------------------------------------------------------

    def executable(self) -> str:
        """The program as a path that can be run: absolute, or in the working directory."""
        name = self.job["executable"]
        path = name if name.startswith("/") else os.path.join(".", name)
        if not name.startswith("/") and os.path.isfile(path):
            os.chmod(path, 0o700)  # sandbox transfer does not carry modes
        if not os.path.isfile(path) or not os.access(path, os.R_OK | os.X_OK):
            raise Failure(f"{name}: not found or unreadable")
        return path

    def script(self, which: str) -> None:
        """Prologue or epilogue: a script of the user beside the program; its failure fails the job."""
        name = self.job.get(which)
        if not name:
            return
        path = name if name.startswith("/") else os.path.join(".", name)
        if not os.path.isfile(path):
            raise Failure(f"{which} failed: {name} not found")
        if not name.startswith("/"):
            os.chmod(path, 0o700)
        code, _ = self.wait(self.start(path, self.job.get(which + "_arguments") or ""))
        if code != 0:
            raise Failure(f"{which} failed with error {code}")

    def payload(self, program: str) -> None:
        """Run the program; its exit code goes into the status, whatever it is."""
        with self.streams() as streams:
            self.log("ReallyRunning", wn_seq="")
            # On disk before the program starts: from here on the job counts as having run.
            self.status.update(phase="running", wn_seq=self.seqcode())
            self.write_status()
            started = time.monotonic()
            code, usage = self.wait(self.start(program, self.job.get("arguments") or "", streams))
        self.status["exit_code"] = code
        for name, quantity in (("real", time.monotonic() - started), ("user", usage[0]), ("sys", usage[1])):
            self.log("ResourceUsage", resource=name, quantity=round(quantity, 3), unit="s")

    @contextlib.contextmanager
    def streams(self) -> Iterator[Streams]:
        """Standard input, output and error; equal names for the last two mean one file."""
        names = [self.job.get(key) or os.devnull for key in ("std_input", "std_output", "std_error")]
        with contextlib.ExitStack() as stack:
            try:
                stdin = stack.enter_context(open(names[0], "rb"))
                stdout = stack.enter_context(open(self.inside(names[1]), "wb"))
                stderr = stdout if names[1] == names[2] else stack.enter_context(open(self.inside(names[2]), "wb"))
            except OSError as error:
                raise Failure(f"{error.filename}: not found or unreadable: {error.strerror}") from error
            yield stdin, stdout, stderr

    def inside(self, name: str) -> str:
        """A file the program writes; directories on the way are made."""
        if not name.startswith("/"):
            name = os.path.join(".", name)
            if os.path.normpath(name).startswith(".."):
                raise Failure(f"Cannot create directory for {name}: it leads out of the working directory")
            os.makedirs(os.path.dirname(name), exist_ok=True)
        return name

    def start(self, program: str, arguments: str, streams: Streams = NO_STREAMS) -> subprocess.Popen[bytes]:
        """Start a program in a process group of its own; the arguments are one text for the shell (wms.md 2.2)."""
        shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
        command = f"{shlex.quote(program)} {arguments}".rstrip()
        stdin, stdout, stderr = streams
        return subprocess.Popen(
            [shell, "-c", command], stdin=stdin, stdout=stdout, stderr=stderr, env=self.environment(),
            preexec_fn=os.setpgrp,
        )

    def environment(self) -> dict[str, str]:
        env = dict(os.environ, PWD=os.getcwd())
        env.update(pair.split("=", 1) for pair in self.job.get("environment", []) if "=" in pair)
        env.update(
            GLITE_WMS_JOBID=self.job["jobid"],
            GLITE_WMS_SEQUENCE_CODE=self.seqcode(),
            X509_USER_PROXY=self.job["proxy"],
            X509_CERT_DIR=self.job["ca_directory"],
        )
        if self.job.get("log_destination"):
            env["GLITE_WMS_LOG_DESTINATION"] = self.job["log_destination"]
        if os.path.exists(".BrokerInfo"):
            env["GLITE_WMS_RB_BROKERINFO"] = os.path.abspath(".BrokerInfo")
        return env

    def wait(self, process: subprocess.Popen[bytes]) -> tuple[int, tuple[float, float]]:
        """Exit code as a shell gives it (128 + n after signal n), and seconds of user and system time."""
        expires = self.job.get("proxy_expires")
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode = 0  # reaped here, not by subprocess
                    return _exit_code(status), (usage.ru_utime, usage.ru_stime)
                if expires is not None and time.time() > expires:
                    expires = self.renewed_expiry()
                    if expires is None or time.time() > expires:
                        raise Failure("Job killed because of user proxy expiry")
                time.sleep(0.05)
        except BaseException:
            _end_group(process)
            raise

    def renewed_expiry(self) -> float | None:
        """When the proxy ends that the computing element has put in place of the first one; None: there is no other."""
        try:
            with open(self.job["proxy"] + ".expires") as file:
                return float(file.read())
        except (OSError, ValueError):
            return None

    # -- files out ----------------------------------------------------------------------------------------------------

    def send_output(self) -> None:
        self.sent = True
        files = self.output_files()
        room: int | None = self.job.get("max_output_bytes", -1)
        room = None if room is None or room < 0 else room
        for position, (path, destination) in enumerate(files):
            size, offset = os.path.getsize(path), 0
            if room is not None:
                if size > room:
                    offset = size - room // (len(files) - position)
                    destination += ".tail"
                    self.truncated(path, size - offset)
                room -= size - offset
            self.send(path, destination, offset)

    def output_files(self) -> list[tuple[str, str]]:
        """(path, destination) of the files that are there; of a missing one the user gets a notice."""
        found: list[tuple[str, str]] = []
        for item in self.job["output_sandbox"]:
            pattern, destination = item["file"], item.get("destination")
            paths = [pattern] if os.path.isfile(pattern) else sorted(filter(os.path.isfile, glob.glob(pattern)))
            if not paths:
                self.notices.append(f"Cannot read or missing file {pattern}")
            for path in paths:
                found.append((path, destination or self.job["output_base"].rstrip("/") + "/" + os.path.basename(path)))
        return found

    def send_maradona(self) -> None:
        """Tell the WMS, beside the output, that all of it has come (wms.md 4.8, 5.1). Nothing depends on it."""
        destination = self.job.get("maradona")
        if not destination:
            return
        path = os.path.join(self.state, "Maradona.output")
        with open(path, "w") as file:
            file.write(f"job exit status = {self.status['exit_code']}\njw exit status = 0\n")
            file.write(f"Sequence code: {self.seqcode()}\n")
        try:
            self.upload(path, destination, 0)
        except (OSError, http.client.HTTPException, TransferError) as error:
            self.notices.append(f"Cannot upload {path} into {destination}: {error}")

    def truncated(self, path: str, kept: int) -> None:
        self.log("UserTag", name="notice", value=f"OSB quota exceeded for {path}, truncating needed")
        self.log("UserTag", name="notice", value=f"Truncated last {kept} bytes for file {path}")

    def send(self, path: str, destination: str, offset: int) -> None:
        try:
            self.patiently("OSB", lambda: self.upload(path, destination, offset))
        except TransferError as error:
            raise Failure(f"Cannot upload {path} into {destination}: {error}") from error

    def upload(self, path: str, destination: str, offset: int) -> None:
        deadline = time.monotonic() + TRANSFER_S
        connection, target = self.connect(destination)
        try:
            with open(path, "rb") as file:
                left = os.fstat(file.fileno()).st_size - offset
                file.seek(offset)
                connection.putrequest("PUT", target)
                connection.putheader("Content-Length", str(left))
                connection.endheaders()
                while left:
                    block = file.read(min(BLOCK, left))
                    if not block:
                        raise TransferError("the file became shorter meanwhile")
                    connection.send(block)
                    left -= len(block)
                    _in_time(deadline)
            _checked(connection.getresponse()).read()
        finally:
            connection.close()

    # -- transfers in general -----------------------------------------------------------------------------------------

    def connect(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        """A connection with the job's proxy certificate, and the path to ask for."""
        parts = urlsplit(url)
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        if parts.scheme != "https" or not parts.hostname:
            raise TransferError(f"protocol {parts.scheme or 'of a bare name'} is not supported")
        # Not the default context: later Pythons make that one refuse grid CAs that lack newer extensions.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(capath=self.job["ca_directory"])
        self.present_proxy(context)
        port = parts.port or 443
        return http.client.HTTPSConnection(parts.hostname, port, timeout=SILENCE_S, context=context), target

    def present_proxy(self, context: ssl.SSLContext) -> None:
        """Show the job's proxy; one that old tools signed with SHA-1 was admitted by the WMS, so it is shown too."""
        try:
            context.load_cert_chain(self.job["proxy"])
        except ssl.SSLError as error:
            if "MD_TOO_WEAK" not in (error.reason or ""):
                raise
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.load_cert_chain(self.job["proxy"])

    def patiently(self, which: str, action: Any) -> None:
        """Repeat the transfer as often as the site wants; raises TransferError after the last try."""
        count, wait = RETRIES[which]
        tries = int(_local("RETRY_COUNT", which, count)) + 1
        pause = _local("RETRY_FIRST_WAIT", which, wait)
        for number in range(tries):
            try:
                action()
                return
            except (OSError, http.client.HTTPException, TransferError) as error:
                if number == tries - 1:
                    raise TransferError(str(error) or type(error).__name__) from error
            time.sleep(pause)
            pause *= 2

    # -- what is written down -----------------------------------------------------------------------------------------

    def seqcode(self) -> str:
        """The job's sequence code with the LRMS component counted up by this wrapper (wms.md 4.7)."""
        parts = self.job["seqcode"].split(":")
        return ":".join(f"LRMS={self.counter:06d}" if part.startswith("LRMS=") else part for part in parts)

    def log(self, event: str, **fields: Any) -> None:
        self.counter += 1
        now = time.time_ns() // 1000
        line = {
            "event": event, "time": [now // 1000000, now % 1000000], "host": self.node, "seqcode": self.seqcode(),
            "fields": fields,
        }
        with open(os.path.join(self.state, "events.jsonl"), "a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_status(self) -> None:
        path = os.path.join(self.state, "status.json")
        with open(path + ".new", "w") as file:
            json.dump(self.status, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".new", path)


def _checked(answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if not 200 <= answer.status < 300:
        raise TransferError(f"the server answered {answer.status} {answer.reason}")
    return answer


def _in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TransferError(f"longer than {TRANSFER_S:.0f} s")


def _local(what: str, which: str, default: float) -> float:
    """A setting of the site: GLITE_LOCAL_COPY_<what>_ISB or _OSB, or without the suffix for both (wms.md 4.9)."""
    name = "GLITE_LOCAL_COPY_" + what
    try:
        return max(0.0, float(os.environ.get(name + "_" + which) or os.environ.get(name) or default))
    except ValueError:
        return default


def _exit_code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started: politely, then by force."""
    deadline = time.monotonic() + TERMINATION_GRACE_S
    sign = signal.SIGTERM
    while True:
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            if os.waitpid(process.pid, 0 if sign == signal.SIGKILL else os.WNOHANG)[0]:
                process.returncode = 0
                return
        except ChildProcessError:
            return
        if time.monotonic() > deadline:
            sign = signal.SIGKILL
        time.sleep(0.05)


def _ignore_signals() -> None:
    for number in TERMINATING:
        signal.signal(number, signal.SIG_IGN)


def _terminate(number: int, _frame: object) -> None:
    _ignore_signals()
    raise Terminated(signal.Signals(number).name)


def main() -> None:
    for number in TERMINATING:
        signal.signal(number, _terminate)
    with open(sys.argv[1]) as file:
        Wrapper(json.load(file)).run()


if __name__ == "__main__":
    main()
