"""QueryJobs (jp.md 3.6), beyond the recorded queries: the original's own tests (jp.md 5.5), limits, streaming."""

import errno
from typing import Any

import pytest

from jpis import answer, query
from jpis.attributes import JOBID, LB_NAMESPACE, OWNER
from jpis.config import Attribute, Condition, Configuration, Feed
from soap.faults import PosixFault
from unit.jpis import jpis_support
from unit.jpis.jpis_support import FEED_ID, Index, ask, condition, post, record, told

STATUS, USER, CE = (f"{LB_NAMESPACE}:{name}" for name in ("finalStatus", "user", "CE"))
SERVER = "http://localhost:8901"
FEED = Feed(SERVER, (Condition("a:b", "EXISTS"),), True, True)
#: As glite-jpis-test-config.xml has it (jp.md 3.2), as far as these tests look.
CONFIGURATION = Configuration(
    tuple(map(Attribute, (OWNER, JOBID, STATUS, USER, CE))), (OWNER, JOBID, USER, CE, STATUS), (), (FEED,)
)
POKUS1, POKUS2 = "https://localhost:7846/pokus1", "https://localhost:7846/pokus2"
MULAC = "/O=CESNET/O=Masaryk University/CN=Milos Mulac"
WANTED = [OWNER, JOBID, STATUS, USER]


@pytest.fixture
def index(db_url: str) -> Index:
    """The two jobs of dump1.sql (jp.md 5.5)."""
    made = jpis_support.start(db_url, CONFIGURATION, feed_id=FEED_ID)
    client = made.client()
    first = [(STATUS, "Done", 7201, "FILE"), (USER, "CertSubj", 7201, "FILE"), (CE, "VOCE", 7201, "FILE")]
    second = [(STATUS, "Ready", 7201, "SYSTEM"), (USER, "CertSubj", 7201, "SYSTEM")]
    jobs = [record(client, POKUS1, MULAC, *first), record(client, POKUS2, "OwnerName", *second)]
    client.call("UpdateJobs", feedId=FEED_ID, feedDone=True, jobAttributes=jobs)
    return made


def run(index: Index, *conditions: tuple[Any, ...], wanted: list[str] = WANTED, dn: str | None = None,
        origin: str | None = None) -> list[Any]:
    """Ask as `dn` under the own-jobs rule, or the open server."""
    client = index.client(open_to_all=True) if dn is None else index.client(dn)
    return ask(client, [condition(client, attr, *records, origin=origin) for attr, *records in conditions], wanted)


COMPLEX = ((STATUS, ("EQUAL", "Done"), ("EQUAL", "Ready")), (USER, ("UNEQUAL", "God")))


def test_simple(index: Index) -> None:
    (job,) = run(index, (STATUS, ("EQUAL", "Ready")))
    assert (job.jobid, job.owner, job.primaryStorage) == (POKUS2, "OwnerName", [SERVER])
    assert told(job) == [(STATUS, "Ready", 7201, "SYSTEM", None), (USER, "CertSubj", 7201, "SYSTEM", None)]


def test_complex(index: Index) -> None:
    assert [job.jobid for job in run(index, *COMPLEX)] == [POKUS1, POKUS2]


def test_feed_and_query_with_authorization(index: Index) -> None:
    assert [job.jobid for job in run(index, *COMPLEX, dn="OwnerName")] == [POKUS2]
    assert [job.jobid for job in run(index, *COMPLEX, dn=MULAC)] == [POKUS1]


def test_authorization_of_somebody_else(index: Index) -> None:
    assert run(index, (STATUS, ("EQUAL", "Ready")), dn="/CN=Somebody") == []
    assert run(index, (STATUS, ("EQUAL", "Ready")), dn="OwnerName' OR '1'='1") == []


def test_anonymous_caller_is_refused(index: Index) -> None:
    message = jpis_support.ENVELOPE % (
        f"<e:QueryJobs><conditions><attr>{STATUS}</attr><record><op>EXISTS</op></record></conditions></e:QueryJobs>"
    )
    _, answered = post(index.open, message.encode(), None)
    assert jpis_support.fault_of(answered)[1] == errno.EPERM


def test_jobid(index: Index) -> None:
    assert [job.jobid for job in run(index, (JOBID, ("EQUAL", POKUS1)))] == [POKUS1]


def test_origin(index: Index) -> None:
    assert [job.jobid for job in run(index, (STATUS, ("EQUAL", "Done")), origin="FILE")] == [POKUS1]
    assert run(index, (STATUS, ("EQUAL", "Done")), origin="USER") == []


def test_exists(index: Index) -> None:
    (job,) = run(index, (CE, ("EXISTS",)), wanted=[*WANTED, CE])
    assert (job.jobid, told(job)[-1][:2]) == (POKUS1, (CE, "VOCE"))


def test_within(index: Index) -> None:
    assert [job.jobid for job in run(index, (CE, ("WITHIN", "VOCA", "VOCI")))] == [POKUS1]
    assert [job.jobid for job in run(index, (CE, ("WITHIN", "VOCE", "VOCE")))] == [POKUS1]
    assert run(index, (CE, ("WITHIN", "VOCI", "VOCA"))) == []


def test_jobid_when_it_is_not_configured(db_url: str) -> None:
    """The original refused it with its own default configuration (jp.md 3.6)."""
    index = jpis_support.start(db_url, Configuration((Attribute(STATUS),), (), (), (FEED,)), feed_id=FEED_ID)
    client = index.client()
    jobs = [record(client, POKUS1, MULAC, (STATUS, "Done")), record(client, POKUS2, MULAC, (STATUS, "Ready"))]
    client.call("UpdateJobs", feedId=FEED_ID, feedDone=True, jobAttributes=jobs)
    (job,) = run(index, (STATUS, ("UNEQUAL", "x")), (JOBID, ("EQUAL", POKUS1)), wanted=[STATUS, JOBID])
    assert told(job) == [(STATUS, "Done", 7201, "USER", None)]
    many = [("EQUAL", f"{POKUS1}/{n}") for n in range(5000)]
    assert [job.jobid for job in run(index, (JOBID, *many, ("EQUAL", POKUS2)), wanted=[])] == [POKUS2]


@pytest.mark.parametrize(
    ("conditions", "wanted", "message"),
    [
        ([], [], "No indexed attribute in query"),
        ([("a:b", ("EXISTS",))], [], "No indexed attribute in query"),
        ([(STATUS, ("EXISTS",)), ("a:b", ("EXISTS",))], [], "Unknown attribute in query: a:b"),
        ([(STATUS, ("EXISTS",))], ["a:b"], "Unknown attribute in query: a:b"),
        ([(STATUS, ("WITHIN", "a"))], [], "needs a value and a value2"),
        ([(STATUS, *[("GREATER", "a")] * (query.CLAUSE_LIMIT + 1))], [], "Too many conditions"),
        ([(STATUS, *[("EQUAL", "a")] * (query.EQUAL_LIMIT + 1))], [], "Too many conditions"),
        ([(STATUS, ("EQUAL", "a"))] * (query.CLAUSE_LIMIT + 1), [], "Too many conditions"),
        ([(STATUS, ("EXISTS",))], [STATUS] * (query.REQUESTED_LIMIT + 1), "Too many attributes"),
    ],
)
def test_refused_queries(index: Index, conditions: list[Any], wanted: list[str], message: str) -> None:
    with pytest.raises(PosixFault) as caught:
        run(index, *conditions, wanted=wanted)
    assert caught.value.code == errno.EINVAL
    assert message in (caught.value.description or "")


def test_as_many_conditions_as_allowed(index: Index) -> None:
    """The limits lie within those of the databases."""
    others = [("UNEQUAL", f"x{n}") for n in range(query.CLAUSE_LIMIT)]
    equal = [("EQUAL", f"x{n}") for n in range(query.EQUAL_LIMIT)]
    assert len(run(index, (STATUS, *others, *equal))) == 2
    assert len(run(index, *[(JOBID, ("EXISTS",))] * query.CLAUSE_LIMIT)) == 2
    every = [(JOBID, ("EQUAL", POKUS1))] * (query.CLAUSE_LIMIT - 1)
    assert len(run(index, *every, (STATUS, *others, *equal[len(every) :]))) == 1


def test_answer_in_pages(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the pieces, every job comes once, with all its values."""
    client = index.client()
    jobs = [
        record(client, f"https://lb:9000/{n}", MULAC, (STATUS, "Done", 1), (STATUS, str(n), 2), (CE, "c" * n))
        for n in range(23)
    ]
    client.call("UpdateJobs", feedId=FEED_ID, feedDone=True, jobAttributes=jobs)
    whole = {job.jobid: told(job) for job in run(index, (STATUS, ("EXISTS",)), wanted=[STATUS, CE])}
    assert len(whole) == 25
    assert whole["https://lb:9000/7"] == [
        (STATUS, "Done", 1, "USER", None), (STATUS, "7", 2, "USER", None), (CE, "c" * 7, 7201, "USER", None)
    ]
    for keys, chunk in ((1, 1), (5, 2), (25, 25), (26, 3)):
        monkeypatch.setattr(answer, "NUMBERS_PER_PAGE", keys)
        monkeypatch.setattr(answer, "JOBS_PER_CHUNK", chunk)
        found = run(index, (STATUS, ("EXISTS",)), wanted=[STATUS, CE])
        assert [job.jobid for job in found] == list(whole)
        assert {job.jobid: told(job) for job in found} == whole


def test_job_that_leaves_while_the_answer_is_sent(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "JOBS_PER_CHUNK", 1)
    client = index.client(open_to_all=True)
    compiled = query.compile_query(index.schema, [condition(client, STATUS, ("EXISTS",))], [STATUS], None)
    found = answer.answer(index.engine, index.schema, compiled)
    assert next(found).jobid == POKUS1
    gone = record(client, POKUS2, None, remove=True)
    index.client().call("UpdateJobs", feedId=FEED_ID, feedDone=True, jobAttributes=[gone])
    assert list(found) == []
