"""jobRegister: from the user's text to a job that is known to LB and can be started (wms.md 1.7).

    check ─► job id ─► RegJob at the LB server ─► UserTags ─► directory, proxy, .gacl, JDLOriginal ─► JDLToStart

JDLToStart is written last: a directory without it is a registration that nobody was told of.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass

from gsi.delegation import Delegated
from gsi.gacl import Gacl
from gsi.peer import Peer
from lb.model import jobid as jobids
from lb.model.jobid import JobId
from wms.jdl import Jdl, JdlError, JdlKind, apply_service_defaults, check, parse, resolve_input_sandbox
from wms.jdl.attributes import SERVER_SET
from wms.jobdirectory import JobDirectory

from .errors import Code, OperationError, from_jdl
from .kit import Kit
from .proxies import delegated
from .uris import directory_uri

log = logging.getLogger(__name__)

MAX_CHARACTERS = 1 << 20  # of a description: reading more takes seconds that other clients wait


@dataclass(frozen=True)
class Request:
    """A checked description with the identity behind it."""

    jdl: Jdl
    text: str  # as the user sent it
    delegated: Delegated
    owner: str  # DN


def checked(kit: Kit, peer: Peer, text: str, delegation_id: str | None) -> Request:
    """The checks that registration and listMatch share; the virtual organisation is filled in.

    :raises OperationError: whatever is wrong with proxy or description.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"the description of a single job may have {MAX_CHARACTERS} characters, not {len(text)}"
        raise OperationError(Code.JDL_PARSING, message)
    proxy = delegated(kit.delegations, peer, delegation_id, kit.trust)
    try:
        jdl = parse(text)
        check(jdl)
        _set_identity(kit, jdl, peer.dn, proxy.peer.fqans)
    except JdlError as error:
        raise from_jdl(error) from error
    return Request(jdl, text, proxy, peer.dn)


def _set_identity(kit: Kit, jdl: Jdl, dn: str, fqans: tuple[str, ...]) -> None:
    """What the service knows itself is never taken from the user (wms.md 2.2)."""
    for name in SERVER_SET:
        jdl.remove(name)
    vo = fqans[0].strip("/").split("/")[0] if fqans else kit.settings.common.default_vo
    if not vo:
        raise OperationError(Code.NOT_A_VOMS_PROXY, "the proxy names no virtual organisation: make a VOMS proxy")
    wanted = jdl.string("VirtualOrganisation")
    if wanted and wanted.lower() != vo.lower():
        problem = jdl.error(JdlKind.MISMATCH, "VirtualOrganisation", f"{wanted!r} is not the proxy's, which is {vo!r}")
        raise OperationError(Code.INVALID_JDL_ATTRIBUTE, f"{problem.kind.value}: {problem}")
    jdl.set("VirtualOrganisation", wanted or vo)
    jdl.set("CertificateSubject", dn)
    if fqans:
        jdl.set("VOMS_FQAN", fqans[0])


def register(kit: Kit, request: Request) -> JobDirectory:
    """Register a checked job; when this returns, the job survives whatever happens to the service.

    :raises OperationError: LOGGING_ERROR when no LB server takes it, FILE_SYSTEM_ERROR when it cannot be written.
    """
    jobid, seqcode = _at_bookkeeping(kit, request)
    directory = kit.directory(str(jobid))
    try:
        seqcode = _log_tags(kit, request, jobid, seqcode)
        _write(kit, request, directory, seqcode)
    except OSError as error:
        log.error("job %s cannot be registered: %s", jobid, error)
        directory.remove()
        raise OperationError(Code.FILE_SYSTEM_ERROR, "the job directory cannot be written") from error
    log.info("registered %s for %s, VO %s", jobid, request.owner, request.jdl.string("VirtualOrganisation"))
    return directory


def _at_bookkeeping(kit: Kit, request: Request) -> tuple[JobId, str]:
    """Register at the user's LB server, or at one of the configured ones, in random order until one answers."""
    wanted = request.jdl.string("LBAddress")
    servers = [wanted] if wanted else random.sample(kit.settings.lb_servers, len(kit.settings.lb_servers))
    for server in servers:
        jobid = jobids.new(server)
        path = f"{kit.directory(str(jobid)).relative}/JDLToStart"
        seqcode = kit.bookkeeping.register(jobid, jdl=path, credential=request.delegated.credential)
        if seqcode is not None:
            return jobid, seqcode
    raise OperationError(Code.LOGGING_ERROR, f"job registration failed at {', '.join(servers)}")


def _log_tags(kit: Kit, request: Request, jobid: JobId, seqcode: str) -> str:
    tags = request.jdl.get("UserTags")
    if not isinstance(tags, Jdl):
        return seqcode
    logger = kit.bookkeeping.logger(jobid, request.owner, seqcode)
    for name in tags:
        seqcode = logger.log("UserTag", name_=name, value=tags.string(name))
    return seqcode


def _write(kit: Kit, request: Request, directory: JobDirectory, seqcode: str) -> None:
    directory.create()
    proxy = request.delegated.credential.to_pem()
    directory.write(directory.proxy, proxy)
    directory.write(directory.proxy_backup, proxy)
    directory.write(directory.gacl, Gacl.of_owner(request.owner).write())
    directory.write(directory.jdl_original, request.text)
    jdl = _registered(kit, request.jdl, directory)
    jdl.set("LB_sequence_code", seqcode)
    kit.job_proxies.follow(directory, request.delegated)
    directory.write(directory.jdl_to_start, jdl.text())


def _registered(kit: Kit, original: Jdl, directory: JobDirectory) -> Jdl:
    """The description with everything that registration adds (wms.md 1.7, table)."""
    jdl = original.copy()
    base = directory_uri(kit.settings, directory)
    jdl.remove("UserTags")
    for name in ("MyProxyServer", "JobProvenance"):
        if jdl.string(name) == "":
            jdl.remove(name)
    apply_service_defaults(jdl)
    resolve_input_sandbox(jdl, base)
    jdl.set("edg_jobid", directory.jobid)
    jdl.set("WMPInputSandboxBaseURI", base)
    jdl.set("InputSandboxPath", str(directory.input))
    jdl.set("OutputSandboxPath", str(directory.output))
    jdl.set("X509UserProxy", str(directory.proxy))
    return jdl
