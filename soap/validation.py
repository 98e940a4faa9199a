"""Validation of messages against the XSD of wsdl/, as strict or as lenient as `soap.leniency` says."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from soap import leniency
from soap.contract import Contract
from soap.schema import XSD

_X = f"{{{XSD}}}"


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
        """Compile from files that import one another.

        Resolvers of lxml would need none, but are set for the whole process: while another thread parses anything, an
        import may find nothing, and the schema then knows no elements and refuses every message.
        """
        driver = etree.Element(_X + "schema", nsmap={"xsd": XSD})
        with tempfile.TemporaryDirectory(prefix="schema-") as directory:
            for number, (namespace, document) in enumerate(self._documents.items()):
                (Path(directory) / _file(number)).write_bytes(document)
                etree.SubElement(driver, _X + "import", namespace=namespace, schemaLocation=_file(number))
            path = Path(directory) / "all.xsd"
            path.write_bytes(etree.tostring(driver))
            return etree.XMLSchema(file=str(path))


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
    files = {namespace: _file(number) for number, namespace in enumerate(found)}
    for schema in found.values():
        for node in schema.iterfind(_X + "import"):
            node.set("schemaLocation", files[node.get("namespace", "")])
    return {namespace: etree.tostring(schema) for namespace, schema in found.items()}


def _file(number: int) -> str:
    """Where the schema of the namespace with this number stands."""
    return f"{number}.xsd"


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
