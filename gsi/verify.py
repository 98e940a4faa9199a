"""From certificates to an identity.

OpenSSL has already verified signatures, validity and that the chain ends in a CA of ours. It accepts more than the
grid may: the checks below decide. Each has a number that stands in the refusal and in the log, and says what it stops.

     1  there is a chain, and every certificate of it can be read
     2  no legacy or draft proxy                       (their rules are older and weaker; not admitted yet)
     3  proxies first, then the end entity, then CAs   (an end entity or a CA in the middle: someone signs as a CA)
     4  ProxyCertInfo is critical and well-formed      (a verifier that skips it takes a proxy for an end entity)
     5  a policy that we understand                    (independent and restricted proxies do not speak for the user)
     6  a proxy carries no alternative name            (a user posing as a host)
     7  the issuer of a proxy is no CA                 (a CA's key must not act as a user)
     8  a proxy's subject = issuer's subject + one CN  (a self-made proxy that bears somebody else's name)
     9  the issuer of a proxy may sign                 (keyUsage without digitalSignature)
    10  path length                                    (a proxy that was not to be delegated further)
    11  the end entity is no CA                        (a CA is not a person)
    12  everything above is a CA with keyCertSign      (an end entity posing as a CA)
    13  the end entity has a name

A limited proxy anywhere makes the whole identity limited. Sources: RFC 3820 section 4, facts in stack.md 3.
"""

from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from OpenSSL import crypto

from gsi import certificates
from gsi.certificates import ProxyCertInfo
from gsi.errors import CredentialError, VerificationError
from gsi.names import rfc2253, slash_dn
from gsi.peer import Peer, ProxyKind

#: Longest chain that is looked at: GridSite allows 6 proxies (wms.md 1.12) and CAs are rarely more than 3 deep.
MAX_CHAIN_LENGTH = 20
#: Certificates whose check is remembered. The checks depend on nothing but the certificate's bytes.
_KNOWN = 1024


def peer_from_chain(chain: Sequence[x509.Certificate]) -> Peer:
    """Return the identity that `chain` proves. This is not a verification of signatures: OpenSSL does that before.

    chain: as OpenSSL verified it, leaf first, root last. Raises VerificationError.
    """
    if not chain:
        raise VerificationError(1, "no certificate")
    if len(chain) > MAX_CHAIN_LENGTH:
        raise VerificationError(1, f"more than {MAX_CHAIN_LENGTH} certificates in the chain")
    try:
        return _walk(chain)
    except ValueError as error:
        raise VerificationError(1, f"a certificate cannot be read: {error}") from error


def verify_chain(chain: Sequence[x509.Certificate], ca_dir: Path) -> Peer:
    """Verify certificates that did not come through a TLS handshake, such as a delegated proxy.

    chain: leaf first; CAs that stand in `ca_dir` may be left out. Raises VerificationError.
    """
    if not chain:
        raise VerificationError(1, "no certificate")
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.ALLOW_PROXY_CERTS)
    if not ca_dir.is_dir():
        raise CredentialError(f"the CA directory {ca_dir} does not exist")
    store.load_locations(None, str(ca_dir))
    leaf, *others = (crypto.X509.from_cryptography(certificate) for certificate in chain)
    try:
        verified = crypto.X509StoreContext(store, leaf, others).get_verified_chain()
    except crypto.X509StoreContextError as error:
        raise VerificationError(0, str(error)) from error
    return peer_from_chain([certificate.to_cryptography() for certificate in verified])


def leading_proxies(chain: Sequence[x509.Certificate]) -> int:
    """How many proxies stand before the end entity. Raises VerificationError, ValueError. Not a verification."""
    for number, certificate in enumerate(chain):
        kind = certificates.proxy_kind(certificate)
        if kind is ProxyKind.NONE:
            return number
        if kind is not ProxyKind.RFC3820:
            raise VerificationError(2, f"{kind.value}s are not accepted; make an RFC 3820 proxy")
    raise VerificationError(3, "only proxies and no end entity certificate in the chain")


def _walk(chain: Sequence[x509.Certificate]) -> Peer:
    proxies = leading_proxies(chain)
    limited = False
    for depth in range(proxies):
        limited |= _check_proxy(chain[depth], issuer=chain[depth + 1], followers=depth)
    dn, rfc2253_dn = _check_end_entity(chain[proxies])
    for authority in chain[proxies + 1:]:
        _check_authority(authority)
    return Peer(
        dn=dn,
        rfc2253=rfc2253_dn,
        proxy_kind=ProxyKind.RFC3820 if proxies else ProxyKind.NONE,
        limited=limited,
        chain=tuple(chain),
        not_after=min(certificate.not_valid_after_utc for certificate in chain).astimezone(UTC),
    )


def _check_proxy(proxy: x509.Certificate, *, issuer: x509.Certificate, followers: int) -> bool:
    """Check one proxy against its issuer; followers: how many proxies it has signed below it. Return: is it limited?"""
    information = _proxy_cert_info(proxy)
    if information.language not in (certificates.INHERIT_ALL, certificates.LIMITED):
        raise VerificationError(5, f"proxy policy {information.language} is not accepted")
    if certificates.has_alternative_names(proxy):
        raise VerificationError(6, "a proxy with an alternative name")
    if certificates.is_ca(proxy) or certificates.is_ca(issuer):
        raise VerificationError(7, "a proxy issued by a CA")
    name = issuer.subject
    if proxy.issuer != name or not certificates.is_issuer_plus_one_cn(proxy.subject, name):
        raise VerificationError(8, "the subject of a proxy is not its issuer's subject and one CN")
    usage = certificates.key_usage(issuer)
    if usage is not None and not usage.digital_signature:
        raise VerificationError(9, "the issuer of a proxy may not sign")
    if information.path_length is not None and followers > information.path_length:
        raise VerificationError(10, "more proxies than the path length of a proxy allows")
    return information.language == certificates.LIMITED


def _proxy_cert_info(proxy: x509.Certificate) -> ProxyCertInfo:
    extension = certificates.extensions(proxy).get_extension_for_oid(certificates.RFC3820_PROXY_CERT_INFO)
    if not extension.critical:
        raise VerificationError(4, "ProxyCertInfo is not critical")
    try:
        return certificates.parse_proxy_cert_info(extension.value.public_bytes())
    except ValueError as error:
        raise VerificationError(4, f"malformed ProxyCertInfo: {error}") from error


@lru_cache(_KNOWN)
def _check_end_entity(certificate: x509.Certificate) -> tuple[str, str]:
    """Return the names in the slash form and in that of RFC 2253."""
    if certificates.is_ca(certificate):
        raise VerificationError(11, "the certificate of a CA is not accepted as an identity")
    subject = certificate.subject
    if not subject.rdns:
        raise VerificationError(13, "the certificate has no subject name")
    return slash_dn(subject), rfc2253(subject)


@lru_cache(_KNOWN)
def _check_authority(certificate: x509.Certificate) -> None:
    usage = certificates.key_usage(certificate)
    if not certificates.is_ca(certificate) or (usage is not None and not usage.key_cert_sign):
        raise VerificationError(12, f"{slash_dn(certificate.subject)} is no CA and has signed a certificate")
