"""Declaring and deciding: what operations say, what policies answer, what the log keeps of a refusal."""

from collections.abc import Mapping
from typing import Any

import pytest

from gsi.authz import (
    Access,
    Outlook,
    Policy,
    Requirement,
    Resource,
    ServicePolicy,
    Verdict,
    declared,
    depends,
    judge,
    listed,
    log_refusal,
    no,
    requires,
    yes,
)
from gsi.errors import GsiError, NotAuthorized
from gsi.peer import Peer
from gsi.peers import PeerList
from people import USER, peer


def test_an_operation_says_who_may_call_it_and_what_it_protects() -> None:
    @requires(Access.TRUSTED_PEER, Access.ADMIN, protects=Resource.JOB)
    def operation() -> int:
        return 7

    assert declared(operation) == Requirement((Access.TRUSTED_PEER, Access.ADMIN), Resource.JOB)
    assert operation() == 7
    assert declared(len) is None and declared(None) is None


def test_nobody_is_no_declaration() -> None:
    with pytest.raises(TypeError):
        requires()


def test_not_authorized_is_eperm() -> None:
    assert NotAuthorized("x").errno == 1
    assert isinstance(NotAuthorized("x"), GsiError)


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("who", [None, peer()], ids=["anonymous", "user"])
def test_unless_a_service_says_more_only_common_things_are_open(who: Peer | None, access: Access) -> None:
    granted = access is Access.ANYONE or (who is not None and access is Access.AUTHENTICATED)
    outlook = ServicePolicy().outlook(who, access)
    assert outlook.granted is granted
    assert outlook.verdict is (Verdict.YES if granted else Verdict.NO)
    assert outlook.reason


class Club(ServicePolicy):
    """Admits members; a job is theirs when its name is."""

    members = PeerList(names=[USER, "/vo/Role=operator"])

    def barred(self, peer: Peer) -> str | None:
        return None if peer in self.members else "you are no member"

    def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
        if access is not Access.JOB_OWNER:
            return super().decide(peer, access, arguments)
        if arguments is None:
            return depends("for your own jobs")
        return yes("it is yours") if arguments["owner"] == peer.dn else no("it is not yours")


@pytest.mark.parametrize(("who", "access", "expected"), [
    (None, Access.ANYONE, yes("everybody may")),
    (None, Access.JOB_OWNER, no("a certificate is needed")),
    (peer("/CN=x"), Access.ANYONE, yes("everybody may")),
    (peer("/CN=x"), Access.AUTHENTICATED, no("you are no member")),
    (peer("/CN=x", "/vo/Role=operator"), Access.AUTHENTICATED, yes("every authenticated peer may")),
    (peer(), Access.JOB_OWNER, depends("for your own jobs")),
    (peer(limited=True), Access.JOB_OWNER, depends("for your own jobs")),
    (peer(), Access.ADMIN, no("nobody is an administrator of the service here")),
])
def test_what_a_peer_is_told_before_he_calls(who: Peer | None, access: Access, expected: Outlook) -> None:
    assert Club().outlook(who, access) == expected


def test_with_the_arguments_of_a_call_it_does_not_depend_any_more() -> None:
    policy: Policy = Club()
    assert policy.outlook(peer(), Access.JOB_OWNER, {"owner": USER}).verdict is Verdict.YES
    assert policy.outlook(peer(), Access.JOB_OWNER, {"owner": "/CN=x"}).verdict is Verdict.NO


def test_of_several_accesses_the_best_counts() -> None:
    either = Requirement((Access.ADMIN, Access.JOB_OWNER))
    assert judge(Club(), either, peer()) == depends("for your own jobs")
    assert judge(Club(), Requirement((Access.ADMIN, Access.JOB_OWNER, Access.ANYONE)), peer()).granted
    refused = judge(Club(), either, peer(), {"owner": "/CN=x"})
    assert refused == no("nobody is an administrator of the service here, it is not yours")
    assert judge(Club(), either, None) == no("a certificate is needed"), "the same reason is given once"


def test_a_list_answers_with_a_reason() -> None:
    assert listed(peer(), Club.members, Access.TRUSTED_PEER) == yes("you are a trusted peer of the service")
    assert listed(peer("/CN=x"), Club.members, Access.TRUSTED_PEER) == no("you are not a trusted peer of the service")


def test_a_refusal_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    log_refusal(peer(), "jobCancel", "it is not yours")
    log_refusal(None, "jobCancel", "a certificate is needed")
    assert [record.getMessage() for record in caplog.records] == [
        f"refused: {USER} may not call jobCancel: it is not yours",
        "refused: an anonymous client may not call jobCancel: a certificate is needed",
    ]
