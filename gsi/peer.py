"""Who is at the other end of a connection: the result of verification, and nothing but values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509


class ProxyKind(Enum):
    """What kind of proxy certificates a chain is made of; one kind per chain."""

    NONE = "end entity"
    RFC3820 = "RFC 3820 proxy"
    LEGACY = "legacy Globus proxy"
    DRAFT = "GSI-3 draft proxy"


@dataclass(frozen=True, slots=True)
class Peer:
    """A verified identity.

    dn: slash form of the end entity's subject, whatever the number of proxies; rfc2253: the same in RFC 2253 form;
    limited: some proxy of the chain is limited; fqans: verified VO attributes, first is primary;
    chain: the verified certificates, leaf first, up to and including the root;
    not_after: end of validity of the identity, UTC, the earliest of the chain.
    """

    dn: str
    rfc2253: str
    proxy_kind: ProxyKind
    limited: bool
    chain: Sequence[x509.Certificate] = field(repr=False, compare=False)
    not_after: datetime
    fqans: tuple[str, ...] = ()
