"""An access list: its entries, who is granted what, and its two written forms. See `gsi.gacl`."""

import enum
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lxml import etree

from gsi.gacl.credential import Circumstances, Credential, GaclError, Kind
from gsi.peer import Peer
from guarded import xml

#: Longest access list, in bytes: a limit of ours. Lists of 1,000 persons have 100 kB.
MAX_BYTES: Final = 1 << 20
#: The versions that GridSite wrote: with credentials by kind, and as URIs.
VERSION: Final = "0.0.1"
URI_VERSION: Final = "0.9.0"


class Permission(enum.StrEnum):
    """What can be allowed or denied; the values are the elements."""

    READ = "read"
    EXEC = "exec"
    LIST = "list"
    WRITE = "write"
    ADMIN = "admin"


_KNOWN: Final = frozenset(Permission)
_ACTIONS: Final = ("allow", "deny")
#: What a registration grants the owner of a job (wms.md 1.7 j).
OWNER_PERMISSIONS: Final = (Permission.READ, Permission.LIST, Permission.WRITE)
#: Never granted to the whole world.
_NOT_FOR_ANYBODY: Final = frozenset({Permission.WRITE, Permission.ADMIN})


@dataclass(frozen=True, slots=True)
class Entry:
    """Permissions for those for whom all credentials hold. unknown: permissions that we do not know, (action, name)."""

    credentials: tuple[Credential, ...]
    allow: frozenset[Permission] = frozenset()
    deny: frozenset[Permission] = frozenset()
    unknown: tuple[tuple[str, str], ...] = ()

    def allows(self, permission: Permission, who: Circumstances) -> bool:
        """Whether the entry certainly holds and allows it."""
        if permission not in self.allow or not self.credentials:
            return False
        if permission in _NOT_FOR_ANYBODY and all(credential.kind is Kind.ANYBODY for credential in self.credentials):
            return False
        return all(credential.holds(who) is True for credential in self.credentials)

    def denies(self, permission: Permission, who: Circumstances) -> bool:
        """Whether the entry denies it, unless it certainly does not hold."""
        return permission in self.deny and all(credential.holds(who) is not False for credential in self.credentials)

    def same_as(self, other: "Entry") -> bool:
        """Equal as lb.md 11.3 has it: the same credentials and the same permissions, however they are spelled."""
        mine, others = ({each.key for each in entry.credentials} for entry in (self, other))
        return mine == others and (self.allow, self.deny) == (other.allow, other.deny)


@dataclass(frozen=True, slots=True)
class Gacl:
    """An access list. It never changes: `add` and `remove` return another one."""

    entries: tuple[Entry, ...] = ()
    version: str = field(default=VERSION, compare=False)

    @classmethod
    def parse(cls, document: bytes) -> "Gacl":
        """Read an access list. Raises GaclError."""
        try:
            root = xml.parse(document, limit=MAX_BYTES)
        except xml.XmlRefused as error:
            raise GaclError(f"not an access list: {error}") from error
        if root.tag != "gacl":
            raise GaclError(f"not an access list: the outermost element is {str(root.tag)[:60]!r}, not 'gacl'")
        return cls(tuple(_entry(element) for element in root), root.get("version", VERSION))

    @classmethod
    def of_owner(cls, dn: str, permissions: Iterable[Permission] = OWNER_PERMISSIONS) -> "Gacl":
        """The list that grants one person the permissions, and nobody else anything. Raises GaclError."""
        return cls((Entry((Credential.person(dn),), frozenset(permissions)),))

    def permits(
        self, peer: Peer | None, permission: Permission, *, host: str | None = None,
        lists: Mapping[str, Container[object]] | None = None,
    ) -> bool:
        """Whether the peer (None: anonymous) has the permission.

        host: the verified name of where he calls from, None when it is not known; lists: DN lists by URL.
        """
        who = Circumstances(peer, host, lists or {})
        return any(entry.allows(permission, who) for entry in self.entries) and not self.denies(permission, who)

    def denies(self, permission: Permission, who: Circumstances) -> bool:
        """Whether some entry denies the permission."""
        return any(entry.denies(permission, who) for entry in self.entries)

    @property
    def owner(self) -> str | None:
        """The DN of the first person who may write: the owner of a job, when this is the list of its directory."""
        for entry in self.entries:
            if Permission.WRITE in entry.allow and [each.kind for each in entry.credentials] == [Kind.PERSON]:
                dn = entry.credentials[0].value
                if not self._denied_to(dn):
                    return dn
        return None

    def _denied_to(self, dn: str) -> bool:
        deniers = (entry for entry in self.entries if Permission.WRITE in entry.deny)
        return any(all(credential.is_about(dn) for credential in entry.credentials) for entry in deniers)

    def add(self, entry: Entry) -> "Gacl":
        """The list with one entry more; the same list when it has an equal one (lb.md 11.3)."""
        return self if any(map(entry.same_as, self.entries)) else replace(self, entries=(*self.entries, entry))

    def remove(self, entry: Entry) -> "Gacl":
        """The list without the entries equal to this one. Raises GaclError when there is none."""
        rest = tuple(each for each in self.entries if not each.same_as(entry))
        if len(rest) == len(self.entries):
            raise GaclError("the access list has no such entry")
        return replace(self, entries=rest)

    def write(self) -> bytes:
        """The list as a document, an entry a line."""
        root = etree.Element("gacl", version=self.version)
        root.text = "\n"
        for entry in self.entries:
            _write(root, entry).tail = "\n"
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"

    def compact(self) -> str:
        """The list on one line and in LB's form: what its database holds and a job's status shows (lb.md 11.3)."""
        root = etree.Element("gacl", version=URI_VERSION)
        for entry in self.entries:
            _write(root, replace(entry, credentials=tuple(each.as_uri() for each in entry.credentials)))
        # empty: the two outer tags, not one
        root.text = None if self.entries else ""
        return '<?xml version="1.0"?>' + etree.tostring(root, encoding="unicode")


def _entry(element: etree._Element) -> Entry:
    if element.tag != "entry":
        raise GaclError(f"an access list is made of entries, there is {str(element.tag)[:60]!r}")
    if element.attrib or any(part.attrib for part in element if part.tag in _ACTIONS):
        raise GaclError("entries and their permissions have no attributes")
    credentials = []
    permissions: dict[str, list[str]] = {action: [] for action in _ACTIONS}
    for part in element:
        if part.tag in permissions:
            permissions[str(part.tag)] += [str(right.tag) for right in part]
        else:
            credentials.append(Credential.of(part))
    allow, deny = (frozenset(Permission(each) for each in given if each in _KNOWN) for given in permissions.values())
    unknown = tuple((action, each) for action, given in permissions.items() for each in given if each not in _KNOWN)
    return Entry(tuple(credentials), allow, deny, unknown)


def _write(root: etree._Element, entry: Entry) -> etree._Element:
    element = etree.SubElement(root, "entry")
    for credential in entry.credentials:
        element.append(credential.element())
    for action, given in (("allow", entry.allow), ("deny", entry.deny)):
        known = [each.value for each in Permission if each in given]
        names = known + [name for where, name in entry.unknown if where == action]
        if names:
            rights = etree.SubElement(element, action)
            for name in names:
                etree.SubElement(rights, name)
    return element
