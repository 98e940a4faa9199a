"""Since when there is an event, a field, a value: the product lines of the original.

``since`` is the first line *known* to have a thing: an older one is possible, but for what is of 1.x, the oldest. Where
nothing tells, it is ``UNKNOWN``.

What tells, besides the facts (lb.md, the table of product lines, 11.3 and the remarks in 2.4):

* the definition of events in the public history of the original, `glite-lb: org.glite.lb.types/events.T`, before 2.0
  `org.glite.lb/project/events.T`. The very first text (commit 9910b384) has the events 1 to 23 without Done KILLED,
  Resubmission SHALLOW, jobs of types beyond PARTITIONED, and a Notification without ``expires`` and ``dest_url``;
* the changes of the modules, their `project/ChangeLog`. Versions of the module ``types`` belong to lines thus: 1.0 to
  2.0 ("LB 2.0 release"), 1.1 to 2.1, 1.2 to 3.0, 1.3 to 3.1 and 3.2, 1.4 to 3.3, 2.0 to 4.0; of ``server``: 1.8 and 1.9
  to 1.x, 2.0 to 2.0, 2.1 to 2.1, 2.2 to 3.0, 2.3 to 3.1 and 3.2, 2.4 to 3.3, 3.0 to 4.0;
* the User's Guide, which says of some things "as of".

| thing | line | by what |
|---|---|---|
| events 1 to 23 but as above | 1.x | first events.T |
| ReallyRunning, SHALLOW | 1.x | server 1.8.1: the code of a shallow branch, jobs with ReallyRunning |
| Notification.expires | 1.x | server 1.8.2: expiration of notifications |
| CollectionState, collections | 1.x | server 1.9.0 names the event; code 28 is by position, so 24 to 27 are there too |
| ResourceUsage | 1.x | server 1.9.2 ignores it in states |
| events of PBS but for Torque, of Condor; their jobs | 2.0 | in the code that 2.0 was made from; 1.x is not excluded |
| FQAN in an access list | 2.0 | User's Guide, ChangeACL |
| Done KILLED | 2.1 | events.T before ``wms_dn`` came; nothing older has it |
| first events of CREAM, of file transfers; their jobs | 2.1 | types 1.1.0; User's Guide: "essential support" in 2.1 |
| RegJob.wms_dn, the flag for exclusive registrations | 2.1 | server 2.1.0 |
| permission TAG | 3.0 | types 1.2.0, User's Guide |
| ownership of the payload | 3.0 | types 1.2.1, User's Guide |
| Notification.dest_url | 3.0 | server 2.2.0: messaging by dest_url |
| events of Torque, its sources; PBSResourceUsage.resources | 3.3 | types 1.4.0, server 2.4.1; server 2.3.0 names \
Torque, but types 1.3 has nothing of it |
| virtual machines, connected jobs | 3.3 | types 1.4.2 to 1.4.5, server 2.4.6 |
| CANCELLED and PURGED of the status attribute ``cream_state`` | 4.0 | types 2.0.6 |
| CREAMAccepted, CREAMSuspend, CREAMResume; the sources of CREAM | unknown | after 2.1 began, by 3.3 |
| CREAMStatus.exit_code, failure_reason, worker_node, LRMS_jobid | unknown | after 2.1 began, by 3.3 |
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LINES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1.x": "gLite 3.1 and before",
        "2.0": "gLite 3.2",
        "2.1": "gLite 3.2",
        "3.0": "EMI-1",
        "3.1": "EMI-1, an update",
        "3.2": "EMI-2",
        "3.3": "what became 4.0",
        "4.0": "EMI-3",
    }
)
"""The product lines in their order, and where each was shipped (lb.md, the table at its beginning)."""

UNKNOWN: Final = "unknown"
"""Nothing tells since when."""
