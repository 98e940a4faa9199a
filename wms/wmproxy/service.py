"""The main port of WMProxy: one method for each operation of the contract (wms.md 1.2)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from gsi.authz import Access, Resource, requires
from gsi.errors import DelegationError
from lb.model.jobid import JobId, JobIdError
from soap.contract import Contract
from soap.faults import Fault, PosixFault
from soap.service import Call, not_yet
from wms.jdl import JdlError
from wms.jobdirectory import JobDirectory

from . import control
from .delegation import Delegations, peer_of
from .errors import Code, OperationError, fault, from_delegation, from_jdl
from .kit import Kit
from .listmatch import list_match
from .registration import checked, register
from .starting import start, unknown
from .uris import PROTOCOLS, chosen_protocols, directory_uri

VERSION = "3.6.0"
"""Answer of getVersion: from 3.0.0 on clients may leave the delegation id empty (wms.md 1.5)."""
DRAIN_FILE = ".drain"
DRAINED = "Unavailable service (the server is temporarily drained)"

F = TypeVar("F", bound=Callable[..., Any])


def operation(access: Access, resource: Resource) -> Callable[[F], F]:
    """Declare who may call an operation and what it protects; turn what goes wrong in it into the contract's faults."""

    def declare(method: F) -> F:
        @requires(access, protects=resource)
        @wraps(method)
        def guarded(self: WmProxyService, call: Call, **arguments: Any) -> Mapping[str, Any] | None:
            try:
                result: Mapping[str, Any] | None = method(self, call, **arguments)
            except OperationError as error:
                raise fault(self.types, call.operation, error) from error
            except JdlError as error:
                raise fault(self.types, call.operation, from_jdl(error)) from error
            except DelegationError as error:
                raise fault(self.types, call.operation, from_delegation(error)) from error
            return result

        return guarded  # type: ignore[return-value]

    return declare


def translator(contract: Contract) -> Callable[[PosixFault, str], Fault]:
    """Refusals of the policy, operations not built and internal errors as faults of the contract."""
    codes = {errno.EPERM: Code.AUTHORIZATION_ERROR, errno.ENOSYS: Code.NOT_AVAILABLE}

    def translate(posix: PosixFault, name: str) -> Fault:
        text = posix.description or posix.text
        if posix.code == errno.EPERM:
            text = f"Authorization error: user not authorized: {text}"
        return fault(contract.types, name, OperationError(codes.get(posix.code, Code.FATAL), text))

    return translate


class WmProxyService:
    """Handler of the port WMProxy_PortType."""

    def __init__(self, contract: Contract, kit: Kit) -> None:
        self.types = contract.types
        self.kit = kit
        self.delegations = Delegations(kit.delegations, kit.job_proxies)

    def _job(self, jobid: str | None) -> JobDirectory:
        """The directory of a job that is there.

        :raises OperationError: INVALID_ARGUMENT or JOB_NOT_FOUND.
        """
        try:
            directory = self.kit.directory(str(JobId.parse(jobid or "")))
            there = directory.exists
        except (JobIdError, ValueError) as error:
            raise OperationError(Code.INVALID_ARGUMENT, f"not a job identifier: {(jobid or 'empty')[:200]}") from error
        if not there:
            raise unknown(directory.jobid)
        return directory

    def _refuse_when_drained(self) -> None:
        if (self.kit.settings.common.document_root / DRAIN_FILE).exists():
            raise OperationError(Code.AUTHORIZATION_ERROR, DRAINED)

    # -- the service itself

    @operation(Access.AUTHENTICATED, Resource.NOTHING)
    def get_version(self, call: Call) -> Mapping[str, Any]:
        return {"version": VERSION}

    @operation(Access.AUTHENTICATED, Resource.NOTHING)
    def get_transfer_protocols(self, call: Call) -> Mapping[str, Any]:
        return {"items": self.types.StringList(Item=list(PROTOCOLS))}

    @operation(Access.AUTHENTICATED, Resource.NOTHING)
    def get_max_input_sandbox_size(self, call: Call) -> Mapping[str, Any]:
        return {"size": self.kit.settings.wmproxy.max_input_sandbox_bytes}

    @operation(Access.AUTHENTICATED, Resource.SERVICE)
    def get_total_quota(self, call: Call) -> Mapping[str, Any]:
        return {"softLimit": 0, "hardLimit": 0}  # block limits of 0: no quota is set (wms.md 1.7)

    @operation(Access.AUTHENTICATED, Resource.SERVICE)
    def get_free_quota(self, call: Call) -> Mapping[str, Any]:
        return {"softLimit": 0, "hardLimit": 0}

    # -- delegation, for old clients

    @operation(Access.AUTHENTICATED, Resource.DELEGATION)
    def get_proxy_req(self, call: Call, *, delegationID: str | None) -> Mapping[str, Any]:
        return {"request": self.delegations.request(peer_of(call), delegationID)[0]}

    @operation(Access.AUTHENTICATED, Resource.DELEGATION)
    def put_proxy(self, call: Call, *, delegationID: str | None, proxy: str | None) -> None:
        self.delegations.put(peer_of(call), delegationID, proxy)

    # -- submission

    @operation(Access.AUTHENTICATED, Resource.SERVICE)
    def job_register(self, call: Call, *, jdl: str | None, delegationId: str | None) -> Mapping[str, Any]:
        return {"jobIdStruct": self._identifier(self._register(call, jdl, delegationId))}

    @operation(Access.JOB_OWNER, Resource.JOB)
    def job_start(self, call: Call, *, jobId: str | None) -> None:
        self._refuse_when_drained()
        start(self.kit, self._job(jobId), peer_of(call).dn, _client(call))

    @operation(Access.AUTHENTICATED, Resource.SERVICE)
    def job_submit(self, call: Call, *, jdl: str | None, delegationId: str | None) -> Mapping[str, Any]:
        directory = self._register(call, jdl, delegationId)
        start(self.kit, directory, peer_of(call).dn, _client(call))
        return {"jobIdStruct": self._identifier(directory)}

    def _register(self, call: Call, jdl: str | None, delegation_id: str | None) -> JobDirectory:
        self._refuse_when_drained()
        return register(self.kit, checked(self.kit, peer_of(call), jdl or "", delegation_id))

    def _identifier(self, directory: JobDirectory) -> Any:
        path = f"{directory.relative}/input"
        return self.types.JobIdStructType(id=directory.jobid, name="", path=path)

    @operation(Access.AUTHENTICATED, Resource.SERVICE)
    def job_list_match(self, call: Call, *, jdl: str | None, delegationId: str | None) -> Mapping[str, Any]:
        self._refuse_when_drained()
        found = list_match(self.kit, peer_of(call), jdl or "", delegationId)
        return {"CEIdAndRankList": self._names_and_sizes(found)}

    def _names_and_sizes(self, pairs: list[tuple[str, int]]) -> Any:
        files = [self.types.StringAndLongType(name=name, size=size) for name, size in pairs]
        return self.types.StringAndLongList(file=files)

    # -- a job that is there

    @operation(Access.JOB_OWNER, Resource.JOB)
    def job_cancel(self, call: Call, *, jobId: str | None) -> None:
        control.cancel(self.kit, self._job(jobId), peer_of(call).dn)

    @operation(Access.JOB_OWNER, Resource.JOB)
    def job_purge(self, call: Call, *, jobId: str | None) -> None:
        control.purge(self.kit, self._job(jobId), peer_of(call).dn)

    @operation(Access.JOB_OWNER, Resource.JOB)
    def get_output_file_list(self, call: Call, *, jobId: str | None, protocol: str | None) -> Mapping[str, Any]:
        directory = self._job(jobId)
        chosen_protocols(protocol)
        return {"OutputFileAndSizeList": self._names_and_sizes(control.output_files(self.kit, directory))}

    @operation(Access.JOB_OWNER, Resource.JOB)
    def get_sandbox_dest_uri(self, call: Call, *, jobId: str | None, protocol: str | None) -> Mapping[str, Any]:
        return {"path": self.types.StringList(Item=self._destinations(self._job(jobId), protocol))}

    @operation(Access.JOB_OWNER, Resource.JOB)
    def get_sandbox_bulk_dest_uri(self, call: Call, *, jobId: str | None, protocol: str | None) -> Mapping[str, Any]:
        directory = self._job(jobId)
        one = self.types.DestURIStructType(id=directory.jobid, Item=self._destinations(directory, protocol))
        return {"DestURIsStructType": self.types.DestURIsStructType(Item=[one])}

    def _destinations(self, directory: JobDirectory, protocol: str | None) -> list[str]:
        return [directory_uri(self.kit.settings, directory, "input") for _ in chosen_protocols(protocol)]

    @operation(Access.JOB_OWNER, Resource.JOB)
    def get_jdl(self, call: Call, *, jobId: str | None, type: str | None) -> Mapping[str, Any]:  # noqa: A002
        directory = self._job(jobId)
        try:
            text = directory.jdl_original.read_text(encoding="utf-8") if type == "ORIGINAL" else directory.description()
        except FileNotFoundError as error:
            raise unknown(directory.jobid) from error
        return {"jdl": text}

    # -- not built yet

    job_register_jsdl = not_yet(Access.AUTHENTICATED, protects=Resource.SERVICE)
    job_submit_jsdl = not_yet(Access.AUTHENTICATED, protects=Resource.SERVICE)
    job_list_match_jsdl = not_yet(Access.AUTHENTICATED, protects=Resource.SERVICE)
    get_job_template = not_yet(Access.AUTHENTICATED, protects=Resource.NOTHING)
    get_dag_template = not_yet(Access.AUTHENTICATED, protects=Resource.NOTHING)
    get_collection_template = not_yet(Access.AUTHENTICATED, protects=Resource.NOTHING)
    get_int_parametric_job_template = not_yet(Access.AUTHENTICATED, protects=Resource.NOTHING)
    get_string_parametric_job_template = not_yet(Access.AUTHENTICATED, protects=Resource.NOTHING)
    get_acl_items = not_yet(Access.JOB_OWNER, protects=Resource.JOB)
    add_acl_items = not_yet(Access.JOB_OWNER, protects=Resource.JOB)
    remove_acl_item = not_yet(Access.JOB_OWNER, protects=Resource.JOB)
    get_delegated_proxy_info = not_yet(Access.AUTHENTICATED, protects=Resource.DELEGATION)
    get_job_proxy_info = not_yet(Access.JOB_OWNER, protects=Resource.JOB)
    enable_file_perusal = not_yet(Access.JOB_OWNER, protects=Resource.JOB)
    get_perusal_files = not_yet(Access.JOB_OWNER, protects=Resource.JOB)
    get_job_status = not_yet(Access.JOB_OWNER, protects=Resource.JOB)


def _client(call: Call) -> str:
    """The address the request came from, as the event Accepted names it (wms.md 1.7)."""
    return str(call.environ.get("REMOTE_ADDR", "unknown"))
