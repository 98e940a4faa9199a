"""The parts of the LB web service that follow from no other table: its operations and the small types (lb.md 6)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One element of a type or of a message."""

    name: str
    type: str
    doc: str = ""
    optional: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """A sequence of elements."""

    name: str
    doc: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of the elements."""

    name: str
    doc: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Enumeration:
    """Texts, each with its meaning or an empty one."""

    name: str
    doc: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation with the children of its request and of its response."""

    name: str
    doc: str
    input: tuple[Member, ...]
    output: tuple[Member, ...]


_STRING = "xsd:string"
_TIME = "xsd:dateTime"

FLAGS = (
    ("CLASSADS", "Include the job descriptions, which are long."),
    ("CHILDREN", "Include the identifiers of the subjobs."),
    ("CHILDSTAT", "Include the states of the subjobs, with the same flags."),
    ("CHILDHIST_FAST", "Include the histogram of the subjobs as it is stored."),
    ("CHILDHIST_THOROUGH", "Include the histogram of the subjobs, counted afresh."),
)

QUERY_ATTRIBUTES = (
    ("JOBID", "Identifier of the job."),
    ("OWNER", "Subject name of the owner."),
    ("STATUS", "State, see statName."),
    ("LOCATION", "Component that holds the job."),
    ("DESTINATION", "Computing element."),
    ("DONECODE", "How the execution ended, see doneCode."),
    ("USERTAG", "Value of a user's remark; its name is in tagName."),
    ("TIME", "When a state was entered; the state is in statName."),
    ("LEVEL", "Level of an event."),
    ("RESUBMITTED", "Whether the job was submitted again."),
    ("PARENT", "The job that this one is part of."),
    ("EXITCODE", "Exit code of the job."),
    ("HOST", "Host that an event comes from."),
    ("SOURCE", "Component that an event comes from."),
    ("INSTANCE", "Instance of that component."),
    ("EVENTTYPE", "Type of an event."),
    ("CHKPTTAG", "Name of a checkpoint."),
    ("JDLATTR", "An attribute of the job description; its name is in tagName."),
    ("STATEENTERTIME", "When the present state was entered."),
    ("LASTUPDATETIME", "Time of the latest event."),
    ("NETWORKSERVER", "Service that took the job in."),
    ("JOBTYPE", "Kind of job, see jobtype."),
    ("VM_STATUS", "State of a virtual machine, see vmState."),
)

QUERY_OPERATORS = (
    ("EQUAL", "The attribute equals the value."),
    ("LESS", "The attribute is the value or less."),
    ("GREATER", "The attribute is the value or more."),
    ("WITHIN", "The attribute is from value1 to value2."),
    ("UNEQUAL", "The attribute differs from the value."),
    ("CHANGED", "The attribute has changed; in subscriptions only."),
)

ENUMS = (
    Enumeration("jobFlagsValue", "What a status is to contain beyond the ordinary.", FLAGS),
    Enumeration("queryAttr", "Attribute of a job or event that a condition is about.", QUERY_ATTRIBUTES),
    Enumeration("queryOp", "Relation of a condition.", QUERY_OPERATORS),
)

STRUCTS = (
    Struct(
        "jobFlags",
        "Any number of flags.",
        (Member("flag", "lbt:jobFlagsValue", optional=True, repeated=True),),
    ),
    Struct(
        "stateEnterTimesItem",
        "When a state was entered last.",
        (Member("state", "lbt:statName"), Member("time", _TIME, "1970-01-01T00:00:00Z if never.")),
    ),
    Struct(
        "childrenHistItem",
        "How many subjobs are in a state.",
        (Member("state", "lbt:statName"), Member("count", "xsd:int")),
    ),
    Struct("tagValue", "A name and its value.", (Member("tag", _STRING), Member("value", _STRING, optional=True))),
    Struct(
        "timeval",
        "A moment since 1970 UTC.",
        (Member("tvSec", "xsd:long", "Whole seconds."), Member("tvUsec", "xsd:long", "Microseconds.")),
    ),
    Struct(
        "genericFault",
        "One link of an error report; reason leads to what caused it.",
        (
            Member("source", _STRING, "The part that noticed the error.", optional=True),
            Member("code", "xsd:int", "POSIX error number, or one of Logging and Bookkeeping from 1401."),
            Member("text", _STRING, "The standard text of the code."),
            Member("description", _STRING, "What happened, in words.", optional=True),
            Member("reason", "lbt:genericFault", "The error behind this one.", optional=True),
        ),
    ),
    Struct(
        "queryConditions",
        "Conditions on one attribute, of which one has to hold.",
        (
            Member("attr", "lbt:queryAttr", "The attribute."),
            Member("tagName", _STRING, "Name of the user tag or of the job description attribute.", optional=True),
            Member("statName", "lbt:statName", "The state that TIME is about.", optional=True),
            Member("record", "lbt:queryRecord", "The conditions.", repeated=True),
        ),
    ),
    Struct(
        "queryRecord",
        "One condition.",
        (
            Member("op", "lbt:queryOp", "The relation."),
            Member("value1", "lbt:queryRecValue", "What the attribute is compared with.", optional=True),
            Member("value2", "lbt:queryRecValue", "The upper end, for WITHIN.", optional=True),
        ),
    ),
    Choice(
        "queryRecValue",
        "A value: number, text or moment.",
        (Member("i", "xsd:int"), Member("c", _STRING), Member("t", "lbt:timeval")),
    ),
)

_DUMMY = (Member("dummy", _STRING, "Not used.", optional=True),)
_FLAGS = Member("flags", "lbt:jobFlags", "What the states are to contain.")
_CONDITIONS = Member(
    "conditions", "lbt:queryConditions", "All of them have to hold; inside one, any record.", repeated=True
)
_FOUND = (
    Member("jobs", _STRING, "Identifiers of the jobs.", repeated=True),
    Member("states", "lbt:jobStatus", "Their states, in the same order.", repeated=True),
)
_NOTIF = Member("notifId", _STRING, "Identifier of the subscription.")
_DESTINATION = Member("destination", _STRING, "Where to deliver.")
_VALID_WISH = Member("valid", _TIME, "Until when the subscription is wanted.", optional=True)
_VALID = (Member("valid", _TIME, "Until when the subscription holds."),)

OPERATIONS = (
    Operation("GetVersion", "Answers the version of the server.", _DUMMY, (Member("version", _STRING),)),
    Operation("GetInterfaceVersion", "Answers the version of this interface.", _DUMMY, (Member("version", _STRING),)),
    Operation(
        "JobStatus",
        "Answers the state of one job.",
        (Member("jobid", _STRING, "Identifier of the job."), _FLAGS),
        (Member("stat", "lbt:jobStatus", "What is known of the job."),),
    ),
    Operation("UserJobs", "Answers all jobs of the caller.", (), _FOUND),
    Operation("QueryJobs", "Answers the jobs for which the conditions hold.", (_CONDITIONS, _FLAGS), _FOUND),
    Operation(
        "QueryEvents",
        "Answers the events for which the conditions hold, both those on jobs and those on events.",
        (
            Member("jobConditions", "lbt:queryConditions", "Conditions on the jobs.", repeated=True),
            Member("eventConditions", "lbt:queryConditions", "Conditions on the events.", repeated=True),
        ),
        (Member("events", "lbt:event", "The events, by job and in order of arrival.", repeated=True),),
    ),
    Operation(
        "GetIndexedAttrs",
        "Answers the attributes that the server has indices for.",
        _DUMMY,
        (Member("attrs", "lbt:queryConditions", "One per index.", repeated=True),),
    ),
    Operation(
        "GetServerLimit",
        "Answers the largest number of jobs in one answer.",
        _DUMMY,
        (Member("limit", "xsd:int", "0 means no limit."),),
    ),
    Operation(
        "NotifNew",
        "Subscribes to changes of jobs.",
        (_NOTIF, _DESTINATION, _CONDITIONS, _FLAGS, _VALID_WISH),
        _VALID,
    ),
    Operation("NotifBind", "Gives a subscription another destination.", (_NOTIF, _DESTINATION, _VALID_WISH), _VALID),
    Operation("NotifRefresh", "Prolongs a subscription.", (_NOTIF, _VALID_WISH), _VALID),
    Operation("NotifDrop", "Ends a subscription.", (_NOTIF,), ()),
)
