"""The credentials of an access list: for whom an entry holds. The kinds are in the table of `gsi.gacl`."""

import enum
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from types import MappingProxyType
from typing import Final
from urllib.parse import quote_plus, unquote_plus

from lxml import etree

from gsi.errors import FqanError, RulesError
from gsi.fqan import Fqan, FqanPattern, matches
from gsi.names import folded, printable, same_dn
from gsi.peer import Peer

#: What GridSite leaves as it is in a credential URI; blanks become `+`, all else `%HH` (GRSThttpUrlMildencode).
_PLAIN: Final = "/=@"
_ENCODED: Final = re.compile(r"[A-Za-z0-9.=/@_+%-]*")
_SHOWN: Final = re.compile(r"[ -~]+")


class GaclError(RulesError):
    """An access list cannot be read or changed like that; the message says why."""


class Kind(enum.Enum):
    """What a credential is about; the values are the elements."""

    ANYBODY = "any-user"
    AUTHENTICATED = "auth-user"
    PERSON = "person"
    FQAN = "voms"
    GROUP = "voms-cred"
    LIST = "dn-list"
    HOST = "dns"
    UNKNOWN = ""


#: The one part of these kinds, and how their URI begins; the URI of a list is that of the list.
_PARTS: Final = {Kind.PERSON: "dn", Kind.FQAN: "fqan", Kind.LIST: "url", Kind.HOST: "hostname"}
_SCHEMES: Final = {Kind.PERSON: "dn:", Kind.FQAN: "fqan:", Kind.HOST: "dns:", Kind.LIST: ""}
_PLAIN_URIS: Final = {"gacl:any-user": Kind.ANYBODY, "gacl:auth-user": Kind.AUTHENTICATED}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who asks. peer: None when anonymous; host: the verified name of his, None: not known; lists: members by URL."""

    peer: Peer | None
    host: str | None = None
    lists: Mapping[str, Container[object]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential. Make it with `person`, `voms`, `group` or `of`.

    value: DN, FQAN or pattern, `/vo/group`, URL, host name; for an unknown kind the element as it was. as_uri: written
    in LB's form.
    """

    kind: Kind
    value: str = ""
    uri: bool = field(default=False, compare=False)

    @classmethod
    def person(cls, dn: str) -> "Credential":
        """Raises GaclError when it is no DN in slash form."""
        if not _is_dn(dn) or not _SHOWN.fullmatch(dn):
            raise GaclError(f"not a DN in the slash form: {dn[:200]!r}")
        return cls(Kind.PERSON, dn, uri=dn != dn.strip())  # readers of the other form cut blanks off

    @classmethod
    def voms(cls, fqan: str) -> "Credential":
        """Raises GaclError when it is neither an FQAN nor a pattern."""
        if not _is_pattern(fqan):
            raise GaclError(f"not an FQAN: {fqan[:200]!r}")
        return cls(Kind.FQAN, fqan)

    @classmethod
    def group(cls, vo: str, group: str = "") -> "Credential":
        """`VO:group` of LB: every member of that group. Raises GaclError."""
        path = _group_path(vo, group)
        if path is None:
            raise GaclError(f"not a VO and a group of it: {vo[:100]!r}, {group[:100]!r}")
        return cls(Kind.GROUP, path)

    @classmethod
    def of(cls, element: etree._Element) -> "Credential":
        """Read an element of an entry; what is not understood in all its parts is of the unknown kind."""
        known = None if element.attrib or _stray(element) else _known(element)
        return known or cls(Kind.UNKNOWN, _text_of(element))

    def holds(self, who: Circumstances) -> bool | None:
        """Whether it holds for who asks; None: it may or may not."""
        peer = who.peer
        match self.kind:
            case Kind.ANYBODY:
                return True
            case Kind.LIST:
                members = who.lists.get(self.value)
                return None if members is None else peer is not None and peer in members
            case Kind.HOST:
                return None if who.host is None else fnmatch(who.host.lower(), self.value.lower())
            case Kind.UNKNOWN:
                return None
        return peer is not None and self._holds_for(peer)

    def _holds_for(self, peer: Peer) -> bool:
        match self.kind:
            case Kind.PERSON:
                return same_dn(self.value, peer.dn)
            case Kind.FQAN | Kind.GROUP:
                return any(map(self._is_shown_by, peer.fqans))
        return self.kind is Kind.AUTHENTICATED

    def _is_shown_by(self, fqan: str) -> bool:
        try:
            return matches(self.value, fqan) if self.kind is Kind.FQAN else Fqan.parse(fqan).group == self.value
        except FqanError:
            return False

    def is_about(self, dn: str) -> bool:
        """Whether it holds for somebody of whom nothing but the name is known, or may hold for everybody."""
        if self.kind is Kind.PERSON:
            return same_dn(self.value, dn)
        return self.kind in (Kind.ANYBODY, Kind.AUTHENTICATED, Kind.UNKNOWN)

    @property
    def key(self) -> tuple[Kind, str]:
        """The same for all spellings of a credential."""
        return self.kind, folded(self.value) if self.kind is Kind.PERSON else self.value

    def as_uri(self) -> "Credential":
        """The same in LB's form, where the kind has one."""
        return replace(self, uri=self.kind not in (Kind.UNKNOWN, Kind.GROUP))

    def element(self) -> etree._Element:
        """The credential as an element."""
        if self.kind is Kind.UNKNOWN:
            return etree.fromstring(self.value)
        if self.uri:
            return _with_parts("cred", auri=self._uri())
        if self.kind is Kind.GROUP:
            vo, _, group = self.value[1:].partition("/")
            return _with_parts("voms-cred", vo=vo, **({"group": group} if group else {}))
        part = _PARTS.get(self.kind)
        return _with_parts(self.kind.value, **({part: self.value} if part else {}))

    def _uri(self) -> str:
        scheme = _SCHEMES.get(self.kind)
        if scheme is None:
            return f"gacl:{self.kind.value}"
        return self.value if self.kind is Kind.LIST else scheme + _mildly_encoded(self.value)


def _known(element: etree._Element) -> Credential | None:
    parts = {str(part.tag): (part.text or "").strip() for part in element}
    if len(parts) < len(element) or any(len(part) or part.attrib for part in element):
        return None
    if element.tag == "cred":
        return _of_uri(parts.pop("auri", "")) if len(parts) == 1 else None
    if element.tag == Kind.GROUP.value:
        path = _group_path(parts.pop("vo", ""), parts.pop("group", ""))
        return Credential(Kind.GROUP, path) if path and not parts else None
    for kind in (Kind.ANYBODY, Kind.AUTHENTICATED):
        if element.tag == kind.value:
            return None if parts else Credential(kind)
    for kind, part in _PARTS.items():
        if element.tag == kind.value:
            return _checked(kind, parts.pop(part, "")) if len(parts) == 1 else None
    return None


def _of_uri(uri: str) -> Credential | None:
    if uri in _PLAIN_URIS:
        return Credential(_PLAIN_URIS[uri], uri=True)
    if uri.startswith(("http:", "https:")):
        return Credential(Kind.LIST, uri, uri=True)
    for kind, scheme in _SCHEMES.items():
        if scheme and uri.startswith(scheme):
            known = _checked(kind, _decoded(uri.removeprefix(scheme)))
            return known and known.as_uri()
    return None


def _checked(kind: Kind, value: str) -> Credential | None:
    if kind is Kind.PERSON:
        value = printable(value.encode("utf-8"))  # as peers are shown: a denial has to meet them
    good = {Kind.PERSON: _is_dn, Kind.FQAN: _is_pattern}.get(kind, bool)
    return Credential(kind, value) if good(value) else None


def _is_dn(text: str) -> bool:
    return text.startswith("/") and "=" in text


def _is_pattern(text: str) -> bool:
    try:
        FqanPattern(text)
    except FqanError:
        return False
    return True


def _group_path(vo: str, group: str) -> str | None:
    """`/vo/group`; the group may be given with or without the VO in front, as a path or a name."""
    path = group.rstrip("/") if group.startswith("/") else f"/{vo}/{group}".rstrip("/")
    try:
        found = Fqan.parse(path)
    except FqanError:
        return None
    return path if found.vo == vo and found.group == path else None


def _mildly_encoded(text: str) -> str:
    return quote_plus(text, safe=_PLAIN).replace("~", "%7E")


def _decoded(text: str) -> str:
    """What a credential URI says. Some programs write values as they are: those have characters never left alone."""
    if not _ENCODED.fullmatch(text):
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return ""


def _stray(element: etree._Element) -> bool:
    """Whether there is text between the parts."""
    texts = [element.text if len(element) or element.text else None, *(part.tail for part in element)]
    return any(text and text.strip() for text in texts)


def _text_of(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _with_parts(name: str, **parts: str) -> etree._Element:
    element = etree.Element(name)
    for part, value in parts.items():
        etree.SubElement(element, part).text = value
    return element
