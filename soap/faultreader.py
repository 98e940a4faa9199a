"""Reads SOAP faults off the wire into the exceptions of `soap.faults`.

Of a genericFault both forms are known: the unqualified `fault` with xsi:type that gSOAP since 2.7.9 writes, and
the element that the WSDL promises, at whatever depth older ones put it (jp.md 1.7). Detail may be missing.
"""

from lxml import etree

from soap.contract import Contract
from soap.envelope import posix_fault
from soap.faults import Fault, PosixFault, TypedFault


def fault(contract: Contract, element: etree._Element) -> Fault:
    """The exception for a SOAP-ENV:Fault element."""
    code = (element.findtext("faultcode") or "Server").strip().rpartition(":")[2]
    text = (element.findtext("faultstring") or "").strip()
    detail = element.find("detail")
    if detail is None or not len(detail):
        return Fault(code, text)
    known = _typed(contract, detail, text) or _generic(contract, detail, text)
    if known is None:
        return Fault(code, text, etree.tostring(detail, encoding="unicode", with_tail=False))
    known.faultcode = code
    return known


def _typed(contract: Contract, detail: etree._Element, text: str) -> Fault | None:
    for child in detail:
        type_name = contract.schemas.elements.get(child.tag)
        if type_name is not None and type_name in contract.records and not child.tag.endswith("}genericFault"):
            record = contract.decoder(type_name)(child)
            return TypedFault(etree.QName(child).localname, record, text)
    return None


def _generic(contract: Contract, detail: etree._Element, text: str) -> Fault | None:
    if posix_fault(contract) is None:
        return None
    for node in detail.iterdescendants():
        if etree.QName(node).localname in ("fault", "genericFault") and node.find("{*}code") is not None:
            return _link(node, text)
    return None


def _link(node: etree._Element, text: str) -> PosixFault:
    reason = node.find("{*}reason")
    try:
        code = int(node.findtext("{*}code") or "")
    except ValueError:
        code = -2  # what original clients report for a fault that they cannot read (jp.md 1.7)
    return PosixFault(
        code,
        node.findtext("{*}description"),
        source=node.findtext("{*}source"),
        reason=None if reason is None or not len(reason) else _link(reason, text),
        text=node.findtext("{*}text") or "",
        faultstring=text,
    )
