"""Named client credentials that a server has to accept or to refuse, good ones and forged ones.

ACCEPTED and REFUSED map a name to a function that makes the credential; REFUSED also has the number of the check in
gsi.verify that refuses the chain by itself (0: OpenSSL does).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

import pki
from gsi import certificates
from gsi.certificates import ProxyCertInfo
from gsi.credential import Credential
from gsi.proxy import create_proxy, new_key
from testbed import ca

HOUR = timedelta(hours=1)
_INFORMATION = ProxyCertInfo(None, certificates.INHERIT_ALL)
_UNSET: Any = object()


def forge(issuer: Credential, cn: str = "12345", *, subject: x509.Name | None = None, information: Any = _UNSET,
          critical: bool = True, others: tuple[tuple[x509.ExtensionType, bool], ...] = (),
          begin: timedelta = -HOUR, end: timedelta = HOUR, signer: Credential | None = None) -> Credential:
    """A proxy of `issuer` with one thing wrong. information: None = no ProxyCertInfo; signer: whose key signs."""
    key = ca.ec_key()
    last = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject)
        .subject_name(subject or x509.Name([*issuer.certificate.subject.rdns, last]))
        .public_key(key.public_key())
        .serial_number(12345)
        .not_valid_before(datetime.now(UTC) + begin)
        .not_valid_after(datetime.now(UTC) + end)
        .add_extension(ca.usage(key_encipherment=True), critical=True)
    )
    information = _INFORMATION if information is _UNSET else information
    if information is not None:
        extension = information if isinstance(information, x509.ExtensionType) else information.to_extension()
        builder = builder.add_extension(extension, critical=critical)
    for extension, its_critical in others:
        builder = builder.add_extension(extension, critical=its_critical)
    certificate = builder.sign((signer or issuer).key, hashes.SHA256())
    return Credential(certificate, key, (issuer.certificate, *issuer.chain))


def proxies(levels: int, **options: Any) -> Credential:
    """A proxy of a proxy of a …"""
    credential = pki.user()
    for _ in range(levels):
        credential = create_proxy(credential, HOUR, **options)
    return credential


def _ec_user() -> Credential:
    return ca.issue_user(pki.authority(), pki.USER_DN, key=ca.ec_key())


def _sub_ca_user() -> Credential:
    below = ca.new_authority("/DC=org/DC=example/CN=Intermediate CA", parent=pki.authority(), key=ca.ec_key())
    return ca.issue_user(below, pki.USER_DN, key=ca.ec_key())


ACCEPTED: dict[str, Callable[[], Credential]] = {
    "end entity": pki.user,
    "end entity with an EC key": _ec_user,
    "end entity below an intermediate CA": _sub_ca_user,
    "RFC proxy": lambda: proxies(1),
    "RFC proxy, three levels": lambda: proxies(3),
    "limited RFC proxy": lambda: proxies(1, limited=True),
    "RFC proxy of a limited one": lambda: create_proxy(proxies(1, limited=True), HOUR),
    "RFC proxy with path length 0": lambda: proxies(1, path_length=0),
    "RFC proxy with an EC key": lambda: proxies(1, key=ca.ec_key()),
    "RFC proxy of an end entity with an EC key": lambda: create_proxy(_ec_user(), HOUR, key=ca.ec_key()),
    "RFC proxy with a 4096-bit key": lambda: proxies(1, key=new_key(4096)),
    "RFC proxy below an intermediate CA": lambda: create_proxy(_sub_ca_user(), HOUR),
    "host": pki.host,
}

LIMITED = {"limited RFC proxy", "RFC proxy of a limited one"}


def _ca_credential() -> Credential:
    return Credential(pki.authority().certificate, pki.authority().key)


def _posing_as_ca() -> Credential:
    user = pki.user()
    fake = ca.Authority(user.certificate, user.key)
    made = ca.issue_user(fake, "/DC=org/DC=example/CN=Root of all", key=ca.ec_key())
    return Credential(made.certificate, made.key, (user.certificate,))


def _sub_ca_without_key_cert_sign() -> Credential:
    authority, key = pki.authority(), ca.ec_key()
    subject = ca.parse_dn("/DC=org/DC=example/CN=Weak CA")
    certificate = (
        ca._builder(subject, authority.certificate.subject, key, datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(ca.usage(crl_sign=True), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    weak = ca.Authority(certificate, key, (authority.certificate,))
    return ca.issue_user(weak, pki.USER_DN, key=ca.ec_key())


def _other_name() -> x509.Name:
    return x509.Name([*pki.other().certificate.subject.rdns,
                      x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "1")])])


def _two_cns() -> x509.Name:
    return x509.Name([*pki.user().certificate.subject.rdns,
                      *(x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in "12")])


def _multi_valued() -> x509.Name:
    both = [x509.NameAttribute(NameOID.COMMON_NAME, "1"), x509.NameAttribute(NameOID.USER_ID, "root")]
    return x509.Name([*pki.user().certificate.subject.rdns, x509.RelativeDistinguishedName(both)])


def _no_cn() -> x509.Name:
    last = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "1")])
    return x509.Name([*pki.user().certificate.subject.rdns, last])


def _policy(language: str) -> ProxyCertInfo:
    return ProxyCertInfo(None, language)


def _raw(octets: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(certificates.RFC3820_PROXY_CERT_INFO, octets)


def _draft() -> x509.UnrecognizedExtension:
    octets = _INFORMATION.to_extension().value
    return x509.UnrecognizedExtension(certificates.DRAFT_PROXY_CERT_INFO, octets)


_SAN = x509.SubjectAlternativeName([x509.DNSName("localhost")])
_CA_TRUE = x509.BasicConstraints(ca=True, path_length=None)

REFUSED: dict[str, tuple[int, Callable[[], Credential]]] = {
    "unknown CA": (0, lambda: ca.issue_user(pki.stranger(), pki.USER_DN, key=ca.ec_key())),
    "proxy below an unknown CA": (0, lambda: create_proxy(ca.issue_user(pki.stranger(), pki.USER_DN), HOUR)),
    "expired": (0, lambda: ca.issue_user(
        pki.authority(), pki.USER_DN, not_before=datetime.now(UTC) - 3 * HOUR, lifetime=HOUR, key=ca.ec_key())),
    "not yet valid": (0, lambda: ca.issue_user(
        pki.authority(), pki.USER_DN, not_before=datetime.now(UTC) + HOUR, lifetime=HOUR, key=ca.ec_key())),
    "expired proxy": (0, lambda: forge(pki.user(), begin=-2 * HOUR, end=-HOUR)),
    "proxy not yet valid": (0, lambda: forge(pki.user(), begin=HOUR, end=2 * HOUR)),
    "signed with the wrong key": (0, lambda: forge(pki.user(), signer=pki.other())),
    "proxy that bears another user's name": (8, lambda: forge(pki.user(), subject=_other_name())),
    "proxy with its issuer's subject": (8, lambda: forge(pki.user(), subject=pki.user().certificate.subject)),
    "proxy with two CNs more": (8, lambda: forge(pki.user(), subject=_two_cns())),
    "proxy with a multi-valued last component": (8, lambda: forge(pki.user(), subject=_multi_valued())),
    "proxy whose last component is no CN": (8, lambda: forge(pki.user(), subject=_no_cn())),
    "proxy issued by a CA": (7, lambda: forge(_ca_credential())),
    "proxy that is a CA": (7, lambda: forge(pki.user(), others=((_CA_TRUE, True),))),
    "proxy with the name of a host": (6, lambda: forge(pki.user(), others=((_SAN, False),))),
    "path length exceeded": (10, lambda: forge(proxies(1, path_length=0))),
    "path length exceeded, two levels": (10, lambda: forge(forge(proxies(1, path_length=1)))),
    "independent proxy": (5, lambda: forge(pki.user(), information=_policy(certificates.INDEPENDENT))),
    "proxy with an unknown policy": (5, lambda: forge(pki.user(), information=_policy("1.3.6.1.4.1.99999.1"))),
    "ProxyCertInfo is not critical": (4, lambda: forge(pki.user(), critical=False)),
    "ProxyCertInfo is garbage": (4, lambda: forge(pki.user(), information=_raw(b"garbage"))),
    "ProxyCertInfo has bytes after it": (
        4, lambda: forge(pki.user(), information=_raw(_INFORMATION.to_extension().value + b"\0"))),
    "legacy proxy": (2, lambda: forge(pki.user(), "proxy", information=None)),
    "legacy limited proxy": (2, lambda: forge(pki.user(), "limited proxy", information=None)),
    "draft proxy": (2, lambda: forge(pki.user(), information=_draft())),
    "legacy proxy of an RFC proxy": (2, lambda: forge(proxies(1), "proxy", information=None)),
    "RFC proxy of a legacy proxy": (2, lambda: forge(forge(pki.user(), "proxy", information=None))),
    "RFC proxy of a draft proxy": (2, lambda: forge(forge(pki.user(), information=_draft()))),
    "end entity signed by an end entity": (12, _posing_as_ca),
    "a CA as client": (11, _ca_credential),
    "intermediate CA without keyCertSign": (12, _sub_ca_without_key_cert_sign),
}
