"""Who is at the other end of a connection: the result of verification, and nothing but values."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Self

from cryptography import x509


class ProxyKind(Enum):
    """What kind of proxy certificates a chain is made of; one kind per chain."""

    NONE = "end entity"
    RFC3820 = "RFC 3820 proxy"
    LEGACY = "legacy Globus proxy"
    DRAFT = "GSI-3 draft proxy"


@dataclass(frozen=True, slots=True)
class GenericAttribute:
    """A name and value that a VO gives its member; qualifier: the group it belongs to, may be empty."""

    name: str
    value: str
    qualifier: str


@dataclass(frozen=True, slots=True)
class VoAttributes:
    """What one verified attribute certificate says.

    vo: name of the virtual organisation; fqans: groups and roles, `/vo/group/Role=x`, first is primary; attributes:
    generic ones; issuer: slash form of the VOMS server's name; not_after: end of its validity, UTC; server: its
    `host:port`.
    """

    vo: str
    fqans: tuple[str, ...]
    attributes: tuple[GenericAttribute, ...]
    issuer: str
    not_after: datetime
    server: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A verified identity.

    dn: slash form of the end entity's subject, whatever the number of proxies; rfc2253: the same in RFC 2253 form;
    limited: some proxy of the chain is limited; fqans: those of all `vos`, first is primary; vos: verified attributes,
    one for each attribute certificate;
    chain: the verified certificates, leaf first, up to and including the root;
    not_after: end of validity of the identity, UTC, the earliest of the chain;
    disbelieved: why attribute certificates of the proxy count for nothing, a sentence for each.
    """

    dn: str
    rfc2253: str
    proxy_kind: ProxyKind
    limited: bool
    chain: Sequence[x509.Certificate] = field(repr=False, compare=False)
    not_after: datetime
    fqans: tuple[str, ...] = ()
    vos: tuple[VoAttributes, ...] = ()
    disbelieved: tuple[str, ...] = ()

    @property
    def ends(self) -> datetime:
        """When the first of what is known of the peer ends: the identity, or attributes; UTC."""
        return min(self.not_after, *(vo.not_after for vo in self.vos)) if self.vos else self.not_after

    def at(self, now: datetime) -> Self | None:
        """The peer at a later time of a connection: attributes that have ended are gone; None: the identity is."""
        if now < self.ends:
            return self
        if now >= self.not_after:
            return None
        return self.with_attributes(tuple(vo for vo in self.vos if now < vo.not_after))

    def with_attributes(self, vos: tuple[VoAttributes, ...]) -> Self:
        """The same peer with these verified attributes."""
        return replace(self, vos=vos, fqans=tuple(dict.fromkeys(fqan for vo in vos for fqan in vo.fqans)))
