"""Prints ``wsdl/LBTypes.wsdl`` and ``wsdl/LB.wsdl`` from the catalogue and the status table (lb.md 6).

``python -m lb.model.wsdl DIRECTORY`` writes both files there; a test compares them with what is checked in. What is on
the wire (namespaces, names, order, occurrences, enumerations) follows the original; the texts are ours.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lb.model.catalogue import COMMON, EventType, Field
from lb.model.catalogue import Kind as EventKind
from lb.model.events import EVENTS
from lb.model.status import ATTRIBUTES, STATE_DOC, STATES, Attribute
from lb.model.status import Kind as StatusKind
from lb.model.vocabulary import LEVELS, SOURCE_TABLE
from lb.model.wsdl_tables import ENUMS, OPERATIONS, STRUCTS, Choice, Enumeration, Member, Operation, Struct

SERVICES = "http://glite.org/wsdl/services/lb"
ELEMENTS = "http://glite.org/wsdl/elements/lb"
TYPES = "http://glite.org/wsdl/types/lb"
ADDRESS = "http://test.glite.org/lb:8080"
"""The placeholder of the original."""
NAME = "LoggingAndBookkeeping"

_STATUS_TYPES = {
    StatusKind.JOBID: "xsd:string",
    StatusKind.TEXT: "xsd:string",
    StatusKind.INT: "xsd:int",
    StatusKind.BOOL: "xsd:boolean",
    StatusKind.TIME: "lbt:timeval",
    StatusKind.TEXTS: "xsd:string",
    StatusKind.TAGS: "lbt:tagValue",
    StatusKind.STATUSES: "lbt:jobStatus",
}
_LISTS = (StatusKind.TEXTS, StatusKind.TAGS, StatusKind.COUNTS, StatusKind.STATUSES)
_EVENT_TYPES = {
    EventKind.TEXT: "xsd:string",
    EventKind.INT: "xsd:int",
    EventKind.PORT: "xsd:int",
    EventKind.DOUBLE: "xsd:double",
    EventKind.SOURCE: "lbt:eventSource",
    EventKind.JOBID: "xsd:string",
    EventKind.TIME: "lbt:timeval",
    EventKind.TAGS: "lbt:tagValue",
}
_COMMON_TYPES = {
    "timeval": "lbt:timeval",
    "string": "xsd:string",
    "level": "lbt:level",
    "int": "xsd:int",
    "jobid": "xsd:string",
    "logsrc": "lbt:eventSource",
}


# ---- the types, as data ---------------------------------------------------------------------------------------------


def types() -> Iterator[Enumeration | Struct | Choice]:
    """All types of the schema in the order of the file."""
    yield from ENUMS
    states = tuple((name.upper(), STATE_DOC[name]) for name in STATES[1:])
    yield Enumeration("statName", "State of a job.", states)
    for attribute in ATTRIBUTES:
        if attribute.kind is StatusKind.ENUM:
            yield Enumeration(attribute.ws_name, _sentence(attribute.doc), _undocumented(attribute.ws_values))
    yield _job_status()
    yield Enumeration("level", "Severity of an event.", _undocumented(LEVELS))
    sources = tuple(source.ws for source in SOURCE_TABLE)
    yield Enumeration("eventSource", "Component that logs events.", _undocumented(sources))
    for kind in EVENTS.values():
        yield from _event_enums(kind)
    yield from (_event_struct(kind) for kind in EVENTS.values())
    members = tuple(Member(kind.name, f"lbt:event{kind.name}", kind.doc) for kind in EVENTS.values())
    common = "; ".join(f"{item.ws}: {item.doc}" for item in COMMON)
    yield Choice("event", f"One event: a single element named after its type. All have {common}.", members)
    yield from STRUCTS


def _job_status() -> Struct:
    members = [Member("state", "lbt:statName", "The state.")]
    members += [_status_member(attribute) for attribute in ATTRIBUTES if attribute.kind is not StatusKind.OPAQUE]
    return Struct("jobStatus", "What is known of a job, and of its subjobs when asked for.", tuple(members))


def _status_member(attribute: Attribute) -> Member:
    name = attribute.ws_name
    if attribute.kind is StatusKind.ENUM:
        kind = f"lbt:{name}"
    elif attribute.kind is StatusKind.COUNTS:
        kind = f"lbt:{name}Item"
    else:
        kind = _STATUS_TYPES[attribute.kind]
    return Member(name, kind, _sentence(attribute.doc), not attribute.required, attribute.kind in _LISTS)


def enum_name(kind: EventType, field: Field) -> str:
    """Type of an enumerated event field: ``<Type><Field>``, such as TransferResult, DoneStatusCode (lb.md 6)."""
    name = field.ws
    return kind.name + name[:1].upper() + name[1:]


def _event_enums(kind: EventType) -> Iterator[Enumeration]:
    for field in kind.fields:
        if field.kind is EventKind.ENUM:
            doc = f"{kind.name}: {field.doc}."
            yield Enumeration(enum_name(kind, field), doc, _undocumented(field.values))


def _event_struct(kind: EventType) -> Struct:
    members = [Member(item.ws, _COMMON_TYPES[item.kind], "", not item.required) for item in COMMON]
    members += [_event_member(kind, field) for field in kind.fields]
    return Struct(f"event{kind.name}", kind.doc, tuple(members))


def _event_member(kind: EventType, field: Field) -> Member:
    type_name = f"lbt:{enum_name(kind, field)}" if field.kind is EventKind.ENUM else _EVENT_TYPES[field.kind]
    repeated = field.kind is EventKind.TAGS
    return Member(field.ws, type_name, _sentence(field.doc), not field.required, repeated)


def _undocumented(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((value, "") for value in values)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


# ---- the files, as text ---------------------------------------------------------------------------------------------

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Made by "python -m lb.model.wsdl wsdl" from the tables in lb/model. -->
<wsdl:definitions name="{name}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
                  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
                  xmlns:xsd="http://www.w3.org/2001/XMLSchema"
                  xmlns:lb="{services}"
                  xmlns:lbe="{elements}"
                  xmlns:lbt="{types}"
                  targetNamespace="{services}">
  <wsdl:documentation>{doc}</wsdl:documentation>"""

_TYPES_DOC = "Data types of Logging and Bookkeeping. Members are elements without a namespace."
_SERVICE_DOC = """
    Logging and Bookkeeping keeps the events of jobs and computes their states. This port answers questions about
    both, and manages subscriptions to changes; events come in by another protocol.
  """


def lbtypes_wsdl() -> str:
    """The text of LBTypes.wsdl."""
    lines = [_head("LBTypes", _TYPES_DOC), "  <wsdl:types>", _schema(TYPES)]
    for item in types():
        lines += _enumeration(item) if isinstance(item, Enumeration) else _complex(item)
    lines += ["    </xsd:schema>", "  </wsdl:types>", "</wsdl:definitions>"]
    return "\n".join(lines) + "\n"


def lb_wsdl() -> str:
    """The text of LB.wsdl."""
    lines = [
        _head(NAME, _SERVICE_DOC),
        f'  <wsdl:import namespace="{SERVICES}" location="LBTypes.wsdl"/>',
        "  <wsdl:types>",
        _schema(ELEMENTS),
        f'      <xsd:import namespace="{TYPES}"/>',
    ]
    for operation in OPERATIONS:
        lines += _wrapper(operation.name, operation.input) + _wrapper(f"{operation.name}Response", operation.output)
    lines += [
        '      <xsd:element name="genericFault" type="lbt:genericFault"/>',
        "    </xsd:schema>",
        "  </wsdl:types>",
    ]
    for operation in OPERATIONS:
        lines += _message(f"{operation.name}Request", "input", operation.name)
        lines += _message(f"{operation.name}Response", "output", f"{operation.name}Response")
    lines += _message("genericFault", "genericFault", "genericFault")
    lines += [*_port_type(), *_binding(), *_service(), "</wsdl:definitions>"]
    return "\n".join(lines) + "\n"


def _head(name: str, doc: str) -> str:
    return _HEAD.format(name=name, services=SERVICES, elements=ELEMENTS, types=TYPES, doc=doc)


def _schema(namespace: str) -> str:
    return (
        f'    <xsd:schema targetNamespace="{namespace}"\n'
        '                elementFormDefault="unqualified" attributeFormDefault="unqualified">'
    )


def _annotation(doc: str, indent: str) -> list[str]:
    if not doc:
        return []
    return [
        f"{indent}<xsd:annotation>",
        f"{indent}  <xsd:documentation>{escape(doc)}</xsd:documentation>",
        f"{indent}</xsd:annotation>",
    ]


def _enumeration(item: Enumeration) -> list[str]:
    lines = [f'      <xsd:simpleType name="{item.name}">', *_annotation(item.doc, " " * 8)]
    lines.append('        <xsd:restriction base="xsd:string">')
    for value, doc in item.values:
        tag = f"          <xsd:enumeration value={quoteattr(value)}"
        lines += [tag + ">", *_annotation(doc, " " * 12), "          </xsd:enumeration>"] if doc else [tag + "/>"]
    return [*lines, "        </xsd:restriction>", "      </xsd:simpleType>"]


def _complex(item: Struct | Choice) -> list[str]:
    group = "choice" if isinstance(item, Choice) else "sequence"
    lines = [f'      <xsd:complexType name="{item.name}">', *_annotation(item.doc, " " * 8), f"        <xsd:{group}>"]
    for member in item.members:
        lines += _member(member, " " * 10)
    return [*lines, f"        </xsd:{group}>", "      </xsd:complexType>"]


def _member(member: Member, indent: str) -> list[str]:
    tag = f'{indent}<xsd:element name="{member.name}" type="{member.type}"'
    tag += ' minOccurs="0"' if member.optional else ""
    tag += ' maxOccurs="unbounded"' if member.repeated else ""
    if not member.doc:
        return [tag + "/>"]
    return [tag + ">", *_annotation(member.doc, indent + "  "), f"{indent}</xsd:element>"]


def _wrapper(name: str, members: tuple[Member, ...]) -> list[str]:
    lines = [f'      <xsd:element name="{name}">', "        <xsd:complexType>"]
    if not members:
        return [*lines, "          <xsd:sequence/>", "        </xsd:complexType>", "      </xsd:element>"]
    lines.append("          <xsd:sequence>")
    for member in members:
        lines += _member(member, " " * 12)
    return [*lines, "          </xsd:sequence>", "        </xsd:complexType>", "      </xsd:element>"]


def _message(name: str, part: str, element: str) -> list[str]:
    return [
        f'  <wsdl:message name="{name}">',
        f'    <wsdl:part name="{part}" element="lbe:{element}"/>',
        "  </wsdl:message>",
    ]


def _port_type() -> Iterator[str]:
    yield f'  <wsdl:portType name="{NAME}PortType">'
    for operation in OPERATIONS:
        yield from _abstract(operation)
    yield "  </wsdl:portType>"


def _abstract(operation: Operation) -> list[str]:
    return [
        f'    <wsdl:operation name="{operation.name}">',
        f"      <wsdl:documentation>{escape(operation.doc)}</wsdl:documentation>",
        f'      <wsdl:input name="i" message="lb:{operation.name}Request"/>',
        f'      <wsdl:output name="o" message="lb:{operation.name}Response"/>',
        '      <wsdl:fault name="f" message="lb:genericFault"/>',
        "    </wsdl:operation>",
    ]


def _binding() -> Iterator[str]:
    yield f'  <wsdl:binding name="{NAME}" type="lb:{NAME}PortType">'
    yield '    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
    for operation in OPERATIONS:
        yield f'    <wsdl:operation name="{operation.name}">'
        yield '      <soap:operation style="document"/>'
        yield '      <wsdl:input name="i"><soap:body use="literal"/></wsdl:input>'
        yield '      <wsdl:output name="o"><soap:body use="literal"/></wsdl:output>'
        yield '      <wsdl:fault name="f"><soap:fault name="f" use="literal"/></wsdl:fault>'
        yield "    </wsdl:operation>"
    yield "  </wsdl:binding>"


def _service() -> list[str]:
    return [
        f'  <wsdl:service name="{NAME}">',
        f'    <wsdl:port name="{NAME}" binding="lb:{NAME}">',
        f'      <soap:address location="{ADDRESS}"/>',
        "    </wsdl:port>",
        "  </wsdl:service>",
    ]


FILES = {"LBTypes.wsdl": lbtypes_wsdl, "LB.wsdl": lb_wsdl}


def main() -> None:
    """Write the files into the directory given."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m lb.model.wsdl DIRECTORY")
    for name, render in FILES.items():
        (Path(sys.argv[1]) / name).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
