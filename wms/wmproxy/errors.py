"""What an operation refuses, with the numbers of wms.md 1.4, and the one place that makes SOAP faults of it."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from gsi.errors import DelegationError
from soap.faults import TypedFault
from wms.jdl import JdlError, JdlKind


class Code(IntEnum):
    """ErrorCode of the faults (wms.md 1.4), and one of ours."""

    NOT_AVAILABLE = errno.ENOSYS  # not built in this release
    FATAL = 1201
    IS_FAILURE = 1202
    FILE_SYSTEM_ERROR = 1203
    CONFIGURATION_ERROR = 1205
    AUTHENTICATION_ERROR = 1206
    AUTHORIZATION_ERROR = 1207
    PROXY_ERROR = 1212
    PROXY_EXPIRED = 1213
    NOT_A_VOMS_PROXY = 1214
    DELEGATION_ERROR = 1215
    JOB_NOT_DONE = 1217
    JOB_NOT_FOUND = 1218
    JDL_PARSING = 1219
    INVALID_JDL_ATTRIBUTE = 1220
    MATCHMAKING = 1221
    NO_SUITABLE_RESOURCE = 1222
    INVALID_ARGUMENT = 1225
    OPERATION_NOT_ALLOWED = 1226
    LOGGING_ERROR = 1227


FAULTS = {
    Code.AUTHENTICATION_ERROR: "AuthenticationFault",
    Code.AUTHORIZATION_ERROR: "AuthorizationFault",
    Code.PROXY_ERROR: "AuthorizationFault",
    Code.PROXY_EXPIRED: "AuthorizationFault",
    Code.NOT_A_VOMS_PROXY: "AuthorizationFault",
    Code.DELEGATION_ERROR: "AuthorizationFault",
    Code.JOB_NOT_DONE: "OperationNotAllowedFault",
    Code.JOB_NOT_FOUND: "JobUnknownFault",
    Code.JDL_PARSING: "InvalidArgumentFault",
    Code.MATCHMAKING: "NoSuitableResourcesFault",
    Code.NO_SUITABLE_RESOURCE: "NoSuitableResourcesFault",
    Code.INVALID_ARGUMENT: "InvalidArgumentFault",
    Code.OPERATION_NOT_ALLOWED: "OperationNotAllowedFault",
}
"""Fault class of each code; every other code, 1220 too, is a GenericFault (wms.md 1.4)."""

PREFIXES = {
    Code.JOB_NOT_DONE: "The Operation is not allowed: ",
    Code.OPERATION_NOT_ALLOWED: "The Operation is not allowed: ",
    Code.PROXY_ERROR: "Proxy exception: ",
    Code.PROXY_EXPIRED: "Proxy exception: ",
    Code.NOT_A_VOMS_PROXY: "Proxy exception: ",
    Code.DELEGATION_ERROR: "Proxy exception: ",
}


class OperationError(Exception):
    """An operation is refused or has failed; *description* is fit for the client's eyes."""

    def __init__(self, code: Code, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def from_jdl(error: JdlError) -> OperationError:
    """A mistake in the description: line and attribute are in the text (wms.md 2.3)."""
    first = error.kind
    code = Code.JDL_PARSING
    if first is JdlKind.SYNTAX and error.attribute.lower() == "jobtype":
        code = Code.INVALID_JDL_ATTRIBUTE  # "Composite Job Type not yet supported", wms.md 1.7
    if first is JdlKind.UNAVAILABLE:
        code = Code.NOT_AVAILABLE
    return OperationError(code, f"{first.value}: {error}")


def from_delegation(error: DelegationError) -> OperationError:
    return OperationError(Code.DELEGATION_ERROR, str(error))


def fault(types: Any, operation: str, error: OperationError) -> TypedFault:
    """The SOAP fault of *error*; *types* are the record classes of the WMProxy contract."""
    name = FAULTS.get(error.code, "GenericFault")
    description = PREFIXES.get(error.code, "") + error.description
    record = getattr(types, f"{name}Type")(
        methodName=operation,
        Timestamp=datetime.now(UTC),
        ErrorCode=str(int(error.code)),
        Description=description,
    )
    return TypedFault(name, record, faultstring=description)
