"""Who may do what: each operation declares it, the policy of its service answers.

    @requires(Access.JOB_OWNER, protects=Resource.JOB)
    def job_cancel(self, call, *, jobId): ...

An operation says who may call it (`Access`) and what stands behind it (`Resource`). A policy answers one question: has
this peer this access? Without the arguments of a call the answer may be that it depends on the job; `outlook` is how
a user is told beforehand what he may do. With them a policy decides, or leaves it to the operation, which looks the
job up anyway; then the answer is still that it depends, and the operation raises when it must.

Where the answers come from: the peer's identity and verified FQANs, lists of peers (gsi.peers), the owner of the job or
feed, access lists (gsi.gacl), the policy file of LB (lb.server.policy).
"""

import logging
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from gsi.peer import Peer

log = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])
_ATTRIBUTE = "__requires__"


class Access(Enum):
    """Who may call an operation."""

    #: Any peer with a verified certificate whom the service admits at all.
    AUTHENTICATED = "any authenticated peer"
    #: A peer on the service's list of trusted peers.
    TRUSTED_PEER = "a trusted peer of the service"
    #: A peer that may have jobs announced to it.
    SUBSCRIBER = "a trusted index server"
    #: The peer that subscribed the feed that the request names.
    FEED_OWNER = "the subscriber of the feed"
    #: The owner of the job that the request names.
    JOB_OWNER = "the owner of the job"
    #: Whoever may read the job that the request names: its owner, and whom the service's policy lets read.
    JOB_READER = "a reader of the job"
    #: An administrator of the service.
    ADMIN = "an administrator of the service"
    #: Everybody, without a certificate too: only for what is public, such as versions and WSDL.
    ANYONE = "anyone"


class Resource(Enum):
    """What an operation protects: what could be read, changed or used up by somebody who has no right to it."""

    #: Public facts.
    NOTHING = "nothing"
    #: The capacity and the settings of the service.
    SERVICE = "the service"
    #: One or more jobs: their description, state, files and tags. Of lists of jobs, callers see what they may read.
    JOB = "a job"
    #: Delegated proxies; each belongs to the caller who put it, and no other name reaches it (gsi.delegation).
    DELEGATION = "a delegation"
    #: The stream of what happens to jobs: feeds of Job Provenance, notifications of LB.
    FEED = "a feed"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an operation declares. accesses: any one suffices; protects: None when it was not said."""

    accesses: tuple[Access, ...]
    protects: Resource | None = None


def requires(*access: Access, protects: Resource | None = None) -> Callable[[Function], Function]:
    """Declare who may call the decorated operation, any one of `access` sufficing, and what that protects."""
    if not access:
        raise TypeError("requires() needs at least one Access")

    def declare(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, Requirement(access, protects))
        return function

    return declare


def declared(function: object) -> Requirement | None:
    """What @requires declared for the function, None when nothing did."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Requirement) else None


class Verdict(Enum):
    """What a policy says."""

    YES = "yes"
    NO = "no"
    DEPENDS = "depends"


@dataclass(frozen=True, slots=True)
class Outlook:
    """An answer with its reason: one clause, fit for the peer's eyes, without names of files."""

    verdict: Verdict
    reason: str

    @property
    def granted(self) -> bool:
        """Whether it is a plain yes."""
        return self.verdict is Verdict.YES


def yes(reason: str) -> Outlook:
    """The peer may."""
    return Outlook(Verdict.YES, reason)


def no(reason: str) -> Outlook:
    """The peer may not."""
    return Outlook(Verdict.NO, reason)


def depends(reason: str) -> Outlook:
    """It depends on what the request names."""
    return Outlook(Verdict.DEPENDS, reason)


class Policy(Protocol):
    """Decides for one service."""

    def outlook(self, peer: Peer | None, access: Access, arguments: Mapping[str, Any] | None = None) -> Outlook:
        """Whether `peer` (None: anonymous) has the access; arguments: of a call, by wire name, None beforehand."""
        ...


class ServicePolicy:
    """What the policies of all services have in common; each overrides what is its own."""

    def outlook(self, peer: Peer | None, access: Access, arguments: Mapping[str, Any] | None = None) -> Outlook:
        """See Policy."""
        if access is Access.ANYONE:
            return yes("everybody may")
        if peer is None:
            return no("a certificate is needed")
        barred = self.barred(peer)
        if barred is not None:
            return no(barred)
        if access is Access.AUTHENTICATED:
            return yes("every authenticated peer may")
        return self.decide(peer, access, arguments)

    def barred(self, peer: Peer) -> str | None:
        """Why this peer may use nothing that is not public; None: he may."""
        return None

    def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
        """Answer for the accesses that mean something in this service."""
        return no(f"nobody is {access.value} here")


def listed(peer: Peer, peers: Container[object], access: Access) -> Outlook:
    """The answer that follows from a list."""
    return yes(f"you are {access.value}") if peer in peers else no(f"you are not {access.value}")


def judge(
    policy: Policy, requirement: Requirement, peer: Peer | None, arguments: Mapping[str, Any] | None = None
) -> Outlook:
    """The answer for an operation: the best of those for its accesses."""
    outlooks = [policy.outlook(peer, access, arguments) for access in requirement.accesses]
    for verdict in (Verdict.YES, Verdict.DEPENDS):
        for outlook in outlooks:
            if outlook.verdict is verdict:
                return outlook
    return no(", ".join(dict.fromkeys(outlook.reason for outlook in outlooks)))


def log_refusal(peer: Peer | None, operation: str, reason: str) -> None:
    """Note in one line who was refused what, and why."""
    who = "an anonymous client" if peer is None else peer.dn
    log.warning("refused: %s may not call %s: %s", who, operation, reason)
