"""The configuration file of the index server: which attributes, which of them indexed, which feeds (jp.md 3.2).

The original's XML form: root ``ServerConfiguration`` in the elements namespace, children in no namespace, the same
shape as the answer of the operation ServerConfiguration. Accepted beyond the schema: ``queryable`` for ``queriable``,
empty or absent ``plugins``, any prefix, 0/1/true/false. Anything else unknown is an error that names line and element.
"""

import base64
import binascii
import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lxml import etree

import guarded.xml
from jpis.attributes import JOBID_ID, attribute_id

log = logging.getLogger(__name__)

ROOT = "ServerConfiguration"
OPERATORS = ("EQUAL", "UNEQUAL", "LESS", "GREATER", "WITHIN", "EXISTS")
ORIGINS = ("SYSTEM", "USER", "FILE")
#: Longest attribute name: column attrs.name is varchar(255) (jp.md 3.3).
NAME_LIMIT = 255


class ConfigurationError(ValueError):
    """The configuration cannot be used; the message names file, line, fault and remedy."""


@dataclass(frozen=True)
class Attribute:
    """An attribute that is asked from the Primary Storage and stored."""

    name: str
    multival: bool = True
    queriable: bool = True
    """Carried for ServerConfiguration; queries do not look at it, as in the original."""

    @cached_property
    def id(self) -> str:
        """The id that names its table."""
        return attribute_id(self.name)


@dataclass(frozen=True)
class Condition:
    """A condition of a feed (primaryQuery of the contract)."""

    attr: str
    op: str
    origin: str | None = None
    value: str | bytes | None = None
    value2: str | bytes | None = None


@dataclass(frozen=True)
class Feed:
    """Jobs that a Primary Storage shall send."""

    primary_server: str
    conditions: tuple[Condition, ...]
    history: bool
    continuous: bool


@dataclass(frozen=True)
class Configuration:
    """A whole, checked configuration."""

    attributes: tuple[Attribute, ...]
    indexed: tuple[str, ...]
    plugins: tuple[str, ...] = ()
    feeds: tuple[Feed, ...] = ()
    _by_id: dict[str, Attribute] = field(init=False, repr=False, compare=False)
    _indexed_ids: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {attribute.id: attribute for attribute in self.attributes})
        object.__setattr__(self, "_indexed_ids", frozenset(map(attribute_id, self.indexed)))

    def find(self, name: str) -> Attribute | None:
        """Return the configured attribute `name` (letter case ignored), or None."""
        return self._by_id.get(attribute_id(name))

    def is_indexed(self, name: str) -> bool:
        """True when a query may rest on `name`; the job id always is."""
        identity = attribute_id(name)
        return identity in self._indexed_ids or identity == JOBID_ID


def load(path: Path) -> Configuration:
    """Read a configuration file. Raises ConfigurationError; its message is complete for the user."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse(data)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def parse(data: bytes) -> Configuration:
    """Make a configuration of the bytes of a file. Raises ConfigurationError."""
    try:
        root = guarded.xml.parse(data)
    except guarded.xml.XmlRefused as error:
        raise ConfigurationError(f"is not well-formed XML: {error}") from error
    if etree.QName(root).localname != ROOT:
        raise _error(root, f"the root element is <{etree.QName(root).localname}>, expected <{ROOT}>")
    parts = _children(root, ("attrs", "indexedAttrs", "plugins", "feeds"))
    if not parts["attrs"]:
        raise _error(root, "at least one <attrs> is needed: there is nothing to index")
    configuration = Configuration(
        attributes=tuple(map(_attribute, parts["attrs"])),
        indexed=tuple(_text(element) for element in parts["indexedAttrs"]),
        plugins=tuple(text for element in parts["plugins"] if (text := (element.text or "").strip())),
        feeds=tuple(map(_feed, parts["feeds"])),
    )
    _check_names(configuration, parts)
    if configuration.plugins:
        log.warning("type plug-ins are not supported, all values compare as strings: %s", configuration.plugins)
    return configuration


def _check_names(configuration: Configuration, parts: dict[str, list[etree._Element]]) -> None:
    seen: dict[str, str] = {}
    for attribute, element in zip(configuration.attributes, parts["attrs"], strict=True):
        if attribute.id in seen:
            raise _error(element, f"attribute {attribute.name} is already there as {seen[attribute.id]}")
        seen[attribute.id] = attribute.name
    for name, element in zip(configuration.indexed, parts["indexedAttrs"], strict=True):
        if attribute_id(name) not in seen and attribute_id(name) != JOBID_ID:
            hint = _suggestion(name, list(seen.values()))
            raise _error(element, f"indexed attribute {name} is not among the <attrs>{hint}")


def _attribute(element: etree._Element) -> Attribute:
    if len(element) == 0 and (element.text or "").strip():
        raise _error(element, "<attrs> holds a bare name, as before 2008; write <attrs><name>…</name></attrs>")
    parts = _children(element, ("name", "multival", "queriable", "queryable"))
    name = _text(_single(element, parts, "name"))
    if len(name) > NAME_LIMIT:
        raise _error(element, f"the attribute name has {len(name)} characters, more than {NAME_LIMIT}")
    queriable = parts["queriable"] or parts["queryable"]
    return Attribute(name, _yes_no(parts["multival"]), _yes_no(queriable))


def _feed(element: etree._Element) -> Feed:
    parts = _children(element, ("primaryServer", "condition", "history", "continuous", "feedId"))
    server = _text(_single(element, parts, "primaryServer"))
    if "://" not in server:
        raise _error(element, f"primaryServer {server} is no URL; write for instance https://localhost:8901")
    if not parts["condition"]:
        raise _error(element, "a feed needs at least one <condition>, for instance System:regtime GREATER 0")
    history = _flag(_single(element, parts, "history"))
    continuous = _flag(_single(element, parts, "continuous"))
    if not history and not continuous:
        raise _error(element, "this feed would never bring a job: set history or continuous to 1")
    return Feed(server, tuple(map(_condition, parts["condition"])), history, continuous)


def _condition(element: etree._Element) -> Condition:
    parts = _children(element, ("attr", "op", "origin", "value", "value2"))
    op = _choice(_single(element, parts, "op"), OPERATORS)
    origin = _choice(parts["origin"][0], ORIGINS) if parts["origin"] else None
    value = _value(parts["value"])
    value2 = _value(parts["value2"])
    if op != "EXISTS" and value is None:
        raise _error(element, f"operator {op} needs a <value>")
    if op == "WITHIN" and value2 is None:
        raise _error(element, "operator WITHIN needs a <value> and a <value2>")
    return Condition(_text(_single(element, parts, "attr")), op, origin, value, value2)


def _value(elements: Sequence[etree._Element]) -> str | bytes | None:
    if not elements:
        return None
    parts = _children(elements[0], ("string", "blob"))
    if parts["string"] and not parts["blob"]:
        return parts["string"][0].text or ""
    if parts["blob"] and not parts["string"]:
        try:
            return base64.b64decode("".join((parts["blob"][0].text or "").split()), validate=True)
        except binascii.Error as error:
            raise _error(elements[0], "the <blob> is not base64") from error
    raise _error(elements[0], "a value holds either one <string> or one <blob>")


def _children(element: etree._Element, known: Sequence[str]) -> dict[str, list[etree._Element]]:
    """Sort the children by local name; a name that is not known is an error with a suggestion."""
    sorted_children: dict[str, list[etree._Element]] = {name: [] for name in known}
    for child in element.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        if name not in sorted_children:
            raise _error(child, f"unknown element <{name}>{_suggestion(name, known)}")
        sorted_children[name].append(child)
    return sorted_children


def _single(parent: etree._Element, parts: dict[str, list[etree._Element]], name: str) -> etree._Element:
    if len(parts[name]) != 1:
        raise _error(parent, f"<{etree.QName(parent).localname}> needs exactly one <{name}>, found {len(parts[name])}")
    return parts[name][0]


def _text(element: etree._Element) -> str:
    text = (element.text or "").strip()
    if not text:
        raise _error(element, f"<{etree.QName(element).localname}> is empty")
    return text


def _yes_no(elements: Sequence[etree._Element]) -> bool:
    """Absent means YES, as the original's decoder has it (jp.md 1.6)."""
    return not elements or _choice(elements[0], ("YES", "NO")) == "YES"


def _flag(element: etree._Element) -> bool:
    return _choice(element, ("0", "1", "false", "true")) in ("1", "true")


def _choice(element: etree._Element, allowed: Sequence[str]) -> str:
    text = _text(element)
    if text not in allowed:
        raise _error(element, f"<{etree.QName(element).localname}> is {text!r}, expected one of {', '.join(allowed)}")
    return text


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _error(element: etree._Element, message: str) -> ConfigurationError:
    return ConfigurationError(f"line {element.sourceline}: {message}")
