"""Making proxy certificates, for oneself or for a service that sends a request (delegation).

A chain has proxies of one kind only: what is made of a proxy is of its kind, RFC 3820 where the kind is free. What is
made of a limited proxy is limited. Signatures are SHA-256, whatever the kind.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gsi import certificates
from gsi.certificates import ProxyCertInfo
from gsi.credential import Credential, PrivateKey, pem
from gsi.errors import CredentialError
from gsi.peer import ProxyKind

#: What grid-proxy-init and htproxyput give (wms.md 1.11).
DEFAULT_LIFETIME = timedelta(minutes=720)
DEFAULT_KEY_BITS = 2048
#: A proxy is valid from a little before now: clocks differ.
CLOCK_SKEW = timedelta(minutes=5)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Rights:
    """What the proxies of a credential hand on: their kind (NONE: it has none), limited or not, and how many more may
    be made (None: any number)."""

    kind: ProxyKind
    limited: bool
    path_length: int | None


def rights(credential: Credential) -> Rights:
    """What the credential's own proxies say; not a verification. Raises CredentialError."""
    chain = (credential.certificate, *credential.chain)
    proxies = chain[:credential.proxies]
    try:
        found = [_rights_of(proxy) for proxy in proxies]
    except ValueError as error:
        raise CredentialError(f"a proxy of the credential cannot be read: {error}") from error
    if len({each.kind for each in found}) > 1:
        raise CredentialError("the credential has proxies of two kinds; make a new one")
    allowed = [each.path_length - number for number, each in enumerate(found) if each.path_length is not None]
    return Rights(
        found[0].kind if found else ProxyKind.NONE, any(each.limited for each in found), min(allowed, default=None),
    )


def create_proxy(
    issuer: Credential, lifetime: timedelta = DEFAULT_LIFETIME, *, limited: bool = False,
    path_length: int | None = None, key_bits: int = DEFAULT_KEY_BITS, key: PrivateKey | None = None,
    kind: ProxyKind | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> Credential:
    """Return a new proxy of `issuer`, which may be a proxy itself.

    path_length: how many further proxies may be made of it, None = any number; key: use this one instead of a new RSA
    key; kind: of the first proxy of a chain, None = RFC 3820; extensions: non-critical ones to add, such as VO
    attributes. Ends with its issuer at the latest; limited if the issuer is. Raises CredentialError.
    """
    key = key or new_key(key_bits)
    certificate = _sign(issuer, key.public_key(), lifetime, limited, path_length, kind, extensions)
    return Credential(certificate, key, (issuer.certificate, *issuer.chain))


def certificate_request(key: PrivateKey, encoding: serialization.Encoding = serialization.Encoding.PEM) -> bytes:
    """Return a request for a proxy with this key; its subject means nothing, the signer chooses."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(encoding)


def sign_request(
    issuer: Credential, request_pem: bytes, lifetime: timedelta = DEFAULT_LIFETIME, *, limited: bool = False,
    kind: ProxyKind | None = None,
) -> bytes:
    """Sign a service's request: PEM of the new proxy, then of the issuer's chain. Raises CredentialError.

    kind: as for create_proxy.
    """
    try:
        request = x509.load_pem_x509_csr(request_pem)
        key = request.public_key()
        signed_by_itself = request.is_signature_valid
    except ValueError as error:
        raise CredentialError("the delegation request cannot be read") from error
    if not signed_by_itself:
        raise CredentialError("the delegation request is not signed with its own key")
    if not isinstance(key, PublicKey):
        raise CredentialError("the key of the delegation request is neither RSA nor EC")
    return pem(_sign(issuer, key, lifetime, limited, None, kind)) + issuer.chain_pem()


def new_key(bits: int = DEFAULT_KEY_BITS) -> rsa.RSAPrivateKey:
    """Return a fresh RSA key."""
    return rsa.generate_private_key(65537, bits)


def _sign(
    issuer: Credential, key: PublicKey, lifetime: timedelta, limited: bool, path_length: int | None,
    kind: ProxyKind | None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    inherited = rights(issuer)
    if inherited.path_length is not None and inherited.path_length <= 0:
        raise CredentialError("no further proxy can be made of this one: its path length is 0")
    now = datetime.now(UTC).replace(microsecond=0)
    if now >= issuer.not_after:
        raise CredentialError("the credential has expired; no proxy can be made of it")
    limited = limited or inherited.limited
    kind = _chosen_kind(inherited.kind, kind, path_length)
    serial = secrets.randbelow(2**31 - 1) + 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*issuer.certificate.subject.rdns, _common_name(kind, limited, serial)]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(max(now - CLOCK_SKEW, issuer.certificate.not_valid_before_utc))
        .not_valid_after(min(now + lifetime, issuer.not_after))
        .add_extension(_proxy_key_usage(rsa_key=isinstance(key, rsa.RSAPublicKey)), critical=True)
    )
    if kind is not ProxyKind.LEGACY:
        information = ProxyCertInfo(path_length, certificates.LIMITED if limited else certificates.INHERIT_ALL)
        marked = information.to_extension() if kind is ProxyKind.RFC3820 else information.to_draft_extension()
        builder = builder.add_extension(marked, critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _chosen_kind(inherited: ProxyKind, wanted: ProxyKind | None, path_length: int | None) -> ProxyKind:
    if inherited is ProxyKind.NONE:
        chosen = ProxyKind.RFC3820 if wanted in (None, ProxyKind.NONE) else wanted
    elif wanted in (None, inherited):
        chosen = inherited
    else:
        raise CredentialError(f"the credential is a {inherited.value}: what is made of it is of the same kind")
    if chosen is ProxyKind.LEGACY and path_length is not None:
        raise CredentialError("a legacy proxy carries no path length")
    return chosen


def _rights_of(proxy: x509.Certificate) -> Rights:
    facts = certificates.facts(proxy)
    if facts.information is None:  # a legacy proxy says it with its name
        return Rights(facts.kind, certificates.last_value(facts.subject) == certificates.LEGACY_LIMITED, None)
    information = certificates.parse_proxy_cert_info(facts.information[1], facts.kind)
    return Rights(facts.kind, information.language == certificates.LIMITED, information.path_length)


def _common_name(kind: ProxyKind, limited: bool, serial: int) -> x509.RelativeDistinguishedName:
    text = str(serial)
    if kind is ProxyKind.LEGACY:
        text = certificates.LEGACY_LIMITED if limited else certificates.LEGACY_FULL
    return x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _proxy_key_usage(*, rsa_key: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=rsa_key, content_commitment=False, data_encipherment=False,
        key_agreement=not rsa_key, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )


__all__ = ["DEFAULT_LIFETIME", "Rights", "certificate_request", "create_proxy", "new_key", "rights", "sign_request"]
