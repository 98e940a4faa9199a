"""Events of the CREAM computing element: codes from 301 (lb.md 2.4.4)."""

from lb.model.catalogue import choice, event, family, moment, source, text
from lb.model.families import CREAM_COMMAND, END_CODE, STEP
from lb.model.since import UNKNOWN

_WHY = "why, in words"
_RESULT = "START OK FAILED"

CREAM = family(
    "CREAM",
    300,
    "2.1",
    event("CREAMStart", "CREAM begins to handle a registered job."),
    event("CREAMPurge", "A purge was asked for."),
    event(
        "CREAMAccepted",
        "CREAM has taken the job.",
        text("local_jobid", "the identifier in CREAM", opt=True),
        since=UNKNOWN,
    ),
    event(
        "CREAMStore",
        "A command was written into CREAM's store of commands.",
        choice("command", "which command", CREAM_COMMAND),
        text("cmdid", "its identifier in the store", opt=True),
        choice("result", "outcome of the attempt", _RESULT),
        text("reason", _WHY, opt=True),
    ),
    event(
        "CREAMCall",
        "A command is carried out towards the batch system.",
        source("callee", "the component called"),
        choice("command", "which command", CREAM_COMMAND),
        text("cmdid", "its identifier in the store", opt=True),
        text("destid", "the identifier at the component called", opt=True),
        choice("result", "outcome of the attempt", _RESULT),
        text("reason", _WHY, opt=True),
    ),
    event(
        "CREAMRunning",
        "The job wrapper runs.",
        text("node", "the worker node", opt=True),
    ),
    event("CREAMReallyRunning", "The user's own program runs."),
    event(
        "CREAMDone",
        "The execution has ended.",
        choice("status_code", "how it ended", END_CODE),
        text("reason", _WHY, opt=True),
        text("exit_code", "exit code, or N/A", opt=True),
    ),
    event(
        "CREAMCancel",
        "A step of a cancellation.",
        choice("status_code", "which step", STEP),
        text("reason", _WHY, opt=True),
    ),
    event(
        "CREAMAbort",
        "CREAM has given the job up.",
        text("reason", _WHY),
    ),
    event(
        "CREAMStatus",
        "The job changed its state in CREAM: the main carrier of CREAM states.",
        text("old_state", "state before", opt=True),
        text("new_state", "state after"),
        moment("orig_timestamp", "when CREAM saw the change", opt=True),
        choice("result", "whether the change is announced or has been made", "ARRIVED DONE"),
        text("descr", "the change in words", opt=True),
        text("exit_code", "exit code, or N/A", opt=True, since=UNKNOWN),
        text("failure_reason", "what went wrong, in words", opt=True, since=UNKNOWN),
        text("worker_node", "the worker node", opt=True, since=UNKNOWN),
        text("LRMS_jobid", "the identifier in the batch system", opt=True, since=UNKNOWN),
    ),
    event(
        "CREAMSuspend",
        "A step of a suspension.",
        choice("status_code", "which step", STEP),
        text("reason", _WHY, opt=True),
        since=UNKNOWN,
    ),
    event(
        "CREAMResume",
        "A step of a resumption.",
        choice("status_code", "which step", STEP),
        text("reason", _WHY, opt=True),
        since=UNKNOWN,
    ),
)
