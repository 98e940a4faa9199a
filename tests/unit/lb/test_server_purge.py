"""Purge: what goes, what is written first, and that a crash at any point loses nothing (lb.md 8, jp.md 4)."""

import errno
import os
import re
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

import sql
from lb.export.jobfiles import JobFiles
from lb.model import jobid as ids
from lb.model import ulm
from lb.model.jobid import JobId
from lb.server import dump, jpreg, purge, schema, zombies
from lb.server.batch import StoreOptions
from lb.server.dump import DumpFile
from lb.server.errors import LbError
from lb.server.purge import Exports, Purge, PurgeRequest
from lbbench import HOST_DN, OTHER_DN, SERVER, Bench, life, line, peer, registration
from spool.maildir import Maildir

NOW = 1_780_000_000.0
DAY = 86400


class Site:
    """A server without network that exports to Job Provenance, and what lies in its directories."""

    def __init__(self, db_url: str, root: Path) -> None:
        self.bench = Bench(db_url, options=StoreOptions("localhost", HOST_DN, export=True), clock=lambda: NOW)
        self.root = root
        self.jpreg, self.jpdump = Maildir(root / "jpreg"), Maildir(root / "jpdump")
        self.files = JobFiles(root / "lbexport")
        self.purge = Purge(
            self.bench.engine, root / "purge", Exports(self.files, self.jpdump, self.jpreg), lambda: NOW
        )

    def run(self, *jobs: JobId, really: bool = True, dump: bool = True, **more: Any) -> purge.PurgeResult:
        return self.purge.run(PurgeRequest(jobs or None, really=really, dump=dump, **more))

    def lines(self, job: JobId) -> list[bytes]:
        """What a dump has of the job."""
        with sql.read(self.bench.engine) as conn:
            return dump.read(conn, job.unique)

    def dumps(self) -> list[Path]:
        return sorted((self.root / "purge").glob("purge_*"))

    def messages(self) -> list[dict[str, str]]:
        """The messages of the dump maildir, by key."""
        found = []
        while message := self.jpdump.take_new():
            rows = (row.partition(" ") for row in message.data.decode().splitlines())
            found.append({key: value.strip() for key, _, value in rows})
            self.jpdump.done(message)
        return found

    def registrations(self) -> list[tuple[str, ...]]:
        found = []
        while message := self.jpreg.take_new():
            assert message.name.endswith(".localhost")
            found.append(tuple(message.data.decode().split("\n")))
            self.jpreg.done(message)
        return found

    def is_purged(self, job: JobId) -> bool:
        try:
            self.bench.status(job)
        except LbError as error:
            assert (error.code, error.text) == (errno.EIDRM, "Identifier removed")
            assert error.description == "matching job already purged"
            return True
        return False


@pytest.fixture
def site(db_url: str, tmp_path: Path) -> Site:
    return Site(db_url, tmp_path)


def new() -> JobId:
    return ids.new(SERVER)


def done(site: Site) -> JobId:
    """A job that has ended."""
    job = new()
    site.bench.must_log(life(job))
    return job


# ---- what is written ------------------------------------------------------------------------------------------------


def test_a_purged_job_leaves_a_dump_a_file_two_messages_and_a_zombie(site: Site) -> None:
    job = done(site)
    result = site.run(job)
    assert result.jobs == [job] and not result.refused
    assert result.server_file is not None
    assert re.fullmatch(r"purge_\d{14}\.\d{6}", result.server_file.name)
    assert stat.S_IMODE(result.server_file.stat().st_mode) == 0o600
    lines = result.server_file.read_bytes().splitlines()
    assert [text.split(b" ", 1)[1] for text in lines] == life(job)
    assert all(text.startswith(b"DG.ARRIVED=20260528202640.000000 DATE=") for text in lines)
    [message] = site.messages()
    exported = Path(message["file"])
    assert message == {"jobid": str(job), "file": str(exported)}
    assert re.fullmatch(re.escape(job.unique) + r"\.\d+_\d{6}", exported.name)
    assert stat.S_IMODE(exported.stat().st_mode) == 0o640
    assert exported.read_bytes() == result.server_file.read_bytes()
    assert site.registrations() == [(str(job), "/DC=org/DC=example/CN=Test User")]
    assert site.is_purged(job)
    for table in ("jobs", "states", "events", "events_flesh", "status_tags", "jpreg"):
        assert site.bench.count(table) == 0, table
    assert os.listdir(site.root / "purge") == [result.server_file.name]


def test_a_dry_run_only_tells(site: Site) -> None:
    job = done(site)
    result = site.run(job, really=False)
    assert (result.jobs, result.server_file) == ([job], None)
    assert site.dumps() == [] and site.messages() == []
    assert site.bench.status(job).state == "Done"


def test_without_job_provenance_there_is_a_dump_only(site: Site) -> None:
    job = done(site)
    plain = Purge(site.bench.engine, site.root / "purge", clock=lambda: NOW)
    result = plain.run(PurgeRequest([job], really=True, dump=True))
    assert result.jobs == [job] and len(site.dumps()) == 1
    assert site.messages() == [] and site.is_purged(job)


def test_without_a_dump_the_events_are_exported_all_the_same(site: Site) -> None:
    job = done(site)
    assert site.run(job, dump=False).server_file is None
    assert site.dumps() == []
    [message] = site.messages()
    assert len(Path(message["file"]).read_bytes().splitlines()) == len(life(job))


def test_asking_again_says_purged(site: Site) -> None:
    job, stranger = done(site), new()
    site.run(job)
    result = site.run(job, stranger)
    assert (result.jobs, result.server_file) == ([], None)
    assert {name: error.code for name, error in result.refused.items()} == {
        str(job): errno.EIDRM, str(stranger): errno.ENOENT,
    }
    assert len(site.dumps()) == 1


def test_a_zombie_is_registered_again_unless_exclusively(site: Site) -> None:
    job = done(site)
    site.run(job)
    [reply] = site.bench.log(registration(job, exclusive=True))
    assert (reply.minor, reply.text) == (errno.EEXIST, "Zombie job with given jobid already exists. Rejecting event.")
    [reply] = site.bench.log(line("Cancel", job, 9, status_code="REQ"))
    assert (reply.minor, reply.text) == (errno.ENOENT, "job not registered")
    site.bench.must_log([registration(job)])
    assert site.bench.status(job).state == "Submitted"
    assert site.bench.count("zombie_jobs") == 0


def test_a_purged_job_comes_back_for_its_owner_only(site: Site) -> None:
    """Somebody else could otherwise take over its id, and have his events stored as its provenance."""
    job = done(site)
    site.run(job)
    for exclusive in (False, True):
        [reply] = site.bench.log(registration(job, OTHER_DN, exclusive=exclusive), by=OTHER_DN)
        assert not reply.ok
    assert site.is_purged(job)
    assert site.bench.count("jobs") == 0
    site.bench.must_log([registration(job)])


# ---- which jobs -----------------------------------------------------------------------------------------------------


def aged(site: Site, days: float, *last: bytes, job: JobId | None = None, **fields: Any) -> JobId:
    """A job whose last event is this old."""
    job = job or new()
    site.bench.must_log([registration(job, at=int(NOW - days * DAY), **fields), *last])
    return job


@pytest.mark.parametrize(("ages", "going"), [
    ({}, ["old"]),  # the server's default for Submitted: 31 days
    ({"Submitted": 5 * DAY}, ["old", "middle"]),
    ({"Submitted": 0}, ["old", "middle", "young"]),
    ({"Submitted": -2}, []),
    ({"Submitted": 5 * DAY, "Aborted": 0}, ["old", "middle", "aborted"]),
    ({"Submitted": 5 * DAY, "Aborted": -2}, ["old", "middle"]),
])
def test_by_age_each_state_has_its_own_limit(site: Site, ages: dict[str, int], going: list[str]) -> None:
    jobs = {"old": aged(site, 40), "middle": aged(site, 10), "young": aged(site, 1)}
    stopped = new()
    at = int(NOW - 3 * DAY)
    jobs["aborted"] = aged(site, 4, line("Abort", stopped, 1, source="WorkloadManager", reason="x", at=at), job=stopped)
    result = site.run(ages=ages)
    assert {name for name, job in jobs.items() if job in result.jobs} == set(going)
    assert {name for name, job in jobs.items() if site.is_purged(job)} == set(going)


def test_a_parent_goes_only_with_all_its_children(site: Site) -> None:
    parent = aged(site, 50, jobtype="DAG", nsubjobs=2, seed="s")
    first, second = ids.subjobs(parent, "s", 2)
    site.bench.must_log([
        line("Running", second, 1, source="LogMonitor", node="wn", at=int(NOW - DAY)),
        line("UserTag", second, 2, source="Application", name="a", value="b", at=int(NOW - DAY)),
    ])
    assert site.run(ages=dict.fromkeys(("Submitted", "Running"), 10 * DAY)).jobs == []
    result = site.run(ages={"Submitted": 10 * DAY, "Running": 0})
    assert set(result.jobs) == {parent, first, second} and result.jobs[0] == parent
    assert all(site.is_purged(job) for job in (parent, first, second))
    messages = {message["jobid"]: Path(message["file"]) for message in site.messages()}
    assert set(messages) == {str(job) for job in (parent, first, second)}
    [born] = messages[str(first)].read_bytes().splitlines()
    event = ulm.parse(born)  # a subjob without events has a registration in the dump
    assert (event.name, event.jobid, event.get("parent"), event.get("jobtype")) == ("RegJob", first, parent, "SIMPLE")


def test_subjobs_of_other_rules_are_dumped(site: Site) -> None:
    """One that nothing happened to since an upgrade must not stop the purge of all."""
    parent = ids.new(SERVER)
    site.bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=2, seed="s")])
    lines = {job: site.lines(job) for job in ids.subjobs(parent, "s", 2)}
    with sql.write(site.bench.engine) as conn:
        conn.execute(update(schema.states).values(int_status=b'{"v":"0"}'))
    assert {job: site.lines(job) for job in lines} == lines
    assert len(site.run(parent).jobs) == 3


def test_a_subjob_that_becomes_a_parent_is_the_origin_of_its_subjobs(site: Site) -> None:
    top = ids.new(SERVER)
    site.bench.must_log([registration(top, jobtype="COLLECTION", nsubjobs=1, seed="s")])
    [middle] = ids.subjobs(top, "s", 1)
    site.bench.must_log([
        line("UserTag", middle, 1, source="Application", name="a", value="x"),
        registration(middle, number=2, jobtype="COLLECTION", nsubjobs=1, seed="s", parent=top),
    ])
    [lowest] = ids.subjobs(middle, "s", 1)
    [text] = site.lines(lowest)
    born = ulm.parse(text)
    assert (born.name, born.get("parent"), born.get("ns")) == ("RegJob", middle, "https://wms.example.org:7443/")


def test_a_strangers_job_neither_keeps_a_parent_nor_goes_with_it(site: Site) -> None:
    """He named it as the parent of his before it was registered."""
    parent, stranger = ids.new(SERVER), ids.new(SERVER)
    site.bench.must_log([registration(stranger, OTHER_DN, parent=parent)], by=OTHER_DN)
    site.bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=1, seed="s")])
    [own] = ids.subjobs(parent, "s", 1)
    result = site.run(parent)
    assert set(result.jobs) == {parent, own}
    assert site.bench.status(stranger, OTHER_DN).state == "Submitted"
    assert site.run(stranger).jobs == [stranger]


def test_a_subjob_is_not_purged_alone(site: Site) -> None:
    parent = aged(site, 50, jobtype="DAG", nsubjobs=1, seed="s")
    [child] = ids.subjobs(parent, "s", 1)
    result = site.run(child)
    assert result.jobs == [] and result.refused[str(child)].code == errno.EINVAL
    assert set(site.run(parent).jobs) == {parent, child}


def test_an_orphan_is_on_its_own(site: Site) -> None:
    orphan = aged(site, 50, parent=new())
    assert site.run(ages={"Submitted": DAY}).jobs == [orphan]


def test_many_jobs_go_in_groups(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "GROUP", 3)
    jobs = {aged(site, 40) for _ in range(8)}
    assert set(site.run().jobs) == jobs
    assert len(site.messages()) == 8
    [dumped] = site.dumps()
    assert len(dumped.read_bytes().splitlines()) == 8


def test_a_job_that_lives_on_is_left_for_the_next_purge(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event comes after the dump was written: the job stays, whole, and its file is taken back."""
    job, other = done(site), done(site)
    original = JobFiles.write

    def write(files: JobFiles, jobid: JobId, lines: Any) -> Path:
        path = original(files, jobid, lines)
        if jobid == job:
            site.bench.must_log([line("UserTag", job, 9, source="Application", name="late", value="v")])
        return path

    monkeypatch.setattr(JobFiles, "write", write)
    assert site.run(job, other).jobs == [other]
    monkeypatch.undo()
    assert [message["jobid"] for message in site.messages()] == [str(other)]
    assert len(os.listdir(site.files.root)) == 1
    assert site.run(job).jobs == [job]
    [message] = site.messages()
    assert len(Path(message["file"]).read_bytes().splitlines()) == len(life(job)) + 1


# ---- crashes --------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The server dies here."""


def _before(owner: Any, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(owner, name, _dies)

    return plant


def _after(owner: Any, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    original = getattr(owner, name)

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        def run(*args: Any, **kwargs: Any) -> Any:
            original(*args, **kwargs)
            raise Crash

        monkeypatch.setattr(owner, name, run)

    return plant


def _dies(*_args: Any, **_kwargs: Any) -> Any:
    raise Crash


POINTS = {
    "before the dump": _before(dump, "read"),
    "in the dump": _after(DumpFile, "write"),
    "after the dump": _after(DumpFile, "__exit__"),
    "before the files": _before(JobFiles, "write"),
    "after a file": _after(JobFiles, "write"),
    "before the rows go": _before(jpreg, "export_before_purge"),
    "before the zombies": _before(zombies, "bury"),
    "after the zombies": _after(zombies, "bury"),
    "after a message": _after(Maildir, "store"),
    "before the commit": _after(Purge, "_announce"),
}


@pytest.mark.parametrize("plant", POINTS.values(), ids=POINTS.keys())
def test_a_crash_at_any_point_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    jobs = [done(site), done(site)]
    with monkeypatch.context() as patch, pytest.raises(Crash):
        plant(patch)
        site.run(*jobs)
    for job in jobs:
        assert site.bench.status(job).state == "Done"
    left = site.messages()
    assert all(Path(message["file"]).is_file() for message in left), "a message that is stored names a file that stays"
    result = site.run(*jobs)
    assert set(result.jobs) == set(jobs)
    assert result.server_file is not None
    assert len(result.server_file.read_bytes().splitlines()) == 2 * len(life(jobs[0]))
    messages = site.messages()
    assert sorted(message["jobid"] for message in messages) == sorted(map(str, jobs))
    for message in messages:
        assert len(Path(message["file"]).read_bytes().splitlines()) == len(life(jobs[0]))
    assert all(site.is_purged(job) for job in jobs)
    assert {jobid for jobid, _owner in site.registrations()} == set(map(str, jobs))


def test_killed_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 while the second group is on its way: the first is gone and announced, the second is all there."""
    url = f"sqlite:///{tmp_path / 'lb.db'}"
    site = Site(url, tmp_path)
    jobs = [done(site) for _ in range(4)]
    monkeypatch.setattr(purge, "GROUP", 2)
    site.bench.engine.dispose()
    if not (pid := os.fork()):
        original = Purge._announce
        announced = []

        def announce(self: Purge, gone: Any, files: Any) -> None:
            original(self, gone, files)
            announced.append(gone)
            if len(announced) == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(Purge, "_announce", announce)
        Site(url, tmp_path).run(*jobs)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    site = Site(url, tmp_path)
    purged = [job for job in jobs if site.is_purged(job)]
    assert len(purged) == 2
    first = site.messages()
    assert {message["jobid"] for message in first} >= set(map(str, purged))
    assert set(site.run(*[job for job in jobs if job not in purged]).jobs) == set(jobs) - set(purged)
    told = {message["jobid"] for message in first + site.messages()}
    assert told == set(map(str, jobs))


# ---- registrations --------------------------------------------------------------------------------------------------


def test_registrations_are_exported_once(site: Site) -> None:
    first, second = new(), new()
    site.bench.must_log([registration(first)])
    site.bench.must_log([registration(second, OTHER_DN)], by=OTHER_DN)
    assert jpreg.export_registrations(site.bench.engine, site.jpreg) == 2
    assert jpreg.export_registrations(site.bench.engine, site.jpreg) == 0
    assert set(site.registrations()) == {(str(first), peer().dn), (str(second), OTHER_DN)}


def test_registrations_are_exported_again_after_a_crash(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new()
    site.bench.must_log([registration(job)])
    with monkeypatch.context() as patch, pytest.raises(Crash):
        POINTS["after a message"](patch)
        jpreg.export_registrations(site.bench.engine, site.jpreg)
    assert jpreg.export_registrations(site.bench.engine, site.jpreg) == 1
    assert site.registrations() == [(str(job), peer().dn)] * 2
