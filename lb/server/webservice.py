"""The web service of the LB server (lb.md 6): questions about jobs and events. Notifications are not built yet."""

import errno
from collections.abc import Callable, Mapping, Sequence
from functools import reduce, wraps
from operator import or_
from typing import Any, Final, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from gsi.authz import Access, Resource, requires
from lb.model.jobid import JobId, JobIdError
from lb.model.view import ALL_WS, WS_FLAGS, Flag
from lb.model.ws import event_to_ws, status_to_ws
from lb.server.conditions import Comparison, Group
from lb.server.errors import LbError, database_trouble
from lb.server.queries import INDEXED, Queries
from lb.server.wsconditions import event_groups, job_groups
from soap.contract import Contract
from soap.faults import PosixFault
from soap.service import Call, not_yet

#: The version of the original server whose behaviour this one has (lb.md, head).
VERSION: Final = "3.0.18"
#: Version of the interface (lb.md 6).
INTERFACE_VERSION: Final = "4.0.9"


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _faults(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn the refusals of the server into faults: code, its text, and the description (lb.md 6)."""

    @wraps(method)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return method(*args, **kwargs)
        except LbError as error:
            raise PosixFault(error.code, error.description, text=error.text) from None
        except JobIdError as error:
            raise PosixFault(errno.EINVAL, str(error)) from None
        except SQLAlchemyError as error:
            raise PosixFault(errno.EIO, database_trouble(method.__name__, error).description) from None

    return call


class LoggingAndBookkeeping:
    """The operations of LoggingAndBookkeepingPortType."""

    def __init__(self, contract: Contract, queries: Queries) -> None:
        self._types = contract.types
        self._queries = queries

    @requires(Access.ANYONE, protects=Resource.NOTHING)
    def get_version(self, call: Call, *, dummy: str | None) -> Mapping[str, Any]:
        """The server's version."""
        return {"version": VERSION}

    @requires(Access.ANYONE, protects=Resource.NOTHING)
    def get_interface_version(self, call: Call, *, dummy: str | None) -> Mapping[str, Any]:
        """The version of this interface."""
        return {"version": INTERFACE_VERSION}

    @requires(Access.JOB_READER, protects=Resource.JOB)
    @_faults
    def job_status(self, call: Call, *, jobid: str, flags: Any) -> Mapping[str, Any]:
        """The status of one job; EIDRM when it was purged."""
        status = self._queries.job_status(JobId.parse(jobid), call.peer, _flags(flags))
        return {"stat": status_to_ws(status, self._types)}

    @requires(Access.AUTHENTICATED, protects=Resource.JOB)
    @_faults
    def user_jobs(self, call: Call) -> Mapping[str, Any]:
        """The caller's jobs with everything that is known of them."""
        mine = self._queries.identities(_subject(call))
        return self._jobs([Group("OWNER", tuple(Comparison("EQUAL", dn) for dn in mine))], ALL_WS, call)

    @requires(Access.AUTHENTICATED, protects=Resource.JOB)
    @_faults
    def query_jobs(self, call: Call, *, conditions: Sequence[Any], flags: Any) -> Mapping[str, Any]:
        """The jobs that fulfil all conditions."""
        return self._jobs(job_groups(list(conditions), _subject(call)), _flags(flags), call)

    @requires(Access.AUTHENTICATED, protects=Resource.JOB)
    @_faults
    def query_events(
        self, call: Call, *, jobConditions: Sequence[Any], eventConditions: Sequence[Any]
    ) -> Mapping[str, Any]:
        """The events that fulfil all conditions."""
        subject = _subject(call)
        found = self._queries.find_events(
            job_groups(list(jobConditions), subject), event_groups(list(eventConditions), subject), call.peer
        )
        return {"events": (event_to_ws(event, self._types) for event in found)}

    @requires(Access.AUTHENTICATED, protects=Resource.SERVICE)
    def get_indexed_attrs(self, call: Call, *, dummy: str | None) -> Mapping[str, Any]:
        """The attributes of which a query must name one."""
        return {"attrs": [self._types.queryConditions(attr=name) for name in INDEXED]}

    @requires(Access.AUTHENTICATED, protects=Resource.SERVICE)
    def get_server_limit(self, call: Call, *, dummy: str | None) -> Mapping[str, Any]:
        """Most jobs of one answer; 0: no limit."""
        return {"limit": self._queries.limits.jobs}

    notif_new = not_yet(Access.AUTHENTICATED, protects=Resource.FEED)
    notif_bind = not_yet(Access.AUTHENTICATED, protects=Resource.FEED)
    notif_refresh = not_yet(Access.AUTHENTICATED, protects=Resource.FEED)
    notif_drop = not_yet(Access.AUTHENTICATED, protects=Resource.FEED)

    def _jobs(self, groups: Sequence[Group], flags: Flag, call: Call) -> Mapping[str, Any]:
        found = self._queries.find_jobs(groups, call.peer)
        states = (status_to_ws(status, self._types) for status in self._queries.statuses(found, flags))
        return {"jobs": map(str, found), "states": states}


def _subject(call: Call) -> str:
    return "" if call.peer is None else call.peer.dn


def _flags(flags: Any) -> Flag:
    named = [] if flags is None else flags.flag
    return reduce(or_, (WS_FLAGS[name] for name in named), Flag(0))
