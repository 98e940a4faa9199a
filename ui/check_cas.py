"""Checks of the directory of trusted CAs: names of files, certificates, revocation lists, signing policies."""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gsi import namespaces, signingpolicy
from gsi.cadirectory import old_subject_hash, subject_hash
from gsi.certificates import facts
from gsi.credential import read_certificates
from gsi.errors import CredentialError
from gsi.names import slash_dn
from gsi.rules import CrlRule, Rules, SigningPolicyRule
from gsi.signingpolicy import Entry
from ui.check_findings import Finding, Reporter, span

#: A list that has less than this part of its life left should have been fetched anew: fetch-crl runs every 6 hours.
CRL_LAST_PART = 0.25
CA_WARNING = timedelta(days=60)

_CERTIFICATE = re.compile(r"([0-9a-f]{8})\.(\d+)")
_CRL = re.compile(r"(.+)\.r\d+")
_POLICY = re.compile(r"(.+)\.(?:signing_policy|namespaces)")
_REHASH = "run openssl rehash on the directory: it makes the links"
_FETCH = "fetch it: run fetch-crl, and see that it runs several times a day"
_POLICY_REMEDY = "install the CA again, with the signing policy that comes with it"


@dataclass
class _Directory:
    """What was found. authorities: each CA with the names of the files that hold it; lists: readable ones."""

    path: Path
    report: Reporter
    rules: Rules
    names: list[str]
    authorities: dict[x509.Certificate, list[str]] = field(default_factory=dict)
    lists: list[x509.CertificateRevocationList] = field(default_factory=list)


@dataclass(frozen=True)
class Checked:
    """The findings; what is in order is summed up. authorities, lists: what is readable."""

    findings: list[Finding]
    authorities: tuple[x509.Certificate, ...] = ()
    lists: tuple[x509.CertificateRevocationList, ...] = ()


def check_ca_directory(path: Path, rules: Rules) -> Checked:
    """All checks of the directory."""
    report = Reporter("CA directory")
    try:
        names = sorted(os.listdir(path))
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        return Checked([report.fail(path, f"cannot be read: {error.strerror}",
                                    "install the CA certificates of your grid (IGTF), or set X509_CERT_DIR")])
    directory = _Directory(path, report, rules, names)
    findings = [*_certificates(directory), *_writable(directory, mode)]
    for authority in directory.authorities:
        findings += [*_revocation_list(directory, authority), *_policy(directory, authority)]
    findings += _orphans(directory)
    findings.append(_summary(directory, in_order=not findings))
    return Checked(findings, tuple(directory.authorities), tuple(directory.lists))


def _writable(directory: _Directory, mode: int) -> Iterator[Finding]:
    path, report = directory.path, directory.report
    if mode & 0o022:
        yield report.fail(path, f"others can add CAs (mode {mode:04o})", f"do: chmod 755 {path}")
    open_to_others = [name for name in directory.names if _is_writable(path / name)]
    for name in open_to_others:
        yield report.fail(name, "others can write the file", f"do: chmod 644 {path / name}")


def _is_writable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o022)
    except OSError:
        return False  # a link to nowhere; said elsewhere


def _summary(directory: _Directory, *, in_order: bool) -> Finding:
    count = len(directory.authorities)
    if not count:
        return directory.report.fail(directory.path, "holds no CA, so nobody is trusted",
                                     "install the CA certificates of your grid (IGTF)")
    which = f"{count} CA{'s' if count > 1 else ''}"
    return directory.report.ok(
        directory.path, f"{which} with revocation lists and signing policies in order" if in_order
        else f"{which} looked at; what is not in order stands above")


# ---- certificates ---------------------------------------------------------------------------------------------------


def _certificates(directory: _Directory) -> Iterator[Finding]:
    """Every <hash>.<n> and every .pem: read, named right, a CA, valid."""
    for name in directory.names:
        match = _CERTIFICATE.fullmatch(name)
        if match or name.endswith((".pem", ".crt")):
            yield from _certificate(directory, name, match)
    for authority, names in directory.authorities.items():
        if not any(name.startswith(f"{hashes(authority)[0]}.") for name in names):
            yield directory.report.warn(names[0], f"has no link {hashes(authority)[0]}.0, so programs with OpenSSL, "
                                                  "such as curl, do not find it", _REHASH)
        yield from _ca_validity(directory.report, names[0], authority)


def _certificate(directory: _Directory, name: str, match: re.Match[str] | None) -> Iterator[Finding]:
    report = directory.report
    try:
        certificates = _read_certificates((directory.path / name).read_bytes())
        told = [facts(certificate) for certificate in certificates]
    except FileNotFoundError:
        yield report.fail(name, "is a link to a file that is not there", "remove it, or install the CA again")
        return
    except OSError as error:
        yield report.fail(name, f"cannot be read: {error.strerror}", "let the services read it")
        return
    except (CredentialError, ValueError):
        yield report.fail(name, "holds no certificate that can be read", "install the CA again, or remove the file")
        return
    for certificate, each in zip(certificates, told, strict=True):
        if each.is_ca:
            directory.authorities.setdefault(certificate, []).append(name)
        else:
            yield report.fail(name, f"{slash_dn(certificate.subject)} is no CA", "remove it: only CAs belong here")
    if match and match[1] not in hashes(certificates[0]):
        yield report.warn(name, f"bears the wrong hash: that of {slash_dn(certificates[0].subject)} is "
                                f"{hashes(certificates[0])[0]}", _REHASH)
    if match and int(match[2]) and f"{match[1]}.{int(match[2]) - 1}" not in directory.names:
        before = f"{match[1]}.{int(match[2]) - 1}"
        yield report.warn(name, f"is not found by OpenSSL: there is no {before}", _REHASH)


def _read_certificates(octets: bytes) -> list[x509.Certificate]:
    """PEM or DER. Raises CredentialError, ValueError."""
    return read_certificates(octets) if b"-----BEGIN" in octets else [x509.load_der_x509_certificate(octets)]


def _ca_validity(report: Reporter, name: str, certificate: x509.Certificate) -> Iterator[Finding]:
    now, dn = datetime.now(UTC), slash_dn(certificate.subject)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= end:
        yield report.warn(name, f"{dn} expired {span(now - end)} ago; whoever has a certificate of it is refused",
                          "update the CA certificates, or remove this one")
    elif now < begin:
        yield report.warn(name, f"{dn} is not valid before {begin:%Y-%m-%d %H:%M} UTC",
                          "check the clock of this machine")
    elif end - now < CA_WARNING:
        yield report.warn(name, f"{dn} expires in {span(end - now)}", "update the CA certificates")


def hashes(certificate: x509.Certificate) -> tuple[str, str]:
    """The names under which OpenSSL finds a CA: now, and before version 1.0; IGTF installs both."""
    return f"{subject_hash(certificate):08x}", f"{old_subject_hash(certificate):08x}"


def _stems(directory: _Directory, authority: x509.Certificate) -> set[str]:
    """What the names of the CA's lists and policies may begin with."""
    return {*hashes(authority), *(name.rpartition(".")[0] for name in directory.authorities[authority])}


# ---- revocation lists -----------------------------------------------------------------------------------------------


def _revocation_list(directory: _Directory, authority: x509.Certificate) -> Iterator[Finding]:
    """The lists of one CA: its own, which may lie there twice, and those of another CA of the same hash."""
    stems = _stems(directory, authority)
    names = [name for name in directory.names if (match := _CRL.fullmatch(name)) and match[1] in stems]
    report, dn, usual = directory.report, slash_dn(authority.subject), f"{hashes(authority)[0]}.r0"
    if not names:
        required = directory.rules.crl is CrlRule.REQUIRE
        say = report.fail if required else report.warn
        effect = "so everybody of this CA is refused" if required else "so nobody of this CA can be refused as revoked"
        yield say(usual, f"there is no revocation list of {dn}, {effect}", _FETCH)
    for name in names:
        yield from _one_list(directory, name, authority)


def _one_list(directory: _Directory, name: str, authority: x509.Certificate) -> Iterator[Finding]:
    report, dn = directory.report, slash_dn(authority.subject)
    try:
        crl = _read_crl((directory.path / name).read_bytes())
    except OSError as error:
        yield report.fail(name, f"cannot be read ({error.strerror}), so everybody of {dn} is refused", _FETCH)
        return
    except ValueError:
        yield report.fail(name, f"is no revocation list, so everybody of {dn} is refused", _FETCH)
        return
    directory.lists.append(crl)
    if crl.issuer != authority.subject:
        yield report.fail(name, f"is of {slash_dn(crl.issuer)}, not of {dn}", _FETCH)
    elif not _signed(crl, authority):
        yield report.fail(name, f"is not signed by {dn}, so everybody of this CA is refused", _FETCH)
    else:
        yield from _list_validity(report, name, crl, dn)


def _list_validity(report: Reporter, name: str, crl: x509.CertificateRevocationList, dn: str) -> Iterator[Finding]:
    now, begin, end = datetime.now(UTC), crl.last_update_utc, crl.next_update_utc
    if now < begin:
        yield report.fail(name, f"the list of {dn} begins in {span(begin - now)}", "check the clock of this machine")
    elif end is None:
        yield report.warn(name, f"the list of {dn} does not say until when it is good", "tell the CA")
    elif now >= end:
        yield report.fail(name, f"the list of {dn} is {span(now - begin)} old and expired {span(now - end)} ago, so "
                                "everybody of this CA is refused", _FETCH)
    elif end - now < CRL_LAST_PART * (end - begin):
        yield report.warn(name, f"the list of {dn} is {span(now - begin)} old and expires in {span(end - now)}", _FETCH)


def _read_crl(octets: bytes) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(octets) if b"-----BEGIN" in octets else x509.load_der_x509_crl(octets)


def _signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # refused when of another kind
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _orphans(directory: _Directory) -> Iterator[Finding]:
    """Lists and policies of no CA: harmless, but somebody meant something by them."""
    known = set[str]().union(*(_stems(directory, authority) for authority in directory.authorities))
    for name in directory.names:
        match = _CRL.fullmatch(name) or _POLICY.fullmatch(name)
        if match and match[1] not in known:
            yield directory.report.warn(name, "belongs to no CA of this directory", "remove it, or install its CA")


# ---- signing policies -----------------------------------------------------------------------------------------------


def _policy(directory: _Directory, authority: x509.Certificate) -> Iterator[Finding]:
    """Whether it is said what the CA may sign."""
    report, dn, stems = directory.report, slash_dn(authority.subject), _stems(directory, authority)
    usual = f"{hashes(authority)[0]}.signing_policy"
    files = [name for name in directory.names if (match := _POLICY.fullmatch(name)) and match[1] in stems]
    speaks = False
    for name in files:
        try:
            speaks |= any(entry.concerns(dn, True) for entry in _entries(directory.path / name))
        except (OSError, CredentialError) as error:
            yield report.fail(name, f"cannot be read ({error}), so everybody of {dn} is refused", _POLICY_REMEDY)
            return
    if not speaks:
        required = directory.rules.signing_policy is SigningPolicyRule.REQUIRE
        say = report.fail if required else report.warn
        effect = "so everybody of this CA is refused" if required else "so it may sign any name"
        fact = f"{', '.join(files)} does not speak of {dn}" if files else f"nothing says which names {dn} may sign"
        yield say(files[0] if files else usual, f"{fact}, {effect}", _POLICY_REMEDY)


def _entries(path: Path) -> tuple[Entry, ...]:
    octets = path.read_bytes()
    return namespaces.parse(octets) if path.suffix == ".namespaces" else signingpolicy.parse(octets)
