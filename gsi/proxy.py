"""Making RFC 3820 proxy certificates, for oneself or for a service that sends a request (delegation)."""

import secrets
from collections.abc import Sequence
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


def create_proxy(
    issuer: Credential, lifetime: timedelta = DEFAULT_LIFETIME, *, limited: bool = False,
    path_length: int | None = None, key_bits: int = DEFAULT_KEY_BITS, key: PrivateKey | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> Credential:
    """Return a new proxy of `issuer`, which may be a proxy itself.

    path_length: how many further proxies may be made of it, None = any number; key: use this one instead of a new RSA
    key; extensions: non-critical ones to add, such as VO attributes. Ends with its issuer at the latest; limited if
    the issuer is. Raises CredentialError.
    """
    key = key or new_key(key_bits)
    certificate = _sign(issuer, key.public_key(), lifetime, limited, path_length, extensions)
    return Credential(certificate, key, (issuer.certificate, *issuer.chain))


def certificate_request(key: PrivateKey) -> bytes:
    """Return a PEM request for a proxy with this key; its subject means nothing, the signer chooses."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def sign_request(
    issuer: Credential, request_pem: bytes, lifetime: timedelta = DEFAULT_LIFETIME, *, limited: bool = False,
) -> bytes:
    """Sign a service's request: PEM of the new proxy, then of the issuer's chain. Raises CredentialError."""
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
    return pem(_sign(issuer, key, lifetime, limited, None)) + issuer.chain_pem()


def new_key(bits: int = DEFAULT_KEY_BITS) -> rsa.RSAPrivateKey:
    """Return a fresh RSA key."""
    return rsa.generate_private_key(65537, bits)


def _sign(
    issuer: Credential, key: PublicKey, lifetime: timedelta, limited: bool, path_length: int | None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    inherited = _inherited(issuer)
    if inherited is not None and inherited.path_length == 0:
        raise CredentialError("no further proxy can be made of this one: its path length is 0")
    limited = limited or (inherited is not None and inherited.language == certificates.LIMITED)
    information = ProxyCertInfo(path_length, certificates.LIMITED if limited else certificates.INHERIT_ALL)
    now = datetime.now(UTC).replace(microsecond=0)
    if now >= issuer.not_after:
        raise CredentialError("the credential has expired; no proxy can be made of it")
    serial = secrets.randbelow(2**31 - 1) + 1
    subject = x509.Name([*issuer.certificate.subject.rdns, _common_name(str(serial))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(max(now - CLOCK_SKEW, issuer.certificate.not_valid_before_utc))
        .not_valid_after(min(now + lifetime, issuer.not_after))
        .add_extension(information.to_extension(), critical=True)
        .add_extension(_proxy_key_usage(rsa_key=isinstance(key, rsa.RSAPublicKey)), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _inherited(issuer: Credential) -> ProxyCertInfo | None:
    """What the issuer's own ProxyCertInfo says, None when it is an end entity."""
    if not issuer.proxies:
        return None
    if certificates.proxy_kind(issuer.certificate) is not ProxyKind.RFC3820:
        raise CredentialError("this is a legacy or draft proxy: make an RFC 3820 proxy of the user's certificate")
    extension = issuer.certificate.extensions.get_extension_for_oid(certificates.RFC3820_PROXY_CERT_INFO)
    return certificates.parse_proxy_cert_info(extension.value.public_bytes())


def _common_name(text: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _proxy_key_usage(*, rsa_key: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=rsa_key, content_commitment=False, data_encipherment=False,
        key_agreement=not rsa_key, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )


__all__ = ["DEFAULT_LIFETIME", "certificate_request", "create_proxy", "new_key", "sign_request"]
