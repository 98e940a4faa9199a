"""Validation of messages against the XSD of wsdl/, as strict or as lenient as `soap.leniency` says."""

from collections.abc import Callable
from typing import Any

from lxml import etree

from soap import leniency
from soap.contract import Contract
from soap.schema import XSD

_X = f"{{{XSD}}}"
_SCHEME = "contract:"


class Invalid(Exception):
    """The message is not what the contract says. The text is safe to show to the sender."""


class Validator:
    """Checks the wrapper elements of a contract's messages.

    One compiled schema serves one validation at a time, so that threads do not see each other's errors;
    the compiled ones are pooled.
    """

    def __init__(self, contract: Contract, relax: Callable[[etree._Element], None] = leniency.relax) -> None:
        self._documents = _documents(contract, relax)
        self._idle = [self._compile()]  # pop and append are atomic: a pool without a lock

    def check(self, element: etree._Element) -> None:
        """Raise Invalid unless `element` is a valid request or response wrapper."""
        try:
            schema = self._idle.pop()
        except IndexError:
            schema = self._compile()
        try:
            if not schema.validate(element):
                raise Invalid(_first_error(schema))
        finally:
            self._idle.append(schema)

    def _compile(self) -> etree.XMLSchema:
        driver = etree.Element(_X + "schema", nsmap={"xsd": XSD})
        for namespace in self._documents:
            etree.SubElement(driver, _X + "import", namespace=namespace, schemaLocation=_SCHEME + namespace)
        parser = etree.XMLParser(no_network=True, resolve_entities=False)
        parser.resolvers.add(_Resolver(self._documents))
        return etree.XMLSchema(etree.fromstring(etree.tostring(driver), parser))


class _Resolver(etree.Resolver):
    """Gives libxml2 the schema of a namespace instead of a file."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self._documents = documents

    def resolve(self, system_url: str, public_id: str, context: object) -> object:  # type: ignore[override]
        namespace = (system_url or "").removeprefix(_SCHEME)
        return self.resolve_string(self._documents[namespace], context, base_url=_SCHEME)


def _documents(contract: Contract, relax: Callable[[etree._Element], None]) -> dict[str, bytes]:
    """The schema of each namespace: those of the WSDL, relaxed, and the wrappers of rpc messages."""
    found: dict[str, etree._Element] = {}
    for schema in contract.schemas.documents:
        # Parsed again: a deep copy would lose the prefixes that QNames in attributes use (stack.md 1).
        copy = etree.fromstring(etree.tostring(schema))
        namespace = copy.get("targetNamespace", "")
        if namespace in found:
            raise ValueError(f"{contract.name}: two schemas for {namespace}")
        relax(copy)
        found[namespace] = copy
    _add_wrappers(contract, found)
    for schema in found.values():
        for node in schema.iterfind(_X + "import"):
            node.set("schemaLocation", _SCHEME + node.get("namespace", ""))
    return {namespace: etree.tostring(schema) for namespace, schema in found.items()}


def _add_wrappers(contract: Contract, found: dict[str, etree._Element]) -> None:
    """Elements for rpc/literal wrappers, which no schema declares; parameters in any order."""
    for type_name, wrapper in contract.wrappers.items():
        namespace, _, local = type_name[1:].partition("}#")
        if namespace not in found:
            found[namespace] = etree.Element(_X + "schema", nsmap={"xsd": XSD}, targetNamespace=namespace)
        schema = found[namespace]
        element = etree.SubElement(schema, _X + "element", name=local)
        group = etree.SubElement(etree.SubElement(element, _X + "complexType"), _X + "all")
        for member in wrapper.members:
            space, _, type_local = member.type[1:].partition("}")
            child = etree.SubElement(group, _X + "element", nsmap={"t": space}, name=member.name, nillable="true")
            child.set("type", f"t:{type_local}")
            _import(schema, space, namespace)


def _import(schema: etree._Element, namespace: str, own: str) -> None:
    known = {own, XSD, *(each.get("namespace") for each in schema.iterfind(_X + "import"))}
    if namespace not in known:
        node = etree.Element(_X + "import", namespace=namespace)
        schema.insert(0, node)


def _first_error(schema: etree.XMLSchema) -> str:
    """The validator's first complaint, without the file name that lxml puts before it."""
    entries: Any = schema.error_log
    for entry in entries:
        return str(entry.message)
    return "the message does not follow the contract"
