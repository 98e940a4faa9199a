"""Write the tables of the documentation that follow from the code: `make docs`.

README.md: the operations that are not available yet. docs/operations.md: every operation, and who may call it.
docs/events.md: every event and every attribute of a status.
docs/states.md, docs/diagrams: the rules of the states of jobs, with their diagrams (`docs.states`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs import states
from docs.events import events_document
from docs.markdown import table
from gsi.authz import Access, Requirement, Resource, declared
from jpis.service import IndexServer
from jpps.service import PrimaryStorage
from lb.server.webservice import LoggingAndBookkeeping
from soap.contract import load
from soap.service import is_available
from wms.wmproxy.delegation import Delegation1, Delegation2
from wms.wmproxy.service import WmProxyService

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- operations: written by `make docs` -->", "<!-- /operations -->"

#: Every port of every service: its name in the tables, contract, port, and the class that answers.
PORTS: tuple[tuple[str, str, str | None, type], ...] = (
    ("Primary Storage", "JobProvenancePS", None, PrimaryStorage),
    ("Index Server", "JobProvenanceIS", None, IndexServer),
    ("Logging and Bookkeeping", "LB", None, LoggingAndBookkeeping),
    ("WMProxy", "WMProxy", None, WmProxyService),
    ("Delegation 1", "delegation-1.1.0", None, Delegation1),
    ("Delegation 2", "WMProxy-gridsite-delegation-2.0.0", None, Delegation2),
)

WHO = {
    Access.ANYONE: "anyone", Access.AUTHENTICATED: "any authenticated peer", Access.TRUSTED_PEER: "trusted peers",
    Access.JOB_OWNER: "the job's owner", Access.JOB_READER: "who may read the job", Access.ADMIN: "administrators",
    Access.SUBSCRIBER: "trusted index servers", Access.FEED_OWNER: "the feed's subscriber",
}
WHAT = {
    Resource.NOTHING: "", Resource.SERVICE: "the service", Resource.JOB: "jobs", Resource.DELEGATION: "delegations",
    Resource.FEED: "feeds",
}


OPERATIONS = """\
# Operations

Written by `make docs` from the contracts and the services. An operation that is not \
available answers a fault with code 38 (ENOSYS). What is protected: what could be read, changed or used up by \
somebody without the right.
"""


@dataclass(frozen=True)
class Row:
    """One operation of one port. requirement: None when its method declares nothing."""

    service: str
    operation: str
    available: bool
    requirement: Requirement | None


def rows() -> Iterator[Row]:
    """All operations of all ports, in the order of the contracts."""
    for service, contract, port, handler in PORTS:
        for operation in load(contract).port(port).operations.values():
            method = getattr(handler, operation.method)
            yield Row(service, operation.name, is_available(method), declared(method))


def missing_table() -> str:
    """The operations that answer ENOSYS, one row a service."""
    missing: dict[str, list[str]] = {}
    for row in rows():
        if not row.available:
            missing.setdefault(row.service, []).append(f"`{row.operation}`")
    by_service = ((service, ", ".join(names)) for service, names in missing.items())
    return table(("service", "operations not available yet"), by_service)


def operations_document() -> str:
    """docs/operations.md."""
    head = ("service", "operation", "available", "who may call it", "what is protected")
    return f"{OPERATIONS}\n{table(head, map(_cells, rows()))}\n"


def _cells(row: Row) -> tuple[str, ...]:
    assert row.requirement is not None and row.requirement.protects is not None, f"{row.operation} declares nothing"
    who = " or ".join(WHO[access] for access in row.requirement.accesses)
    available = "yes" if row.available else "not yet"
    return row.service, f"`{row.operation}`", available, who, WHAT[row.requirement.protects]


def readme(text: str) -> str:
    """The README with the table between its marks renewed."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{missing_table()}\n{END}{tail}"


def main() -> None:
    """Write the files."""
    (ROOT / "docs" / "operations.md").write_text(operations_document())
    (ROOT / "docs" / "events.md").write_text(events_document())
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text()))
    states.write()


if __name__ == "__main__":
    main()
