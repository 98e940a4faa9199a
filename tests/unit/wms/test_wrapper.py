"""The job wrapper as a real process: programs, sandboxes over HTTPS, signals, what it writes down."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import chains
import pki
from gsi.gacl import Gacl
from gsi.proxy import new_key
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from lb.model.times import LAST
from tlsserver import alive, running, wait_for
from wms import jdl as language
from wms.jobdirectory import JobDirectory
from wms.sandbox import upload
from wms.sandbox.app import SandboxApplication
from wms.wrapper import SCRIPT, Phase, Progress, describe, read_progress

JOBID = "https://localhost:9000/AbCdEfGhIjKlMnOpQrStUv"
SEQCODE = "UI=000000:NS=0000000004:WM=000005:BH=0000000000:JSS=000001:LM=000000:LRMS=000000:APP=000000:LBS=000000"
LIMIT = 1 << 24


@dataclass
class Node:
    """A worker node's directory for one job, and the job's directory at the WMS behind a real HTTPS server."""

    place: Path
    directory: JobDirectory
    url: str

    @property
    def work(self) -> Path:
        return self.place / "work"

    def prepare(self, text: str, **more: Any) -> None:
        """Write job.json of a description; `more` replaces members."""
        base = f"{self.url}/{self.directory.relative}"
        jdl = language.parse(f'[ edg_jobid = "{JOBID}"; WMPInputSandboxBaseURI = "{base}"; {text} ]')
        job = describe(jdl, seqcode=SEQCODE)
        job.update(
            proxy=str(pki.proxy_file()), ca_directory=str(pki.ca_dir()), work=str(self.work), state=str(self.place),
        )
        (self.place / "job.json").write_text(json.dumps(job | more))

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        env = {
            "PATH": os.environ["PATH"], "GLITE_LOCAL_COPY_RETRY_COUNT": "1", "GLITE_LOCAL_COPY_RETRY_FIRST_WAIT": "0",
            **environment,
        }
        return subprocess.Popen([sys.executable, str(SCRIPT), str(self.place / "job.json")], env=env)

    def run(self, text: str, environment: dict[str, str] | None = None, **more: Any) -> Progress:
        """Prepare, run to the end, and read what was written."""
        self.prepare(text, **more)
        assert self.start(**environment or {}).wait() == 0
        return self.progress()

    def progress(self) -> Progress:
        found = read_progress(self.place)
        assert found is not None
        return found

    def output(self, name: str) -> bytes:
        return (self.directory.output / name).read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    root = tmp_path_factory.mktemp("wms") / "SandboxDir"
    upload.prepare(root)
    app = SandboxApplication(root, max_input_bytes=LIMIT, max_output_bytes=LIMIT)
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(app))
    with running([listener], pki.host(), pki.ca_dir(), workers=1) as process:
        yield root, process.url("")


@pytest.fixture
def node(server: tuple[Path, str], tmp_path: Path) -> Iterator[Node]:
    root, url = server
    directory = JobDirectory(root, JOBID)
    directory.create()
    directory.write(directory.gacl, Gacl.of_owner(pki.USER_DN).write())
    yield Node(tmp_path, directory, url)
    directory.remove()


def events(progress: Progress) -> list[str]:
    return [fact.event for fact in progress.facts]


def test_a_whole_job(node: Node) -> None:
    (node.directory.input / "run.sh").write_text("#!/bin/sh\ncat data \"$@\"; cat >&2; exit 0\n")
    (node.directory.input / "data").write_text("from the sandbox\n")
    (node.directory.input / "in.txt").write_text("standard input\n")
    done = node.run(
        'Executable = "run.sh"; Arguments = "- \'two words\' < /dev/null | sed s/-/+/"; StdInput = "in.txt";'
        'StdOutput = "out"; StdError = "err"; InputSandbox = {"run.sh", "data", "in.txt"}; '
        'OutputSandbox = {"out", "err", "never"};'
    )
    assert (done.phase, done.exit_code, done.failure) == (Phase.DONE, 0, None)
    assert node.output("out") == b"from the sandbox\n"
    assert b"two words" in node.output("err")
    assert events(done) == ["Running", "ReallyRunning", "ResourceUsage", "ResourceUsage", "ResourceUsage", "Done"]
    assert done.facts[-1].fields == {"status_code": "OK", "reason": "", "exit_code": 0}
    assert "job exit status = 0\n" in node.directory.maradona.read_text()
    assert "never" in json.loads((node.place / "status.json").read_text())["notices"][0]


def test_sequence_codes_count_in_the_lrms_component(node: Node) -> None:
    done = node.run('Executable = "/bin/true";')
    codes = [fact.seqcode for fact in done.facts]
    assert codes == [SEQCODE.replace("LRMS=000000", f"LRMS={n:06d}") for n in range(1, 7)]
    assert done.wn_seq == codes[1]


def test_the_exit_code_is_reported_and_is_no_failure(node: Node) -> None:
    done = node.run('Executable = "/bin/sh"; Arguments = "-c \'exit 3\'";')
    assert (done.exit_code, done.failure, done.facts[-1].fields["exit_code"]) == (3, None, 3)
    assert node.run('Executable = "/bin/sh"; Arguments = "-c \'kill -SEGV $$\'";').exit_code == 139


def test_the_program_sees_the_grid_in_its_environment(node: Node) -> None:
    done = node.run(
        'Executable = "/usr/bin/env"; StdOutput = "env"; Environment = {"A=1", "B=x=y z"}; OutputSandbox = "env";',
        log_destination="logger:9002",
    )
    assert done.exit_code == 0
    lines = node.output("env").decode().splitlines()
    for line in (
        "A=1", "B=x=y z", f"GLITE_WMS_JOBID={JOBID}", f"X509_USER_PROXY={pki.proxy_file()}",
        f"X509_CERT_DIR={pki.ca_dir()}", "GLITE_WMS_LOG_DESTINATION=logger:9002", f"PWD={node.work}",
        f"GLITE_WMS_SEQUENCE_CODE={done.wn_seq}",
    ):
        assert line in lines


def test_output_and_error_may_share_one_file(node: Node) -> None:
    streams = 'StdOutput = "d/o"; StdError = "d/o";'
    node.run(f'Executable = "/bin/sh"; Arguments = "-c \'echo a; echo b >&2; echo c\'"; {streams}')
    assert (node.work / "d" / "o").read_text() == "a\nb\nc\n"


def test_wildcards_send_what_is_there(node: Node) -> None:
    node.run('Executable = "/bin/sh"; Arguments = "-c \'touch a.x; echo 1 > b.x\'"; OutputSandbox = {"*.x"};')
    assert sorted(path.name for path in node.directory.output.iterdir()) == ["a.x", "b.x"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('Executable = "nowhere";', "nowhere: not found or unreadable"),
        ('Executable = "/no/such/program";', "/no/such/program: not found or unreadable"),
        ('Executable = "/bin/true"; StdInput = "missing";', "missing: not found or unreadable"),
        ('Executable = "/bin/true"; StdOutput = "../../x";', "leads out of the working directory"),
        ('Executable = "/bin/true"; InputSandbox = {"missing"};', "Cannot download missing from https://localhost"),
        ('Executable = "/bin/true"; InputSandbox = {"ftp://x/y"};', "protocol ftp is not supported"),
        ('Executable = "/bin/true"; Prologue = "/bin/false";', "prologue failed with error 1"),
        ('Executable = "/bin/true"; Epilogue = "gone";', "epilogue failed: gone not found"),
        (
            'Executable = "/bin/date"; StdOutput = "o"; OutputSandbox = {"o"};'
            'OutputSandboxDestURI = {"https://localhost:1/o"};',
            "Cannot upload o into https://localhost:1/o",
        ),
    ],
)
def test_what_the_wrapper_cannot_do_is_a_failure_with_its_reason(node: Node, text: str, reason: str) -> None:
    done = node.run(text)
    assert done.phase is Phase.DONE
    assert done.failure is not None and reason in done.failure
    assert done.facts[-1].fields["status_code"] == "FAILED"
    assert not node.directory.maradona.exists()


def test_whether_the_program_ran_is_known(node: Node) -> None:
    assert node.run('Executable = "nowhere";').payload_started is False
    assert node.run('Executable = "/bin/true"; Epilogue = "gone";').payload_started is True


def test_somebody_elses_sandbox_is_closed(node: Node) -> None:
    (node.directory.input / "data").write_text("x")
    node.directory.write(node.directory.gacl, Gacl.of_owner(pki.OTHER_DN).write())
    done = node.run('Executable = "/bin/true"; InputSandbox = {"data"};')
    assert done.failure is not None and "403" in done.failure


def test_output_over_the_quota_is_cut_to_its_tail(node: Node) -> None:
    done = node.run(
        'Executable = "/bin/sh"; Arguments = "-c \'printf 0123456789 > a; printf abcdefghij > b; printf xy > c\'";'
        'OutputSandbox = {"a", "b", "c"};',
        max_output_bytes=14,
    )
    assert done.failure is None
    # after a, 4 bytes are left for two files: half of them for the end of b
    assert [node.output(name) for name in ("a", "b.tail", "c")] == [b"0123456789", b"ij", b"xy"]
    tags = [fact.fields["value"] for fact in done.facts if fact.event == "UserTag"]
    assert tags == ["OSB quota exceeded for b, truncating needed", "Truncated last 2 bytes for file b"]


def test_a_failed_transfer_is_tried_again(node: Node) -> None:
    """The file appears only after the first try: the retry finds it."""
    node.prepare('Executable = "/bin/true"; InputSandbox = {"late"};')
    process = node.start(GLITE_LOCAL_COPY_RETRY_COUNT_ISB="100", GLITE_LOCAL_COPY_RETRY_FIRST_WAIT_ISB="0.01")
    wait_for(lambda: (node.place / "status.json").exists())
    (node.directory.input / "late").write_text("now")
    assert process.wait() == 0
    assert node.progress().failure is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGXCPU])
def test_a_signal_ends_the_job_and_its_output_still_comes(node: Node, number: signal.Signals) -> None:
    script = "echo begun; (sleep 1000 & echo $! > child); touch going; sleep 1000"
    node.prepare(f'Executable = "/bin/sh"; Arguments = "-c \'{script}\'"; StdOutput = "o"; OutputSandbox = "o";')
    process = node.start()
    wait_for(lambda: (node.work / "going").exists())
    process.send_signal(number)
    assert process.wait() == 0
    done = node.progress()
    assert done.failure == f"Job has been terminated (got {number.name})"
    assert (done.exit_code, done.payload_started) == (None, True)
    assert node.output("o") == b"begun\n"
    child = int((node.work / "child").read_text())
    wait_for(lambda: not alive(child))


def test_the_job_ends_with_its_proxy(node: Node) -> None:
    done = node.run('Executable = "/bin/sleep"; Arguments = "1000";', proxy_expires=time.time() - 1)
    assert done.failure == "Job killed because of user proxy expiry"


def test_an_old_proxy_that_the_site_admits_brings_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "gsi.toml"
    rules.write_text("sha1_proxies = true\n")
    monkeypatch.setenv("GLITE_GSI_RULES", str(rules))
    root = tmp_path / "SandboxDir"
    upload.prepare(root)
    app = SandboxApplication(root, max_input_bytes=LIMIT, max_output_bytes=LIMIT)
    directory = JobDirectory(root, JOBID)
    directory.create()
    directory.write(directory.gacl, Gacl.of_owner(pki.USER_DN).write())
    chains.legacy(pki.user(), key=new_key(2048), sha1=True).save(tmp_path / "old")
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(app))
    with running([listener], pki.host(), pki.ca_dir(), workers=1) as process:
        node = Node(tmp_path, directory, process.url(""))
        done = node.run('Executable = "/bin/echo"; Arguments = "x"; StdOutput = "o"; OutputSandbox = { "o" };',
                        proxy=str(tmp_path / "old"))
    assert done.failure is None and node.output("o") == b"x\n"


def test_a_downloaded_name_cannot_leave_the_directory(node: Node) -> None:
    (node.directory.input / "data").write_text("x")
    source = f"{node.url}/{node.directory.relative}/input/data"
    done = node.run('Executable = "/bin/true";', input_sandbox=[{"source": source, "name": "../data"}])
    assert done.failure is not None and "no plain file name" in done.failure


def test_what_a_job_forges_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"phase": "done", "exit_code": true, "failure": 5, "node": "n"}')
    status = tmp_path / "status.json"
    good = {"event": "Running", "time": [1, 2], "host": "h", "seqcode": "s", "fields": {"node": "n", "more": 1}}
    lines = [good, good | {"event": "Abort"}, good]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_progress(tmp_path)
    assert found is not None
    assert (found.exit_code, found.failure, len(found.facts)) == (None, None, 1)
    assert found.facts[0].fields == {"node": "n"}
    for moment in ([LAST + 1, 0], [1 << 200, 0], [-1, 0], [1, 1_000_000], [1.0, 0], [1]):
        (tmp_path / "events.jsonl").write_text(json.dumps(good | {"time": moment}) + "\n")
        found = read_progress(tmp_path)
        assert found is not None and found.facts == (), "a time that no event can have"
    for code in (-1, 256, 1 << 40):
        status.write_text(json.dumps({"phase": "done", "exit_code": code}))
        found = read_progress(tmp_path)
        assert found is not None and found.exit_code is None
    status.write_text('{"phase": "done", "failure": "\\ud800\\u0000x"}')
    found = read_progress(tmp_path)
    assert found is not None and found.failure == "?x"
    for text in ("[]", "{", "[" * 100_000, '{"phase": []}', "\xff"):
        status.write_bytes(text.encode("latin-1"))
        assert read_progress(tmp_path) is None
    (tmp_path / "status.json").unlink()
    (tmp_path / "status.json").symlink_to("/etc/passwd")
    assert read_progress(tmp_path) is None


def test_the_script_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    code = f"import runpy; runpy.run_path({str(SCRIPT)!r}, run_name='wrapper')"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, check=False).returncode == 0
