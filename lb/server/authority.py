"""Who is allowed what: the policy file, the server's own identity and its super-users put together (lb.md 11).

An event says in DG.USER on whose behalf it was logged. The peer himself may say so of himself; of others only a trusted
logger: the server's own identity, a super-user, or somebody whom a rule of the action LOG_WMS_EVENTS names (`.*` names
nobody). A rule for everybody permits to log, it does not permit to speak for others.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gsi.authz import Access, Outlook, ServicePolicy, depends, no, yes
from gsi.gridmap import Identities
from gsi.names import same_dn
from gsi.peer import Peer
from gsi.peers import PeerList
from gsi.watched import Watched
from lb.model.people import person
from lb.server.policy import Action, PolicyFile

#: Events that the actions LOG_CE_EVENTS and LOG_GENERAL_EVENTS cover (lb.md 11.1); all others need LOG_WMS_EVENTS.
_COVERED: Final = {
    **dict.fromkeys(("Running", "ReallyRunning", "Done"), Action.LOG_CE_EVENTS),
    **dict.fromkeys(("CurDescr", "UserTag", "ChangeACL"), Action.LOG_GENERAL_EVENTS),
    "RegJob": Action.REGISTER_JOBS,
    "GrantPayloadOwnership": Action.GRANT_OWNERSHIP,
}
_FQAN: Final = "FQAN:"

class Authority:
    """Answers every question about rights.

    own_dn: the server's identity, which may read all and purge; policy: None when there is no policy file: everybody
    authenticated may log then, and nobody reads what is not his; super_users: DNs or `FQAN:<fqan>`; loggers: further
    trusted loggers; identities: DNs that are one person (option -M); open_to_all: option --noauth, no tests of
    ownership. Raises RulesError for a super-user who is neither.
    """

    def __init__(
        self, own_dn: str, policy: PolicyFile | Watched[PolicyFile] | None = None, super_users: Iterable[str] = (),
        loggers: PeerList | None = None, identities: Watched[Identities] | None = None, *, open_to_all: bool = False,
    ) -> None:
        self.own_dn = own_dn
        self.open_to_all = open_to_all
        self._given = policy
        self._super_users = PeerList(names=[name.removeprefix(_FQAN) for name in super_users])
        self._identities = identities
        self._loggers = loggers or PeerList()

    @property
    def _policy(self) -> PolicyFile | None:
        return self._given.current if isinstance(self._given, Watched) else self._given

    def identities(self, dn: str) -> tuple[str, ...]:
        """All names of one person, the given one first."""
        return (dn,) if self._identities is None else self._identities.current.of(person(dn))

    def is_admin(self, peer: Peer | None) -> bool:
        """ADMIN_ACCESS: every check is off."""
        if self.open_to_all:
            return True
        return peer is not None and (peer in self._super_users or self._permits(Action.ADMIN_ACCESS, peer))

    def may_read_all(self, peer: Peer | None) -> bool:
        """Whether the peer may see any job: admin, READ_ALL, the server itself."""
        return self._holds(Action.READ_ALL, peer)

    def may_purge(self, peer: Peer | None) -> bool:
        """Whether the peer may remove jobs: admin, PURGE, the server itself."""
        return self._holds(Action.PURGE, peer)

    def may_log(self, peer: Peer, event: str) -> bool:
        """Whether the peer may log events of this type at all; without a policy file everybody may."""
        if self._given is None or self._is_self(peer) or self.is_admin(peer):
            return True
        return self._permits(_COVERED.get(event, Action.LOG_WMS_EVENTS), peer)

    def is_trusted_logger(self, peer: Peer) -> bool:
        """Whether the peer may log on behalf of others."""
        if self.is_admin(peer) or self._is_self(peer) or peer in self._loggers:
            return True
        policy = self._policy
        return policy is not None and policy.trusts(Action.LOG_WMS_EVENTS, peer)

    def _holds(self, action: Action, peer: Peer | None) -> bool:
        return self.is_admin(peer) or (peer is not None and (self._is_self(peer) or self._permits(action, peer)))

    def _permits(self, action: Action, peer: Peer) -> bool:
        policy = self._policy
        return policy is not None and policy.permits(action, peer)

    def _is_self(self, peer: Peer) -> bool:
        return same_dn(peer.dn, self.own_dn)


class WebServicePolicy(ServicePolicy):
    """What @requires means in the web service. Which jobs somebody may see, lb.server.queries decides job by job."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def outlook(self, peer: Peer | None, access: Access, arguments: Mapping[str, Any] | None = None) -> Outlook:
        """See gsi.authz.Policy; with --noauth everybody may everything."""
        if self._authority.open_to_all:
            return yes("this server asks for no rights")
        return super().outlook(peer, access, arguments)

    def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
        """See gsi.authz.ServicePolicy."""
        if access is Access.JOB_READER:
            if self._authority.may_read_all(peer):
                return yes("you may read all jobs")
            return depends("for your own jobs")
        if access is Access.ADMIN:
            admin = self._authority.is_admin(peer)
            return yes(f"you are {access.value}") if admin else no(f"you are not {access.value}")
        return super().decide(peer, access, arguments)
