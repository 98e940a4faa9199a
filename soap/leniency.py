"""What legacy clients get wrong and we accept: all of it is stated here, and nowhere else.

Requests are validated against the XSD of wsdl/ after these relaxations (sources: jp.md 1.6, lb.md 6,
wms.md 1.2). In the XSD (`relax`):

- children that original clients leave out may be absent (ABSENT below, and all lists: the WSDL generator of
  the originals ignored "optional" on direct children of an operation, so their lists say minOccurs 1),
- every element that is no list item may be xsi:nil, which means absent.

In the message (`normalise`, applied only when validation fails at first, as it copies nothing but costs time):

- xsi:type, encodingStyle and other attributes from foreign namespaces are dropped,
- children in any namespace count as unqualified (default namespaces of Perl clients; gSOAP ignored the prefix),
- children in another order are sorted (gSOAP takes them in any order, and jobSubmitJSDL was published with two),
- children that the type does not have are dropped (gSOAP skips them; other releases of the interfaces have them).

In the values (the decoders): EMPTY_IS_ABSENT below. By the nature of our reading, not listed further: booleans
as 0/1, any prefix, any path, any SOAPAction, chunked or not, any charset of `guarded.xml`.
"""

from lxml import etree

from soap.schema import ComplexType, Schemas, Type

_JPE = "{http://glite.org/wsdl/elements/jp}"
_JPT = "{http://glite.org/wsdl/types/jp}"

ABSENT = frozenset({
    (_JPE + "#StartUpload", "name"),           # gSOAP before 2.8 leaves a null string out
    (_JPE + "#StartUpload", "contentType"),
    (_JPT + "jppsFile", "name"),               # never filled by the original server
    (_JPT + "attrValue", "timestamp"),         # recordmultitags.pl sends neither
    (_JPT + "attrValue", "origin"),
    (_JPT + "indexQuery", "attr"),             # the service itself says EINVAL
    (_JPT + "indexQueryRecord", "op"),
    (_JPT + "attrType", "multival"),           # first enumerator by default
    (_JPT + "attrType", "queriable"),
})  # fmt: skip
"""(type, member) that are mandatory in the XSD and may be missing all the same."""

EMPTY_IS_ABSENT = frozenset({
    (_JPE + "#StartUpload", "name"),           # gSOAP 2.8 writes <name/> for a null string
    (_JPT + "jppsFile", "name"),
})  # fmt: skip
"""(type, member) where an empty string reads as None."""


def may_be_absent(type_name: str, member: str) -> bool:
    """Whether a mandatory member may be missing."""
    return (type_name, member) in ABSENT


def empty_is_absent(type_name: str, member: str) -> bool:
    """Whether an empty string stands for no value."""
    return (type_name, member) in EMPTY_IS_ABSENT


_X = "{http://www.w3.org/2001/XMLSchema}"


def relax(schema: etree._Element) -> None:
    """Rewrite an xsd:schema so that it lets pass what is said above."""
    namespace = schema.get("targetNamespace", "")
    for node in schema.iter(_X + "complexType"):
        owner = node.getparent()
        name = node.get("name") or ("#" + owner.get("name", "") if owner is not None else "")
        for member in _members(node):
            _relax_member(f"{{{namespace}}}{name}", member)


def _members(node: etree._Element) -> list[etree._Element]:
    """The element declarations of a complex type, without those of types nested in it."""
    found = []
    for child in node:
        if child.tag == _X + "element":
            found.append(child)
        elif child.tag != _X + "complexType":
            found += _members(child)
    return found


def _relax_member(type_name: str, member: etree._Element) -> None:
    repeated = member.get("maxOccurs", "1") != "1"
    if repeated or may_be_absent(type_name, member.get("name", "")):
        member.set("minOccurs", "0")
    if not repeated and member.get("ref") is None:
        member.set("nillable", "true")


def normalise(element: etree._Element, type_: Type, schemas: Schemas) -> None:
    """Turn the content of `element`, which should be of `type_`, into the form that validation expects."""
    for name in map(str, element.attrib):
        if name.startswith("{") and name != _NIL:
            del element.attrib[name]
    if not isinstance(type_, ComplexType) or any(member.any for member in type_.members):
        return
    known = {member.name: (place, member) for place, member in enumerate(type_.members)}
    for child in list(element):
        local = etree.QName(child).localname
        if local not in known:
            element.remove(child)
            continue
        member = known[local][1]
        child.tag = member.tag
        normalise(child, schemas.type(member.type), schemas)
    places = {member.tag: place for place, member in known.values()}
    element[:] = sorted(element, key=lambda child: places[child.tag])


_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
