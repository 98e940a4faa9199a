"""What is known about each attribute of a job description: its type (wms.md 2.2, type classes of the checker)."""

from __future__ import annotations

from enum import Enum


class Type(Enum):
    """Type classes; the value is how an error message names them."""

    STRING = "a string"
    INTEGER = "an integer"
    BOOLEAN = "true or false"
    STRINGS = "a list of strings"
    ADS = "a list of records"
    RECORD = "a record"
    EXPRESSION = "an expression"
    ANY = "any value"


def _table(types: dict[Type, str]) -> dict[str, Type]:
    return {name.lower(): type_ for type_, names in types.items() for name in names.split()}


TYPES = _table(
    {
        Type.INTEGER: """
            NodeNumber CpuNumber ListenerPort RetryCount ShallowRetryCount PartitionNumber PerusalTimeInterval
            ExpiryTime SMPGranularity HostNumber DefaultNodeRetryCount DefaultNodeShallowRetryCount""",
        Type.BOOLEAN: """
            FuzzyRank PerusalFileEnable ShortDeadlineJob AllowZippedISB WholeNodes EnableWmsFeedback
            NodesCollocation""",
        Type.ADS: "OutputData DataRequirements",
        Type.STRINGS: """
            UserContact InputSandbox OutputSandbox Environment JobType InputData DataAccessProtocol CeMatch
            OutputSandboxDestURI InputSandboxDestFileName SignificantAttributes ZippedISB""",
        Type.RECORD: "UserTags",
        Type.EXPRESSION: "Requirements Rank",
        Type.ANY: "DataCatalog CE_Rank fuzzy_factor",
        Type.STRING: """
            Type Executable Arguments StdInput StdOutput StdError Prologue PrologueArguments Epilogue EpilogueArguments
            InputSandboxBaseURI OutputSandboxBaseDestURI SubmitTo OutputSE VirtualOrganisation MyProxyServer HLRLocation
            JobProvenance LBAddress PerusalFilesDestURI ListenerHost ListenerPipeName NodeName File
            CertificateSubject VOMS_FQAN X509UserProxy edg_jobid LB_sequence_code WMPInputSandboxBaseURI
            InputSandboxPath OutputSandboxPath PerusalListFileURI""",
    }
)

# Set by the service, never trusted from the user (wms.md 2.2): dropped from a submitted description.
SERVER_SET = (
    "CertificateSubject",
    "VOMS_FQAN",
    "X509UserProxy",
    "edg_jobid",
    "LB_sequence_code",
    "WMPInputSandboxBaseURI",
    "InputSandboxPath",
    "OutputSandboxPath",
    "PerusalListFileURI",
    "ReplansCount",
    "ReallyRunningToken",
    "edg_previous_matches",
    "CEInfoHostName",
    "CeApplicationDir",
    "CeRequirements",
    "ce_id",
    "lrms_type",
    "QueueName",
    "GlobusResourceContactString",
    "MwVersion",
    "edg_dagid",
)
