"""The LB web service as its clients see it (lb.md 6)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import requests

from soap.client import Client
from soap.contract import load

#: All flags of jobFlags (lb.md 6).
ALL_FLAGS = ("CLASSADS", "CHILDREN", "CHILDSTAT")


class LbClient:
    """Calls to one LB server; each raises `soap.faults.PosixFault` (43 EIDRM for a purged job) or TransportError.

    `url`: the web service port, or the query port, which answers SOAP as well (lb.md 4.1).
    """

    def __init__(self, url: str, session: requests.Session) -> None:
        self._client = Client(load("LB"), url, session)
        self._types = load("LB").types

    def version(self) -> str:
        """The server's version."""
        return str(self._client.call("GetVersion").version)

    def job_status(self, jobid: str, flags: Iterable[str] = ()) -> Any:
        """The jobStatus record of a job; `flags` of lb.md 4.5 in their web service spelling."""
        return self._client.call("JobStatus", jobid=jobid, flags=self._types.jobFlags(flag=list(flags))).stat

    def user_jobs(self) -> Any:
        """The record of `jobs` (ids) and `states` (jobStatus) of the caller's own jobs."""
        return self._client.call("UserJobs")

    def query_jobs(self, conditions: Sequence[Any], flags: Iterable[str] = ()) -> Any:
        """Jobs that meet all conditions (records of the type queryConditions)."""
        return self._client.call("QueryJobs", conditions=list(conditions), flags=self._types.jobFlags(flag=list(flags)))

    def query_events(self, job_conditions: Sequence[Any], event_conditions: Sequence[Any] = ()) -> Iterator[Any]:
        """Events that meet all conditions, each a record with one member: the event under the name of its type."""
        return self._client.stream(
            "QueryEvents", child="events", jobConditions=list(job_conditions), eventConditions=list(event_conditions)
        )

    def job_log(self, jobid: str) -> list[Any]:
        """All events of a job in the order of their arrival, records as from query_events."""
        types = self._types
        record = types.queryRecord(op="EQUAL", value1=types.queryRecValue(c=jobid))
        return list(self.query_events([types.queryConditions(attr="JOBID", record=[record])]))
