"""Connected jobs: what the events do to both ends, and what of it the oracle shows."""

from dataclasses import dataclass, field
from errno import ENOENT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model import machine, native, ulm
from lb.model.connections import ENDS, Connection, Connections, ConnectionsError, Kind, other_job, reverse_event
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.ledger import Ledger
from lb.model.rules.store import Refusal
from lb.model.seqcode import SeqCode
from lb.model.vocabulary import INTERNAL
from lbrecorded import cases_of
from shared import needs_shared

JOB, VM, OTHER = JobId("h", 9000, "job"), JobId("h", 9000, "vm"), JobId("elsewhere", 9000, "other")
DN = "/DC=org/DC=example/CN=lb.example.org"


def event(name: str, jobid: JobId, other: str, jobtype: str = "VIRTUAL_MACHINE", source: str = "LRMS") -> Event:
    fields = {"dest_jobid": other} if name == "DisconnectJob" else {"dest_jobid": other, "jobtype": jobtype}
    return Event(EVENTS[name], (7, 0), "wn", "SYSTEM", 2, jobid, "x", "/CN=user", source, "", fields)


# ---- one end --------------------------------------------------------------------------------------------------------


def test_connect_and_disconnect() -> None:
    mine = Connections().change(event("ConnectJob", JOB, str(VM))).change(event("ConnectJob", JOB, str(OTHER), "CREAM"))
    assert dict(mine.by_job) == {VM: Connection("VIRTUAL_MACHINE"), OTHER: Connection("CREAM")}
    assert mine.active == {VM, OTHER}
    cut = mine.change(event("DisconnectJob", JOB, str(VM)))
    assert cut.by_job[VM] == Connection("VIRTUAL_MACHINE", Kind.CANCELLED) and cut.active == {OTHER}
    assert mine.active == {VM, OTHER}, "the one before has not changed"
    assert cut.change(event("DisconnectJob", JOB, str(JOB))) is cut


def test_connecting_again_makes_a_new_connection() -> None:
    mine = Connections().connect(VM, "VIRTUAL_MACHINE").connect(OTHER, "CREAM").ended()
    again = mine.connect(VM, "SIMPLE")
    assert list(again.by_job.items()) == [(OTHER, Connection("CREAM", Kind.INACTIVE)), (VM, Connection("SIMPLE"))]


def test_the_end_of_a_job_leaves_cancelled_connections_alone() -> None:
    mine = Connections().connect(VM, "VIRTUAL_MACHINE").connect(OTHER, "CREAM").disconnect(OTHER)
    ended = mine.ended()
    assert [row.kind for row in ended.by_job.values()] == [Kind.INACTIVE, Kind.CANCELLED]
    assert ended.ended() is ended


def test_the_end_of_the_other_job() -> None:
    mine = Connections().connect(VM, "VIRTUAL_MACHINE").connect(OTHER, "CREAM")
    assert mine.ended(VM).active == {OTHER}
    assert mine.ended(JOB) is mine


def test_a_purged_job_is_forgotten() -> None:
    mine = Connections().connect(VM, "VIRTUAL_MACHINE").disconnect(VM)
    assert mine.forget(VM) == Connections()
    assert mine.forget(OTHER) is mine


def test_connections_do_not_change() -> None:
    mine = Connections().connect(VM, "VIRTUAL_MACHINE")
    with pytest.raises(TypeError):
        mine.by_job[VM] = Connection("SIMPLE")  # type: ignore[index]
    with pytest.raises(AttributeError):
        mine.by_job[VM].kind = Kind.CANCELLED  # type: ignore[misc]


def test_kinds_have_the_numbers_of_the_database() -> None:
    assert [(kind.name, kind.value) for kind in Kind] == [("ACTIVE", 1), ("INACTIVE", 2), ("CANCELLED", 3)]


@given(st.text())
def test_any_text_names_a_job_or_is_refused(text: str) -> None:
    try:
        other = other_job(event("ConnectJob", JOB, text))
    except ConnectionsError as error:
        assert error.code == 1409 and str(error) == text[:200]
    else:
        assert other == JobId.parse(text)


# ---- the other end --------------------------------------------------------------------------------------------------


def back(cause: Event, jobtype: str | None = "SIMPLE") -> Event | None:
    return reverse_event(cause, jobtype=jobtype, now=(9, 1), host="lb", server_dn=DN)


@pytest.mark.parametrize("name", ["ConnectJob", "DisconnectJob"])
def test_reverse_event(name: str) -> None:
    news = back(event(name, JOB, str(VM)))
    assert news is not None
    assert (news.name, news.jobid, news.get("dest_jobid")) == (name, VM, str(JOB))
    assert news.get("jobtype") == ("SIMPLE" if name == "ConnectJob" else None)
    assert (news.source, news.user, news.priority, news.timestamp) == ("LBServer", DN, INTERNAL, (9, 1))
    assert SeqCode.parse(news.seqcode) == SeqCode()
    assert ulm.parse(ulm.write(news)) == news
    assert back(news) is None, "it has no reverse itself"


def test_a_job_of_unknown_kind_counts_as_simple() -> None:
    news = back(event("ConnectJob", JOB, str(VM)), None)
    assert news is not None and news.get("jobtype") == "SIMPLE"


def test_other_events_have_no_reverse() -> None:
    assert back(ulm.parse(ulm.write(Event(EVENTS["Purge"], (7, 0), "h", None, 0, JOB, "", "u", "LRMS")))) is None


def test_no_reverse_for_what_is_no_job() -> None:
    with pytest.raises(ConnectionsError, match="^nonsense$"):
        back(event("ConnectJob", JOB, "nonsense"))


@pytest.mark.parametrize("source", ["LRMS", "LBServer"])
@pytest.mark.parametrize("name", ["ConnectJob", "DisconnectJob"])
def test_a_ledger_refuses_what_is_no_job(name: str, source: str) -> None:
    ledger = Ledger()
    fields = {"jobtype": "SIMPLE", "ns": "NS"}
    assert ledger.take(Event(EVENTS["RegJob"], (7, 0), "h", None, 0, JOB, "", "u", "LRMS", "", fields)) is None
    assert ledger.take(event(name, JOB, "nonsense", source=source)) == Refusal(1409, "nonsense")
    assert ledger.connections(JOB) == Connections() and len(ledger.events(JOB)) == 1


OPERATIONS = ("connect", "disconnect", "end", "purge")


@given(
    st.lists(
        st.tuples(st.sampled_from(OPERATIONS), st.sampled_from([JOB, VM, OTHER]), st.sampled_from([JOB, VM, OTHER]))
    )
)
def test_both_ends_always_agree(operations: list[tuple[str, JobId, JobId]]) -> None:
    """Whatever happens to jobs, done as the module says it: what one knows of a connection, the other knows too."""
    jobs = {job: Connections() for job in (JOB, VM, OTHER)}
    for operation, one, other in operations:
        if operation == "connect":
            jobs[one] = jobs[one].connect(other, "SIMPLE")
            jobs[other] = jobs[other].connect(one, "SIMPLE")
        elif operation == "disconnect":
            jobs[one] = jobs[one].disconnect(other)
            jobs[other] = jobs[other].disconnect(one)
        else:
            for each in jobs[one].by_job:
                jobs[each] = jobs[each].ended(one) if operation == "end" else jobs[each].forget(one)
            jobs[one] = jobs[one].ended() if operation == "end" else Connections()
    for job, mine in jobs.items():
        assert {each: row.kind for each, row in mine.by_job.items()} == {
            each: theirs.by_job[job].kind for each, theirs in jobs.items() if job in theirs.by_job
        }


# ---- the oracle -----------------------------------------------------------------------------------------------------

SERVER_TIME = (1 << 34, 0)
NOT_REGISTERED = [700, ENOENT, "job not registered"]


@dataclass
class Jobs:
    """The jobs of one case as the server keeps them, with both ends of their connections."""

    states: dict[JobId, JobState] = field(default_factory=dict)
    connections: dict[JobId, Connections] = field(default_factory=dict)

    def take(self, event: Event) -> list[Any]:
        jobid = event.jobid
        if event.name != "RegJob" and jobid not in self.states:
            return NOT_REGISTERED
        job = self.states.get(jobid) or machine.new_status(jobid, event.user)
        before = job.status.state
        after = machine.apply(job, event)
        news = reverse_event(event, jobtype=after.status.jobtype, now=SERVER_TIME, host="lb", server_dn=DN)
        answer = [0, 0, "OK"] if news is None else self.take(news)
        if answer == [0, 0, "OK"]:
            self.states[jobid] = after
            self.follow(event, before, after)
        return answer

    def follow(self, event: Event, before: str, after: JobState) -> None:
        mine = self.connections.get(event.jobid, Connections())
        if event.name in ("ConnectJob", "DisconnectJob"):
            mine = mine.change(event)
        if after.status.state in ENDS and after.status.state != before:
            mine = mine.ended()
            for other in mine.by_job:
                self.connections[other] = self.connections[other].ended(event.jobid)
        self.connections[event.jobid] = mine


def shown(status: dict[str, Any] | None) -> tuple[str, str] | None:
    return None if status is None else (status["@name"], status["lastUpdateTime"])


def ours(jobs: Jobs, jobid: JobId) -> tuple[str, str] | None:
    state = jobs.states.get(jobid)
    found = shown(None if state is None else native.to_object(state.status))
    server_time = f"{SERVER_TIME[0]}.000000"
    return found and (found[0], "SERVER-TIME" if found[1] == server_time else found[1])


@needs_shared
def test_connected_jobs_of_the_original() -> None:
    """Replies, states and times of both jobs: the reverse event is the latest update of a virtual machine only."""
    server_times = refused = 0
    for case in cases_of("job connections"):
        jobs = Jobs()
        for row in case["events"]:
            reply = row.get("reply", [0, 0, "OK"])
            assert jobs.take(ulm.parse(row["ulm"])) == reply, (case["name"], row["ulm"])
            refused += reply == NOT_REGISTERED
        theirs = {case["main"]: case["status"], **{name: it["status"] for name, it in case["others"].items()}}
        for name, status in theirs.items():
            assert ours(jobs, JobId.parse(name)) == shown(status), case["name"]
            server_times += (shown(status) or ("", ""))[1] == "SERVER-TIME"
    assert server_times >= 2 and refused >= 10


@needs_shared
def test_both_ends_of_recorded_connections() -> None:
    kinds = set()
    for case in cases_of("job connections"):
        jobs = Jobs()
        for row in case["events"]:
            jobs.take(ulm.parse(row["ulm"]))
        for jobid, mine in jobs.connections.items():
            for other, connection in mine.by_job.items():
                assert jobs.connections[other].by_job[jobid].kind is connection.kind, case["name"]
                kinds.add(connection.kind)
    assert kinds == set(Kind)
