"""Events of the batch systems PBS (codes from 101) and Condor (from 201), lb.md 2.4.2 and 2.4.3."""

from lb.model.catalogue import choice, double, event, family, number, port, source, tags, text
from lb.model.families import OUTCOME

_WHY = "why, in words"

PBS = family(
    "PBS",
    100,
    "2.0",
    event(
        "PBSInternalStateChange",
        "PBS moved the job between its own states.",
        number("oldstate", "state before", null=-1),
        number("oldsubstate", "substate before", null=-1),
        number("newstate", "state after, 0 to 6", null=-1),
        number("newsubstate", "substate after", null=-1),
        since="3.3",
    ),
    event(
        "PBSTransfer",
        "A part of PBS hands the job over.",
        source("destination", "the component that is to receive the job"),
        text("dest_instance", "its instance", opt=True),
        choice("result", "outcome of the attempt", OUTCOME),
        text("reason", _WHY, opt=True),
        text("dest_jobid", "the identifier that the receiver gave", opt=True),
        since="3.3",
    ),
    event(
        "PBSAccepted",
        "The hand-over was taken.",
        source("from", "the component that sent the job"),
        text("from_instance", "its instance", opt=True),
        text("local_jobid", "the identifier in the receiver's own terms", opt=True),
        since="3.3",
    ),
    event(
        "PBSRefused",
        "The hand-over was not taken.",
        source("from", "the component that sent the job"),
        text("from_instance", "its instance", opt=True),
        text("reason", _WHY, opt=True),
        since="3.3",
    ),
    event(
        "PBSQueued",
        "The job waits in a queue.",
        text("queue", "name of the queue"),
        text("name", "name of the job"),
        text("owner", "its owner in PBS"),
    ),
    event("PBSDequeued", "The job left its queue."),
    event(
        "PBSMatch",
        "The scheduler chose an execution host.",
        text("dest_host", "the host"),
    ),
    event(
        "PBSPending",
        "The scheduler found no host, or failed.",
        text("reason", _WHY),
    ),
    event("PBSWaiting", "The job waits for some condition.", since="3.3"),
    event(
        "PBSRun",
        "An attempt to start the job.",
        text("scheduler", "the scheduler", opt=True),
        text("dest_host", "the execution host", opt=True),
        number("pid", "process identifier", opt=True),
    ),
    event("PBSRerun", "The job is to run once more."),
    event("PBSAbort", "PBS gave the job up.", since="3.3"),
    event(
        "PBSDone",
        "The job is over.",
        number("exit_status", "exit status", opt=True),
    ),
    event(
        "PBSResourceUsage",
        "Resources asked for, or used.",
        choice("usage", "asked for or used", "REQUESTED USED"),
        tags("resources", "what and how much", since="3.3"),
    ),
    event(
        "PBSError",
        "Any error.",
        text("error_desc", "the error in words"),
    ),
)

CONDOR = family(
    "Condor",
    200,
    "2.0",
    event(
        "CondorMatch",
        "A machine was found.",
        text("owner", "owner of the job"),
        text("dest_host", "the machine"),
        text("preempting", "who has to give way", opt=True),
    ),
    event(
        "CondorReject",
        "No machine was found.",
        text("owner", "owner of the job"),
        choice("status_code", "what stood in the way", "NOMATCH OTHER"),
    ),
    event(
        "CondorShadowStarted",
        "The shadow process is up.",
        text("shadow_host", "its host"),
        port("shadow_port", "its port"),
        number("shadow_pid", "its process identifier"),
        text("shadow_status", "its status", opt=True),
    ),
    event(
        "CondorShadowExited",
        "The shadow process is gone.",
        number("shadow_pid", "its process identifier"),
        number("shadow_exit_status", "its exit status", null=-1),
    ),
    event(
        "CondorStarterStarted",
        "The starter process is up.",
        number("starter_pid", "its process identifier", opt=True),
        text("universe", "Condor universe of the job", opt=True),
    ),
    event(
        "CondorStarterExited",
        "The starter process is gone.",
        number("starter_pid", "its process identifier", opt=True),
        number("starter_exit_status", "its exit status", opt=True, null=-1),
        number("job_pid", "process identifier of the job", opt=True),
        number("job_exit_status", "exit status of the job", opt=True, null=-1),
    ),
    event(
        "CondorResourceUsage",
        "A resource asked for, or used.",
        choice("usage", "asked for or used", "REQUESTED USED"),
        text("name", "which resource"),
        double("quantity", "how much", opt=True),
        text("unit", "in which unit"),
    ),
    event(
        "CondorError",
        "Any error.",
        text("error_desc", "the error in words"),
    ),
)
