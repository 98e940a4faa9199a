"""What the fuzzer of LB's model begins with: one of each that is right."""

from lb.model import eventjson, eventxml, machine, native, ulm, ulmlines
from lb.model.acl import Acl, Entry
from lb.model.catalogue import Field, Kind
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, subjobs
from lb.model.seqcode import CondorCode, PbsCode, SeqCode

_JOB = JobId("h", 9000, "a")
_VALUES = {
    Kind.TEXT: 'b "\\\n', Kind.INT: 7, Kind.PORT: 80, Kind.DOUBLE: 0.5, Kind.SOURCE: "LRMS", Kind.JOBID: _JOB,
    Kind.TIME: (1, 2), Kind.TAGS: (("c", "d"),),
}


def _value(field: Field) -> object:
    return field.values[0] if field.kind is Kind.ENUM else _VALUES[field.kind]


def _event(name: str, code: str, job: JobId = _JOB, **fields: object) -> bytes:
    kind = EVENTS[name]
    held = {field.name: _value(field) for field in kind.fields} | fields
    return ulm.encode(ulm.write(Event(kind, (1, 2), "h", "SYSTEM", 4, job, code, "u", "LogMonitor", "", held)))


def _code(number: int) -> str:
    return str(SeqCode(ui=3, wm=1, lm=number))


_LIVES = [
    b"\n".join(
        _event(name, _code(number), jobtype=jobtype) if name == "RegJob" else _event(name, _code(number))
        for number, name in enumerate(names.split())
    )
    for jobtype, names in (
        ("SIMPLE", "RegJob Accepted EnQueued Match Transfer Running UserTag Done Clear"),
        ("SIMPLE", "RegJob Match Running ReallyRunning Done Resubmission EnQueued Abort"),
        ("COLLECTION", "RegJob CollectionState Cancel Suspend Resume ChangeACL GrantPayloadOwnership Sandbox"),
        ("CREAM", "RegJob CREAMAccepted CREAMStore CREAMCall CREAMStatus CREAMCancel CREAMAbort"),
        ("PBS", "RegJob PBSAccepted PBSQueued PBSMatch PBSRun PBSDone PBSResourceUsage PBSError"),
        ("CONDOR", "RegJob CondorMatch CondorShadowStarted CondorStarterStarted CondorStarterExited"),
        ("FILE_TRANSFER", "RegJob FileTransferRegister FileTransfer Sandbox"),
        ("VIRTUAL_MACHINE", "RegJob VMCreate VMHost VMRunning VMShutdown VMStop VMResume VMDone"),
    )
]
_STATES = [
    machine.run(machine.new_status(_JOB), [ulm.parse(line) for line in life.split(b"\n")]) for life in _LIVES
]
_FAMILY = b"\n".join((
    _event("RegJob", "", jobtype="COLLECTION", nsubjobs=2, seed="s", parent=None),
    *(_event(name, _code(number), child) for child in subjobs(_JOB, "s", 2)
      for number, name in enumerate(("Running", "Done"))),
))
_ACL = Acl().add(
    Entry("DN", "/CN=u", allow=frozenset({"READ"})), Entry("FQAN", "/vo/Role=a", deny=frozenset({"TAG"})),
)
_NOTIFICATION = ulmlines.Notification((1, 2), "h", JobId("h", 9000, "NOTIF:a"), "/CN=u", "<jobStat>&amp;</jobStat>", 7)

SEEDS: dict[str, list[bytes]] = {
    "event line": [_event(name, _code(1)) for name in EVENTS],
    "notification or command line": [
        ulm.encode(ulmlines.write_notification(_NOTIFICATION)),
        ulm.encode(ulmlines.write_command(ulmlines.Command((1, 2), "h", 120, _JOB))),
        ulmlines.logger_prefix(17, "/CN=u").encode() + _event("Purge", "").replace(b' DG.USER="u"', b""),
    ],
    "sequence codes": [
        f"{_code(1)}\n{_code(1)[:91]}\n{_code(2)}".encode(),
        f"{PbsCode(1, 2, 3, 4, 5)}\n{PbsCode(1, 2, 3, 4, 6)}".encode(),
        f"{CondorCode('20260218215512', '0000000100', '017', 'C')}\nTIMESTAMP=1:EV.CODE=".encode(),
    ],
    "job id": [b"https://h.example.org:9000/NOTIF:a-_1?info", b"https://[::1]:70/FT:a", b"h.example.org:90", b"[::1]"],
    "date": [b"20260313114125.327248", b"20260230999999.5", b"00010101000000"],
    "stored state": [job.dump().encode() for job in _STATES],
    "life of a job": _LIVES,
    "event JSON": [ulm.encode(eventjson.to_json(ulm.parse(_event(name, _code(1))))) for name in EVENTS],
    "event XML": [eventxml.to_xml(ulm.parse(_event(name, _code(1)))).encode("latin-1") for name in EVENTS],
    "status XML": [native.to_xml(job.status).encode("latin-1") for job in _STATES],
    "access list": [_ACL.to_xml().encode(), Acl().to_xml().encode()],
    "jobs of a server": [_FAMILY, *_LIVES],
}
