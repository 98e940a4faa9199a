"""The event types, one table per family (lb.md 2.4). Order is meaning: codes follow it."""

OUTCOME = "START OK REFUSED FAIL"
END_CODE = "OK FAILED CANCELLED KILLED"
STEP = "REQ REFUSE DONE ABORT"
CREAM_COMMAND = "CMDSTART CMDCANCEL CMDPURGE CMDSUSPEND CMDRESUME"
JOB_TYPES = (
    "SIMPLE DAG PARTITIONABLE PARTITIONED COLLECTION PBS CONDOR CREAM FILE_TRANSFER_COLLECTION FILE_TRANSFER"
    " VIRTUAL_MACHINE"
)
"""Job types of RegJob and ConnectJob, numbered from 1 there; the status numbers them from 0 (lb.md 3.2)."""
JOB_TYPES_LATER = {
    "PBS": "2.0",
    "CONDOR": "2.0",
    "CREAM": "2.1",
    "FILE_TRANSFER_COLLECTION": "2.1",
    "FILE_TRANSFER": "2.1",
    "VIRTUAL_MACHINE": "3.3",
}
"""Job types that a registration may have had only later than others."""
