"""All operations of all services: each says who may call it and what it protects; the policies do what they say.

The documentation says the same.
"""

import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from docs import generate
from gsi.authz import Access, Policy, Resource, Verdict, judge
from gsi.gacl import Gacl
from gsi.peer import Peer
from gsi.peers import PeerList
from jpis.policy import IndexPolicy
from jpps.errors import Denied
from jpps.jobs import Job
from jpps.rights import Rights
from lb.model import jobid as ids
from lb.model.view import Flag
from lb.server.authority import Authority, WebServicePolicy
from lb.server.errors import LbError
from lb.server.policy import PolicyFile
from lb.server.queries import Queries
from lbbench import HOST_DN, SERVER, Bench, life
from people import USER, peer
from wms.config import Common, Settings, WmProxy
from wms.jobdirectory import JobDirectory
from wms.wmproxy.policy import WmProxyPolicy

ROWS = list(generate.rows())


def test_no_port_is_forgotten() -> None:
    """9 + 6 of Job Provenance, 12 of LB, 33 of WMProxy; the delegation ports beside (jp.md 1, lb.md 6, wms.md 1.2)."""
    count: dict[str, int] = {}
    for row in ROWS:
        count[row.service] = count.get(row.service, 0) + 1
    assert count == {
        "Primary Storage": 9, "Index Server": 6, "Logging and Bookkeeping": 12, "WMProxy": 33, "Delegation 1": 6,
        "Delegation 2": 9,
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.service}-{row.operation}")
def test_every_operation_declares_who_may_call_it_and_what_it_protects(row: generate.Row) -> None:
    assert row.requirement is not None
    assert row.requirement.accesses and all(isinstance(access, Access) for access in row.requirement.accesses)
    assert isinstance(row.requirement.protects, Resource)
    if Access.ANYONE in row.requirement.accesses:
        assert row.requirement.protects is Resource.NOTHING
        assert "ersion" in row.operation, "only versions are told to everybody"
    if row.requirement.protects is not Resource.JOB:
        assert not {Access.JOB_OWNER, Access.JOB_READER} & set(row.requirement.accesses)


def test_the_documentation_is_up_to_date() -> None:
    assert (generate.ROOT / "docs" / "operations.md").read_text() == generate.operations_document(), "run `make docs`"
    text = (generate.ROOT / "README.md").read_text()
    assert generate.readme(text) == text, "run `make docs`"


# ---- who may call what, asked of the policies of running services ----------------------------------------------------

TRUSTED = "/DC=org/DC=example/CN=trusted.example.org"
ADMIN = "/DC=org/DC=example/CN=Administrator"
ROLE = "/vo/Role=trusted"
LISTED = (TRUSTED, ROLE)
#: The job is that of USER. Who has the role is on no list by name.
CALLERS: dict[str, Peer | None] = {
    "anonymous": None,
    "stranger": peer("/CN=Stranger", "/vo", "/other/Role=trusted"),
    "owner": peer(USER),
    "owner, limited proxy": peer(USER, limited=True),
    "trusted, by name": peer(TRUSTED),
    "trusted, by attribute": peer("/CN=Somebody", "/vo", ROLE),
    "administrator": peer(ADMIN),
}
#: For each operation the answers in the order of CALLERS; d: it depends on whether the feed is the caller's.
EXPECTED = {
    "Primary Storage": {
        "nnnnyyn": "RegisterJob StartUpload CommitUpload FeedIndex",
        "nnyynnn": "RecordTag RecordMultiTags GetJobFiles GetJobAttributes",
        "ndddddd": "FeedIndexRefresh",
    },
    "Index Server": {
        "nnnnyyn": "UpdateJobs",
        "nyyyyyy": "QueryJobs ServerConfiguration",
        "nnnnnny": "AddFeed GetFeedIDs DeleteFeed",
    },
    "Logging and Bookkeeping": {
        "yyyyyyy": "GetVersion GetInterfaceVersion",
        "nnyynyy": "JobStatus",
        "nyyyyyy": "UserJobs QueryJobs QueryEvents GetIndexedAttrs GetServerLimit "
                   "NotifNew NotifBind NotifRefresh NotifDrop",
    },
    "WMProxy": {
        "nnyyyyn": "getVersion getProxyReq putProxy jobRegister jobRegisterJSDL jobSubmit jobSubmitJSDL jobListMatch "
                   "jobListMatchJSDL getMaxInputSandboxSize getTotalQuota getFreeQuota getTransferProtocols "
                   "getJobTemplate getDAGTemplate getCollectionTemplate getIntParametricJobTemplate "
                   "getStringParametricJobTemplate getDelegatedProxyInfo",
        "nnyynnn": "getJDL jobStart jobCancel jobPurge getOutputFileList getSandboxDestURI getSandboxBulkDestURI "
                   "getACLItems addACLItems removeACLItem getJobProxyInfo enableFilePerusal getPerusalFiles "
                   "getJobStatus",
    },
    "Delegation 1": {
        "nnyyyyn": "getProxyReq getNewProxyReq renewProxyReq putProxy getTerminationTime destroy",
    },
    "Delegation 2": {
        "nnyyyyn": "getVersion getInterfaceVersion getServiceMetadata getProxyReq getNewProxyReq renewProxyReq "
                   "putProxy getTerminationTime destroy",
    },
}  # fmt: skip

#: Says whether the service lets the caller at the job, when its policy leaves it to the operation.
AtTheJob = Callable[[Peer | None], bool]


def primary_storage(_: Path) -> tuple[Policy, AtTheJob]:
    rights = Rights(PeerList(names=LISTED), PeerList(names=LISTED))
    job = Job("key", "https://lb.example.org:9000/key", USER, datetime(2007, 7, 1, tzinfo=UTC))

    def at_the_job(who: Peer | None) -> bool:
        try:
            rights.check_owner(who, job)
        except Denied:
            return False
        return True

    return rights, at_the_job


def index_server(_: Path) -> tuple[Policy, AtTheJob]:
    return IndexPolicy(PeerList(names=LISTED), PeerList(names=[ADMIN])), _never


def logging_and_bookkeeping(root: Path) -> tuple[Policy, AtTheJob]:
    bench = Bench(f"sqlite:///{root / 'lb.db'}")
    jobid = ids.new(SERVER)
    bench.must_log(life(jobid))
    rules = PolicyFile.parse(f'resource "LB" {{ action "READ_ALL" {{ rule permit {{ fqan = "{ROLE}" }} }} }}')
    authority = Authority(HOST_DN, rules, [ADMIN], PeerList(names=LISTED))
    queries = Queries(bench.engine, authority, bench.admission.is_ours)

    def at_the_job(who: Peer | None) -> bool:
        try:
            queries.job_status(jobid, who, Flag(0))
        except LbError as error:
            assert error.code == errno.EPERM
            return False
        return True

    return WebServicePolicy(authority), at_the_job


def wmproxy(root: Path) -> tuple[Policy, AtTheJob]:
    (root / "users").write_text("\n".join([USER, *LISTED]))
    common = Common(root, root / "queue", root / "events", root / "cert.pem", root / "key.pem")
    settings = Settings(common, WmProxy(users_file=root / "users"))
    directory = JobDirectory(common.sandbox_directory, JOBID)
    directory.create()
    directory.write(directory.gacl, Gacl.of_owner(USER).write())
    return WmProxyPolicy(settings), _never


def _never(_: Peer | None) -> bool:
    raise AssertionError("this service decides before the operation begins")


JOBID = "https://lb.example.org:9000/AbCdEfGhIjKlMnOpQrStUv"
SERVICES = {
    "Primary Storage": primary_storage, "Index Server": index_server,
    "Logging and Bookkeeping": logging_and_bookkeeping, "WMProxy": wmproxy, "Delegation 1": wmproxy,
    "Delegation 2": wmproxy,
}


def _answers(service: str, root: Path) -> Iterator[tuple[str, str]]:
    """Each operation with what its callers are answered."""
    policy, at_the_job = SERVICES[service](root)
    for row in ROWS:
        if row.service == service:
            assert row.requirement is not None
            letters = ""
            for who in CALLERS.values():
                verdict = judge(policy, row.requirement, who, {"jobId": JOBID}).verdict
                if verdict is Verdict.DEPENDS and row.requirement.protects is Resource.JOB:
                    verdict = Verdict.YES if at_the_job(who) else Verdict.NO
                letters += verdict.value[0]
            yield row.operation, letters


@pytest.mark.parametrize("service", EXPECTED)
def test_who_may_call_what(service: str, tmp_path: Path) -> None:
    expected = {name: letters for letters, names in EXPECTED[service].items() for name in names.split()}
    assert dict(_answers(service, tmp_path)) == expected


@pytest.mark.parametrize("service", EXPECTED)
def test_what_is_said_beforehand_is_not_contradicted_by_the_call(service: str, tmp_path: Path) -> None:
    """Yes and no stay yes and no; what depends may become either. Reasons name no files."""
    policy, _ = SERVICES[service](tmp_path)
    for row in ROWS:
        for who in CALLERS.values():
            assert row.requirement is not None
            before = judge(policy, row.requirement, who)
            call = judge(policy, row.requirement, who, {"jobId": JOBID})
            assert before.verdict in (call.verdict, Verdict.DEPENDS)
            assert before.reason and str(tmp_path) not in before.reason + call.reason
