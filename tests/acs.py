"""Named proxies with attribute certificates: those that count, and those that count for nothing.

ACCEPTED maps a name to (names of attributes that count, function that makes the credential); REFUSED maps a name to
(number of the check in gsi.voms.verification, function). The identity of all of them is accepted.
"""

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from asn1crypto import cms, core, parser
from asn1crypto import x509 as der
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import chains
import pki
from gsi.certificates import DRAFT_PROXY_CERT_INFO, INHERIT_ALL, LIMITED, ProxyCertInfo
from gsi.credential import Credential, PrivateKey, pem
from gsi.peer import GenericAttribute
from gsi.proxy import create_proxy, new_key
from gsi.voms.certificate import ACS, MAX_ACS, MAX_SIZE
from testbed import ca, voms
from testbed.voms import VomsServer

VO, HOST = "testvo", "voms.example.org"
HOUR = timedelta(hours=1)
NICKNAME = GenericAttribute("nickname", "joe", "testvo")
_LSC_DN = f"/DC=org/DC=example/CN={HOST}"


@cache
def server() -> VomsServer:
    """The VOMS server of testvo."""
    return VomsServer(VO, ca.issue_host(pki.authority(), HOST), HOST)


@cache
def second() -> VomsServer:
    """The VOMS server of another VO, with an EC key."""
    return VomsServer("second.example.org", ca.issue_host(pki.authority(), "ec.example.org", key=ca.ec_key()),
                      "ec.example.org")


@cache
def _below(name: str) -> ca.Authority:
    return ca.new_authority(f"/DC=org/DC=example/CN={name}", parent=pki.authority(), key=ca.ec_key())


@cache
def below_intermediate() -> VomsServer:
    """A VOMS server whose CA stands below one of the CA directory, which itself has no more of it than its policy."""
    host = ca.issue_host(_below("Intermediate CA"), "below.example.org", key=ca.ec_key())
    return VomsServer(VO, host, "below.example.org")


@cache
def renewed() -> VomsServer:
    """A VOMS server whose LSC file has two chains, the second its own."""
    return _of_host("renewed.example.org")


@cache
def by_certificate() -> VomsServer:
    """A VOMS server whose certificate lies in the directory of its VO."""
    return _of_host("pem.example.org")


@cache
def of_old_site() -> VomsServer:
    """A VOMS server whose certificate lies in the vomsdir itself, for whatever VO."""
    return _of_host("old.example.org", vo="oldvo")


@cache
def revoked() -> VomsServer:
    """A VOMS server whose certificate is revoked."""
    return _of_host("revoked.example.org")


@cache
def expired() -> VomsServer:
    """A VOMS server whose certificate has expired."""
    return _of_host("expired.example.org", not_before=datetime.now(UTC) - 3 * HOUR, lifetime=HOUR)


@cache
def weak() -> VomsServer:
    """A VOMS server with a 1024-bit key."""
    return _of_host("weak.example.org", key=new_key(1024))


@cache
def mute() -> VomsServer:
    """A VOMS server whose key may not sign."""
    key, authority = ca.ec_key(), pki.authority()
    certificate = (
        ca._builder(ca.parse_dn("/DC=org/DC=example/CN=mute.example.org"), authority.certificate.subject, key,
                    datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(ca.usage(digital_signature=False, key_encipherment=True), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    return VomsServer(VO, Credential(certificate, key), "mute.example.org")


@cache
def ca_dir() -> Path:
    """The CAs of pki, with a CRL that has one VOMS server."""
    directory = ca.write_ca_directory(pki.folder() / "certificates-voms", [pki.authority()],
                                      [revoked().credential.certificate])
    for authority in (_below("Intermediate CA"), _below("Another CA")):
        ca.write_signing_policy(directory, authority)
    return directory


@cache
def vomsdir() -> Path:
    """The directory in which a site says whom it believes."""
    directory = voms.write_vomsdir(pki.folder() / "vomsdir", [
        server(), second(), below_intermediate(), revoked(), expired(), weak(), mute()])
    (directory / VO / f"{renewed().host}.lsc").write_text(
        "# before and after\n"
        f'"{_LSC_DN}"\n/DC=org/DC=example/CN=Test CA\n------ NEXT CHAIN ------\n\n{renewed().lsc}')
    (directory / VO / "server.pem").write_bytes(pem(by_certificate().credential.certificate))
    (directory / "server.pem").write_bytes(pem(of_old_site().credential.certificate))
    return directory


def _of_host(name: str, vo: str = VO, **options: Any) -> VomsServer:
    options.setdefault("key", ca.ec_key())
    return VomsServer(vo, ca.issue_host(pki.authority(), name, **options), name)


def ac(of: VomsServer | None = None, *, fqans: Sequence[str] = ("/testvo",), holder: x509.Certificate | None = None,
       change: Callable[[cms.AttributeCertificateInfoV2], None] | None = None, key: PrivateKey | None = None,
       algorithm: hashes.HashAlgorithm | None = None, **options: Any) -> bytes:
    """An attribute certificate of the test user. change: what is done to it before it is signed."""
    of = of or server()
    information = voms.information(of, holder or pki.user().certificate, fqans, **options)
    if change:
        change(information)
    return voms.sign(information, key or of.credential.key, algorithm)


def proxy(*certificates: bytes, issuer: Credential | None = None, limited: bool = False) -> Credential:
    """An RFC 3820 proxy that carries them."""
    return raw_proxy(voms.extension(certificates).value, issuer=issuer, limited=limited)


def raw_proxy(octets: bytes, *, issuer: Credential | None = None, limited: bool = False) -> Credential:
    """An RFC 3820 proxy with these octets where attribute certificates are looked for."""
    extension = x509.UnrecognizedExtension(ACS, octets)
    return create_proxy(issuer or pki.user(), HOUR, limited=limited, key=ca.ec_key(), extensions=[extension])


def _plain(issuer: Credential, *, limited: bool = False) -> Credential:
    return create_proxy(issuer, HOUR, limited=limited, key=ca.ec_key())


def with_issuer(change: Callable[[x509.Certificate], x509.Certificate], of: VomsServer | None = None) -> bytes:
    """An attribute certificate that brings another form of its issuer's certificate along."""
    of = of or server()
    certificate = of.credential.certificate
    return ac(of).replace(certificate.public_bytes(Encoding.DER), change(certificate).public_bytes(Encoding.DER))


def _set_holder(name: x509.Name, serial: int) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        what["holder"] = {"base_certificate_id": {"issuer": [voms._name(name)], "serial": serial}}
    return change


def _set_entity(name: x509.Name) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        what["holder"] = {"entity_name": [voms._name(name)]}
    return change


def _other_strings(what: Any) -> None:
    """Write the holder's name with other string types, as a server does that copies names part by part."""
    name = pki.authority().certificate.subject
    typed = x509.Name([x509.NameAttribute(part.oid, part.value, x509.name._ASN1Type.PrintableString)
                       if part.oid == x509.NameOID.COMMON_NAME else part for part in name])
    assert typed.public_bytes() != name.public_bytes()
    _set_holder(typed, pki.user().certificate.serial_number)(what)


def _set_times(begin: timedelta, end: timedelta) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        what["att_cert_validity_period"] = {"not_before_time": now + begin, "not_after_time": now + end}
    return change


def _set_names(authority: str, *fqans: str) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        what["attributes"] = [voms.names_attribute(authority, fqans)]
    return change


def _set(field: str, value: Any) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        what[field] = value
    return change


def _extend(oid: str, value: bytes, *, critical: bool = False) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        voms.add_extension(what, oid, value, critical=critical)
    return change


def _without(oid: str, *further: Callable[[Any], None]) -> Callable[[Any], None]:
    def change(what: Any) -> None:
        what["extensions"] = [found for found in what["extensions"] if found["extn_id"].dotted != oid]
        for more in further:
            more(what)
    return change


def _target(host: str) -> bytes:
    """As RFC 5755 writes it."""
    return voms.sequence(voms.sequence(parser.emit(2, 1, 0, voms.uri(host))))


def _key_identifier(octets: bytes) -> bytes:
    return bytes(der.AuthorityKeyIdentifier({"key_identifier": octets}).dump())


def this_host() -> str:
    """How the host is called that verifies."""
    return socket.getfqdn()


def old_proxy(cn: str, *certificates: bytes, information: x509.UnrecognizedExtension | None = None) -> Credential:
    """A proxy of the kinds before RFC 3820 that carries them: a legacy one, or with information a draft one."""
    issuer, key = pki.user(), ca.ec_key()
    last = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)])
    builder = ca._builder(x509.Name([*issuer.certificate.subject.rdns, last]), issuer.certificate.subject, key,
                          datetime.now(UTC) - HOUR / 60, datetime.now(UTC) + HOUR)
    builder = builder.add_extension(ca.usage(key_encipherment=True), critical=True)
    if information:
        builder = builder.add_extension(information, critical=True)
    builder = builder.add_extension(voms.extension(certificates), critical=False)
    return Credential(builder.sign(issuer.key, hashes.SHA256()), key, (issuer.certificate,))


def _draft(language: str) -> x509.UnrecognizedExtension:
    octets = ProxyCertInfo(None, language).to_extension().value
    return x509.UnrecognizedExtension(DRAFT_PROXY_CERT_INFO, octets)


ACCEPTED: dict[str, tuple[tuple[str, ...], Callable[[], Credential]]] = {
    "VOMS proxy": (("/testvo",), lambda: proxy(ac())),
    "several names, the first is primary": (
        ("/testvo/Role=admin", "/testvo", "/testvo/a/b"),
        lambda: proxy(ac(fqans=["/testvo/Role=admin/Capability=NULL", "/testvo/Role=NULL/Capability=NULL",
                                "/testvo/a/b/Role=NULL"]))),
    "limited VOMS proxy": (("/testvo",), lambda: proxy(ac(), limited=True)),
    "legacy VOMS proxy": (("/testvo",), lambda: old_proxy("proxy", ac())),
    "limited legacy VOMS proxy": (("/testvo",), lambda: old_proxy("limited proxy", ac())),
    "draft VOMS proxy": (("/testvo",), lambda: old_proxy("123", ac(), information=_draft(INHERIT_ALL))),
    "limited draft VOMS proxy": (("/testvo",), lambda: old_proxy("123", ac(), information=_draft(LIMITED))),
    "proxy of a VOMS proxy": (("/testvo",), lambda: _plain(proxy(ac()))),
    "limited proxy of a proxy of a VOMS proxy": (("/testvo",), lambda: _plain(_plain(proxy(ac())), limited=True)),
    "several VOs": (("/testvo", "/second.example.org/x"),
                    lambda: proxy(ac(), ac(second(), fqans=["/second.example.org/x"]))),
    "two of one VO": (("/testvo", "/testvo/a"), lambda: proxy(ac(), ac(fqans=["/testvo", "/testvo/a"]))),
    "the proxy nearest the leaf counts": (("/testvo/a",), lambda: proxy(ac(fqans=["/testvo/a"]),
                                                                         issuer=proxy(ac(fqans=["/testvo/b"])))),
    "a good one beside a bad one": (("/testvo",), lambda: proxy(ac(change=_set_times(-2 * HOUR, -HOUR)), ac())),
    "generic attributes": (("/testvo",), lambda: proxy(ac(attributes=[NICKNAME, GenericAttribute("a", "ü", "")]))),
    "empty list of generic attributes": (("/testvo",), lambda: proxy(ac(change=_extend(
        voms.GENERIC, voms.sequence(voms.sequence()))))),
    "server with an EC key": (("/second.example.org",), lambda: proxy(ac(second(), fqans=["/second.example.org"]))),
    "SHA-512": (("/testvo",), lambda: proxy(ac(algorithm=hashes.SHA512()))),
    "server below an intermediate CA": (("/testvo",), lambda: proxy(ac(below_intermediate()))),
    "second chain of an LSC file": (("/testvo",), lambda: proxy(ac(renewed()))),
    "certificate of the server in the VO's directory": (("/testvo",), lambda: proxy(ac(by_certificate()))),
    "the same, and it did not come along": (
        ("/testvo",), lambda: proxy(ac(by_certificate(), change=_without(voms.CERTIFICATES)))),
    "certificate of the server in the vomsdir": (("/oldvo",), lambda: proxy(ac(of_old_site(), fqans=["/oldvo"]))),
    "meant for this host": (("/testvo",), lambda: proxy(ac(targets=["elsewhere.example.org", this_host()]))),
    "meant for this host as RFC 5755 writes it": (
        ("/testvo",), lambda: proxy(ac(change=_extend("2.5.29.55", _target(this_host().upper()), critical=True)))),
    "holder in the old format of VOMS": (("/testvo",), lambda: proxy(ac(change=_set_holder(
        pki.user().certificate.subject, pki.user().certificate.serial_number)))),
    "holder by entityName": (("/testvo",), lambda: proxy(ac(change=_set_entity(pki.user().certificate.subject)))),
    "holder's name in other string types": (("/testvo",), lambda: proxy(ac(change=_other_strings))),
    "server whose clock is a little ahead": (("/testvo",), lambda: proxy(ac(change=_set_times(HOUR / 20, HOUR)))),
    "unknown extension that is not critical": (("/testvo",), lambda: proxy(ac(change=_extend("1.2.3", b"\5\0")))),
}


def _self_made() -> bytes:
    return ac(VomsServer(VO, pki.user(), HOST))


def _with_proxy() -> bytes:
    return ac(VomsServer(VO, _plain(server().credential), HOST))


def _by_ca() -> bytes:
    authority = pki.authority()
    return ac(VomsServer(VO, Credential(authority.certificate, authority.key), HOST))


def _by_other_ca() -> bytes:
    """A server of the right name, but another CA of the CA directory vouches for it."""
    return ac(VomsServer(VO, ca.issue_host(_below("Another CA"), HOST, key=ca.ec_key()), HOST))


def _tampered() -> bytes:
    octets = ac(fqans=["/testvo/Role=users"])
    assert octets.count(b"Role=users") == 1
    return octets.replace(b"Role=users", b"Role=admin")


def _two_algorithms() -> bytes:
    octets = cms.AttributeCertificateV2.load(ac())
    octets["signature_algorithm"] = {"algorithm": "sha512_rsa"}
    return bytes(octets.dump(force=True))


def _wrong_kind_of_key() -> bytes:
    """voms-proxy-fake does this: it names the algorithm of the server's certificate."""
    octets = cms.AttributeCertificateV2.load(ac(second(), fqans=["/second.example.org"]))
    octets["ac_info"]["signature"] = octets["signature_algorithm"] = {"algorithm": "sha256_rsa"}
    return bytes(octets.dump(force=True))


def _no_signature() -> bytes:
    octets = cms.AttributeCertificateV2.load(ac())
    octets["signature"] = bytes(256)
    return bytes(octets.dump(force=True))


def _two_authorities(what: Any) -> None:
    syntax = voms.sequence(parser.emit(2, 1, 0, voms.uri(server().authority) * 2),
                           voms.sequence(core.OctetString(b"/testvo").dump()))
    what["attributes"] = [cms.AttCertAttribute.load(voms.sequence(
        core.ObjectIdentifier(voms.FQANS).dump(), bytes(parser.emit(0, 1, 17, syntax))))]


REFUSED: dict[str, tuple[int, Callable[[], Credential]]] = {
    "a number in the holder's name": (1, lambda: proxy(
        ac().replace(b"\x01\x19\x16\x03org", b"\x01\x7f\x09\x03org", 1))),
    "issuer whose name cannot be read": (1, lambda: proxy(with_issuer(chains.with_unreadable_names))),
    "issuer whose name OpenSSL cannot read": (1, lambda: proxy(with_issuer(chains.unknown_to_openssl))),
    # 1: not readable
    "garbage": (1, lambda: raw_proxy(b"garbage")),
    "nothing": (1, lambda: raw_proxy(b"")),
    "no certificate in it": (1, lambda: raw_proxy(voms.sequence(voms.sequence()))),
    "a text in it": (1, lambda: raw_proxy(voms.sequence(voms.sequence(core.UTF8String("/testvo").dump())))),
    "an X.509 certificate in it": (1, lambda: proxy(pki.user().certificate.public_bytes(Encoding.DER))),
    "truncated": (1, lambda: raw_proxy(voms.extension([ac()]).value[:-1])),
    "truncated inside": (1, lambda: proxy(ac()[:-20])),
    "bytes after it": (1, lambda: raw_proxy(voms.extension([ac()]).value + b"\0")),
    "indefinite length": (1, lambda: raw_proxy(b"\x30\x80" + voms.sequence(ac()) + b"\0\0")),
    "huge": (1, lambda: raw_proxy(voms.sequence(voms.sequence(core.OctetString(bytes(MAX_SIZE)).dump())))),
    "too many": (1, lambda: proxy(*[ac(second(), fqans=["/second.example.org"])] * (MAX_ACS + 1))),
    "an extension twice": (1, lambda: proxy(ac(change=_extend("2.5.29.56", b"\5\0")))),
    "no VO attributes": (1, lambda: proxy(ac(change=_set("attributes", [])))),
    "no name": (1, lambda: proxy(ac(change=_set_names(server().authority)))),
    "two servers": (1, lambda: proxy(ac(change=_two_authorities))),
    "server without port": (1, lambda: proxy(ac(change=_set_names("testvo://voms.example.org", "/testvo")))),
    "VO that is a path": (1, lambda: proxy(ac(change=_set_names("..://voms.example.org:15000", "/testvo")))),
    "host that is a path": (1, lambda: proxy(ac(change=_set_names("testvo://../x:15000", "/testvo")))),
    "generic attributes of another server": (1, lambda: proxy(ac(change=_extend(
        voms.GENERIC, voms.tags("second://a.b:1", [NICKNAME]))))),
    "line break in a generic attribute": (1, lambda: proxy(ac(attributes=[GenericAttribute("a", "b\nc", "")]))),
    "holder by digest": (1, lambda: proxy(ac(change=_set("holder", {"object_digest_info": {
        "digested_object_type": "public_key", "digest_algorithm": {"algorithm": "sha256"},
        "object_digest": bytes(32)}})))),
    # 2: form
    "version 1": (2, lambda: proxy(ac(change=_set("version", "v1")))),
    "two signature algorithms": (2, lambda: proxy(_two_algorithms())),
    "unknown critical extension": (2, lambda: proxy(ac(change=_extend("1.2.3", b"\5\0", critical=True)))),
    "its issuer may revoke it": (2, lambda: proxy(ac(change=_without("2.5.29.56")))),
    # 3: holder
    "given to somebody else": (3, lambda: proxy(ac(holder=pki.other().certificate))),
    "given to an earlier certificate of the user": (3, lambda: proxy(ac(change=_set_holder(
        pki.authority().certificate.subject, 12345)))),
    "given to a certificate of another CA": (3, lambda: proxy(ac(change=_set_holder(
        ca.parse_dn("/DC=org/CN=Another CA"), pki.user().certificate.serial_number)))),
    "given to somebody else by entityName": (3, lambda: proxy(ac(change=_set_entity(
        pki.other().certificate.subject)))),
    "given to nobody": (3, lambda: proxy(ac(change=_set("holder", cms.Holder.load(b"\x30\0"))))),
    "given to the proxy": (3, lambda: (lambda first: proxy(ac(holder=first.certificate), issuer=first))(
        _plain(pki.user()))),
    # 4: validity
    "expired": (4, lambda: proxy(ac(change=_set_times(-2 * HOUR, -HOUR)))),
    "not yet valid": (4, lambda: proxy(ac(change=_set_times(HOUR, 2 * HOUR)))),
    "never valid": (4, lambda: proxy(ac(change=_set_times(HOUR, -HOUR)))),
    # 5: targets
    "meant for another host": (5, lambda: proxy(ac(targets=["elsewhere.example.org"]))),
    "meant for no host": (5, lambda: proxy(ac(change=_extend("2.5.29.55", voms.sequence(voms.sequence()))))),
    # 6: names
    "name of another VO": (6, lambda: proxy(ac(fqans=["/testvo", "/second.example.org/Role=admin"]))),
    "name of a VO that begins alike": (6, lambda: proxy(ac(fqans=["/testvo2"]))),
    "name that is none": (6, lambda: proxy(ac(fqans=["/testvo/Role=a/Role=b"]))),
    # 7: servers
    "server that the site does not know": (7, lambda: proxy(ac(_of_host("unknown.example.org")))),
    "server of another VO": (7, lambda: proxy(ac(VomsServer(VO, second().credential, second().host)))),
    "VO that the site does not know": (7, lambda: proxy(ac(_of_host(HOST, vo="unknown"), fqans=["/unknown"]))),
    "certificate in the directory of another VO": (7, lambda: proxy(ac(
        VomsServer("second.example.org", by_certificate().credential, by_certificate().host),
        fqans=["/second.example.org"]))),
    # 8: certificate of the issuer
    "server of an unknown CA": (8, lambda: proxy(ac(VomsServer(
        VO, ca.issue_host(pki.stranger(), HOST, key=ca.ec_key()), HOST)))),
    "server whose certificate has expired": (8, lambda: proxy(ac(expired()))),
    "server whose certificate is revoked": (8, lambda: proxy(ac(revoked()))),
    "server with a short key": (8, lambda: proxy(ac(weak()))),
    "issued with a proxy of the server": (8, lambda: proxy(_with_proxy())),
    "issued by a CA": (8, lambda: proxy(_by_ca())),
    # 9: LSC
    "made by the user himself": (9, lambda: proxy(_self_made())),
    "another host posing as the server": (9, lambda: proxy(ac(VomsServer(VO, _of_host("pose.example.org").credential,
                                                                         HOST)))),
    "server of the right name and another CA": (9, lambda: proxy(_by_other_ca())),
    "another server's name as issuer": (9, lambda: proxy(ac(change=_set("issuer", cms.AttCertIssuer(
        "v2_form", {"issuer_name": [voms._name(second().credential.certificate.subject)]}))))),
    "no certificate of the issuer": (9, lambda: proxy(ac(change=_without(voms.CERTIFICATES)))),
    # 10: key of the issuer
    "issuer that may not sign": (10, lambda: proxy(ac(mute()))),
    "another key": (10, lambda: proxy(ac(change=_without("2.5.29.35", _extend("2.5.29.35", _key_identifier(
        bytes(20))))))),
    "no key named": (10, lambda: proxy(ac(change=_without("2.5.29.35")))),
    # 11: algorithm
    "SHA-1": (11, lambda: proxy(ac(algorithm=hashes.SHA1()))),
    "algorithm of another kind of key": (11, lambda: proxy(_wrong_kind_of_key())),
    # 12: signature
    "changed": (12, lambda: proxy(_tampered())),
    "signed with another key": (12, lambda: proxy(ac(key=pki.user().key))),
    "not signed": (12, lambda: proxy(_no_signature())),
}
