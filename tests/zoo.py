"""The zoo: a CA directory with good, careless and rogue CAs, and named credentials that servers accept or refuse.

    zoo.ca_dir()                the directory, in which each CA has one peculiarity
    zoo.ACCEPTED, zoo.REFUSED   the table: one line for each case, by name
    python tests/zoo.py DIR     write all of it: DIR/certificates and DIR/<name>.pem

Verdicts are for the default rules; LENIENT_* are those of a site that sets `sha1_proxies` and `min_rsa_bits = 1024`.
"""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import x509 as der
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

import chains
import pki
from chains import HOUR, draft, forge, legacy, proxies
from gsi import certificates
from gsi.certificates import ProxyCertInfo
from gsi.credential import Credential
from gsi.peer import ProxyKind
from gsi.proxy import create_proxy, new_key
from testbed import ca
from zoo_authorities import (
    CA_TRUE,
    NAMESPACE,
    below,
    ca_dir,
    cas,
    intermediate,
    revoked_intermediate,
    revoked_user,
    root,
)

__all__ = [
    "ACCEPTED", "EARLIER", "LENIENT_ACCEPTED", "LENIENT_REFUSED", "NOT_WITH_CURL", "REFUSED", "Accepted", "Refused",
    "ca_dir", "revoked_user", "told",
]

NONE, RFC, LEGACY, DRAFT = ProxyKind.NONE, ProxyKind.RFC3820, ProxyKind.LEGACY, ProxyKind.DRAFT


# ---- credentials ---------------------------------------------------------------------------------------------------

@cache
def _user(authority: ca.Authority, name: str = "Test User", *, bits: int = 0) -> Credential:
    return ca.issue_user(authority, f"{NAMESPACE}/CN={name}", key=new_key(bits) if bits else ca.ec_key())


def _of(name: str) -> Credential:
    """The test user at one of the peculiar CAs."""
    authority = next(authority for authority, _ in cas() if authority.certificate.subject.rdns[-1]
                     == ca.parse_dn(f"/CN={name}").rdns[0])
    return _user(authority)


@cache
def _ec_user() -> Credential:
    return _user(pki.authority())


def _many(count: int, make: Callable[[Credential], Credential]) -> Credential:
    credential = _ec_user()
    for _ in range(count):
        credential = make(credential)
    return credential


def _deep() -> Credential:
    """A user below more CAs than anybody has."""
    authority = pki.authority()
    for number in range(25):
        authority = ca.new_authority(f"{NAMESPACE}/CN=CA {number}", parent=authority, key=ca.ec_key())
    return _user(authority)


def _ca_credential() -> Credential:
    return Credential(pki.authority().certificate, pki.authority().key)


def _posing_as_ca(issuer: Credential, dn: str = f"{NAMESPACE}/CN=Root of all") -> Credential:
    made = ca.issue_user(ca.Authority(issuer.certificate, issuer.key), dn, key=ca.ec_key())
    return Credential(made.certificate, made.key, (issuer.certificate, *issuer.chain))


def _made_up_victim() -> Credential:
    """EGI SVG 2016-11476: a user signs a "user certificate" of the victim, and a proxy of that."""
    return legacy(_posing_as_ca(pki.other(), pki.USER_DN))


def _sub_ca_without_key_cert_sign() -> Credential:
    authority, key = pki.authority(), ca.ec_key()
    subject = ca.parse_dn(f"{NAMESPACE}/CN=Weak CA")
    certificate = (
        ca._builder(subject, authority.certificate.subject, key, datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR)
        .add_extension(CA_TRUE, critical=True)
        .add_extension(ca.usage(crl_sign=True), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    return ca.issue_user(ca.Authority(certificate, key, (authority.certificate,)), pki.USER_DN, key=ca.ec_key())


def _name(issuer: Credential, *more: tuple[x509.ObjectIdentifier, str], together: bool = False) -> x509.Name:
    attributes = [x509.NameAttribute(oid, value) for oid, value in more]
    groups = [attributes] if together else [[attribute] for attribute in attributes]
    return x509.Name([*issuer.certificate.subject.rdns, *map(x509.RelativeDistinguishedName, groups)])


def _cn(text: str) -> tuple[x509.ObjectIdentifier, str]:
    return NameOID.COMMON_NAME, text


def _policy(language: str) -> ProxyCertInfo:
    return ProxyCertInfo(None, language)


def _raw(octets: bytes, oid: x509.ObjectIdentifier = certificates.RFC3820_PROXY_CERT_INFO) -> x509.ExtensionType:
    return x509.UnrecognizedExtension(oid, octets)


def _issued(*, begin: timedelta = -HOUR, end: timedelta = HOUR, sha1: bool = False, bits: int = 0,
            extension: x509.ExtensionType | None = None, name: str = "Test User") -> Credential:
    """An end entity of the usual CA with one thing unusual."""
    authority, now = pki.authority(), datetime.now(UTC)
    key = new_key(bits) if bits else ca.ec_key()
    subject = x509.Name([*ca.parse_dn(NAMESPACE).rdns,
                         x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, name)])])
    builder = ca._builder(subject, authority.certificate.subject, key, now + begin, now + end).add_extension(
        ca.usage(key_encipherment=True), critical=True)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    certificate = builder.sign(authority.key, hashes.SHA256())
    if sha1:
        certificate = chains.signed_with_sha1(certificate, authority.key)
    return Credential(certificate, key)


def _twice(credential: Credential) -> Credential:
    """The proxy with its ProxyCertInfo twice."""

    def twice(read: der.Certificate) -> None:
        extensions = read["tbs_certificate"]["extensions"]
        extensions.append(next(e for e in extensions if e["extn_id"].dotted in _INFORMATION_OIDS).copy())

    made = chains.changed(credential.certificate, pki.user().key, twice)
    return Credential(made, credential.key, credential.chain)


_INFORMATION_OIDS = (
    certificates.RFC3820_PROXY_CERT_INFO.dotted_string, certificates.DRAFT_PROXY_CERT_INFO.dotted_string)
_SAN = x509.SubjectAlternativeName([x509.DNSName("localhost")])
_STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x05\x00")
_UNKNOWN = "1.3.6.1.4.1.99999.1"
_DAYS = timedelta(days=1)


# ---- the table -----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Accepted:
    """kind and limited: what the server shall see."""

    make: Callable[[], Credential]
    kind: ProxyKind = NONE
    limited: bool = False


@dataclass(frozen=True)
class Refused:
    """step: the check that refuses in Trust.verify, 0 = OpenSSL. In a handshake that may be another: see EARLIER."""

    step: int
    make: Callable[[], Credential]


ACCEPTED: dict[str, Accepted] = {
    "end entity, RSA 2048": Accepted(pki.user),
    "end entity, RSA 3072": Accepted(lambda: _user(pki.authority(), bits=3072)),
    "end entity, RSA 4096": Accepted(lambda: _user(pki.authority(), bits=4096)),
    "end entity, EC P-256": Accepted(_ec_user),
    "end entity below an intermediate CA": Accepted(lambda: _user(intermediate())),
    "end entity below an intermediate CA of which only the policy is there": Accepted(
        lambda: _of("Intermediate CA Known By Policy Only")),
    "host": Accepted(pki.host),
    "RFC proxy": Accepted(lambda: proxies(1), RFC),
    "RFC proxy, 3 levels": Accepted(lambda: proxies(3), RFC),
    "RFC proxy, limited": Accepted(lambda: proxies(1, limited=True), RFC, True),
    "RFC proxy of a limited one, says it is full: stays limited": Accepted(
        lambda: forge(proxies(1, limited=True)), RFC, True),
    "RFC proxy, path length 0": Accepted(lambda: proxies(1, path_length=0), RFC),
    "RFC proxy, EC key": Accepted(lambda: proxies(1, key=ca.ec_key()), RFC),
    "RFC proxy, EC key of an EC user": Accepted(lambda: create_proxy(_ec_user(), HOUR, key=ca.ec_key()), RFC),
    "RFC proxy, RSA 4096": Accepted(lambda: proxies(1, key=new_key(4096)), RFC),
    "RFC proxy below an intermediate CA": Accepted(lambda: create_proxy(_user(intermediate()), HOUR), RFC),
    "legacy proxy": Accepted(lambda: legacy(pki.user()), LEGACY),
    "legacy proxy, 3 levels": Accepted(lambda: _many(3, legacy), LEGACY),
    "legacy proxy, limited": Accepted(lambda: legacy(pki.user(), limited=True), LEGACY, True),
    "legacy proxy, limited after full": Accepted(lambda: legacy(legacy(pki.user()), limited=True), LEGACY, True),
    "legacy proxy, RSA 4096": Accepted(lambda: legacy(pki.user(), key=new_key(4096)), LEGACY),
    "legacy proxy below an intermediate CA": Accepted(lambda: legacy(_user(intermediate())), LEGACY),
    "legacy proxy, 3 levels below a CA of path length 0": Accepted(
        lambda: legacy(legacy(legacy(_of("CA Of Path Length 0")))), LEGACY),
    "draft proxy": Accepted(lambda: draft(pki.user()), DRAFT),
    "draft proxy, 3 levels": Accepted(lambda: _many(3, draft), DRAFT),
    "draft proxy, limited": Accepted(lambda: draft(pki.user(), language=certificates.LIMITED), DRAFT, True),
    "draft proxy of a limited one: stays limited": Accepted(
        lambda: draft(draft(pki.user(), language=certificates.LIMITED)), DRAFT, True),
    "draft proxy, path length 1": Accepted(lambda: draft(draft(pki.user(), path_length=1)), DRAFT),
    "CA without CRL": Accepted(lambda: _of("CA Without CRL")),
    "RFC proxy, CA without CRL": Accepted(lambda: forge(_of("CA Without CRL")), RFC),
    "legacy proxy, CA without CRL": Accepted(lambda: legacy(_of("CA Without CRL")), LEGACY),
    ".namespaces win over .signing_policy": Accepted(lambda: _of("CA With Both Policies")),
}

REFUSED: dict[str, Refused] = {
    # no way to a CA of ours
    "unknown CA": Refused(0, lambda: _user(pki.stranger())),
    "RFC proxy below an unknown CA": Refused(0, lambda: forge(_user(pki.stranger()))),
    "legacy proxy below an unknown CA": Refused(0, lambda: legacy(_user(pki.stranger()))),
    "cross-sign cycle": Refused(0, lambda: _of("One Of Two")),
    "25 CAs": Refused(1, _deep),
    "10 proxies": Refused(1, lambda: _many(10, forge)),
    "100-certificate chain, RFC proxies": Refused(1, lambda: _many(99, forge)),
    "100-certificate chain, legacy proxies": Refused(1, lambda: _many(99, legacy)),
    # times
    "expired": Refused(0, lambda: _issued(begin=-2 * HOUR, end=-HOUR)),
    "from the future": Refused(0, lambda: _issued(begin=HOUR, end=2 * HOUR)),
    "RFC proxy, expired": Refused(19, lambda: forge(pki.user(), begin=-2 * HOUR, end=-HOUR)),
    "RFC proxy, from the future": Refused(19, lambda: forge(pki.user(), begin=HOUR, end=2 * HOUR)),
    "RFC proxy, too long": Refused(17, lambda: forge(pki.user(), end=15 * _DAYS)),
    "legacy proxy, expired": Refused(19, lambda: legacy(pki.user(), begin=-2 * HOUR, end=-HOUR)),
    "legacy proxy, from the future": Refused(19, lambda: legacy(pki.user(), begin=HOUR, end=2 * HOUR)),
    "legacy proxy, too long": Refused(17, lambda: legacy(pki.user(), end=15 * _DAYS)),
    "legacy proxy of an expired user": Refused(0, lambda: legacy(_issued(begin=-2 * HOUR, end=-HOUR))),
    "draft proxy, too long": Refused(17, lambda: draft(pki.user(), end=15 * _DAYS)),
    # signatures
    "RFC proxy signed by another user": Refused(0, lambda: forge(pki.user(), signer=pki.other())),
    "legacy proxy signed by another user": Refused(0, lambda: legacy(pki.user(), signer=pki.other())),
    "draft proxy signed by another user": Refused(0, lambda: draft(pki.user(), signer=pki.other())),
    # names
    "RFC proxy with another user's name": Refused(8, lambda: forge(
        pki.user(), subject=_name(pki.other(), _cn("1")))),
    "legacy proxy with another user's name": Refused(0, lambda: legacy(
        pki.user(), subject=_name(pki.other(), _cn("proxy")))),
    "draft proxy with another user's name": Refused(8, lambda: draft(
        pki.user(), subject=_name(pki.other(), _cn("1")))),
    "made-up victim behind a legacy proxy": Refused(0, _made_up_victim),
    "RFC proxy with its issuer's subject": Refused(8, lambda: forge(
        pki.user(), subject=pki.user().certificate.subject)),
    "RFC proxy with two CNs more": Refused(8, lambda: forge(pki.user(), subject=_name(pki.user(), _cn("1"), _cn("2")))),
    "legacy proxy with two CNs more": Refused(0, lambda: legacy(
        pki.user(), subject=_name(pki.user(), _cn("1"), _cn("proxy")))),
    "draft proxy with two CNs more": Refused(8, lambda: draft(
        pki.user(), subject=_name(pki.user(), _cn("1"), _cn("2")))),
    "RFC proxy with a multi-valued last component": Refused(8, lambda: forge(
        pki.user(), subject=_name(pki.user(), _cn("1"), (NameOID.USER_ID, "root"), together=True))),
    "legacy proxy with a multi-valued last component": Refused(0, lambda: legacy(
        pki.user(), subject=_name(pki.user(), _cn("proxy"), (NameOID.USER_ID, "root"), together=True))),
    "RFC proxy whose last component is no CN": Refused(8, lambda: forge(
        pki.user(), subject=_name(pki.user(), (NameOID.ORGANIZATIONAL_UNIT_NAME, "1")))),
    "legacy proxy whose last component is no CN": Refused(0, lambda: legacy(
        pki.user(), subject=_name(pki.user(), (NameOID.ORGANIZATIONAL_UNIT_NAME, "proxy")))),
    "NUL in the CN": Refused(13, lambda: _issued(name="Test User\0.evil")),
    "/CN= in the CN": Refused(13, lambda: _issued(name="Test User/CN=Robot")),
    "escaped octets in the CN": Refused(13, lambda: _issued(name=r"Ren\xC3\xA9 User")),
    "RFC proxy with /CN= in its CN": Refused(13, lambda: forge(pki.user(), "1/CN=2")),
    "RFC proxy with NUL in its CN": Refused(13, lambda: forge(pki.user(), "1\0002")),
    "RFC proxy with the name of a host": Refused(6, lambda: forge(pki.user(), others=((_SAN, False),))),
    "legacy proxy with the name of a host": Refused(6, lambda: legacy(pki.user(), others=((_SAN, False),))),
    # who signs
    "RFC proxy signed by a CA": Refused(7, lambda: forge(_ca_credential())),
    "legacy proxy signed by a CA": Refused(7, lambda: legacy(_ca_credential())),
    "draft proxy signed by a CA": Refused(7, lambda: draft(_ca_credential())),
    "RFC proxy that is a CA": Refused(7, lambda: forge(pki.user(), others=((CA_TRUE, True),))),
    "legacy proxy that is a CA": Refused(7, lambda: legacy(pki.user(), others=((CA_TRUE, True),))),
    "end entity posing as a CA": Refused(0, lambda: _posing_as_ca(pki.user())),
    "RFC proxy posing as a CA": Refused(0, lambda: _posing_as_ca(proxies(1))),
    "legacy proxy posing as a CA": Refused(0, lambda: _posing_as_ca(legacy(pki.user()))),
    "end entity in the middle": Refused(0, lambda: forge(_posing_as_ca(pki.user()))),
    "CA as a client": Refused(11, _ca_credential),
    "intermediate CA without keyCertSign": Refused(0, _sub_ca_without_key_cert_sign),
    "CA below a CA of path length 0": Refused(0, lambda: _user(below("Too Deep", root(
        "CA Of Path Length 0", path_length=0)))),
    "legacy proxy, CA below a CA of path length 0": Refused(0, lambda: legacy(_user(below("Too Deep", root(
        "CA Of Path Length 0", path_length=0))))),
    "legacy proxy of a certificate for servers only": Refused(9, lambda: legacy(_issued(
        extension=x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])))),
    # kinds
    "legacy proxy of an RFC proxy": Refused(2, lambda: legacy(proxies(1))),
    "legacy proxy of a draft proxy": Refused(2, lambda: legacy(draft(pki.user()))),
    "RFC proxy of a legacy proxy": Refused(2, lambda: forge(legacy(pki.user()))),
    "RFC proxy of a draft proxy": Refused(2, lambda: forge(draft(pki.user()))),
    "draft proxy of an RFC proxy": Refused(2, lambda: draft(proxies(1))),
    "draft proxy of a legacy proxy": Refused(2, lambda: draft(legacy(pki.user()))),
    "full legacy proxy of a limited one": Refused(18, lambda: legacy(legacy(pki.user(), limited=True))),
    # ProxyCertInfo
    "RFC path length exceeded": Refused(10, lambda: forge(proxies(1, path_length=0))),
    "RFC path length exceeded, two levels": Refused(10, lambda: forge(forge(proxies(1, path_length=1)))),
    "draft path length exceeded": Refused(10, lambda: draft(draft(pki.user(), path_length=0))),
    "draft path length exceeded, two levels": Refused(10, lambda: draft(draft(draft(pki.user(), path_length=1)))),
    "RFC proxy, independent": Refused(5, lambda: forge(pki.user(), information=_policy(certificates.INDEPENDENT))),
    "draft proxy, independent": Refused(5, lambda: draft(pki.user(), language=certificates.INDEPENDENT)),
    "RFC proxy, unknown policy": Refused(5, lambda: forge(pki.user(), information=_policy(_UNKNOWN))),
    "draft proxy, unknown policy": Refused(5, lambda: draft(pki.user(), language=_UNKNOWN)),
    "RFC ProxyCertInfo not critical": Refused(4, lambda: forge(pki.user(), critical=False)),
    "draft ProxyCertInfo not critical": Refused(4, lambda: draft(pki.user(), critical=False)),
    "RFC ProxyCertInfo twice": Refused(1, lambda: _twice(forge(pki.user()))),
    "draft ProxyCertInfo twice": Refused(1, lambda: _twice(draft(pki.user()))),
    "ProxyCertInfo of RFC and of the draft": Refused(1, lambda: forge(pki.user(), others=(
        (_policy(certificates.INHERIT_ALL).to_draft_extension(), True),))),
    "RFC ProxyCertInfo is garbage": Refused(4, lambda: forge(pki.user(), information=_raw(b"garbage"))),
    "draft ProxyCertInfo is garbage": Refused(4, lambda: forge(
        pki.user(), information=_raw(b"garbage", certificates.DRAFT_PROXY_CERT_INFO))),
    "RFC ProxyCertInfo has bytes after it": Refused(4, lambda: forge(
        pki.user(), information=_raw(_policy(certificates.INHERIT_ALL).to_extension().value + b"\0"))),
    # extensions
    "unknown critical extension": Refused(0, lambda: _issued(extension=_STRANGE)),
    "RFC proxy, unknown critical extension": Refused(14, lambda: forge(pki.user(), others=((_STRANGE, True),))),
    "legacy proxy, unknown critical extension": Refused(14, lambda: legacy(pki.user(), others=((_STRANGE, True),))),
    "draft proxy, another unknown critical extension": Refused(
        14, lambda: draft(pki.user(), others=((_STRANGE, True),))),
    # strength
    "SHA-1 under the end entity": Refused(15, lambda: _issued(sha1=True)),
    "1024-bit end entity": Refused(15, lambda: _issued(bits=1024)),
    "RFC proxy, SHA-1": Refused(15, lambda: forge(pki.user(), sha1=True)),
    "RFC proxy, 1024 bits": Refused(15, lambda: forge(pki.user(), key=new_key(1024))),
    "legacy proxy, SHA-1": Refused(15, lambda: legacy(pki.user(), sha1=True)),
    "legacy proxy, 1024 bits": Refused(15, lambda: legacy(pki.user(), key=new_key(1024))),
    "draft proxy, SHA-1": Refused(15, lambda: draft(pki.user(), sha1=True)),
    "draft proxy, 1024 bits": Refused(15, lambda: draft(pki.user(), key=new_key(1024))),
    "RFC proxy of a 1024-bit end entity": Refused(15, lambda: forge(_issued(bits=1024))),
    # revocation
    "revoked user": Refused(22, revoked_user),
    "RFC proxy of a revoked user": Refused(22, lambda: forge(revoked_user())),
    "RFC proxy of a revoked user, 3 levels": Refused(22, lambda: forge(forge(forge(revoked_user())))),
    "legacy proxy of a revoked user": Refused(22, lambda: legacy(revoked_user())),
    "draft proxy of a revoked user": Refused(22, lambda: draft(revoked_user())),
    "revoked intermediate CA": Refused(22, lambda: _user(revoked_intermediate())),
    "RFC proxy below a revoked intermediate CA": Refused(22, lambda: forge(_user(revoked_intermediate()))),
    "legacy proxy below a revoked intermediate CA": Refused(22, lambda: legacy(_user(revoked_intermediate()))),
    "CRL expired": Refused(22, lambda: _of("CA With An Expired CRL")),
    "CRL expired, legacy proxy": Refused(22, lambda: legacy(_of("CA With An Expired CRL"))),
    "CRL from the future": Refused(22, lambda: _of("CA With A Future CRL")),
    "CRL of another CA": Refused(22, lambda: _of("CA With The CRL Of Another")),
    "CRL badly signed": Refused(22, lambda: _of("CA With A Badly Signed CRL")),
    "CRL badly signed, RFC proxy": Refused(22, lambda: forge(_of("CA With A Badly Signed CRL"))),
    "CRL that cannot be read": Refused(22, lambda: _of("CA With A Broken CRL")),
    # namespaces
    "signing policy violated": Refused(21, lambda: _of("CA With Another Namespace")),
    "signing policy violated, RFC proxy": Refused(21, lambda: forge(_of("CA With Another Namespace"))),
    "signing policy violated, legacy proxy": Refused(21, lambda: legacy(_of("CA With Another Namespace"))),
    "denied in .namespaces": Refused(21, lambda: _of("CA With A Denial")),
    "CA without signing policy": Refused(21, lambda: _of("CA Without Policy")),
    "signing policy that cannot be read": Refused(21, lambda: _of("CA With A Broken Policy")),
    "intermediate CA that nobody knows": Refused(21, lambda: _user(below("Unheard Of CA", pki.authority()))),
}

LENIENT_ACCEPTED: dict[str, Accepted] = {
    "RFC proxy, SHA-1": Accepted(lambda: forge(pki.user(), sha1=True), RFC),
    "RFC proxy, 1024 bits": Accepted(lambda: forge(pki.user(), key=new_key(1024)), RFC),
    "legacy proxy, 1024 bits and SHA-1": Accepted(lambda: legacy(pki.user(), key=new_key(1024), sha1=True), LEGACY),
    "draft proxy, 1024 bits and SHA-1": Accepted(lambda: draft(pki.user(), key=new_key(1024), sha1=True), DRAFT),
    "1024-bit end entity": Accepted(lambda: _issued(bits=1024)),
    "RFC proxy of a 1024-bit end entity": Accepted(lambda: forge(_issued(bits=1024)), RFC),
}

LENIENT_REFUSED: dict[str, Refused] = {
    "SHA-1 under the end entity": Refused(15, lambda: _issued(sha1=True)),
    "RFC proxy of an end entity with SHA-1": Refused(15, lambda: forge(_issued(sha1=True))),
    "legacy proxy signed by another user, SHA-1": Refused(0, lambda: legacy(
        pki.user(), signer=pki.other(), sha1=True)),
}


#: Where OpenSSL or the settlement of gsi.handshake refuses a handshake before the numbered check can: the log's words.
EARLIER = {
    "unknown CA": "unknown CA, depth 0:",
    "RFC proxy below an unknown CA": "unknown CA, depth 1:",
    "legacy proxy below an unknown CA": "unknown CA, depth 1:",
    "cross-sign cycle": "chain too long, depth 21:",
    "25 CAs": "chain too long, depth 21:",
    "100-certificate chain, RFC proxies": "excessive message size",
    "100-certificate chain, legacy proxies": "excessive message size",
    "expired": "expired, depth 0:",
    "from the future": "not yet valid, depth 0:",
    "RFC proxy, expired": "expired, depth 0:",
    "RFC proxy, from the future": "not yet valid, depth 0:",
    "legacy proxy, expired": "expired, depth 0:",
    "legacy proxy, from the future": "not yet valid, depth 0:",
    "legacy proxy of an expired user": "expired, depth 1:",
    "RFC proxy signed by another user": "bad signature, depth 0:",
    "legacy proxy signed by another user": "bad signature, depth 0:",
    "draft proxy signed by another user": "bad signature, depth 0:",
    "RFC proxy with another user's name": "not its issuer's subject and one CN, depth 0:",
    "legacy proxy with another user's name": "signed by an end entity, and no proxy of it, depth 0:",
    "draft proxy with another user's name": "unknown critical extension, depth 0:",
    "made-up victim behind a legacy proxy": "signed by an end entity, and no proxy of it, depth 1:",
    "RFC proxy with its issuer's subject": "not its issuer's subject and one CN, depth 0:",
    "RFC proxy with two CNs more": "not its issuer's subject and one CN, depth 0:",
    "legacy proxy with two CNs more": "signed by an end entity, and no proxy of it, depth 0:",
    "draft proxy with two CNs more": "unknown critical extension, depth 0:",
    "RFC proxy with a multi-valued last component": "not its issuer's subject and one CN, depth 0:",
    "legacy proxy with a multi-valued last component": "signed by an end entity, and no proxy of it, depth 0:",
    "RFC proxy whose last component is no CN": "not its issuer's subject and one CN, depth 0:",
    "legacy proxy whose last component is no CN": "signed by an end entity, and no proxy of it, depth 0:",
    "RFC proxy with the name of a host": "unknown CA, depth 0:",
    "RFC proxy signed by a CA": "a CA where none may be, depth 1:",
    "RFC proxy that is a CA": "unknown CA, depth 0:",
    "legacy proxy that is a CA": "signed by an end entity, and no proxy of it, depth 0:",
    "end entity posing as a CA": "signed by an end entity, and no proxy of it, depth 0:",
    "RFC proxy posing as a CA": "the issuer is no CA, depth 1:",
    "legacy proxy posing as a CA": "signed by an end entity, and no proxy of it, depth 0:",
    "end entity in the middle": "the issuer is no CA, depth 2:",
    "CA as a client": "not meant for a TLS client, depth 0:",
    "intermediate CA without keyCertSign": "the issuer is no CA, depth 1:",
    "CA below a CA of path length 0": "path length exceeded, depth 2:",
    "legacy proxy, CA below a CA of path length 0": "(check 16)",
    "legacy proxy of an RFC proxy": "the issuer is no CA, depth 1:",
    "RFC proxy of a legacy proxy": "the issuer is no CA, depth 2:",
    "RFC proxy of a draft proxy": "the issuer is no CA, depth 2:",
    "draft proxy of an RFC proxy": "the issuer is no CA, depth 1:",
    "RFC path length exceeded": "path length of a proxy exceeded, depth 1:",
    "RFC path length exceeded, two levels": "path length of a proxy exceeded, depth 2:",
    "RFC ProxyCertInfo twice": "unknown CA, depth 0:",
    "draft ProxyCertInfo twice": "unknown critical extension, depth 0:",
    "ProxyCertInfo of RFC and of the draft": "unknown critical extension, depth 0:",
    "RFC ProxyCertInfo is garbage": "unknown CA, depth 0:",
    "unknown critical extension": "unknown critical extension, depth 0:",
    "RFC proxy, unknown critical extension": "unknown critical extension, depth 0:",
    "legacy proxy, unknown critical extension": "unknown critical extension, depth 0:",
    "draft proxy, another unknown critical extension": "unknown critical extension, depth 0:",
    "SHA-1 under the end entity": "hash algorithm too weak, depth 0:",
    "1024-bit end entity": "key too small, depth 0:",
    "RFC proxy, SHA-1": "hash algorithm too weak, depth 0:",
    "RFC proxy, 1024 bits": "key too small, depth 0:",
    "legacy proxy, SHA-1": "hash algorithm too weak, depth 0:",
    "legacy proxy, 1024 bits": "key too small, depth 0:",
    "draft proxy, SHA-1": "hash algorithm too weak, depth 0:",
    "draft proxy, 1024 bits": "key too small, depth 0:",
    "RFC proxy of a 1024-bit end entity": "CA key too small, depth 1:",
    "revoked user": "revoked, depth 0:",
    "RFC proxy of a revoked user": "revoked, depth 1:",
    "RFC proxy of a revoked user, 3 levels": "revoked, depth 3:",
    "legacy proxy of a revoked user": "revoked, depth 1:",
    "draft proxy of a revoked user": "revoked, depth 1:",
    "revoked intermediate CA": "revoked, depth 1:",
    "RFC proxy below a revoked intermediate CA": "revoked, depth 2:",
    "legacy proxy below a revoked intermediate CA": "revoked, depth 2:",
    "CRL expired": "certificate revocation list expired, depth 0:",
    "CRL expired, legacy proxy": "certificate revocation list expired, depth 1:",
    "CRL from the future": "certificate revocation list not yet valid, depth 0:",
    "CRL of another CA": "no certificate revocation list, depth 0:",
    "CRL badly signed": "bad signature of a certificate revocation list, depth 0:",
    "CRL badly signed, RFC proxy": "bad signature of a certificate revocation list, depth 1:",
    "CRL that cannot be read": "no certificate revocation list, depth 0:",
    "RFC proxy of an end entity with SHA-1": "hash algorithm too weak, depth 1:",
    "legacy proxy signed by another user, SHA-1": "bad signature, depth 0:",
}

#: OpenSSL as a client does not take these for its own certificate; as a server it finds no issuer of what is no
#: certificate for it, so its words are "unknown CA".
NOT_WITH_CURL = (
    "RFC proxy with the name of a host", "RFC proxy that is a CA", "RFC ProxyCertInfo twice",
    "RFC ProxyCertInfo is garbage",
)


def told(name: str, case: Refused) -> str:
    """What the log of the server has to say when it refuses the handshake."""
    return EARLIER.get(name, f"(check {case.step})")


def main(directory: Path) -> None:
    """Write the CA directory and all credentials."""
    directory.mkdir(parents=True)
    shutil.copytree(ca_dir(), directory / "certificates", symlinks=True)
    made = {name: case.make for table in (ACCEPTED, REFUSED) for name, case in table.items()}
    for name, make in made.items():
        make().save(directory / (re.sub("[^A-Za-z0-9.]+", "-", name) + ".pem"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
