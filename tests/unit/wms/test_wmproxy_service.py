"""The operations of WMProxy over TLS, registered at a real LB server, with what they leave on disk and in LB."""

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.credential import Credential
from gsi.delegation import DelegationStore
from gsi.proxy import create_proxy, sign_request
from lb.model.events import Event
from soap.faults import TypedFault
from tlsserver import free_port
from unit.wms import wmproxy_support as support
from unit.wms.wmproxy_support import HELLO, User, World, counts
from wms.jdl import parse
from wms.queue import Cancel, Submit
from wms.wmproxy.errors import Code

UNKNOWN = "https://localhost:9000/AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(scope="module")
def lb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with support.lb_server(tmp_path_factory.mktemp("lb")) as name:
        yield name


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, lb: str) -> Iterator[World]:
    settings = support.settings(tmp_path_factory.mktemp("wms"), lb)
    with support.wmproxy_server(settings):
        yield World(settings)


@pytest.fixture(scope="module")
def user(world: World) -> User:
    user = world.user()
    user.delegate()
    return user


@pytest.fixture(autouse=True)
def empty_queue(world: World) -> None:
    world.commands()


def refused(code: int, fault: str, user: User, operation: str, **arguments: Any) -> str:
    """The description of the fault that an operation answers; it has to be this one."""
    with pytest.raises(TypedFault) as caught:
        user.call(operation, **arguments)
    record = caught.value.record
    assert (caught.value.name, record.ErrorCode, record.methodName) == (fault, str(int(code)), operation)
    assert record.Timestamp is not None
    assert caught.value.faultstring == record.Description
    return str(record.Description)


def summary(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, str(event.get("result") or event.get("status_code") or "")) for event in events]


def test_what_the_service_says_of_itself(user: User) -> None:
    major, minor, patch = map(int, user.call("getVersion").version.split("."))
    assert (major, minor, patch) >= (3, 0, 0)
    assert user.call("getTransferProtocols").items.Item == ["https"]
    assert user.call("getMaxInputSandboxSize").size == 100_000_000
    assert user.call("getFreeQuota").hardLimit == 0 and user.call("getTotalQuota").softLimit == 0


def test_a_registered_job_is_known_to_lb_and_to_nobody_else(user: User, world: World, lb: str) -> None:
    answer = user.call("jobRegister", jdl=HELLO, delegationId="mine").jobIdStruct
    directory = world.directory(answer.id)
    assert answer.id.startswith(f"https://{lb}/")
    assert (answer.name, answer.childrenJob) == ("", [])
    assert answer.path == f"{directory.relative}/input"
    status = user.lb(answer.id).job_status(answer.id, ["CLASSADS"])
    assert (status.state, status.owner, status.networkServer) == ("SUBMITTED", pki.USER_DN, user.url)
    assert status.jdl == f"{directory.relative}/JDLToStart"
    assert world.commands() == [] and world.events(answer.id) == []
    assert directory.jdl_original.read_text() == HELLO
    jdl = parse(directory.jdl_to_start.read_text())
    assert jdl.string("edg_jobid") == answer.id
    assert jdl.string("CertificateSubject") == pki.USER_DN
    assert jdl.string("VirtualOrganisation") == "testvo"
    assert jdl.string("InputSandboxPath") == str(directory.input)
    assert jdl.string("X509UserProxy") == str(directory.proxy)
    base = f"https://localhost:{world.settings.wmproxy.port}/{directory.relative}"
    assert jdl.string("WMPInputSandboxBaseURI") == base
    assert directory.proxy.stat().st_mode & 0o777 == 0o600


def test_a_job_is_started_with_the_documented_events_and_a_durable_command(user: User, world: World) -> None:
    jobid = user.register(HELLO + 'UserTags = [ project = "demo"; axis = "x" ];')
    user.call("jobStart", jobId=jobid)
    events = world.events(jobid)
    assert summary(events) == [
        ("UserTag", ""), ("UserTag", ""), ("Accepted", ""), ("EnQueued", "START"), ("EnQueued", "OK"),
    ]  # fmt: skip
    assert [counts(event) for event in events] == [{"NS": number} for number in (3, 4, 6, 7, 8)]
    assert {event.source for event in events} == {"NetworkServer"} and {event.user for event in events} == {pki.USER_DN}
    assert [events[0].get("name"), events[0].get("value")] == ["project", "demo"]
    assert (events[2].get("from"), events[2].get("from_host")) == ("UserInterface", "127.0.0.1")
    directory = world.directory(jobid)
    queue = str(world.settings.common.queue_directory / "new")
    assert [event.get("queue") for event in events[3:]] == [queue, queue]
    assert events[3].get("job") == str(directory.jdl_to_start)
    [command] = world.commands()
    assert isinstance(command, Submit)
    assert (command.jobid, command.proxy) == (jobid, directory.proxy)
    assert command.seqcode == events[-1].seqcode == command.jdl.string("LB_sequence_code")
    assert events[-1].get("job") == command.jdl.text() == directory.jdl_started.read_text()
    assert not directory.jdl_to_start.exists() and "UserTags" not in command.jdl
    base = command.jdl.string("WMPInputSandboxBaseURI")
    assert command.jdl.strings("OutputSandboxDestURI") == [f"{base}/output/out"]
    assert "GlueCEAccessControlBaseRule" in (command.jdl.expression("Requirements") or "")
    world.deliver(jobid)
    status = user.lb(jobid).job_status(jobid, ["CLASSADS"])
    assert status.state == "WAITING" and status.jdl == command.jdl.text()


def test_submission_registers_and_starts_at_once(user: User, world: World) -> None:
    jobid = user.submit()
    assert [type(command) for command in world.commands()] == [Submit]
    assert world.directory(jobid).started
    assert summary(world.events(jobid))[-1] == ("EnQueued", "OK")


def test_an_empty_delegation_id_means_the_one_made_of_the_credential(world: World) -> None:
    user = world.user()
    user.delegate("")
    assert user.call("jobRegister", jdl=HELLO, delegationId="").jobIdStruct.id


def test_old_clients_delegate_through_the_main_port(world: World) -> None:
    user = world.user()
    request = user.call("getProxyReq", delegationID="old").request
    user.call("putProxy", delegationID="old", proxy=sign_request(pki.proxy(), request.encode()).decode())
    assert user.call("jobRegister", jdl=HELLO, delegationId="old").jobIdStruct.id
    description = refused(Code.DELEGATION_ERROR, "AuthorizationFault", user, "putProxy", delegationID="old", proxy="x")
    assert description.startswith("Proxy exception: ")


def test_a_job_is_started_once_even_by_many(user: User, world: World) -> None:
    jobid = user.register()

    def attempt(_: int) -> str:
        try:
            world.user().call("jobStart", jobId=jobid)
        except TypedFault as fault:
            return f"{fault.name} {fault.record.ErrorCode}"
        return "started"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(attempt, range(6)))
    assert outcomes == ["OperationNotAllowedFault 1226"] * 5 + ["started"]
    assert len(world.commands()) == 1
    text = refused(Code.OPERATION_NOT_ALLOWED, "OperationNotAllowedFault", user, "jobStart", jobId=jobid)
    assert text == "The Operation is not allowed: job started or start operation already in progress"


@pytest.mark.parametrize(
    "jdl, code, fault, words",
    [
        ("Executable = ;", 1219, "InvalidArgumentFault", "JDLPARSE: line 1, column 14, attribute Executable"),
        ("\n\nArguments = 3;\n", 1219, "InvalidArgumentFault", "line 3, column 1, attribute Arguments"),
        ('Executable = "/x";\nRetryCount = -1;', 1219, "InvalidArgumentFault", "line 2, column 1, attribute Retry"),
        ('Arguments = "x";', 1219, "InvalidArgumentFault", "attribute Executable: this mandatory"),
        ("a = 1;\nA = 2;", 1219, "InvalidArgumentFault", "JDLDUPLICATE: line 2, column 1, attribute A"),
        ("", 1219, "InvalidArgumentFault", "Executable"),
        ('Executable = "/x"; JobType = { "normal", "mpich" };', 1220, "GenericFault", "Composite Job Type not yet"),
        ('Executable = "/x"; JobType = "checkpointable";', 1219, "InvalidArgumentFault", "are Deprecated"),
        ('Executable = "/x";\nVirtualOrganisation = "other";', 1220, "GenericFault", "line 2, column 1"),
        ('Type = "collection"; Nodes = {};', errno.ENOSYS, "GenericFault", "not available in this release"),
        ('Executable = "/x"; JobType = "parametric";', errno.ENOSYS, "GenericFault", "not available in this release"),
    ],
)
@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit", "jobListMatch"])
def test_a_bad_description_is_refused_with_line_and_attribute(
    user: User, operation: str, jdl: str, code: int, fault: str, words: str
) -> None:
    assert words in refused(code, fault, user, operation, jdl=jdl, delegationId="mine")


@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit", "jobListMatch"])
def test_without_a_delegated_proxy_nothing_is_accepted(user: User, operation: str) -> None:
    text = refused(
        Code.DELEGATION_ERROR, "AuthorizationFault", user, operation, jdl=HELLO, delegationId="never"
    )
    assert "Unable to get delegated Proxy" in text
    text = refused(Code.DELEGATION_ERROR, "AuthorizationFault", user, operation, jdl=HELLO, delegationId="../mine")
    assert "invalid delegation id" in text


def expired() -> Credential:
    return create_proxy(pki.user(), timedelta(seconds=-1))


def test_an_expired_proxy_is_refused(world: World) -> None:
    user = world.user()
    user.delegate("short")
    store = DelegationStore(world.settings.common.proxy_cache, pki.trust())
    expired().save(store.path(pki.USER_DN, "short"))
    text = refused(1213, "AuthorizationFault", user, "jobRegister", jdl=HELLO, delegationId="short")
    assert text == "Proxy exception: the proxy has expired"


def test_a_job_whose_proxy_has_expired_is_aborted_at_its_start(user: User, world: World) -> None:
    jobid = user.register()
    expired().save(world.directory(jobid).proxy)
    refused(1213, "AuthorizationFault", user, "jobStart", jobId=jobid)
    events = world.events(jobid)
    assert summary(events)[-2:] == [("EnQueued", "FAIL"), ("Abort", "")]
    assert events[-1].get("reason") == "Job Proxy has expired"
    assert not world.directory(jobid).exists and world.commands() == []


def test_a_job_can_be_cancelled_when_its_proxy_has_expired(user: User, world: World) -> None:
    jobid = user.submit()
    expired().save(world.directory(jobid).proxy)
    user.call("jobCancel", jobId=jobid)
    assert isinstance(world.commands()[-1], Cancel)


def test_what_only_the_service_may_set_is_not_taken_from_the_user(user: User, world: World) -> None:
    jobid = user.register(
        HELLO + 'CertificateSubject = "/CN=Somebody"; X509UserProxy = "/etc/shadow"; edg_jobid = "https://x:1/y";'
        'ce_id = "h:1/x-y-z"; InputSandboxPath = "/etc"; VOMS_FQAN = "/other"; LB_sequence_code = "x";'
    )
    jdl = parse(world.directory(jobid).jdl_to_start.read_text())
    assert jdl.string("CertificateSubject") == pki.USER_DN and jdl.string("edg_jobid") == jobid
    assert jdl.string("X509UserProxy") == str(world.directory(jobid).proxy)
    assert "ce_id" not in jdl and "VOMS_FQAN" not in jdl


def test_sandbox_files_travel_to_the_answered_addresses(user: User, world: World) -> None:
    jobid = user.register('Executable = "a b.sh"; InputSandbox = { "/home/me/a b.sh", "https://h/x" };')
    [uri] = user.call("getSandboxDestURI", jobId=jobid, protocol="https").path.Item
    [bulk] = user.call("getSandboxBulkDestURI", jobId=jobid, protocol="").DestURIsStructType.Item
    assert (bulk.id, bulk.Item) == (jobid, [uri])
    directory = world.directory(jobid)
    assert uri == f"https://localhost:{world.settings.wmproxy.port}/{directory.relative}/input"
    assert user.http.put(f"{uri}/a%20b.sh", data=b"#!/bin/sh\n").status_code == 201
    assert (directory.input / "a b.sh").read_bytes() == b"#!/bin/sh\n"
    jdl = parse(user.call("getJDL", jobId=jobid, type="REGISTERED").jdl)
    assert jdl.strings("InputSandbox") == [f"{uri}/a%20b.sh", "https://h/x"]
    assert user.http.get(f"{uri}/a%20b.sh").content == b"#!/bin/sh\n"
    stranger = support.other_user(world.settings)
    assert stranger.http.get(f"{uri}/a%20b.sh").status_code == 403
    assert stranger.http.put(f"{uri}/a%20b.sh", data=b"rm -r /").status_code == 403
    assert user.http.get(f"{uri}/../user.proxy").status_code == 404
    assert user.http.get(f"{uri[:-6]}/user.proxy").status_code == 404
    assert user.http.delete(f"{uri}/a%20b.sh").status_code == 405
    for protocol in ("gsiftp", "HTTPS", "x"):
        text = refused(1225, "InvalidArgumentFault", user, "getSandboxDestURI", jobId=jobid, protocol=protocol)
        assert "requested protocol not available" in text


def test_the_description_comes_back_as_sent_and_as_registered(user: User) -> None:
    text = f"# my job\n{HELLO}\n"
    jobid = user.register(text)
    assert user.call("getJDL", jobId=jobid, type="ORIGINAL").jdl == text
    assert parse(user.call("getJDL", jobId=jobid, type="REGISTERED").jdl).string("edg_jobid") == jobid
    user.call("jobStart", jobId=jobid)
    assert "OutputSandboxDestURI" in parse(user.call("getJDL", jobId=jobid, type="REGISTERED").jdl)


JOB_OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("jobStart", {}),
    ("jobCancel", {}),
    ("jobPurge", {}),
    ("getOutputFileList", {"protocol": ""}),
    ("getSandboxDestURI", {"protocol": ""}),
    ("getSandboxBulkDestURI", {"protocol": ""}),
    ("getJDL", {"type": "ORIGINAL"}),
]


@pytest.mark.parametrize("operation, more", JOB_OPERATIONS)
def test_a_job_belongs_to_its_owner(user: User, world: World, operation: str, more: dict[str, Any]) -> None:
    jobid = user.register()
    stranger = support.other_user(world.settings)
    for name in (jobid, jobid + "?x=1"):
        text = refused(1207, "AuthorizationFault", stranger, operation, jobId=name, **more)
        assert "not authorized" in text
    assert world.directory(jobid).exists


@pytest.mark.parametrize("operation, more", JOB_OPERATIONS)
def test_an_unknown_job_is_told_so(user: User, operation: str, more: dict[str, Any]) -> None:
    text = refused(1218, "JobUnknownFault", user, operation, jobId=UNKNOWN, **more)
    assert "has not been registered or it has been purged" in text
    for bad in ("", "x", "https://h:1/..", "https://h:1/../../etc", "https://h/a/b/../../../../etc/passwd"):
        with pytest.raises(TypedFault) as caught:
            user.call(operation, jobId=bad, **more)
        assert caught.value.record.ErrorCode in ("1225", "1218")


def test_a_match_lists_elements_best_first(user: User, world: World) -> None:
    answer = user.call("jobListMatch", jdl=HELLO + "Rank = other.GlueCEPolicyMaxWallClockTime;", delegationId="mine")
    found = [(entry.name, entry.size) for entry in answer.CEIdAndRankList.file]
    assert len(found) == 2 and found[0][1] > found[1][1]
    jdl = HELLO + "Requirements = other.GlueCEPolicyMaxWallClockTime > 1000000;"
    text = refused(1222, "NoSuitableResourcesFault", user, "jobListMatch", jdl=jdl, delegationId="mine")
    assert text == "no matching resources found"
    jdl = HELLO + "Rank = other.NoSuchAttribute;"
    refused(1221, "NoSuitableResourcesFault", user, "jobListMatch", jdl=jdl, delegationId="mine")
    assert world.commands() == []


def test_a_registered_job_is_cancelled_at_once(user: User, world: World) -> None:
    jobid = user.register()
    user.call("jobCancel", jobId=jobid)
    assert not world.directory(jobid).exists and world.commands() == []
    [event] = world.events(jobid)
    assert (event.name, event.get("reason")) == ("Abort", "Cancelled by user")
    assert counts(event) == {"NS": 96660}
    world.deliver(jobid)
    assert user.state(jobid) == "ABORTED"


def test_a_started_job_is_cancelled_by_the_manager(user: User, world: World) -> None:
    jobid = user.submit()
    world.deliver(jobid)
    user.call("jobCancel", jobId=jobid)
    submit, cancel = world.commands()
    assert isinstance(submit, Submit) and isinstance(cancel, Cancel)
    event = world.events(jobid)[-1]
    assert (event.name, event.get("status_code"), event.get("reason")) == ("Cancel", "REQ", "Cancelled by user")
    assert (cancel.jobid, cancel.seqcode) == (jobid, event.seqcode)
    assert cancel.seqcode > submit.seqcode
    world.deliver(jobid)
    text = refused(1226, "OperationNotAllowedFault", user, "jobCancel", jobId=jobid)
    assert "Cancel has already been requested" in text


def test_a_started_job_that_lb_has_not_heard_of_goes_to_the_manager_too(user: User, world: World) -> None:
    jobid = user.submit()
    assert user.state(jobid) == "SUBMITTED"
    user.call("jobCancel", jobId=jobid)
    assert [type(command) for command in world.commands()] == [Submit, Cancel]
    assert world.directory(jobid).exists


def finish(world: World, jobid: str, status: str, exit_code: int = 0) -> None:
    """What the rest of the system logs until the job is done."""
    world.deliver(jobid)
    code = "UI=000000:NS=0000000005:WM=00000{}:BH=0000000000:JSS=000000:LM=00000{}:LRMS=000000:APP=000000"
    world.log(jobid, "DeQueued", "WorkloadManager", code.format(1, 0), queue="q")
    world.log(jobid, "Running", "LogMonitor", code.format(1, 1), node="localhost")
    world.log(jobid, "Done", "LogMonitor", code.format(1, 2), status_code=status, reason="r", exit_code=exit_code)


def test_output_is_listed_when_the_job_is_over_and_then_fetched_and_purged(user: User, world: World) -> None:
    jobid = user.submit()
    directory = world.directory(jobid)
    directory.write(directory.output / "out 1", "hello\n")
    directory.write(directory.output / ".gacl", "x")
    (directory.output / "sub").mkdir()
    text = refused(1217, "OperationNotAllowedFault", user, "getOutputFileList", jobId=jobid, protocol="")
    assert text == "The Operation is not allowed: the job is not done: SUBMITTED"
    finish(world, jobid, "OK", 3)
    assert user.state(jobid) == "DONE"
    [entry] = user.call("getOutputFileList", jobId=jobid, protocol="default").OutputFileAndSizeList.file
    assert entry.size == 6 and entry.name.endswith("/output/out%201")
    assert user.http.get(entry.name).content == b"hello\n"
    text = refused(1226, "OperationNotAllowedFault", user, "jobCancel", jobId=jobid)
    assert "job status doesn't allow job cancel: DONE" in text
    user.call("jobPurge", jobId=jobid)
    assert not directory.exists
    event = world.events(jobid)[-1]
    assert (event.name, event.get("reason"), counts(event)) == ("Clear", "USER", {"UI": 9, "NS": 96669})
    world.deliver(jobid)
    assert user.state(jobid) == "CLEARED"
    assert user.http.get(entry.name).status_code == 404
    refused(1218, "JobUnknownFault", user, "jobPurge", jobId=jobid)


def test_the_output_of_a_failed_job_is_not_final_until_it_says_so(user: User, world: World) -> None:
    jobid = user.submit()
    finish(world, jobid, "FAILED")
    refused(1217, "OperationNotAllowedFault", user, "getOutputFileList", jobId=jobid, protocol="")
    directory = world.directory(jobid)
    directory.write(directory.maradona, "job exit status = 1")
    assert user.call("getOutputFileList", jobId=jobid, protocol="").OutputFileAndSizeList.file == []
    user.call("jobCancel", jobId=jobid)
    assert isinstance(world.commands()[-1], Cancel)


@pytest.mark.parametrize("name", ["InputSandbox", "OutputSandbox"])
def test_a_job_with_too_many_files_is_aborted_at_its_start(user: User, world: World, name: str) -> None:
    items = ", ".join(f'"https://h/f{number}"' for number in range(11))
    jobid = user.register(f'Executable = "/bin/ls"; {name} = {{ {items} }};')
    text = refused(1226, "OperationNotAllowedFault", user, "jobStart", jobId=jobid)
    assert f"The maximum number of {name[:-7].lower()} sandbox files is reached" in text
    assert summary(world.events(jobid))[1:] == [("EnQueued", "START"), ("EnQueued", "FAIL"), ("Abort", "")]
    world.deliver(jobid)
    assert user.state(jobid) == "ABORTED"
    refused(1218, "JobUnknownFault", user, "jobStart", jobId=jobid)


def test_a_drained_server_takes_no_jobs(user: User, world: World) -> None:
    jobid = user.register()
    drain = world.settings.common.document_root / ".drain"
    drain.touch()
    try:
        for operation, arguments in (
            ("jobRegister", {"jdl": HELLO, "delegationId": "mine"}),
            ("jobSubmit", {"jdl": HELLO, "delegationId": "mine"}),
            ("jobListMatch", {"jdl": HELLO, "delegationId": "mine"}),
            ("jobStart", {"jobId": jobid}),
        ):
            text = refused(1207, "AuthorizationFault", user, operation, **arguments)
            assert text == "Unavailable service (the server is temporarily drained)"
        assert user.call("getVersion").version
    finally:
        drain.unlink()
    user.call("jobStart", jobId=jobid)


def test_operations_not_built_say_so(user: User) -> None:
    jobid = user.register()
    for operation, arguments in (
        ("getJobStatus", {"jobId": jobid}),
        ("getACLItems", {"jobId": jobid}),
        ("getDelegatedProxyInfo", {"delegationID": "mine"}),
        ("getCollectionTemplate", {"jobNumber": 1, "requirements": "", "rank": ""}),
        ("enableFilePerusal", {"jobId": jobid, "fileList": user.main.contract.types.StringList(Item=["x"])}),
    ):
        text = refused(errno.ENOSYS, "GenericFault", user, operation, **arguments)
        assert text == f"{operation} is not available in this release"


def test_other_paths_lead_nowhere(user: User, world: World) -> None:
    base = f"https://localhost:{world.settings.wmproxy.port}"
    for path in ("/", "/SandboxDir", "/proxycache/", "/etc/passwd", "/glite_wms_wmproxy_serverx"):
        assert user.http.get(base + path).status_code == 404
    wsdl = user.http.get(f"{user.url}?wsdl")
    assert wsdl.status_code == 200 and user.url.encode() in wsdl.content


def test_with_a_list_of_users_others_are_refused(tmp_path: Path, lb: str) -> None:
    users = tmp_path / "users"
    users.write_text(f"# who may submit\n{pki.OTHER_DN}\n")
    settings = support.settings(tmp_path / "wms", lb, users_file=users)
    with support.wmproxy_server(settings):
        world = World(settings)
        text = refused(1207, "AuthorizationFault", world.user(), "getVersion")
        assert "not authorized" in text
        other = support.other_user(settings)
        assert other.call("getVersion").version
        other.delegate()
        assert other.register()


def test_registration_goes_to_the_next_lb_server_or_says_that_there_is_none(tmp_path: Path, lb: str) -> None:
    dead = f"localhost:{free_port(1)}"
    settings = support.settings(tmp_path / "two", *[dead] * 3, lb)
    with support.wmproxy_server(settings):
        user = World(settings).user()
        user.delegate()
        assert user.register().startswith(f"https://{lb}/")
        assert user.register(HELLO + f'LBAddress = "{lb}";').startswith(f"https://{lb}/")
        jdl = HELLO + f'LBAddress = "{dead}";'
        text = refused(1227, "GenericFault", user, "jobRegister", jdl=jdl, delegationId="mine")
        assert text == f"job registration failed at {dead}"
        directories = list(settings.common.sandbox_directory.glob("[!.]*/*"))
        assert len(directories) == 2


def test_a_user_with_a_plain_certificate_can_work_too(world: World) -> None:
    user = world.user(pki.user())
    user.delegate("plain")
    jobid = user.call("jobSubmit", jdl=HELLO, delegationId="plain").jobIdStruct.id
    assert user.state(jobid) == "SUBMITTED"
    nested = world.user(create_proxy(pki.proxy(), timedelta(hours=1)))
    assert nested.call("getJDL", jobId=jobid, type="ORIGINAL").jdl == HELLO
