r"""Access list of a job: who besides the owner may read it or set its user tags (lb.md 11.3).

    acl = Acl().for_services(regjob.get("wms_dn"))      at the first registration of a job, not at later ones
    acl = acl.change(event)                             ChangeACL; AclError: the event is refused and not stored
    acl = acl.for_payload_owner(status.payload_owner)   after each Grant/TakePayloadOwnership, when there is an owner
    status = status.replace(**acl.attributes())         what a query shows of the job it asks for, not of its subjobs
    acl.permits("READ", dn, fqans)

An entry is one credential and the rights that it allows or denies. Entries are equal when all of that is: the same
credential with another right is another entry. Their order is that of their arrival.

Rules, as the original follows them (all 158 cases of the oracle that have a ChangeACL, and all their refusals):

* ADD of an equal entry changes nothing; REMOVE takes the equal one away.
* REMOVE of what is not there is refused, but not when the list is empty: then it changes nothing.
* A GROUP changes nothing, whatever the operation, and is not refused. The original can read ``VO:group``, but the
  library that holds its lists has no such credential any more; it drops the entry and says OK. So nobody is allowed
  or denied by it: name an FQAN instead.
* A registration names the services that may read the job, each name *ended* by a line feed, as the client library
  writes them; what follows the last line feed is no name.
* A payload owner may set tags.
* A list that lost its last entry is still a list: the status shows it, without entries. A job that never had one shows
  no list.

A right is granted when some entry allows it and none denies it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import quote_plus, unquote_to_bytes

from lxml import etree

from guarded import xml
from lb.model.errors import ModelError
from lb.model.events import Event
from lb.model.people import same_dn

Permission = Literal["READ", "TAG"]

ELEMENTS: Final[dict[str, str]] = {"READ": "read", "TAG": "write"}
"""Rights in the order in which they are described, and their elements in the list."""
SCHEMES: Final[dict[str, str]] = {"DN": "dn:", "FQAN": "fqan:"}
"""Kinds of credentials and how their URIs begin."""
MAX_BYTES: Final = 16 << 20
"""Longest list that is read, in bytes: a limit of ours, what the original's database takes as one value."""

_OLD_FORMS: Final = {"person": ("dn", "DN"), "voms": ("fqan", "FQAN")}
"""Credentials as GridSite wrote them before it had URIs: their one part, and the kind."""
_BEGIN: Final = '<?xml version="1.0"?><gacl version="0.9.0">'
_END: Final = "</gacl>"
_PLAIN: Final = "/=@"
"""What stands as it is in a credential URI besides letters, digits, ``.``, ``_`` and ``-``; a blank is ``+``."""
_ABSENT: Final = re.compile(r"/(?:Role|Capability)=NULL(?=/|\Z)")
_RIGHTS: Final = {element: right for right, element in ELEMENTS.items()}
_NO_RIGHTS: Final[frozenset[str]] = frozenset()


class AclError(ModelError):
    """An access list cannot be changed like that (EINVAL, in the words of the original), or is none."""


class Entry(NamedTuple):
    """What one credential is allowed and denied. ``kind``: key of ``SCHEMES``; rights: keys of ``ELEMENTS``."""

    kind: str
    value: str
    allow: frozenset[str] = _NO_RIGHTS
    deny: frozenset[str] = _NO_RIGHTS

    @property
    def uri(self) -> str:
        """The credential as it stands in the list."""
        text = quote_plus(self.value.encode("utf-8", "surrogateescape"), safe=_PLAIN)
        return SCHEMES[self.kind] + text.replace("~", "%7E")

    @property
    def name(self) -> str:
        """The credential for people."""
        return SCHEMES[self.kind] + self.value

    def to_xml(self) -> str:
        rights = "".join(
            f"<{action}>{''.join(f'<{element}/>' for right, element in ELEMENTS.items() if right in given)}</{action}>"
            for action, given in (("allow", self.allow), ("deny", self.deny))
            if given
        )
        return f"<entry><cred><auri>{self.uri}</auri></cred>{rights}</entry>"

    def holds(self, dn: str, fqans: Iterable[str]) -> bool:
        """Whether the entry is about somebody with that subject name and those attributes."""
        if self.kind == "DN":
            return same_dn(self.value, dn)
        return any(_same_fqan(self.value, fqan) for fqan in fqans)


@dataclass(frozen=True, slots=True)
class Acl:
    """The access list of one job; it never changes, what changes it gives another one.

    ``listed``: there has been an entry, so that the job has a list even if it is empty by now.
    """

    entries: tuple[Entry, ...] = ()
    listed: bool = False

    def change(self, event: Event) -> "Acl":
        """The list after a ChangeACL event. Raises ``AclError``, with the text that the original answers."""
        get = event.get
        kind, value = get("user_id_type"), get("user_id")
        if kind == "GROUP":
            return self
        if kind not in SCHEMES or not value or _is_unwritable(value):
            raise AclError("Unknown user type for ACL")
        if get("permission") not in ELEMENTS:
            raise AclError("Unknown permission for ACL")
        rights = frozenset({get("permission")})
        match get("permission_type"):
            case "ALLOW":
                entry = Entry(kind, value, allow=rights)
            case "DENY":
                entry = Entry(kind, value, deny=rights)
            case _:
                raise AclError("Unknown permission type")
        match get("operation"):
            case "ADD":
                return self.add(entry)
            case "REMOVE":
                return self.remove(entry)
        raise AclError("Unknown ACL operation requested")

    def add(self, *entries: Entry) -> "Acl":
        """The list with these entries too; those that it has already stay where they are."""
        known = self.entries if len(entries) == 1 else frozenset(self.entries)
        new = tuple(entry for entry in dict.fromkeys(entries) if entry not in known)
        return Acl(self.entries + new, True) if new else self

    def remove(self, entry: Entry) -> "Acl":
        """The list without that entry. Raises ``AclError`` when it has others only."""
        if not self.entries:
            return self
        if entry not in self.entries:
            raise AclError("ACL entry doesn't exist")
        place = self.entries.index(entry)
        return Acl(self.entries[:place] + self.entries[place + 1 :], True)

    def for_services(self, wms_dn: str | None) -> "Acl":
        """The list of a job whose registration names these services: each may read it."""
        *names, _ = (wms_dn or "").split("\n")
        may_read = frozenset({"READ"})
        return self.add(*(Entry("DN", name, allow=may_read) for name in names if name and not _is_unwritable(name)))

    def for_payload_owner(self, dn: str) -> "Acl":
        """The list of a job that has this payload owner: he may set tags."""
        return self if _is_unwritable(dn) else self.add(Entry("DN", dn, allow=frozenset({"TAG"})))

    def permits(self, permission: Permission, dn: str, fqans: Iterable[str] = ()) -> bool:
        """Whether the list alone gives somebody the right; owners and administrators need no list.

        ``dn``: subject name without what proxies add to it; ``fqans``: verified attributes.
        """
        shown = tuple(fqans)
        mine = [entry for entry in self.entries if entry.holds(dn, shown)]
        allowed = any(permission in entry.allow for entry in mine)
        return allowed and not any(permission in entry.deny for entry in mine)

    def to_xml(self) -> str:
        """The list as the database holds it and a status shows it in ``acl``."""
        return _BEGIN + "".join(entry.to_xml() for entry in self.entries) + _END

    def describe(self) -> str:
        """The list for people, as a status shows it in ``access_rights``; empty when nothing is allowed or denied."""
        return "".join(map(self._describe, ELEMENTS))

    def _describe(self, permission: str) -> str:
        rights = frozenset({permission})
        allowed = [entry.name for entry in self.entries if entry.allow == rights]
        denied = [entry.name for entry in self.entries if entry.deny == rights and entry.allow != rights]
        lines = _lines("allowed: ", allowed) + _lines("denied:  ", denied)
        return f"{permission}:\n{lines}" if lines else ""

    def attributes(self) -> dict[str, str | None]:
        """The two attributes of a status, for ``Status.replace``; none when the job has no list."""
        return {"acl": self.to_xml(), "access_rights": self.describe() or None} if self.listed else {}

    @classmethod
    def parse(cls, document: str | bytes) -> "Acl":
        """Read a list as ``to_xml`` writes it, or an older one with persons and FQANs by name.

        Raises ``AclError`` for everything else: a list that is not understood to the last entry must not decide.
        """
        try:
            raw = document.encode("utf-8") if isinstance(document, str) else document
            root = xml.parse(raw, limit=MAX_BYTES)
        except (UnicodeEncodeError, xml.XmlRefused) as error:
            raise AclError(f"not an access list: {error}"[:200]) from None
        if root.tag != "gacl" or _has_text(root):
            raise AclError("not an access list")
        return cls(tuple(map(_entry, root)), True)


def _lines(word: str, names: list[str]) -> str:
    return f"\t{word}" + "\t\t ".join(f"{name}\n" for name in names) if names else ""


def _is_unwritable(value: str) -> bool:
    """Whether it holds halves of characters that are no bytes of a line either (``ulm.decode``)."""
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return True
    return False


# ---- reading --------------------------------------------------------------------------------------------------------


def _entry(element: etree._Element) -> Entry:
    if element.tag != "entry" or element.attrib or _has_text(element):
        raise AclError("an access list is made of entries")
    rights: dict[str, frozenset[str]] = {}
    credentials = []
    for part in element:
        if part.tag in ("allow", "deny"):
            if part.tag in rights:
                raise AclError(f"an entry has its <{part.tag}> twice")
            rights[str(part.tag)] = _rights(part)
        else:
            credentials.append(_credential(part))
    if len(credentials) != 1:
        raise AclError("an entry is about one credential")
    kind, value = credentials[0]
    return Entry(kind, value, rights.get("allow", _NO_RIGHTS), rights.get("deny", _NO_RIGHTS))


def _rights(element: etree._Element) -> frozenset[str]:
    found = [_RIGHTS.get(str(part.tag)) for part in element if not len(part) and not part.attrib]
    if element.attrib or _has_text(element) or None in found or len(found) < len(element):
        raise AclError(f"what is in <{element.tag}> is not only read and write")
    return frozenset(right for right in found if right is not None)


def _credential(element: etree._Element) -> tuple[str, str]:
    part = element[0] if len(element) == 1 and not element.attrib and not _has_text(element) else None
    if part is not None and not len(part) and not part.attrib:
        text = part.text or ""
        if (element.tag, part.tag) == ("cred", "auri"):
            return _of_uri(text)
        name, kind = _OLD_FORMS.get(str(element.tag), ("", ""))
        if part.tag == name and text.strip():
            return kind, text.strip()
    raise AclError(f"not a credential: <{str(element.tag)[:60]}>")


def _of_uri(uri: str) -> tuple[str, str]:
    for kind, scheme in SCHEMES.items():
        if uri.startswith(scheme):
            raw = unquote_to_bytes(uri.removeprefix(scheme).replace("+", " "))
            if raw:
                return kind, raw.decode("utf-8", "surrogateescape")
    raise AclError(f"not a credential: {uri[:60]!r}")


def _has_text(element: etree._Element) -> bool:
    texts = [element.text, *(part.tail for part in element)]
    return any(text and text.strip() for text in texts)


# ---- comparing ------------------------------------------------------------------------------------------------------


def _same_fqan(one: str, other: str) -> bool:
    """A role or capability of NULL is none."""
    return one == other or _ABSENT.sub("", one) == _ABSENT.sub("", other)
