"""The policy file and who has which right (lb.md 11.1)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsi.authz import Access, Verdict
from gsi.errors import RulesError
from gsi.peers import PeerList
from lb.model.people import person, same_person
from lb.server.authority import Authority, WebServicePolicy
from lb.server.policy import MAX_FILE, Action, PolicyError, PolicyFile
from lbbench import HOST_DN, OTHER_DN, USER_DN, peer

EXAMPLE_FILE = Path(__file__).parents[3] / "etc/glite-lb-authz.conf"
EXAMPLE = """
# who may do what
resource "LB" {
    action "ADMIN_ACCESS" { rule permit { subject = "/CN=root" } }
    action "READ_ALL" {
        rule permit { subject = "/CN=monitor" }         # one rule
        rule permit { subject = ".*" fqan = "/testvo/Role=admin" }
    }
    action "PURGE" {
    }
    action "LOG_WMS_EVENTS" { rule permit { subject = ".*" } rule permit { subject = "/CN=wms/Email=a@b" } }
}
"""


@pytest.fixture
def policy() -> PolicyFile:
    return PolicyFile.parse(EXAMPLE)


def test_rules_of_an_action_are_alternatives(policy: PolicyFile) -> None:
    assert policy.permits(Action.READ_ALL, peer("/CN=monitor"))
    assert policy.permits(Action.READ_ALL, peer("/CN=anybody", "/testvo", "/testvo/Role=admin"))
    assert not policy.permits(Action.READ_ALL, peer("/CN=anybody", "/testvo"))


def test_what_no_rule_permits_is_denied(policy: PolicyFile) -> None:
    assert not policy.permits(Action.PURGE, peer("/CN=monitor"))
    assert not policy.permits(Action.GET_STATISTICS, peer("/CN=monitor"))


def test_an_administrator_may_everything(policy: PolicyFile) -> None:
    assert all(policy.permits(action, peer("/CN=root")) for action in Action)


def test_everybody_is_nobody_in_particular(policy: PolicyFile) -> None:
    assert policy.permits(Action.LOG_WMS_EVENTS, peer("/CN=anybody"))
    assert not policy.trusts(Action.LOG_WMS_EVENTS, peer("/CN=anybody"))
    assert policy.trusts(Action.LOG_WMS_EVENTS, peer("/CN=wms/emailAddress=a@b"))


@pytest.mark.parametrize(("text", "says"), [
    ("", "'resource' was expected, found the end of the file"),
    ('resource "JP" { }', 'the only resource is "LB"'),
    ('resource "LB" { action "READ_SOME" { } }', 'there is no action "READ_SOME"'),
    ('resource "LB" {\n action "PURGE" { rule deny { subject = "x" } } }', "line 2: 'permit' was expected, found deny"),
    ('resource "LB" { action "PURGE" { rule permit { } } }', 'a rule needs subject = "…" or fqan = "…"'),
    ('resource "LB" { action "PURGE" { rule permit { subject = x } } }', "a value in double quotes was expected"),
    ('resource "LB" { action "PURGE" { rule permit { subject "x" } } }', "'=' was expected"),
    ('resource "LB" { action "PURGE" { rule permit { subject = "x" } }', "'}' was expected, found the end"),
    ('resource "LB" { } extra', "nothing may follow"),
    ('resource "LB" { ; }', "unexpected ';'"),
    ('resource "LB" { action "PURGE', "unexpected"),
])
def test_mistakes_are_named_with_their_line(text: str, says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        PolicyFile.parse(text)
    assert says in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="none cannot be read"):
        PolicyFile.watch(tmp_path / "none")


def test_what_is_no_text_is_refused_with_its_line() -> None:
    with pytest.raises(PolicyError, match="policy, line 2: not UTF-8"):
        PolicyFile.read(b'resource "LB" {\n\xff}')
    with pytest.raises(PolicyError, match="larger than"):
        PolicyFile.read(b" " * (MAX_FILE + 1))


@pytest.mark.parametrize(("rule", "shown", "permitted"), [
    ("/vo/Role=admin", ("/vo", "/vo/Role=admin"), True),
    ("/vo/Role=admin", ("/vo/Role=admin/Capability=NULL",), True),
    ("/vo/Role=NULL/Capability=NULL", ("/vo",), True),
    ("/vo/Role=admin", ("/vo",), False),
    ("/vo/Role=admin", (), False),
    ("/vo/*", ("/vo/Role=admin",), False),  # the only pattern is .*
    ("/vo", ("/vo/sub",), False),
    (".*", (), True),
    ("operators", ("operators",), True),
])
def test_attributes_are_compared_as_they_are_written(rule: str, shown: tuple[str, ...], permitted: bool) -> None:
    policy = PolicyFile.parse(f'resource "LB" {{ action "PURGE" {{ rule permit {{ fqan = "{rule}" }} }} }}')
    assert policy.permits(Action.PURGE, peer("/CN=x", *shown)) is permitted


def test_the_file_is_read_again_and_a_bad_version_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "authz.conf"
    path.write_text(EXAMPLE)
    authority = Authority(HOST_DN, PolicyFile.watch(path))
    assert authority.may_read_all(peer("/CN=monitor")) and not authority.may_purge(peer("/CN=monitor"))
    path.write_text(EXAMPLE.replace('action "PURGE" {', 'action "PURGE" { rule permit { subject = "/CN=monitor" }'))
    assert authority.may_purge(peer("/CN=monitor"))
    path.write_text('resource "LB" {\n action "FLY" { } }')
    assert authority.may_purge(peer("/CN=monitor")) and not authority.may_purge(peer("/CN=other"))
    path.unlink()
    assert authority.may_purge(peer("/CN=monitor"))
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert f'{path}, line 2: there is no action "FLY"' in caplog.text
    path.write_text('resource "LB" { }')
    assert not authority.may_purge(peer("/CN=monitor")) and not authority.may_log(peer("/CN=monitor"), "Running")


@given(st.binary(max_size=200) | st.lists(st.sampled_from(
    ["resource", '"LB"', "{", "}", "action", '"PURGE"', '"READ_ALL"', "rule", "permit", "subject", "fqan", "=", '".*"',
     '"/CN=a"', "# x\n", '"', "\n", "é"]
), max_size=30).map(lambda words: " ".join(words).encode()))
def test_any_bytes_are_a_policy_or_an_error(data: bytes) -> None:
    try:
        policy = PolicyFile.read(data)
    except PolicyError:
        return
    for action in Action:
        assert policy.permits(action, peer("/CN=nobody")) <= (b".*" in data)


@pytest.mark.parametrize("mark", ["", "# "])
def test_the_example_file_can_be_used(mark: str) -> None:
    """As it is, and with the rules that stand in comments."""
    policy = PolicyFile.parse(EXAMPLE_FILE.read_text().replace(f"        {mark}rule permit", "        rule permit"))
    assert set(policy.rules) == set(Action)
    assert policy.permits(Action.REGISTER_JOBS, peer()) and not policy.permits(Action.READ_ALL, peer())


# ---- put together ---------------------------------------------------------------------------------------------------


def test_without_a_policy_everybody_logs_and_nobody_reads_all() -> None:
    authority = Authority(HOST_DN)
    assert authority.may_log(peer(), "Abort")
    assert not authority.may_read_all(peer())
    assert not authority.may_purge(peer())
    assert not authority.is_trusted_logger(peer())
    assert not authority.may_read_all(None)


def test_the_server_itself_reads_purges_and_logs(policy: PolicyFile) -> None:
    authority = Authority(HOST_DN, policy)
    assert authority.may_read_all(peer(HOST_DN))
    assert authority.may_purge(peer(HOST_DN))
    assert authority.is_trusted_logger(peer(HOST_DN))
    assert not authority.is_admin(peer(HOST_DN))


@pytest.mark.parametrize("name", [USER_DN, "FQAN:/testvo/Role=boss"])
def test_super_users_may_everything(policy: PolicyFile, name: str) -> None:
    authority = Authority(HOST_DN, policy, [name])
    caller = peer(USER_DN, "/testvo/Role=boss")
    assert authority.is_admin(caller) and authority.may_purge(caller) and authority.is_trusted_logger(caller)
    assert not authority.is_admin(peer(OTHER_DN, "/testvo"))


def test_further_loggers_come_from_a_list() -> None:
    authority = Authority(HOST_DN, None, loggers=PeerList(names=[OTHER_DN]))
    assert authority.is_trusted_logger(peer(OTHER_DN))
    assert not authority.is_trusted_logger(peer(USER_DN))


@pytest.mark.parametrize(("event", "allowed"), [
    ("Running", True), ("ReallyRunning", True), ("Done", True), ("UserTag", False), ("Transfer", False),
    ("RegJob", False), ("GrantPayloadOwnership", False),
])
def test_actions_cover_their_events(event: str, allowed: bool) -> None:
    policy = PolicyFile.parse('resource "LB" { action "LOG_CE_EVENTS" { rule permit { subject = ".*" } } }')
    assert Authority(HOST_DN, policy).may_log(peer(), event) is allowed


def test_loggers_may_be_named_by_attribute() -> None:
    authority = Authority(HOST_DN, None, loggers=PeerList(names=["/vo/Role=logger"]))
    assert authority.is_trusted_logger(peer(USER_DN, "/vo/Role=logger"))
    assert not authority.is_trusted_logger(peer(USER_DN, "/vo"))


@pytest.mark.parametrize("name", ["somebody", "FQAN:somebody", ""])
def test_a_super_user_has_a_name(name: str) -> None:
    with pytest.raises(RulesError, match="begins with a slash"):
        Authority(HOST_DN, None, [name])


def test_what_the_web_service_says_beforehand(policy: PolicyFile) -> None:
    told = WebServicePolicy(Authority(HOST_DN, policy))
    assert told.outlook(None, Access.ANYONE).granted and not told.outlook(None, Access.JOB_READER).granted
    assert told.outlook(peer(), Access.JOB_READER).verdict is Verdict.DEPENDS
    assert told.outlook(peer("/CN=monitor"), Access.JOB_READER).granted
    assert told.outlook(peer("/CN=root"), Access.ADMIN).granted
    assert not told.outlook(peer("/CN=monitor"), Access.ADMIN).granted
    everybody = WebServicePolicy(Authority(HOST_DN, policy, open_to_all=True))
    assert all(everybody.outlook(who, access).granted for who in (None, peer()) for access in Access)


def test_a_person_is_the_same_behind_a_proxy() -> None:
    assert person(f"{USER_DN}/CN=proxy/CN=limited proxy/CN=proxy") == USER_DN
    assert same_person(f"{USER_DN}/CN=proxy", USER_DN)
    assert not same_person(f"{USER_DN}/CN=12345", USER_DN)
    assert not same_person(f"{USER_DN}x/CN=proxy", USER_DN)
