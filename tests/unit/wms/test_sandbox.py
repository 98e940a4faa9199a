"""Sandboxes over HTTPS: what the owner can do, and all the ways out of a job directory that are closed."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest

from gsi.gacl import Circumstances, Credential, Entry, Gacl, Permission
from gsi.peer import Peer
from people import peer
from wms.jobdirectory import JobDirectory
from wms.sandbox import upload
from wms.sandbox.app import SandboxApplication

OWNER = "/DC=org/DC=example/CN=Test User"
JOBID = "https://localhost:9000/AbCdEfGhIjKlMnOpQrStUv"
LIMIT = 1000

Call = Callable[..., tuple[str, dict[str, str], bytes]]


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    root = tmp_path / "SandboxDir"
    directory = JobDirectory(root, JOBID)
    directory.create()
    directory.write(directory.gacl, Gacl.of_owner(OWNER).write())
    directory.write(directory.proxy, "secret")
    directory.write(directory.jdl_to_start, "[ ]")
    upload.prepare(root)
    return directory


@pytest.fixture
def call(job: JobDirectory) -> Call:
    app = SandboxApplication(job.root, max_input_bytes=LIMIT, max_output_bytes=LIMIT)

    def request(
        method: str, path: str, body: bytes = b"", *, dn: str | Peer | None = OWNER, length: int | None = -1,
        **more: str,
    ) -> tuple[str, dict[str, str], bytes]:
        answer: dict[str, Any] = {}
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "wsgi.input": io.BytesIO(body),
            "gsi.peer": peer(dn) if isinstance(dn, str) else dn,
            **more,
        }
        if length is not None and method == "PUT":
            environ["CONTENT_LENGTH"] = str(len(body) if length < 0 else length)
        result = app(environ, lambda status, headers: answer.update(status=status, headers=dict(headers)))  # type: ignore
        content = b"".join(result)
        if hasattr(result, "close"):
            result.close()
        return answer["status"], answer["headers"], content

    return request


def base(job: JobDirectory) -> str:
    return f"/{job.relative}"


def test_what_the_owner_puts_the_owner_gets(call: Call, job: JobDirectory) -> None:
    for area in ("input", "output", "peek"):
        path = f"{base(job)}/{area}/{quote('pict é 1.png')}"
        assert call("PUT", path, b"one")[0] == "201 Created"
        assert call("PUT", path, b"two!", length=None)[0] == "204 No Content"
        assert call("GET", path) == (
            "200 OK",
            {"Content-Type": "application/octet-stream", "Content-Length": "4"},
            b"two!",
        )
        status, headers, content = call("HEAD", path)
        assert (status, headers["Content-Length"], content) == ("200 OK", "4", b"")
    assert call("PUT", f"{base(job)}/Maradona.output", b"job exit status = 0")[0] == "201 Created"
    assert (job.input / "pict é 1.png").stat().st_mode & 0o777 == 0o600


def test_strangers_and_anonymous_clients_are_refused(call: Call, job: JobDirectory) -> None:
    (job.input / "x").write_text("x")
    for dn in ("/DC=org/DC=example/CN=Other", None, "", OWNER + "/CN=Else"):
        for method in ("GET", "HEAD", "PUT"):
            assert call(method, f"{base(job)}/input/x", b"y", dn=dn)[0] == "403 Forbidden"
    assert (job.input / "x").read_text() == "x"


@pytest.mark.parametrize("method", ["DELETE", "POST", "MOVE", "PATCH", "OPTIONS"])
def test_other_methods_are_not_allowed(call: Call, job: JobDirectory, method: str) -> None:
    (job.input / "x").write_text("x")
    status, headers, _ = call(method, f"{base(job)}/input/x")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD, PUT")
    assert (job.input / "x").exists()


@pytest.mark.parametrize(
    "path",
    [
        "{job}/user.proxy",
        "{job}/.user.proxy.bak",
        "{job}/JDLToStart",
        "{job}/.gacl",
        "{job}/input/.gacl",
        "{job}/input/..",
        "{job}/input/../user.proxy",
        "{job}/input/%2e%2e/user.proxy",
        "{job}/input/..%2fuser.proxy",
        "{job}/input/../../../../../../etc/passwd",
        "{job}/input//etc/passwd",
        "{job}//user.proxy",
        "{job}/./user.proxy",
        "{job}/input",
        "{job}/input/",
        "{job}",
        "{job}/",
        "{job}/input/x%00.png",
        "{job}/input/%ff%fe",
        "{job}/other/x",
        "{job}/input/sub/x",
        "/SandboxDir/../SandboxDir/{tail}/input/x",
        "/SandboxDir/zz/{name}/input/x",
        "/SandboxDir/Ab/https_3a_2f_2flocalhost_3a9000_2fAbOther/input/x",
        "/SandboxDir/../proxycache/x/userproxy.pem",
        "/SandboxDir/.upload/x",
        "/SandboxDir/",
        "/SandboxDir",
        "//SandboxDir/{tail}/input/x",
        "SandboxDir/{tail}/input/x",
        "/",
        "",
        "{job}/input/" + "x" * 300,
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_no_path_leads_out_of_the_areas(call: Call, job: JobDirectory, path: str, method: str) -> None:
    (job.input / "x").write_text("x")
    before = sorted(str(one) for one in job.root.parent.rglob("*"))
    tail = job.relative.split("/", 1)[1]
    url = path.format(job=base(job), tail=tail, name=tail.split("/")[1])
    assert call(method, url, b"evil")[0] == "404 Not Found"
    assert sorted(str(one) for one in job.root.parent.rglob("*")) == before
    assert job.proxy.read_text() == "secret"


def test_links_are_not_followed_anywhere(call: Call, job: JobDirectory, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (job.input / "link").symlink_to(secret)
    (job.output / "proxy").symlink_to("../user.proxy")
    assert call("GET", f"{base(job)}/input/link")[0] == "404 Not Found"
    assert call("GET", f"{base(job)}/output/proxy")[0] == "404 Not Found"
    assert call("PUT", f"{base(job)}/input/link", b"new")[0] in ("201 Created", "204 No Content")
    assert secret.read_text() == "secret" and (job.input / "link").read_text() == "new"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    job.peek.rmdir()
    job.peek.symlink_to(elsewhere)
    assert call("PUT", f"{base(job)}/peek/x", b"x")[0] == "404 Not Found"
    assert list(elsewhere.iterdir()) == []
    whole = JobDirectory(job.root, JOBID + "2")
    os.symlink(job.path, whole.path)
    assert call("GET", f"{base(whole)}/input/link")[0] == "404 Not Found"


def test_only_regular_files_are_shown(call: Call, job: JobDirectory) -> None:
    os.mkfifo(job.input / "pipe")
    (job.input / "directory").mkdir()
    assert call("GET", f"{base(job)}/input/pipe")[0] == "404 Not Found"
    assert call("GET", f"{base(job)}/input/directory")[0] == "404 Not Found"
    assert call("PUT", f"{base(job)}/input/directory", b"x")[0] == "404 Not Found"


def staged(job: JobDirectory) -> list[Path]:
    return list((job.root / upload.STAGING).iterdir())


def test_a_sandbox_over_its_limit_is_refused_and_nothing_stays(call: Call, job: JobDirectory) -> None:
    assert call("PUT", f"{base(job)}/input/a", b"a" * 600)[0] == "201 Created"
    for length in (-1, None):
        status, _, text = call("PUT", f"{base(job)}/input/b", b"b" * 401, length=length)
        assert (status, text) == ("413 Content Too Large", b"the files of this sandbox may hold 1000 bytes together\n")
    assert call("PUT", f"{base(job)}/input/a", b"a" * 1000)[0] == "204 No Content"
    assert call("PUT", f"{base(job)}/output/b", b"b" * 1000)[0] == "201 Created"
    assert [one.name for one in job.input.iterdir()] == ["a"] and staged(job) == []


def test_a_broken_off_upload_leaves_the_old_file(call: Call, job: JobDirectory) -> None:
    call("PUT", f"{base(job)}/input/a", b"old")
    assert call("PUT", f"{base(job)}/input/a", b"ne", length=3)[0] == "400 Bad Request"
    assert call("PUT", f"{base(job)}/input/a", b"part", HTTP_CONTENT_RANGE="bytes 0-3/9")[0] == "501 Not Implemented"
    assert (job.input / "a").read_text() == "old" and staged(job) == []


def test_leftovers_of_a_killed_server_are_thrown_away(job: JobDirectory) -> None:
    (job.root / upload.STAGING / "left").write_text("half")
    upload.prepare(job.root)
    assert staged(job) == []


def test_a_purged_job_has_no_files(call: Call, job: JobDirectory) -> None:
    (job.input / "x").write_text("x")
    job.remove()
    for method in ("GET", "PUT"):
        assert call(method, f"{base(job)}/input/x", b"x")[0] == "404 Not Found"


def test_a_damaged_or_missing_access_list_opens_nothing(call: Call, job: JobDirectory) -> None:
    (job.input / "x").write_text("x")
    for content in (b"", b"<gacl>", b"<!DOCTYPE gacl><gacl/>", b"<gacl/>"):
        job.write(job.gacl, content)
        assert call("GET", f"{base(job)}/input/x")[0] in ("404 Not Found", "403 Forbidden")
    job.gacl.unlink()
    assert call("GET", f"{base(job)}/input/x")[0] == "404 Not Found"


def test_the_list_of_a_job_lets_others_in(call: Call, job: JobDirectory) -> None:
    """By name or by what a VO says of them; writing is another right than reading."""
    (job.output / "x").write_text("result")
    path = f"{base(job)}/output/x"
    friends = (Credential.person("/CN=friend"), Credential.voms("/vo/Role=operator"))
    for friend in friends:
        given = Gacl.of_owner(OWNER).add(Entry((friend,), frozenset({Permission.READ})))
        job.write(job.gacl, given.write())
        for other in (peer("/CN=friend"), peer("/CN=operator", "/vo", "/vo/Role=operator")):
            allowed = friend.holds(Circumstances(other))
            assert call("GET", path, dn=other)[0] == ("200 OK" if allowed else "403 Forbidden")
            assert call("PUT", path, b"y", dn=other)[0] == "403 Forbidden"
    assert (job.output / "x").read_text() == "result"
