"""What a chain of certificates says about itself, for tools that show it. None of this is a verification."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509

from gsi import certificates
from gsi.errors import CredentialError
from gsi.peer import ProxyKind


class ProxyRights(Enum):
    """What a proxy may do in its issuer's name, by the policy language of its ProxyCertInfo or by its name."""

    FULL = "impersonation"
    LIMITED = "limited"
    INDEPENDENT = "independent"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Claims:
    """subject, issuer: of the first certificate; identity: subject of the end entity below all proxies;
    kind, rights, path_length: of the first certificate (None: any number of further proxies); limited: a proxy of the
    chain is; proxies: how many stand before the end entity; key: such as `RSA 2048`; bits: its size;
    not_before, not_after: of the whole chain, UTC.
    """

    subject: x509.Name
    issuer: x509.Name
    identity: x509.Name
    kind: ProxyKind
    rights: ProxyRights
    path_length: int | None
    limited: bool
    proxies: int
    key: str
    bits: int
    not_before: datetime
    not_after: datetime


def claims(chain: Sequence[x509.Certificate]) -> Claims:
    """Read a chain, leaf first. Raises CredentialError for what cannot be read."""
    try:
        return _claims(chain)
    except ValueError as error:
        raise CredentialError(f"a certificate cannot be read: {error}") from error


def key_text(certificate: x509.Certificate) -> str:
    """Algorithm and size of the key, such as `RSA 2048` or `EC 256`; only the name for other kinds. Raises ValueError.
    """
    told = certificates.facts(certificate)
    return f"{told.key_type} {told.key_bits}" if told.key_bits else told.key_type


def _claims(chain: Sequence[x509.Certificate]) -> Claims:
    leaf = chain[0]
    kinds = [certificates.proxy_kind(certificate) for certificate in chain]
    proxies = next((n for n, kind in enumerate(kinds) if kind is ProxyKind.NONE), len(chain))
    described = [_rights(*pair) for pair in zip(chain[:proxies], kinds, strict=False)]
    rights, path_length = described[0] if described else (ProxyRights.FULL, None)
    return Claims(
        subject=leaf.subject,
        issuer=leaf.issuer,
        identity=chain[proxies].subject if proxies < len(chain) else chain[-1].issuer,
        kind=kinds[0],
        rights=rights,
        path_length=path_length,
        limited=any(each is ProxyRights.LIMITED for each, _ in described),
        proxies=proxies,
        key=key_text(leaf),
        bits=certificates.facts(leaf).key_bits,
        not_before=max(certificate.not_valid_before_utc for certificate in chain),
        not_after=min(certificate.not_valid_after_utc for certificate in chain),
    )


def _rights(proxy: x509.Certificate, kind: ProxyKind) -> tuple[ProxyRights, int | None]:
    """The rights of one proxy, and how many may follow it."""
    found = certificates.facts(proxy).information
    if found is None:
        limited = certificates.last_value(proxy.subject) == certificates.LEGACY_LIMITED
        return (ProxyRights.LIMITED if limited else ProxyRights.FULL), None
    information = certificates.parse_proxy_cert_info(found[1], kind)
    named = {certificates.INHERIT_ALL: ProxyRights.FULL, certificates.LIMITED: ProxyRights.LIMITED,
             certificates.INDEPENDENT: ProxyRights.INDEPENDENT}
    return named.get(information.language, ProxyRights.RESTRICTED), information.path_length

