"""The access list of a job directory, file ``.gacl`` in GridSite's XML form (wms.md 1.11, 5.1)."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from gsi.names import same_dn
from guarded.xml import XmlRefused, parse

VERSION = "0.0.1"
OWNER_RIGHTS = ("read", "list", "write")  # what a registration grants the user (wms.md 1.7 j)


class Gacl:
    """Who may do what. Entries for persons are understood; other kinds of entries grant nothing here."""

    def __init__(self, allowed: dict[str, list[str]], denied: dict[str, list[str]]) -> None:
        self._allowed = allowed
        self._denied = denied

    @classmethod
    def parse(cls, document: bytes) -> Gacl:
        """:raises XmlRefused: the document cannot be read."""
        allowed: dict[str, list[str]] = {}
        denied: dict[str, list[str]] = {}
        for entry in parse(document).iter("entry"):
            names = [dn.text or "" for dn in entry.iterfind("person/dn")]
            for action, rights in (("allow", allowed), ("deny", denied)):
                for right in entry.iterfind(f"{action}/*"):
                    rights.setdefault(str(right.tag), []).extend(names)
        return cls(allowed, denied)

    def permits(self, dn: str, right: str) -> bool:
        """Whether *dn* has the *right*: read, list, write, exec or admin. A denial outweighs."""
        return _listed(dn, self._allowed, right) and not _listed(dn, self._denied, right)

    @property
    def owner(self) -> str | None:
        """The first person who may write: the owner of the job."""
        return next((dn for dn in self._allowed.get("write", []) if self.permits(dn, "write")), None)


def _listed(dn: str, rights: dict[str, list[str]], right: str) -> bool:
    return any(same_dn(dn, person) for person in rights.get(right, []))


def document(dn: str, rights: Iterable[str] = OWNER_RIGHTS) -> bytes:
    """The access list that grants one person the *rights* and nobody else anything."""
    root = etree.Element("gacl", version=VERSION)
    entry = etree.SubElement(root, "entry")
    etree.SubElement(etree.SubElement(entry, "person"), "dn").text = dn
    allow = etree.SubElement(entry, "allow")
    for right in rights:
        etree.SubElement(allow, right)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


__all__ = ["OWNER_RIGHTS", "Gacl", "XmlRefused", "document"]
