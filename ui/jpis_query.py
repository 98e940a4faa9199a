"""Queries of glite-jpis-client: from an XML file or from options, and in human words (jp.md 5.2)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

import guarded.xml
import soap.contract

CONTRACT = "JobProvenanceIS"
LB = "http://egee.cesnet.cz/en/Schema/LB/Attributes"
SYSTEM = "http://egee.cesnet.cz/en/Schema/JP/System"
#: Short forms for --attribute.
PREFIXES = {
    "LB": LB,
    "System": SYSTEM,
    "Workflow": "http://egee.cesnet.cz/en/Schema/JP/Workflow",
    "tag": "http://egee.cesnet.cz/en/WSDL/jp-lbtag",
}
OPERATORS = {"EQUAL": "==", "UNEQUAL": "<>", "LESS": "<", "GREATER": ">"}
#: Bytes of a binary value that are shown.
BLOB_SHOWN = 10

EXAMPLE = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- jobs whose final status is Done or Ready, as the system saw it, of users other than God -->
<jpelem:QueryJobs xmlns:jpelem="http://glite.org/wsdl/elements/jp">
  <conditions>
    <attr>{LB}:finalStatus</attr>
    <origin>SYSTEM</origin>
    <record>
      <op>EQUAL</op>
      <value><string>Done</string></value>
    </record>
    <record>
      <op>EQUAL</op>
      <value><string>Ready</string></value>
    </record>
  </conditions>
  <conditions>
    <attr>{LB}:user</attr>
    <record>
      <op>UNEQUAL</op>
      <value><string>God</string></value>
    </record>
  </conditions>
  <attributes>{SYSTEM}:owner</attributes>
  <attributes>{SYSTEM}:jobId</attributes>
  <attributes>{LB}:finalStatus</attributes>
  <attributes>{LB}:user</attributes>
</jpelem:QueryJobs>
"""


class QueryError(Exception):
    """The file holds no query that can be sent."""


@dataclass(frozen=True)
class Query:
    """The arguments of QueryJobs: indexQuery records, and names of attributes."""

    conditions: list[Any]
    attributes: list[str]


def from_options(jobids: Sequence[str], attributes: Sequence[str]) -> Query:
    """Return the query for these jobs."""
    types = soap.contract.load(CONTRACT).types
    records = [
        types.indexQueryRecord(op="EQUAL", value=types.stringOrBlob(string=jobid)) for jobid in jobids
    ]
    return Query([types.indexQuery(attr=f"{SYSTEM}:jobId", record=records)], [full_name(name) for name in attributes])


def full_name(name: str) -> str:
    """Return the full name of an attribute: `status` and `LB:status` are short forms."""
    prefix, colon, rest = name.partition(":")
    if not colon:
        return f"{LB}:{name}"
    return f"{PREFIXES[prefix]}:{rest}" if prefix in PREFIXES else name


def parse(data: bytes) -> Query:
    """Read a query file: element QueryJobs of any namespace with unqualified children. Raises QueryError."""
    try:
        root = guarded.xml.parse(data)
    except guarded.xml.XmlRefused as error:
        raise QueryError(str(error)) from None
    if etree.QName(root).localname != "QueryJobs":
        raise QueryError(f"the root element is {etree.QName(root).localname}, expected QueryJobs")
    conditions = [_condition(element) for element in root.findall("{*}conditions")]
    return Query(conditions, [(element.text or "").strip() for element in root.findall("{*}attributes")])


def _condition(element: etree._Element) -> Any:
    types = soap.contract.load(CONTRACT).types
    return types.indexQuery(
        attr=(element.findtext("{*}attr") or "").strip(),
        origin=_word(element, "origin", ("SYSTEM", "USER", "FILE")),
        record=[
            types.indexQueryRecord(
                op=_word(record, "op", (*OPERATORS, "WITHIN", "EXISTS")),
                value=_value(record.find("{*}value")),
                value2=_value(record.find("{*}value2")),
            )
            for record in element.findall("{*}record")
        ],
    )


def _word(element: etree._Element, name: str, allowed: Sequence[str]) -> str | None:
    found = element.find(f"{{*}}{name}")
    if found is None:
        return None
    word = (found.text or "").strip()
    if word not in allowed:
        raise QueryError(f"line {found.sourceline}: {name} is {word!r}, expected one of {', '.join(allowed)}")
    return word


def _value(element: etree._Element | None) -> Any:
    if element is None:
        return None
    types = soap.contract.load(CONTRACT).types
    string, blob = element.find("{*}string"), element.find("{*}blob")
    if string is not None:
        return types.stringOrBlob(string=string.text or "")
    if blob is None:
        raise QueryError(f"line {element.sourceline}: a value holds either one <string> or one <blob>")
    try:
        return types.stringOrBlob(blob=base64.b64decode("".join((blob.text or "").split()), validate=True))
    except binascii.Error:
        raise QueryError(f"line {blob.sourceline}: the blob is not base64") from None


def describe(query: Query) -> str:
    """Return the query in human words."""
    lines = ["conditions:"]
    for condition in query.conditions:
        origin = f"origin == {condition.origin}" if condition.origin else "origin IS ANY"
        lines.append(f"\t{condition.attr}")
        lines.append(f"\t\t{origin}")
        lines += [f"\t\tvalue {_comparison(record)}" for record in condition.record]
    lines.append("attributes:")
    lines += [f"\t{name}" for name in query.attributes]
    return "\n".join(lines)


def _comparison(record: Any) -> str:
    if record.op == "EXISTS":
        return "EXISTS"
    if record.op == "WITHIN":
        return f"WITHIN {value_text(record.value)} AND {value_text(record.value2)}"
    return f"{OPERATORS.get(record.op, record.op)} {value_text(record.value)}"


def value_text(value: Any) -> str:
    """Return a stringOrBlob for human eyes; of a blob at most ten bytes in hex."""
    if value is None:
        return "(no value)"
    if value.string is not None:
        return str(value.string)
    blob = value.blob or b""
    return f"BLOB({blob[:BLOB_SHOWN].hex()}{'...' if len(blob) > BLOB_SHOWN else ''})"
