"""Questions with conditions: which are allowed, what they find, who sees what (lb.md 4.4, 4.7)."""

import errno
from pathlib import Path
from typing import Any

import pytest

from gsi.gridmap import watch_identities
from lb.model import jobid as ids
from lb.model.jobid import JobId
from lb.model.status import STATE_CODES
from lb.model.view import Flag
from lb.server.authority import Authority
from lb.server.conditions import Comparison, Group, check_event_group, check_job_group
from lb.server.errors import LbError
from lb.server.queries import MOST_EQUAL, MOST_OTHERS, Limits, Queries
from lb.server.webservice import LoggingAndBookkeeping
from lb.server.wsconditions import event_groups, job_groups
from lbbench import HOST_DN, OTHER_DN, SERVER, USER_DN, Bench, life, line, peer, registration
from soap.contract import load
from soap.service import Call

TYPES = load("LB").types
LONG = "ce.example.org:8443/" + "x" * 300


class Jobs:
    """A server with five jobs: done (exit 0), done (exit 3), running far away, aborted, and one of somebody else."""

    def __init__(self, db_url: str) -> None:
        self.bench = Bench(db_url)
        self.good, self.bad, self.far, self.lost, self.foreign = (ids.new(SERVER) for _ in range(5))
        self.bench.must_log([*life(self.good), *life(self.bad, exit_code=3)])
        self.bench.must_log([
            registration(self.far, ns="NS2"),
            line("Match", self.far, 2, source="WorkloadManager", dest_id=LONG + "1"),
            line("Running", self.far, 3, source="LogMonitor", node="wn2"),
            line("UserTag", self.far, 4, source="Application", name="axis", value="z"),
        ])
        self.bench.must_log([registration(self.lost)])
        self.bench.must_log([line("Abort", self.lost, 9, source="WorkloadManager", reason="x")])
        self.bench.must_log(life(self.foreign, OTHER_DN), by=OTHER_DN)

    def find(self, *groups: Group, by: str = USER_DN) -> set[JobId]:
        return set(self.bench.queries.find_jobs([check_job_group(group) for group in groups], peer(by)))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    return Jobs(f"sqlite:///{tmp_path_factory.mktemp('lb') / 'lb.db'}")


def one(attribute: str, op: str, value: int | str, upper: int | str | None = None, **more: Any) -> Group:
    return Group(attribute, (Comparison(op, value, upper),), **more)


OWNER = one("OWNER", "EQUAL", USER_DN)


@pytest.mark.parametrize(("group", "names"), [
    (one("STATUS", "EQUAL", STATE_CODES["Done"]), "good bad"),
    (one("STATUS", "UNEQUAL", STATE_CODES["Done"]), "far lost"),
    (one("STATUS", "LESS", STATE_CODES["Done"]), "far"),
    (one("STATUS", "WITHIN", STATE_CODES["Running"], STATE_CODES["Done"]), "good bad far"),
    (Group("STATUS", (Comparison("EQUAL", STATE_CODES["Running"]), Comparison("EQUAL", STATE_CODES["Aborted"]))),
     "far lost"),
    (one("EXITCODE", "GREATER", 0), "bad"),
    (one("EXITCODE", "GREATER", 2), "bad"),
    (one("DONECODE", "EQUAL", 0), "good bad"),
    (one("DESTINATION", "EQUAL", "ce.example.org:8443/local-short"), "good bad"),
    (one("DESTINATION", "EQUAL", LONG + "1"), "far"),
    (one("DESTINATION", "UNEQUAL", LONG + "2"), "good bad far lost"),
    (one("NETWORKSERVER", "EQUAL", "NS2"), "far"),
    (one("LOCATION", "EQUAL", "none"), "good bad lost"),
    (one("USERTAG", "EQUAL", "z", name="Axis"), "far"),
    (one("USERTAG", "LESS", "z", name="axis"), "good bad"),
    (one("USERTAG", "UNEQUAL", "z", name="axis"), "good bad lost"),
    (one("RESUBMITTED", "EQUAL", 0), "good bad far lost"),
    (one("JOBTYPE", "EQUAL", 0), "good bad far lost"),
    (one("TIME", "GREATER", 1_770_000_000, state="Aborted"), "lost"),
    (one("STATEENTERTIME", "EQUAL", 1_770_000_005), "good bad"),
    (one("LASTUPDATETIME", "GREATER", 1_770_000_005), "lost"),
    (one("OWNER", "UNEQUAL", OTHER_DN), "good bad far lost"),
])
def test_what_a_condition_finds(jobs: Jobs, group: Group, names: str) -> None:
    assert jobs.find(OWNER, group) == {getattr(jobs, name) for name in names.split()}


def test_tags_are_found_by_the_name_that_they_are_kept_by(db_url: str) -> None:
    bench, job = Bench(db_url), ids.new(SERVER)
    bench.must_log([registration(job), line("UserTag", job, 1, source="Application", name="\u00c9tat", value="x")])
    asked = [check_job_group(group) for group in (OWNER, one("USERTAG", "EQUAL", "x", name="\u00c9TAT"))]
    assert bench.queries.find_jobs(asked, peer()) == [job]


def test_ids_are_named_or_left_out(jobs: Jobs) -> None:
    both = Group("JOBID", (Comparison("EQUAL", str(jobs.good)), Comparison("EQUAL", str(jobs.far))))
    assert jobs.find(both) == {jobs.good, jobs.far}
    assert jobs.find(OWNER, one("JOBID", "UNEQUAL", str(jobs.good))) == {jobs.bad, jobs.far, jobs.lost}
    assert jobs.find(both, one("EXITCODE", "EQUAL", 0), one("STATUS", "EQUAL", STATE_CODES["Done"])) == {jobs.good}


def test_foreign_jobs_are_passed_over(jobs: Jobs) -> None:
    done = one("LASTUPDATETIME", "GREATER", 0)
    assert jobs.find(done) == {jobs.good, jobs.bad, jobs.far, jobs.lost}
    assert jobs.find(done, by=OTHER_DN) == {jobs.foreign}
    assert jobs.foreign in jobs.find(done, by=HOST_DN)
    with pytest.raises(LbError) as refused:
        jobs.find(one("OWNER", "EQUAL", OTHER_DN))
    assert refused.value.code == errno.EPERM


@pytest.mark.parametrize(("group", "code"), [
    (one("EXITCODE", "EQUAL", 99), errno.ENOENT),
    (one("JDLATTR", "EQUAL", "x", name="VirtualOrganisation"), errno.ENOSYS),
    (one("HOST", "EQUAL", "x"), errno.EINVAL),
    (one("OWNER", "LESS", "x"), errno.EINVAL),
    (one("EXITCODE", "WITHIN", 1), errno.EINVAL),
    (one("EXITCODE", "EQUAL", 1, 2), errno.EINVAL),
    (one("USERTAG", "EQUAL", "x"), errno.EINVAL),
    (one("TIME", "EQUAL", 1), errno.EINVAL),
    (Group("STATUS", ()), errno.EINVAL),
    (one("JOBID", "EQUAL", "https://elsewhere.org:9000/x"), errno.EINVAL),
])
def test_what_is_refused(jobs: Jobs, group: Group, code: int) -> None:
    with pytest.raises(LbError) as refused:
        jobs.find(OWNER, group)
    assert refused.value.code == code


def test_some_condition_needs_an_index(jobs: Jobs) -> None:
    with pytest.raises(LbError, match="No indexed condition in query") as refused:
        jobs.find(one("EXITCODE", "EQUAL", 0))
    assert (refused.value.code, refused.value.text) == (1416, "No indexed condition in query")


def test_an_answer_over_the_limit(jobs: Jobs) -> None:
    bench = jobs.bench
    queries = Queries(bench.engine, bench.authority, bench.admission.is_ours, Limits(jobs=3, events=10))
    with pytest.raises(LbError) as refused:
        queries.find_jobs([OWNER], peer())
    assert refused.value.code == errno.E2BIG
    with pytest.raises(LbError) as refused:
        list(queries.find_events([OWNER], [], peer()))
    assert refused.value.code == errno.E2BIG
    assert len(list(queries.find_events([one("JOBID", "EQUAL", str(jobs.good))], [], peer()))) == 6


@pytest.mark.parametrize(("group", "names"), [
    (one("LEVEL", "LESS", 9), "RegJob Accepted Match Running UserTag Done"),
    (one("EVENTTYPE", "EQUAL", 10), "Done"),
    (one("SOURCE", "EQUAL", 6), "Running Done"),
    (one("HOST", "UNEQUAL", "ui.example.org"), ""),
    (one("INSTANCE", "EQUAL", ""), "RegJob Accepted Match Running UserTag Done"),
    (one("TIME", "WITHIN", 1_770_000_001, 1_770_000_002), "Accepted Match"),
    (one("USERTAG", "EQUAL", "x\ny", name="AXIS"), "UserTag"),
])
def test_events_by_condition(jobs: Jobs, group: Group, names: str) -> None:
    ask = [one("JOBID", "EQUAL", str(jobs.good))], [check_event_group(group)], peer()
    if not names:
        with pytest.raises(LbError, match="no matching events found"):
            jobs.bench.queries.find_events(*ask)
        return
    assert [event.name for event in jobs.bench.queries.find_events(*ask)] == names.split()


def test_events_by_their_time_alone(jobs: Jobs) -> None:
    at_nine = check_event_group(one("TIME", "EQUAL", 1_770_000_009))
    [event] = jobs.bench.queries.find_events([], [at_nine], peer())
    assert (event.name, event.jobid) == ("Abort", jobs.lost)
    with pytest.raises(LbError, match="not owner"):
        jobs.bench.queries.find_events([], [at_nine], peer(OTHER_DN))
    with pytest.raises(LbError, match="No indexed condition"):
        jobs.bench.queries.find_events([], [check_event_group(one("LEVEL", "LESS", 9))], peer())


def test_a_job_that_goes_while_it_is_read_is_purged(db_url: str) -> None:
    bench = Bench(db_url)
    job = ids.new(SERVER)
    [status] = bench.queries.statuses([job], Flag(0))
    assert (status.state, status.jobId) == ("Purged", str(job))


# ---- from the web service -------------------------------------------------------------------------------------------


def ws(attr: str, op: str, value: Any, second: Any = None, **more: Any) -> Any:
    return TYPES.queryConditions(attr=attr, record=[TYPES.queryRecord(op=op, value1=value, value2=second)], **more)


def v(**member: Any) -> Any:
    return TYPES.queryRecValue(**member)


@pytest.mark.parametrize(("condition", "group"), [
    (ws("OWNER", "EQUAL", v(c="NULL")), one("OWNER", "EQUAL", USER_DN)),
    (ws("OWNER", "EQUAL", v(c="/CN=x")), one("OWNER", "EQUAL", "/CN=x")),
    (ws("STATUS", "EQUAL", v(c="RUNNING")), one("STATUS", "EQUAL", 5)),
    (ws("STATUS", "EQUAL", v(i=5)), one("STATUS", "EQUAL", 5)),
    (ws("JOBTYPE", "EQUAL", v(c="COLLECTION")), one("JOBTYPE", "EQUAL", 4)),
    (ws("VM_STATUS", "EQUAL", v(c="VM_RUNNING")), one("VM_STATUS", "EQUAL", 2)),
    (ws("JOBID", "EQUAL", v(c="https://localhost/x")), one("JOBID", "EQUAL", "https://localhost:9000/x")),
    (ws("EXITCODE", "WITHIN", v(i=1), v(c="2")), one("EXITCODE", "WITHIN", 1, 2)),
    (ws("TIME", "LESS", v(t=TYPES.timeval(tvSec=7, tvUsec=8)), statName="DONE"), one("TIME", "LESS", 7, state="Done")),
    (ws("LASTUPDATETIME", "LESS", v(i=7)), one("LASTUPDATETIME", "LESS", 7)),
    (ws("USERTAG", "EQUAL", v(c="x"), tagName="Axis"), one("USERTAG", "EQUAL", "x", name="Axis")),
])
def test_conditions_of_the_web_service(condition: Any, group: Group) -> None:
    assert job_groups([condition], USER_DN) == [group]


@pytest.mark.parametrize("condition", [
    ws("STATUS", "CHANGED", v(i=1)), ws("STATUS", "EQUAL", v(c="NAPPING")), ws("STATUS", "EQUAL", None),
    ws("OWNER", "EQUAL", v(i=1)), ws("EXITCODE", "EQUAL", v(c="many")), ws("JOBID", "EQUAL", v(c="no id")),
    ws("JOBTYPE", "EQUAL", v(c="HARD")), ws("OWNER", "EQUAL", v()), ws("TIME", "EQUAL", v(i=1)),
    ws("EXITCODE", "EQUAL", v(t=TYPES.timeval(tvSec=1, tvUsec=1))),
])
def test_bad_conditions_of_the_web_service(condition: Any) -> None:
    with pytest.raises(LbError) as refused:
        job_groups([condition], USER_DN)
    assert refused.value.code == errno.EINVAL


def test_event_conditions_of_the_web_service() -> None:
    assert event_groups([ws("SOURCE", "EQUAL", v(i=6))], USER_DN) == [one("SOURCE", "EQUAL", 6)]
    with pytest.raises(LbError):
        event_groups([ws("PARENT", "EQUAL", v(c="https://localhost/x"))], USER_DN)


def test_two_names_of_one_person_read_each_others_jobs(jobs: Jobs, tmp_path: Path) -> None:
    """Option -M (lb.md 11.2), both ways; and the list of one's own jobs holds those of both names."""
    mapping = tmp_path / "mapping"
    mapping.write_text(f'"{USER_DN}" "{OTHER_DN}"\n')
    authority = Authority(HOST_DN, identities=watch_identities(mapping))
    queries = Queries(jobs.bench.engine, authority, jobs.bench.admission.is_ours)
    assert queries.job_status(jobs.foreign, peer(USER_DN), Flag(0)).owner == OTHER_DN
    assert queries.job_status(jobs.good, peer(f"{OTHER_DN}"), Flag(0)).owner == USER_DN
    with pytest.raises(LbError, match="not owner"):
        queries.job_status(jobs.good, peer("/CN=x"), Flag(0))
    call = Call(peer(OTHER_DN), "UserJobs", {})
    mine = LoggingAndBookkeeping(load("LB"), queries).user_jobs(call)
    assert set(mine["jobs"]) == set(map(str, (jobs.good, jobs.bad, jobs.far, jobs.lost, jobs.foreign)))
    mapping.write_text("")
    with pytest.raises(LbError, match="not owner"):
        queries.job_status(jobs.good, peer(OTHER_DN), Flag(0))


def test_as_many_comparisons_as_allowed(db_url: str) -> None:
    """The limits lie within those of the databases."""
    some = Jobs(db_url)
    strangers = (Comparison("EQUAL", f"https://{SERVER}/none{n}") for n in range(MOST_EQUAL - 1))
    wanted = Group("JOBID", (*strangers, Comparison("EQUAL", str(some.good))))
    others = Group("OWNER", tuple(Comparison("UNEQUAL", f"/CN={n}") for n in range(MOST_OTHERS)))
    assert some.find(wanted, others) == {some.good}
    times = Group("TIME", (*(Comparison("EQUAL", n) for n in range(MOST_EQUAL)), *(Comparison("LESS", n)
                  for n in range(MOST_OTHERS - 1)), Comparison("GREATER", 1)))
    assert len(list(some.bench.queries.find_events([], [check_event_group(times)], peer(USER_DN)))) > 10


@pytest.mark.parametrize("groups", [
    [Group("JOBID", (Comparison("EQUAL", f"https://{SERVER}/x"),) * (MOST_EQUAL + 1))],
    [Group("OWNER", (Comparison("UNEQUAL", "/CN=x"),) * (MOST_OTHERS + 1))],
    [OWNER] * (MOST_OTHERS + 1),
])
def test_more_than_a_database_can_take_is_refused(jobs: Jobs, groups: list[Group]) -> None:
    with pytest.raises(LbError) as caught:
        jobs.find(*groups)
    assert caught.value.code == errno.E2BIG
