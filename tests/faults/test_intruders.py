"""Another user of the same grid, with a good certificate, at every door of somebody else's jobs; and with jobs and
texts that are meant to do harm. (Clients without a certificate, or with a bad one: tests/unit/httpg.)"""

import errno
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests

import grids
from gsi.credential import Credential
from gsi.proxy import create_proxy, sign_request
from httpg.client import session
from lb.model import ulm
from lb.model.jobid import JobId
from lb.model.seqcode import NULL
from lb.model.vocabulary import DIRECT
from lb.producer import make_event
from lb.storeclient import StoreConnection
from lb.storeproto import Reply
from soap.client import Client
from soap.contract import load
from soap.delegation import DELEGATION_1, DELEGATION_2, DelegationClient
from soap.faults import PosixFault, TypedFault
from testbed import ca
from testbed.layout import USER_DN, Layout

INTRUDER_DN = "/DC=org/DC=example/CN=Intruder"
PORTS = {
    "WMProxy": ("wmproxy", "/glite_wms_wmproxy_server"), "LB": ("lb_ws", "/"), "JobProvenancePS": ("jpps", "/"),
    "JobProvenanceIS": ("jpis", "/"),
}
OWNER = "http://egee.cesnet.cz/en/Schema/JP/System:owner"
JOBID = "http://egee.cesnet.cz/en/Schema/JP/System:jobId"
DUMP = "urn:org.glite.jp.primary:lb"
JOB = '[ Executable = "/bin/echo"; Arguments = "secret"; StdOutput = "out"; OutputSandbox = { "out" }; ]'


@dataclass(frozen=True)
class Person:
    """Somebody who knows the addresses of the grid."""

    grid: Layout
    credential: Credential

    @cached_property
    def http(self) -> requests.Session:
        return session(self.credential, self.grid.ca_dir)

    def client(self, contract: str) -> Client:
        service, path = PORTS[contract]
        return Client(load(contract), self.grid.url(service, path), self.http)

    def delegate(self, name: str) -> None:
        wmproxy = self.client("WMProxy")
        request = wmproxy.call("getProxyReq", delegationID=name).request
        proxy = sign_request(self.credential, request.encode(), timedelta(hours=1)).decode()
        wmproxy.call("putProxy", delegationID=name, proxy=proxy)

    def submit(self, jdl: str, operation: str = "jobSubmit") -> str:
        answer = self.client("WMProxy").call(operation, jdl=jdl, delegationId="mine")
        return str(answer.jobIdStruct.id)

    def status(self, jobid: str) -> Any:
        return self.client("LB").call("JobStatus", jobid=jobid, flags=load("LB").types.jobFlags()).stat

    def log(self, jobid: str, name: str, source: str, user: str, /, **fields: Any) -> Reply:
        """Deliver one event to the store port."""
        job = JobId.parse(jobid)
        event = make_event(name, job, source, user, str(NULL), fields, priority=DIRECT)
        connection = StoreConnection(job.server, self.credential, self.grid.ca_dir)
        try:
            return connection.deliver(ulm.encode(ulm.write(event)))
        finally:
            connection.close()


@dataclass
class Site:
    """A grid, its user with three jobs, and the intruder. Ids: `kept` was never started, `done` has its output,
    `purged` is in Job Provenance only."""

    grid: Layout
    user: Person
    intruder: Person
    kept: str = ""
    done: str = ""
    purged: str = ""
    urls: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as grid:
        authority = ca.load_authority(grid.root / "ca" / "cacert.pem", grid.root / "ca" / "cakey.pem")
        intruder = Person(grid, ca.issue_user(authority, INTRUDER_DN))
        made = Site(grid, Person(grid, Credential.load(grid.user_proxy)), intruder)
        for person in (made.user, made.intruder):
            person.delegate("mine")
        _fill(made)
        yield made


def _fill(site: Site) -> None:
    user = site.user
    site.kept = user.submit(JOB, "jobRegister")
    site.done, site.purged = user.submit(JOB), user.submit(JOB)
    for jobid in (site.done, site.purged):
        grids.wait_until(lambda job=jobid: user.status(job).state == "DONE", f"the end of {jobid}")  # type: ignore[misc]
    ids = site.grid.root / "purge.txt"
    ids.write_text(f"{site.purged}\n")
    grids.run(site.grid, "glite-lb-purge", "-s", "-j", str(ids), "-m", site.grid.address("lb"))
    storage = user.client("JobProvenancePS")

    def stored() -> bool:
        try:
            site.urls = {file.class_: file.url for file in storage.call("GetJobFiles", jobid=site.purged).files}
        except PosixFault as fault:
            assert fault.code == errno.ENOENT
            return False
        return DUMP in site.urls

    grids.wait_until(stored, "the dump in the Primary Storage")


def refused(call: Callable[[], object]) -> int:
    """The code of the refusal."""
    with pytest.raises((PosixFault, TypedFault)) as caught:
        call()
    error = caught.value
    if isinstance(error, PosixFault):
        return error.code
    assert isinstance(error, TypedFault)
    return int(error.record.ErrorCode)


# ---- doors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["kept", "done"])
@pytest.mark.parametrize(
    "operation, more",
    [
        ("getJDL", {"type": "ORIGINAL"}), ("jobStart", {}), ("jobCancel", {}), ("jobPurge", {}),
        ("getOutputFileList", {"protocol": "all"}), ("getSandboxDestURI", {"protocol": "all"}),
        ("getSandboxBulkDestURI", {"protocol": "all"}),
    ],
)  # fmt: skip
def test_wmproxy(site: Site, which: str, operation: str, more: dict[str, str]) -> None:
    jobid = getattr(site, which)
    wmproxy = site.intruder.client("WMProxy")
    assert refused(lambda: wmproxy.call(operation, jobId=jobid, **more)) == 1207
    assert refused(lambda: wmproxy.call(operation, jobId=f"{jobid}?x", **more)) == 1207


def delegations(person: Person, contract: str = DELEGATION_2) -> DelegationClient:
    url = person.grid.url("wmproxy", "/glite_wms_wmproxy_server")
    return DelegationClient(url, person.http, person.credential, contract=contract)


def raw(person: Person, contract: str) -> Client:
    """The port itself, for requests that no decent client makes."""
    return Client(load(contract), person.grid.url("wmproxy", "/glite_wms_wmproxy_server"), person.http)


def stored(site: Site) -> dict[str, bytes]:
    """Every file of the delegations, by its path."""
    cache = site.grid.root / "wms" / "proxycache"
    found = {str(path.relative_to(cache)): path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    assert found, "the cache is somewhere else"
    return found


def test_delegations(site: Site) -> None:
    site.user.delegate("private")
    wmproxy = site.intruder.client("WMProxy")
    assert refused(lambda: wmproxy.call("jobSubmit", jdl=JOB, delegationId="private")) == 1215
    request = site.user.client("WMProxy").call("getProxyReq", delegationID="private").request
    own = sign_request(site.intruder.credential, request.encode()).decode()
    assert refused(lambda: wmproxy.call("putProxy", delegationID="private", proxy=own)) == 1215
    request = wmproxy.call("getProxyReq", delegationID="private").request
    foreign = sign_request(site.user.credential, request.encode()).decode()
    assert refused(lambda: wmproxy.call("putProxy", delegationID="private", proxy=foreign)) == 1215


@pytest.mark.parametrize("contract", [DELEGATION_1, DELEGATION_2])
def test_delegations_of_another_user_are_not_there(site: Site, contract: str) -> None:
    delegations(site.user, contract).put("precious")
    before = stored(site)
    intruder = delegations(site.intruder, contract)
    for attempt in (intruder.renew, intruder.destroy, intruder.termination_time):
        with pytest.raises(TypedFault, match="no such delegation"):
            attempt("precious")
    assert stored(site) == before


@pytest.mark.parametrize("contract", [DELEGATION_1, DELEGATION_2])
def test_an_answer_that_was_overheard_is_of_no_use(site: Site, contract: str) -> None:
    """Neither to its owner a second time, nor to another one, nor under another id."""
    mine, theirs = raw(site.user, contract), raw(site.intruder, contract)
    request = mine.call("getProxyReq", delegationID="once").getProxyReqReturn
    answer = sign_request(site.user.credential, request.encode(), timedelta(hours=1)).decode()
    theirs.call("getProxyReq", delegationID="once")
    mine.call("getProxyReq", delegationID="twice")
    for client, name in ((theirs, "once"), (mine, "twice")):
        with pytest.raises(TypedFault, match="somebody else|answers no request"):
            client.call("putProxy", delegationID=name, proxy=answer)
    mine.call("putProxy", delegationID="once", proxy=answer)
    delegations(site.user, contract).renew("once")
    before = stored(site)
    with pytest.raises(TypedFault, match="no proxy was requested|answers no request"):
        mine.call("putProxy", delegationID="once", proxy=answer)
    assert stored(site) == before


@pytest.mark.parametrize("contract", [DELEGATION_1, DELEGATION_2])
@pytest.mark.parametrize("name", [
    "..", ".", "../mine", "/etc/passwd", "mine/../../x", "..%2fmine", "%2e%2e", "mine\\x", "mine mine", "x" * 300,
    "ä", "userproxy.pem/..", "cache/x", "mine\n",
])
def test_ids_that_would_lead_elsewhere(site: Site, contract: str, name: str) -> None:
    client, before = raw(site.intruder, contract), stored(site)
    for operation in ("getProxyReq", "renewProxyReq", "getTerminationTime", "destroy"):
        with pytest.raises(TypedFault, match="may only have") as caught:
            client.call(operation, delegationID=name)
        assert str(site.grid.root) not in str(caught.value)
    with pytest.raises(TypedFault, match="may only have"):
        client.call("putProxy", delegationID=name, proxy=site.intruder.credential.chain_pem().decode())
    assert refused(lambda: site.intruder.client("WMProxy").call("jobSubmit", jdl=JOB, delegationId=name)) == 1215
    assert stored(site) == before


def test_links_in_the_cache_are_not_followed(site: Site) -> None:
    """Planted by whoever can write there: nothing is read, written or removed at the other end."""
    delegations(site.intruder).put("own")
    cache = site.grid.root / "wms" / "proxycache"
    precious = next(cache.glob("%2F*Test%20User/mine"))
    home = next(cache.glob("%2F*Intruder/own")).parent
    before = {path: path.read_bytes() for path in precious.iterdir()}
    (home / "linked").symlink_to(precious)
    (home / "file").mkdir(mode=0o700)
    (home / "file" / "userproxy.pem").symlink_to(precious / "userproxy.pem")
    wmproxy, intruder = site.intruder.client("WMProxy"), delegations(site.intruder)
    for name in ("linked", "file"):
        assert refused(lambda: wmproxy.call("jobSubmit", jdl=JOB, delegationId=name)) == 1215  # noqa: B023
        for attempt in (intruder.renew, intruder.destroy, intruder.termination_time):
            with pytest.raises(TypedFault, match="cannot be stored or read|no such delegation"):
                attempt(name)
    with pytest.raises(TypedFault, match="cannot be stored or read"):
        intruder.put("linked")
    intruder.put("file")  # takes the place of the link
    assert {path: path.read_bytes() for path in precious.iterdir()} == before
    assert not (home / "file" / "userproxy.pem").is_symlink()


def test_a_stolen_limited_proxy_cannot_reach_for_the_full_one(site: Site) -> None:
    """As it lies on a worker node: it neither uses nor changes what its user delegated in full."""
    delegations(site.user).put("full")
    limited = create_proxy(site.user.credential, timedelta(hours=1), limited=True)
    thief, before = Person(site.grid, limited), stored(site)
    assert refused(lambda: thief.client("WMProxy").call("jobSubmit", jdl=JOB, delegationId="full")) == 1215
    for attempt in (delegations(thief).put, delegations(thief).renew, delegations(thief).destroy):
        with pytest.raises(TypedFault, match="limited proxy cannot touch a full one"):
            attempt("full")
    assert stored(site) == before
    delegations(thief).put("thief")
    full = sign_request(site.user.credential, raw(thief, DELEGATION_2).call(
        "getProxyReq", delegationID="thief").getProxyReqReturn.encode()).decode()
    with pytest.raises(TypedFault, match="cannot delegate a full one"):
        raw(thief, DELEGATION_2).call("putProxy", delegationID="thief", proxy=full)


def test_somebody_elses_renewal_changes_no_job(site: Site) -> None:
    """Jobs follow the delegation of their owner only, whatever the id is."""
    proxy = next((site.grid.root / "wms" / "SandboxDir").glob(f"*/*{site.kept.rsplit('/', 1)[-1][:8]}*/user.proxy"))
    before = proxy.read_bytes()
    delegations(site.intruder).put("mine")
    delegations(site.intruder).renew("mine")
    assert proxy.read_bytes() == before
    delegations(site.user).renew("mine")
    assert proxy.read_bytes() != before, "its owner's does"


def test_sandboxes(site: Site) -> None:
    [file] = site.user.client("WMProxy").call("getOutputFileList", jobId=site.done, protocol="all"
                                              ).OutputFileAndSizeList.file
    assert site.user.http.get(file.name).text == "secret\n"
    base = file.name.removesuffix("/output/out")
    for name in ("output/out", "input/out", "Maradona.output"):
        assert site.intruder.http.get(f"{base}/{name}").status_code == 403
        assert site.intruder.http.put(f"{base}/{name}", data=b"forged").status_code == 403
    for name in ("user.proxy", ".gacl", "JDLOriginal", "input/..%2fuser.proxy", "output/%2e%2e/user.proxy"):
        for person in (site.intruder, site.user):
            assert person.http.get(f"{base}/{name}").status_code == 404
            assert person.http.put(f"{base}/{name}", data=b"forged").status_code == 404
    assert site.user.http.get(file.name).text == "secret\n"


def test_questions_to_bookkeeping(site: Site) -> None:
    lb, types = site.intruder.client("LB"), load("LB").types

    def asks(attribute: str, text: str) -> Any:
        record = types.queryRecord(op="EQUAL", value1=types.queryRecValue(c=text))
        return types.queryConditions(attr=attribute, record=[record])

    for conditions in ([asks("JOBID", site.done)], [asks("OWNER", USER_DN)]):
        query = {"conditions": conditions, "flags": types.jobFlags()}
        assert refused(lambda asked=query: lb.call("QueryJobs", **asked)) == errno.EPERM  # type: ignore[misc]
    events = {"jobConditions": [asks("JOBID", site.done)], "eventConditions": []}
    assert refused(lambda: lb.call("QueryEvents", **events)) == errno.EPERM
    assert refused(lambda: site.intruder.status(site.done)) == errno.EPERM


EVENTS: dict[str, dict[str, Any]] = {
    "UserTag": {"name": "result", "value": "forged"},
    "CurDescr": {"descr": "[ forged = true ]"},
    "Running": {"node": "nowhere"},
    "Done": {"status_code": "FAILED", "reason": "forged", "exit_code": 1},
    "Abort": {"reason": "forged"},
    "Cancel": {"status_code": "DONE", "reason": "forged"},
    "Clear": {"reason": "USER"},
    "GrantPayloadOwnership": {"payload_owner": INTRUDER_DN},
    "TakePayloadOwnership": {},
    "RegJob": {"jdl": "[]", "ns": "nowhere", "jobtype": "SIMPLE"},
}


@pytest.mark.parametrize("name", EVENTS)
def test_events(site: Site, name: str) -> None:
    for source in ("UserInterface", "NetworkServer", "LogMonitor", "LBServer"):
        for user in (INTRUDER_DN, USER_DN, f"{USER_DN}/CN=proxy"):
            assert not site.intruder.log(site.done, name, source, user, **EVENTS[name]).ok
    status = site.user.status(site.done)
    assert (status.state, status.doneCode, status.owner) == ("DONE", "OK", USER_DN)
    assert "forged" not in repr(status)


def test_a_job_of_somebody_elses_name_and_a_job_that_was_purged(site: Site) -> None:
    fresh = f"https://{site.grid.address('lb')}/not-there-yet"
    assert not site.intruder.log(fresh, "RegJob", "UserInterface", USER_DN, **EVENTS["RegJob"]).ok
    assert not site.intruder.log(site.purged, "RegJob", "UserInterface", INTRUDER_DN, **EVENTS["RegJob"]).ok
    assert refused(lambda: site.user.status(site.purged)) == errno.EIDRM


def test_the_purge(site: Site) -> None:
    chosen = (f"<jobs><jobId>{site.done}</jobId></jobs>", "<timeout><Done>0</Done></timeout>")
    for what in chosen:
        body = f"<edg_wll_PurgeRequest>{what}<flags>really_purge</flags></edg_wll_PurgeRequest>"
        answer = site.intruder.http.post(site.grid.url("lb", "/purgeRequest"), data=body, headers={"User-Agent": "x"})
        assert answer.status_code == 401
    assert site.user.status(site.done).state == "DONE"


@pytest.mark.parametrize("which", ["done", "purged"])
def test_the_primary_storage(site: Site, which: str) -> None:
    jobid, types = getattr(site, which), load("JobProvenancePS").types
    tag = types.tagValue(name="urn:forged:tag", value=types.stringOrBlob(string="forged"))
    soon = datetime.now(UTC) + timedelta(hours=1)
    calls: dict[str, dict[str, Any]] = {
        "GetJobFiles": {"jobid": jobid}, "GetJobAttributes": {"jobid": jobid, "attributes": [OWNER]},
        "RecordTag": {"jobid": jobid, "tag": tag}, "RegisterJob": {"job": jobid, "owner": INTRUDER_DN},
        "StartUpload": {"job": jobid, "class_": DUMP, "name": "x", "commitBefore": soon, "contentType": "text/lb"},
        "CommitUpload": {"destination": site.urls[DUMP]},
        "FeedIndex": {"destination": "https://localhost:1/", "attributes": [OWNER], "conditions": [],
                      "history": True, "continuous": True},
    }  # fmt: skip
    storage = site.intruder.client("JobProvenancePS")
    for operation, arguments in calls.items():
        assert refused(lambda: storage.call(operation, **arguments)) == errno.EPERM, operation  # noqa: B023


def test_stored_files(site: Site) -> None:
    url = site.urls[DUMP]
    assert "RegJob" in site.user.http.get(url).text
    assert site.intruder.http.get(url).status_code == 403
    assert site.intruder.http.head(url).status_code == 403
    for person in (site.user, site.intruder):
        assert person.http.put(url, data=b"forged").status_code in (403, 409)
        assert person.http.get(f"{url}%2f..%2f..%2ftags").status_code == 404
    assert "forged" not in site.user.http.get(url).text


def test_the_index(site: Site) -> None:
    index, types = site.intruder.client("JobProvenanceIS"), load("JobProvenanceIS").types
    job = types.jobRecord(jobid=site.purged, owner=INTRUDER_DN, primaryStorage=["localhost"])
    assert refused(lambda: index.call("UpdateJobs", feedId="x", feedDone=False, jobAttributes=[job])) == errno.EPERM
    assert refused(lambda: index.call("DeleteFeed", feedId="x")) == errno.EPERM
    feeds = index.call("ServerConfiguration").feeds
    assert feeds and not any(feed.feedId for feed in feeds)

    def found(person: Person, attribute: str, value: str) -> list[str]:
        record = types.indexQueryRecord(op="EQUAL", value=types.stringOrBlob(string=value))
        condition = types.indexQuery(attr=attribute, origin=None, record=[record])
        answer = person.client("JobProvenanceIS").call("QueryJobs", conditions=[condition], attributes=[OWNER])
        return [str(job.jobid) for job in answer.jobs]

    grids.wait_until(lambda: site.purged in found(site.user, JOBID, site.purged), "the job in the index")
    assert found(site.intruder, JOBID, site.purged) == []
    assert found(site.intruder, OWNER, USER_DN) == []


# ---- harm -----------------------------------------------------------------------------------------------------------

POISON = {
    "deep": "Requirements = a0 > 0; " + " ".join(f"a{i} = a{i + 1} + 1;" for i in range(3000)) + " a3000 = 1;",
    "no answer": "Requirements = random(0) == 1;",
    "no text": 'Requirements = formatTime(1, "%9999999999d") == "x";',
    "circle": 'Requirements = eval(again); again = "eval(again)";',
    "no number": 'Rank = real("nan");',
    "largest": "FuzzyRank = true; fuzzy_factor = 1e308; Rank = 1e308; RetryCount = 9223372036854775807;",
    "never": "ExpiryTime = 9223372036854775807;",
    "lines": 'InputSandbox = { "https://127.0.0.1:1/x\\r\\nForged: y" };',
}


def test_jobs_that_are_meant_to_stop_the_broker(site: Site) -> None:
    """Whatever becomes of them: the jobs of others run, and no step fails and is repeated for ever."""
    for text in POISON.values():
        site.intruder.submit(f'[ Executable = "/bin/true"; {text} ]')
    jobid = site.user.submit(JOB)
    grids.wait_until(lambda: site.user.status(jobid).state == "DONE", "the job of the other user")
    assert "Traceback" not in site.grid.log("workload-manager").read_text()


def test_no_line_of_a_log_is_written_by_a_client(site: Site) -> None:
    forged = "2026-01-01 00:00:00,000 1 INFO forged: all is well"
    wmproxy = site.intruder.client("WMProxy")
    assert refused(lambda: wmproxy.call("getJDL", jobId=f"https://h/x\n{forged}", type="ORIGINAL"))
    path = site.intruder.client("WMProxy").call(
        "getSandboxDestURI", jobId=site.intruder.submit(JOB, "jobRegister"), protocol="all"
    ).path.Item[0]
    site.intruder.http.put(f"{path}/x%0a{forged.replace(' ', '%20')}", data=b"")
    for log in (site.grid.root / "log").iterdir():
        assert not re.search("^2026-01-01 00:00:00,000", log.read_text(), re.MULTILINE), log.name


def test_no_secret_in_logs_and_no_key_that_others_can_read(site: Site) -> None:
    for path in (path for path in site.grid.root.rglob("*") if path.is_file() and not path.is_symlink()):
        if _holds_key(path):
            assert path.parent.name != "log"
            assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


def _holds_key(path: Path) -> bool:
    try:
        return b"PRIVATE KEY" in path.read_bytes()
    except FileNotFoundError:  # queues are at work
        return False


def test_no_server_failed_meanwhile(site: Site) -> None:
    for log in (site.grid.root / "log").iterdir():
        assert "Traceback" not in log.read_text(), log.name
