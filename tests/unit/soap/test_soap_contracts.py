"""The contracts say what the originals say: every operation, child, type and name (jp.md 1, wms.md 1, lb.md 6)."""

from pathlib import Path

import pytest
import zeep
from lxml import etree

import wsdl
from guarded import xml
from soap import contract
from soap.contract import Contract, Message, method_name
from soap.schema import ComplexType, Member, SimpleType

SERVICES = ["JobProvenancePS", "JobProvenanceIS", "LB", "WMProxy", "WMProxy-gridsite-delegation-2.0.0",
            "delegation-1.1.0"]

# name:type with ? (0..1), * (0..n), + (1..n); after -> the children of the response
PS = """
RegisterJob job:string owner:string ->
StartUpload job:string class:string name:string commitBefore:dateTime contentType:string -> destination:string commitBefore:dateTime
CommitUpload destination:string ->
RecordTag jobid:string tag:tagValue ->
RecordMultiTags jobs:jobRecord+ ->
FeedIndex destination:string attributes:string+ conditions:primaryQuery+ history:boolean continuous:boolean -> feedId:string feedExpires:dateTime
FeedIndexRefresh feedId:string -> feedExpires:dateTime
GetJobFiles jobid:string -> files:jppsFile+
GetJobAttributes jobid:string attributes:string+ -> attrValues:attrValue+
"""  # noqa: E501
IS = """
UpdateJobs feedId:string feedDone:boolean jobAttributes:jobRecord+ ->
QueryJobs conditions:indexQuery+ attributes:string+ -> jobs:jobRecord+
AddFeed feed:feedSession ->
GetFeedIDs feeds:feedSession+ ->
DeleteFeed feedId:string ->
ServerConfiguration -> attrs:attrType+ indexedAttrs:string+ plugins:string+ feeds:feedSession+
"""
JP_TYPES = """
tagValue name:string value:stringOrBlob?
genericFault source:string code:int text:string description:string? reason:genericFault?
primaryQuery attr:string op:queryOp origin:attrOrig? value:stringOrBlob? value2:stringOrBlob?
feedSession primaryServer:string condition:primaryQuery+ history:int continuous:int feedId:string?
jppsFile class:string name:string url:string
attrValue name:string value:stringOrBlob? timestamp:dateTime origin:attrOrig originDetail:string?
stringOrBlob string:string|nil blob:base64Binary|nil
jobRecord jobid:string owner:string? attributes:attrValue* primaryStorage:string* remove:boolean?
indexQuery attr:string origin:attrOrig? record:indexQueryRecord+
indexQueryRecord op:queryOp value:stringOrBlob? value2:stringOrBlob?
attrType name:string multival:yesNo queriable:yesNo
queryOp = EQUAL UNEQUAL LESS GREATER WITHIN EXISTS
attrOrig = SYSTEM USER FILE
yesNo = YES NO
"""
LB = """
GetVersion dummy:string? -> version:string
GetInterfaceVersion dummy:string? -> version:string
JobStatus jobid:string flags:jobFlags -> stat:jobStatus
"""
DELEGATION_1 = """
getProxyReq delegationID:string -> getProxyReqReturn:string
putProxy delegationID:string proxy:string ->
"""
DELEGATION_1_1 = """
getProxyReq delegationID:string -> getProxyReqReturn:string
getNewProxyReq -> getNewProxyReqReturn:NewProxyReq
renewProxyReq delegationID:string -> renewProxyReqReturn:string
putProxy delegationID:string proxy:string ->
getTerminationTime delegationID:string -> getTerminationTimeReturn:dateTime
destroy delegationID:string ->
"""
DELEGATION_2 = """
getVersion -> getVersionReturn:string
getInterfaceVersion -> getInterfaceVersionReturn:string
getServiceMetadata key:string -> getServiceMetadataReturn:string
""" + DELEGATION_1_1.lstrip()
WMPROXY = """
getVersion -> version:string | AN GE SO
getProxyReq delegationID:string -> request:string | AN GE AZ SO
putProxy delegationID:string proxy:string -> | AN GE AZ SO
getJDL jobId:string type:JdlType -> jdl:string | AN IA GE AZ JU SO
jobRegister jdl:string delegationId:string -> jobIdStruct:JobIdStructType | AN IA GE AZ SO
jobRegisterJSDL jsdl:JobDefinition_Type delegationId:string -> jobIdStruct:JobIdStructType | AN IA GE AZ SO
jobStart jobId:string -> | AN IA GE AZ JU NA SO
jobSubmit jdl:string delegationId:string -> jobIdStruct:JobIdStructType | AN IA GE AZ SO
jobSubmitJSDL delegationId:string jsdl:JobDefinition_Type -> jobIdStruct:JobIdStructType | AN IA GE AZ SO
jobCancel jobId:string -> | AN IA JU NA GE AZ SO
jobPurge jobId:string -> | AN IA JU NA GE AZ SO
jobListMatch jdl:string delegationId:string -> CEIdAndRankList:StringAndLongList | AN IA NR GE AZ SO
jobListMatchJSDL jsdl:JobDefinition_Type delegationId:string -> CEIdAndRankList:StringAndLongList | AN IA NR GE AZ SO
getOutputFileList jobId:string protocol:string -> OutputFileAndSizeList:StringAndLongList | IA AN JU NA GE AZ SO
getMaxInputSandboxSize -> size:long | AN GE AZ SO
getSandboxDestURI jobId:string protocol:string -> path:StringList | AN IA JU NA GE AZ SO
getSandboxBulkDestURI jobId:string protocol:string -> DestURIsStructType:DestURIsStructType | AN IA JU NA GE AZ SO
getTotalQuota -> softLimit:long hardLimit:long | QM AN AZ GE SO
getFreeQuota -> softLimit:long hardLimit:long | QM AN AZ GE SO
getJobTemplate jobType:JobTypeList executable:string arguments:string requirements:string rank:string -> jdl:string | GE AN AZ IA SO
getDAGTemplate dependencies:GraphStructType requirements:string rank:string -> jdl:string | GE AN AZ IA SO
getCollectionTemplate jobNumber:int requirements:string rank:string -> jdl:string | GE AN AZ IA SO
getIntParametricJobTemplate attributes:StringList param:int parameterStart:int parameterStep:int requirements:string rank:string -> jdl:string | GE AN AZ IA SO
getStringParametricJobTemplate attributes:StringList param:StringList requirements:string rank:string -> jdl:string | GE AN AZ IA SO
getACLItems jobId:string -> items:StringList | AN IA JU GE AZ SO
addACLItems jobId:string items:StringList -> | AN IA JU GE AZ SO
removeACLItem jobId:string item:string -> | AN IA NA JU GE AZ SO
getDelegatedProxyInfo delegationID:string -> items:ProxyInfoStructType | AN IA JU GE AZ SO
getJobProxyInfo jobId:string -> items:ProxyInfoStructType | AN IA JU GE AZ SO
enableFilePerusal jobId:string fileList:StringList -> | AN IA JU NA GE AZ SO
getPerusalFiles jobId:string file:string allChunks:boolean protocol:string -> fileList:StringList | AN IA JU NA GE AZ SO
getTransferProtocols -> items:StringList | AN GE AZ SO
getJobStatus jobId:string -> JobStatusStruct:JobStatusStructType | AN GE AZ SO
"""  # noqa: E501
WMPROXY_TYPES = """
ObjectType = JOB DAG COLLECTION
JobType = NORMAL PARAMETRIC INTERACTIVE MPI PARTITIONABLE CHECKPOINTABLE
JdlType = ORIGINAL REGISTERED
JobTypeList jobType:JobType*
StringList Item:string*
DestURIStructType id:string Item:string+
DestURIsStructType Item:DestURIStructType+
StringAndLongType name:string size:long
StringAndLongList file:StringAndLongType*
JobIdStructType id:string name:string|nil path:string|nil childrenJob:JobIdStructType*|nil
GraphStructType name:string|nil childrenJob:GraphStructType*|nil
JobStatusStructType jobid:string status:string childrenJob:JobStatusStructType*|nil
VOProxyInfoStructType User:string UserCA:string Server:string ServerCA:string VOName:string URI:string StartTime:string EndTime:string Attribute:string+
ProxyInfoStructType Subject:string Issuer:string Identity:string Type:string Strength:string StartTime:string EndTime:string VOsInfo:VOProxyInfoStructType*
BaseFaultType methodName:string Timestamp:dateTime ErrorCode:string? Description:string? FaultCause:string*
"""  # noqa: E501
FAULTS = {
    "AN": "AuthenticationFault", "AZ": "AuthorizationFault", "IA": "InvalidArgumentFault",
    "QM": "GetQuotaManagementFault", "NR": "NoSuitableResourcesFault", "GE": "GenericFault", "JU": "JobUnknownFault",
    "NA": "OperationNotAllowedFault", "SO": "ServerOverloadedFault",
}


def member_text(member: Member) -> str:
    occurs = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}[member.minimum, member.maximum]
    if member.choice:
        occurs = ""
    return f"{member.name}:{member.type.rpartition('}')[2]}{occurs}{'|nil' if member.nillable else ''}"


def message_text(message: Message) -> str:
    return " ".join(member_text(member) for member in message.members)


def port_text(known: Contract, port: str | None = None, faults: bool = False) -> list[str]:
    letters = {name: letter for letter, name in FAULTS.items()}
    lines = []
    for operation in known.port(port).operations.values():
        line = f"{operation.name} {message_text(operation.input)} -> {message_text(operation.output)}"
        if faults:
            line += " | " + " ".join(letters[fault.rpartition("}")[2]] for fault in operation.faults)
        lines.append(" ".join(line.split()))
    return lines


def type_text(known: Contract, name: str) -> str:
    found = known.schemas.types[name]
    local = name.rpartition("}")[2]
    if isinstance(found, SimpleType):
        return f"{local} = {' '.join(found.values)}"
    return f"{local} {' '.join(member_text(member) for member in found.members)}"


def lines_of(text: str) -> list[str]:
    return text.strip().splitlines()


def test_primary_storage_has_its_nine_operations() -> None:
    known = contract.load("JobProvenancePS")
    assert port_text(known) == lines_of(PS)
    assert all(operation.faults == ("{http://glite.org/wsdl/elements/jp}genericFault",)
               for operation in known.operations.values())


def test_index_server_has_its_six_operations() -> None:
    assert port_text(contract.load("JobProvenanceIS")) == lines_of(IS)


@pytest.mark.parametrize("line", lines_of(JP_TYPES))
def test_job_provenance_types(line: str) -> None:
    known = contract.load("JobProvenanceIS")
    assert type_text(known, f"{{http://glite.org/wsdl/types/jp}}{line.split()[0]}") == line


def test_logging_and_bookkeeping_has_its_twelve_operations() -> None:
    known = contract.load("LB")
    assert port_text(known)[:3] == lines_of(LB)
    assert list(known.operations) == [
        "GetVersion", "GetInterfaceVersion", "JobStatus", "UserJobs", "QueryJobs", "QueryEvents", "GetIndexedAttrs",
        "GetServerLimit", "NotifNew", "NotifBind", "NotifRefresh", "NotifDrop",
    ]


def test_wmproxy_has_all_its_operations_with_their_faults() -> None:
    assert port_text(contract.load("WMProxy"), faults=True) == lines_of(WMPROXY)


@pytest.mark.parametrize("line", lines_of(WMPROXY_TYPES))
def test_wmproxy_types(line: str) -> None:
    assert type_text(contract.load("WMProxy"), f"{{http://glite.org/wms/wmproxy}}{line.split()[0]}") == line


@pytest.mark.parametrize("fault", FAULTS.values())
def test_wmproxy_faults_extend_the_base_without_additions(fault: str) -> None:
    known = contract.load("WMProxy")
    found = known.schemas.types[f"{{http://glite.org/wms/wmproxy}}{fault}Type"]
    assert isinstance(found, ComplexType)
    assert found.base == "{http://glite.org/wms/wmproxy}BaseFaultType"
    assert [member.name for member in found.members] == [
        "methodName", "Timestamp", "ErrorCode", "Description", "FaultCause"
    ]
    parts = known.file.messages[f"{{http://glite.org/wms/wmproxy}}{fault}"]
    assert [part.name for part in parts] == ["GenericFault" if fault == "GenericFault" else "fault"]


def test_delegation_port_types() -> None:
    proxy = contract.load("WMProxy")
    assert port_text(proxy, "WMProxyDelegation_PortType") == lines_of(DELEGATION_1)
    assert port_text(proxy, "WMProxyDelegation2_PortType") == lines_of(DELEGATION_2)
    assert port_text(contract.load("delegation-1.1.0")) == lines_of(DELEGATION_1_1)
    assert port_text(contract.load("WMProxy-gridsite-delegation-2.0.0")) == lines_of(DELEGATION_2)


def test_delegation_faults_carry_message_in_1_and_msg_in_2() -> None:
    ports = contract.load("WMProxy").ports
    assert ports["WMProxyDelegation_PortType"].types.DelegationException(message="x").message == "x"
    assert ports["WMProxyDelegation2_PortType"].types.DelegationException(msg="x").msg == "x"


@pytest.mark.parametrize(("name", "service", "binding", "address", "style", "action"), [
    ("JobProvenancePS", "JobProvenancePS", "JobProvenancePS", "http://test.glite.org/jp:8080", "document", None),
    ("JobProvenanceIS", "JobProvenanceIS", "JobProvenanceIS", "http://test.glite.org/jp:8080", "document", None),
    ("LB", "LoggingAndBookkeeping", "LoggingAndBookkeeping", "http://test.glite.org/lb:8080", "document", None),
    ("WMProxy", "WMProxy", "WMProxy", "https://localhost:7443/glite_wms_wmproxy_server", "rpc", None),
    ("WMProxy-gridsite-delegation-2.0.0", "DelegationService", "DelegationSoapBinding",
     "https://localhost:8443/glite-security-delegation", "rpc", ""),
    ("delegation-1.1.0", "DelegationService", "DelegationSoapBinding",
     "https://localhost/gridsite-delegation.cgi", "rpc", ""),
])  # fmt: skip
def test_names_of_services_and_ports(
    name: str, service: str, binding: str, address: str, style: str, action: str | None
) -> None:
    file = contract.load(name).file
    assert file.service == service
    assert file.ports[0].address == address
    assert file.ports[0].binding.rpartition("}")[2] == binding
    _, operations = file.bindings[file.ports[0].binding]
    assert {operation.style for operation in operations.values()} == {style}
    assert {operation.action for operation in operations.values()} == {action}


def test_wmproxy_ports_and_bindings() -> None:
    file = contract.load("WMProxy").file
    assert [(port.name, port.binding) for port in file.ports] == [
        ("WMProxy_PortType", "{http://glite.org/wms/wmproxy}WMProxy"),
        ("WMProxyDelegation_PortType", "{http://www.gridsite.org/namespaces/delegation-1}Delegation1SoapBinding"),
        ("WMProxyDelegation2_PortType", "{http://www.gridsite.org/namespaces/delegation-2}DelegationSoapBinding"),
    ]
    assert len({port.address for port in file.ports}) == 1


def test_job_provenance_skeleton() -> None:
    """jp.md 1.2: names of messages, parts, inputs and outputs, which generated client code is named after."""
    root = xml.parse(wsdl.read("JobProvenancePS.wsdl"))
    w = "{http://schemas.xmlsoap.org/wsdl/}"
    messages = {node.get("name"): node[0].get("name") for node in root.iterfind(w + "message")}
    assert messages["RegisterJobRequest"] == "input"
    assert messages["RegisterJobResponse"] == "output"
    assert messages["genericFault"] == "genericFault"
    operation = root.find(f"{w}portType/{w}operation")
    assert operation is not None
    assert [child.get("name") for child in operation][1:] == ["i", "o", "f"]
    assert root.find(w + "portType").get("name") == "JobProvenancePSPortType"  # type: ignore[union-attr]
    for schema in contract.load("JobProvenancePS").schemas.documents:
        assert schema.get("elementFormDefault") == schema.get("attributeFormDefault") == "unqualified"


@pytest.mark.parametrize("name", [name for name in wsdl.names() if name.endswith(".wsdl")])
def test_every_operation_is_documented(name: str) -> None:
    root = xml.parse(wsdl.read(name))
    w = "{http://schemas.xmlsoap.org/wsdl/}"
    for operation in root.iterfind(f"{w}portType/{w}operation"):
        assert (operation.findtext(w + "documentation") or "").strip(), operation.get("name")


@pytest.mark.parametrize("name", [*SERVICES, "WMProxy-gridsite-delegation-1.0.0"])
def test_zeep_loads_each_contract(name: str) -> None:
    client = zeep.Client(str(wsdl.path(name + ".wsdl")))  # type: ignore[no-untyped-call]
    ours = contract.load(name)
    theirs = {port: set(each.binding._operations) for service in client.wsdl.services.values()
              for port, each in service.ports.items()}
    assert theirs == {name: set(port.operations) for name, port in ours.ports.items()}


@pytest.mark.parametrize("name", wsdl.names())
def test_files_are_utf_8_xml_with_what_they_import_beside_them(name: str) -> None:
    root = xml.parse(wsdl.read(name))
    locations = [node.get("location") or node.get("schemaLocation") for node in root.iter()
                 if etree.QName(node).localname == "import"]
    assert all(Path(wsdl.path(location)).is_file() for location in locations if location)


def test_path_does_not_leave_the_folder() -> None:
    for name in ("../setup.cfg", "nothing.wsdl", "/etc/passwd"):
        with pytest.raises(FileNotFoundError):
            wsdl.path(name)


@pytest.mark.parametrize(("operation", "method"), [
    ("RegisterJob", "register_job"), ("getProxyReq", "get_proxy_req"), ("GetFeedIDs", "get_feed_ids"),
    ("getSandboxBulkDestURI", "get_sandbox_bulk_dest_uri"), ("jobRegisterJSDL", "job_register_jsdl"),
    ("getDAGTemplate", "get_dag_template"), ("getACLItems", "get_acl_items"), ("getJDL", "get_jdl"),
    ("GetInterfaceVersion", "get_interface_version"), ("destroy", "destroy"),
])  # fmt: skip
def test_method_names(operation: str, method: str) -> None:
    assert method_name(operation) == method


def test_records_of_shared_types_fit_both_job_provenance_contracts() -> None:
    storage, index = contract.load("JobProvenancePS"), contract.load("JobProvenanceIS")
    assert storage.types.jobRecord is index.types.jobRecord


def test_unknown_type_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no type 'nonsense'"):
        _ = contract.load("JobProvenancePS").types.nonsense
