"""The description of a job that has been matched (wms.md 3.7, step 7)."""

from __future__ import annotations

from pathlib import Path

from spool.files import write_durably
from wms.broker import Match
from wms.infosys import CeId
from wms.jdl import Jdl

BROKER_INFO = ".BrokerInfo"


def matched_jdl(jdl: Jdl, ceid: str, host: str, seqcode: str) -> Jdl:
    """A copy with what the computing element needs to know."""
    name = CeId.parse(ceid)
    result = jdl.copy()
    result.set("ce_id", ceid)
    result.set("GlobusResourceContactString", name.contact)
    result.set("QueueName", name.queue)
    result.set("lrms_type", name.lrms)
    result.set("CEInfoHostName", host)
    result.set("LB_sequence_code", seqcode)
    return result


def write_broker_info(jdl: Jdl, match: Match) -> None:
    """Write `.BrokerInfo` into the job's input directory, if it has one."""
    path = _broker_info_path(jdl)
    if path is not None and path.parent.is_dir():
        write_durably(path, f"{_broker_info(jdl, match).text()}\n".encode())


def add_broker_info(jdl: Jdl) -> None:
    """Add the file to the job's input sandbox, if it was written."""
    path = _broker_info_path(jdl)
    if path is None or not path.exists():
        return
    # InputSandboxDestFileName, where it is given, has a name for every item.
    names = jdl.strings("InputSandboxDestFileName")
    if names:
        jdl.set("InputSandboxDestFileName", [*names, BROKER_INFO])
    jdl.set("InputSandbox", [*jdl.strings("InputSandbox"), BROKER_INFO])


def _broker_info_path(jdl: Jdl) -> Path | None:
    directory = jdl.string("InputSandboxPath")
    return Path(directory) / BROKER_INFO if directory else None


def _broker_info(jdl: Jdl, match: Match) -> Jdl:
    close = match.ad.lookup("CloseStorageElements") if match.ad is not None else None
    element = Jdl()
    element.set("name", match.ceid)
    element.set_expression("CloseStorageElements", str(close) if close is not None else "{ }")
    info = Jdl()
    info.set("ComputingElement", element.record)
    info.set("InputFNs", [])
    info.set("StorageElements", [])
    info.set("DataAccessProtocol", jdl.strings("DataAccessProtocol"))
    info.set("VirtualOrganisation", jdl.string("VirtualOrganisation") or "")
    return info


def submit_command(jdl: Jdl) -> str:
    """The hand-over to the computing element's queue as an ad (wms.md 5.4)."""
    arguments = Jdl()
    arguments.set("JobAd", jdl.record)
    command = Jdl()
    command.set("Protocol", "1.0.0")
    command.set("Source", 2)
    command.set("Command", "Submit")
    command.set("Arguments", arguments.record)
    return command.text()
