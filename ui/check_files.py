"""Checks of certificates with their keys: those of the host, of the user, and proxies."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gsi.certificates import extensions
from gsi.credential import Credential, read_certificates
from gsi.errors import CredentialError, GsiError, PassphraseNeeded
from gsi.names import slash_dn
from gsi.trust import Trust
from ui.check_findings import Finding, Reporter, span
from ui.hostnames import alternative_names, covers
from ui.remedies import advice

#: Renewal of a certificate takes days: people have to be asked.
CERTIFICATE_WARNING = timedelta(days=30)
#: A proxy is renewed within a minute.
PROXY_WARNING = timedelta(hours=1)
_PUT_THERE = "put it there, or name another with an option; on a server, run this as root"


@dataclass(frozen=True)
class Files:
    """What is to be checked. key: the same path as certificate for a proxy; host_names: names under which the host is
    called, None = it is not a host's.
    """

    area: str
    certificate: Path
    key: Path
    host_names: tuple[str, ...] | None = None

    @property
    def is_proxy(self) -> bool:
        """Whether certificate and key are in one file."""
        return self.certificate == self.key

    @property
    def remake(self) -> str:
        """How to get a new one."""
        return "make a new one with glite-proxy-init" if self.is_proxy else "ask your CA for a new certificate"


def check_files(files: Files, trust: Trust | None) -> Iterator[Finding]:
    """All checks of one credential. trust: None = there is no CA directory, so the chain cannot be verified."""
    report = Reporter(files.area)
    try:
        chain = read_certificates(files.certificate.read_bytes())
    except OSError as error:
        yield report.fail(files.certificate, f"cannot be read: {error.strerror}", _PUT_THERE)
        return
    except CredentialError as error:
        yield report.fail(files.certificate, f"{error}", f"replace the file: {files.remake}")
        return
    yield from _permissions(files, report)
    yield _key(files, report)
    yield _expiry(files, chain, report)
    if trust is not None:
        yield _chain(files, chain, trust, report)
    if files.host_names is not None:
        yield _names(files, chain[0], files.host_names, report)
        yield _purposes(files, chain[0], report)


def _permissions(files: Files, report: Reporter) -> Iterator[Finding]:
    try:
        found = os.stat(files.key)
    except OSError as error:
        yield report.fail(files.key, f"cannot be read: {error.strerror}", _PUT_THERE)
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        text = f"others can read or write the key (mode {mode:04o})"
        yield report.fail(files.key, text, f"do: chmod 600 {files.key}")
    else:
        yield report.ok(files.key, f"is private (mode {mode:04o})")
    if not files.is_proxy and (mode := stat.S_IMODE(files.certificate.stat().st_mode)) & 0o022:
        yield report.fail(files.certificate, f"others can replace the certificate (mode {mode:04o})",
                          f"do: chmod 644 {files.certificate}")


def _key(files: Files, report: Reporter) -> Finding:
    try:
        Credential.load_pair(files.certificate, files.key)
    except PassphraseNeeded:
        return report.ok(files.key, "is encrypted, so whether it belongs to the certificate was not looked at")
    except CredentialError as error:
        if "others can read" in str(error):  # said already; what it holds is another question
            return report.warn(files.key, "was not compared with the certificate", "mend its mode first")
        return report.fail(files.key, str(error), f"use the key that the certificate was made for, or {files.remake}")
    return report.ok(files.key, "belongs to the certificate")


def _expiry(files: Files, chain: list[x509.Certificate], report: Reporter) -> Finding:
    now = datetime.now(UTC)
    begin = max(certificate.not_valid_before_utc for certificate in chain)
    end = min(certificate.not_valid_after_utc for certificate in chain)
    if now < begin:
        return report.fail(files.certificate, f"is not valid before {begin:%Y-%m-%d %H:%M} UTC",
                           "check the clock of this machine, or wait until then")
    if now >= end:
        return report.fail(files.certificate, f"expired {span(now - end)} ago", files.remake)
    if end - now < (PROXY_WARNING if files.is_proxy else CERTIFICATE_WARNING):
        return report.warn(files.certificate, f"expires in {span(end - now)}", files.remake)
    return report.ok(files.certificate, f"is valid for {span(end - now)} more: {slash_dn(chain[0].subject)}")


def _chain(files: Files, chain: list[x509.Certificate], trust: Trust, report: Reporter) -> Finding:
    try:
        trust.verify(chain)
    except GsiError as error:
        told = advice(error)
        return report.fail(files.certificate, f"does not verify: {told.reason}", told.remedy)
    return report.ok(files.certificate, f"verifies with the CAs of {trust.ca_dir}")


def _names(files: Files, certificate: x509.Certificate, wanted: tuple[str, ...], report: Reporter) -> Finding:
    try:
        held = alternative_names(certificate)
    except ValueError as error:
        return report.fail(files.certificate, f"its extensions cannot be read: {error}", files.remake)
    missing = [name for name in wanted if not any(covers(pattern, name) for pattern in held)]
    if not missing:
        return report.ok(files.certificate, f"has the alternative name {', '.join(wanted)}")
    have = f"only {', '.join(held)}" if held else "none at all"
    return report.fail(
        files.certificate, f"{', '.join(missing)} is not among its alternative names, it has {have}",
        "ask your CA for a certificate with that name as dNSName, for clients look nowhere else; or give the name that "
        "clients use with --host-name",
    )


def _purposes(files: Files, certificate: x509.Certificate, report: Reporter) -> Finding:
    try:
        purposes = extensions(certificate).get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return report.ok(files.certificate, "may be used for every purpose")
    if ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        return report.fail(files.certificate, "is not meant for servers (no serverAuth)",
                           "ask your CA for a host certificate")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        return report.warn(files.certificate, "is not meant for clients (no clientAuth), but services call each other",
                           "ask your CA for a host certificate that is good for clients too")
    return report.ok(files.certificate, "is meant for servers and clients")
