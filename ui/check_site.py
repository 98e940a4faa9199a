"""Checks of what the site sets up beside certificates: VOMS servers, rules, clock and umask."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from gsi.credential import read_certificates
from gsi.errors import CredentialError
from gsi.names import same_dn, slash_dn
from gsi.rules import Rules
from gsi.voms.vomsdir import parse_lsc
from ui.check_findings import Finding, Reporter, span

#: Times of files and certificates may be ahead of the clock by this much without being a sign that it is wrong.
SKEW = timedelta(minutes=5)
#: More than this part of all revocation lists expired at once: rather the clock, or fetch-crl, than the CAs.
_MOST = 0.5


# ---- VOMS -----------------------------------------------------------------------------------------------------------


def check_vomsdir(path: Path, ca_names: Iterable[str]) -> Iterator[Finding]:
    """Whose VO attributes are believed. ca_names: the CAs of the CA directory, slash form."""
    report = Reporter("vomsdir")
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        yield report.warn(path, "is not there, so no VO attributes are believed",
                          "install the LSC files of your VOs, or set X509_VOMS_DIR")
        return
    except OSError as error:
        yield report.fail(path, f"cannot be read: {error.strerror}", "let the services read it")
        return
    if mode & 0o022:
        yield report.fail(path, f"others can add VOMS servers (mode {mode:04o})", f"do: chmod 755 {path}")
    known = tuple(ca_names)
    for entry in entries:  # certificates of servers that speak for any VO: the way of 2005, still read
        if entry.suffix == ".pem":
            yield from _certificate(report, entry, known)
    vos = [entry for entry in entries if entry.is_dir()]
    if not vos and not any(entry.suffix == ".pem" for entry in entries):
        yield report.warn(path, "names no VO, so no VO attributes are believed", "install the LSC files of your VOs")
    for vo in vos:
        yield from _vo(report, vo, known)


def _vo(report: Reporter, directory: Path, known: tuple[str, ...]) -> Iterator[Finding]:
    vo = directory.name
    files = sorted(path for path in directory.iterdir() if path.suffix in (".lsc", ".pem"))
    if not files:
        yield report.warn(vo, "has no LSC file, so its attributes are not believed", "install <host>.lsc of its server")
        return
    findings = [finding for path in files
                for finding in (_lsc if path.suffix == ".lsc" else _certificate)(report, path, known)]
    yield from findings or [report.ok(vo, f"{len(files)} VOMS server{'s' if len(files) > 1 else ''} in order")]


def _lsc(report: Reporter, path: Path, known: tuple[str, ...]) -> Iterator[Finding]:
    name = f"{path.parent.name}/{path.name}"
    try:
        chains = parse_lsc(path.read_text("utf-8"))
    except OSError as error:
        yield report.fail(name, f"cannot be read: {error.strerror}", "let the services read it")
        return
    except (ValueError, CredentialError) as error:
        yield report.fail(name, f"cannot be understood: {error}",
                          "write two lines for each certificate: its subject, then its issuer, as /DC=.../CN=...")
        return
    if not chains:
        yield report.fail(name, "names no certificate", "write subject and issuer of the VOMS server's certificate")
    for chain in chains:
        top = chain[-1][1]
        if not any(same_dn(top, each) for each in known):
            yield report.warn(name, f"its CA {top} is not among the trusted CAs, so its attributes are not believed",
                              "install that CA, or write the name as the CA directory has it")


def _certificate(report: Reporter, path: Path, known: tuple[str, ...]) -> Iterator[Finding]:
    name = f"{path.parent.name}/{path.name}"
    try:
        certificate = read_certificates(path.read_bytes())[0]
    except OSError as error:
        yield report.fail(name, f"cannot be read: {error.strerror}", "let the services read it")
        return
    except CredentialError:
        yield report.fail(name, "holds no certificate that can be read",
                          "install the VOMS server's certificate again, or an LSC file instead")
        return
    now, end = datetime.now(UTC), certificate.not_valid_after_utc
    if now >= end:
        yield report.warn(name, f"the VOMS server's certificate expired {span(now - end)} ago",
                          "put an LSC file in its place: it stays good when certificates are renewed")
    if not any(same_dn(slash_dn(certificate.issuer), each) for each in known):
        yield report.warn(name, f"its CA {slash_dn(certificate.issuer)} is not among the trusted CAs",
                          "install that CA")


# ---- rules ----------------------------------------------------------------------------------------------------------

#: Rules that admit more than the default does: when, and what an attacker gains.
_LOOSE = {
    "signing_policy": "a CA without signing policy may sign any name",
    "sha1_proxies": "signatures of proxies can be forged with a collision",
    "sha1_attributes": "VO attributes can be forged with a collision",
    "min_rsa_bits": "keys that short can be broken",
    "min_ec_bits": "keys that short can be broken",
    "max_proxy_lifetime": "a stolen proxy is of use for longer",
    "max_proxies": "chains may be longer",
}


def check_rules(env: Mapping[str, str]) -> tuple[Rules, list[Finding]]:
    """The rules of this machine; the defaults when they cannot be read, which no service would start with."""
    report = Reporter("rules")
    subject = env.get("GLITE_GSI_RULES") or "/etc/grid-security/gsi.toml"
    try:
        rules = Rules.find(env)
    except CredentialError as error:
        return Rules(), [report.fail(subject, str(error), "mend the file; etc/gsi.toml is an example with every key")]
    default = Rules()
    loose = [report.warn(subject, f"{each.name} is looser than the default: {_LOOSE[each.name]}",
                         "remove the line unless your users need it")
             for each in fields(Rules) if each.name in _LOOSE and _is_looser(each.name, rules, default)]
    where = "are those of the file" if env.get("GLITE_GSI_RULES") or Path(subject).exists() else "are the defaults"
    return rules, loose or [report.ok(subject, f"the rules {where}")]


def _is_looser(name: str, rules: Rules, default: Rules) -> bool:
    given, usual = getattr(rules, name), getattr(default, name)
    if name.startswith("min_"):
        return bool(given < usual)
    if name == "max_proxy_lifetime":
        return given is None or bool(given > usual)
    if name == "max_proxies":
        return bool(given > usual)
    return bool(given != usual)


# ---- the machine ----------------------------------------------------------------------------------------------------


def check_clock(certificates: Iterable[x509.Certificate], lists: Iterable[x509.CertificateRevocationList],
                files: Iterable[Path]) -> Finding:
    """Whether the time can be right, by what was made before now: certificates, lists, files. No network is asked."""
    report, now = Reporter("machine"), datetime.now(UTC)
    begins = [("a certificate", each.not_valid_before_utc) for each in certificates]
    revocations = list(lists)
    begins += [("a revocation list", each.last_update_utc) for each in revocations]
    begins += [(str(path), datetime.fromtimestamp(path.stat().st_mtime, UTC)) for path in files if path.exists()]
    what, latest = max(begins, key=lambda each: each[1], default=("nothing", now))
    remedy = "set the clock, and let a time service (chrony, systemd-timesyncd) keep it"
    if latest > now + SKEW:
        text = f"{what} was made {span(latest - now)} in the future: the clock is behind now, or was ahead then"
        return report.fail("clock", text, remedy)
    ends = [each.next_update_utc for each in revocations if each.next_update_utc is not None]
    over = sum(end <= now for end in ends)
    if len(ends) > 1 and over > _MOST * len(ends):
        return report.warn("clock", f"{over} of {len(ends)} revocation lists have expired: the clock is ahead, or "
                                    "nothing fetches lists", "check the date, then run fetch-crl")
    return report.ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC is possible; no time server was asked")


def check_umask() -> Finding:
    """Whether new files are open to others."""
    report = Reporter("machine")
    mask = os.umask(0o077)
    os.umask(mask)
    if mask & 0o022 != 0o022:
        return report.warn("umask", f"is {mask:04o}: new files can be written by others", "set umask 022 or 077")
    return report.ok("umask", f"is {mask:04o}")
