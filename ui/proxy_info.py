"""glite-proxy-info: what is in a proxy file, and how much of it is verified (grid-proxy-info, voms-proxy-info).

The file's word is printed as the originals print it; then it is verified as a service would, with the CA directory of
this machine, and the outcome says which values are proven and which are only what the file claims.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from gsi import voms
from gsi.claims import Claims, ProxyRights, claims
from gsi.credential import belongs, ca_directory, read_certificates, read_key
from gsi.errors import AttributeCertificateError, CredentialError, GsiError
from gsi.fqan import Fqan
from gsi.names import rfc2253, slash_dn, slash_dn_of_der
from gsi.peer import Peer, ProxyKind
from gsi.trust import Trust
from gsi.voms import Finding
from ui.frame import EXIT_FAILED, UiError, common_options, one_dash_options, output_options, print_json, run, warn
from ui.proxyfile import HoursMinutes, OneDashCommand, clock_text, duration, proxy_path
from ui.remedies import Advice, advice

EPILOG = """\b
Examples:
  glite-proxy-info                              everything about the proxy in $X509_USER_PROXY or /tmp/x509up_u<uid>
  glite-proxy-info -file /tmp/proxy -identity -timeleft
  glite-proxy-info -exists -valid 2:00 || glite-proxy-init
  glite-proxy-info --json --pretty-print
\b
Long options may be written with one dash or with two; single values are printed in the order of their options.
Exit code 0: printed, or the answer to -exists and -acexists is yes;
1: no proxy, no such value in it, or the answer is no; 255: wrong usage.
"""

#: What a proxy of this kind is called by Globus' tools.
_PHRASE = {
    ProxyKind.RFC3820: "RFC 3820 compliant {} proxy",
    ProxyKind.DRAFT: "Proxy draft (pre-RFC) compliant {} proxy",
}
_LEGACY_PHRASE = {ProxyRights.FULL: "full legacy globus proxy", ProxyRights.LIMITED: "limited legacy globus proxy"}
#: Values that come from attribute certificates, and those that only a verification proves.
_FROM_VO = {"vo", "fqan", "acissuer", "actimeleft", "uri"}
_PROVABLE = {"subject", "issuer", "identity", "type", *_FROM_VO}


@dataclass(frozen=True)
class ProxyFile:
    """A file with what is in it."""

    path: Path
    chain: Sequence[x509.Certificate]
    key_state: str
    private: bool
    name: Callable[[x509.Name], str]

    @classmethod
    def read(cls, path: Path, name: Callable[[x509.Name], str] = slash_dn) -> "ProxyFile":
        """Raises UiError when there is no certificate in it. name: how distinguished names are written."""
        try:
            octets = path.read_bytes()
            chain = read_certificates(octets)
        except OSError as error:
            raise UiError("No proxy", f"{path} cannot be read: {error.strerror}; make a proxy with glite-proxy-init, "
                                      "or name another file with -file") from None
        except CredentialError as error:
            raise UiError("No proxy", f"{path}: {error}; make a proxy with glite-proxy-init") from None
        return cls(path, chain, _key_state(octets, chain[0]), not stat.S_IMODE(path.stat().st_mode) & 0o077, name)

    @cached_property
    def claims(self) -> Claims:
        """What the file says."""
        return claims(self.chain)

    @cached_property
    def left(self) -> timedelta:
        """Time until the first certificate of the chain expires, not negative."""
        return max(timedelta(0), self.claims.not_after - datetime.now(UTC))

    @property
    def kind(self) -> str:
        """The type in the words of Globus."""
        told = self.claims
        if told.kind is ProxyKind.NONE:
            return "end entity credential"
        if told.kind is ProxyKind.LEGACY:
            return _LEGACY_PHRASE[told.rights]
        return _PHRASE[told.kind].format(told.rights.value)


@dataclass(frozen=True)
class Vo:
    """Attributes of one VO. objection: why they count for nothing, None = they are verified."""

    vo: str
    fqans: tuple[str, ...]
    issuer: str
    server: str
    not_after: datetime | None
    objection: str | None

    @classmethod
    def of(cls, found: Finding, objection: str | None = None) -> "Vo":
        """From the judge of attributes; objection: one against the proxy as a whole."""
        if found.verified is not None and objection is None:
            known = found.verified
            return cls(known.vo, known.fqans, known.issuer, known.server, known.not_after, None)
        claimed, why = found.claimed, objection or str(found.error)
        if claimed is None:
            return cls("?", (), "?", "?", None, why)
        return cls(claimed.vo, tuple(map(str, claimed.fqans)), _name(claimed.issuer), claimed.server,
                   claimed.not_after, why)


@dataclass(frozen=True)
class Verdict:
    """How far the file can be believed: `peer` is what is proven, else `refused` says why nothing is."""

    ca_dir: Path
    peer: Peer | None
    refused: Advice | None
    vos: tuple[Vo, ...]

    @classmethod
    def on(cls, file: ProxyFile, ca_dir: Path) -> "Verdict":
        """Verify as a service with these CAs would."""
        try:
            trust = Trust(ca_dir)
            peer = trust.verify(file.chain)
        except GsiError as error:
            return cls(ca_dir, None, advice(error, file.chain), tuple(_claimed(file, "the proxy is not verified")))
        found = trust.voms.examine(peer.chain, file.claims.proxies)
        return cls(ca_dir, peer, None, tuple(map(Vo.of, found)))


def _name(der: bytes) -> str:
    try:
        return slash_dn_of_der(der)
    except ValueError:
        return "a name that cannot be read"


def _claimed(file: ProxyFile, objection: str) -> Iterator[Vo]:
    for claim in voms.claims(file.chain[:file.claims.proxies]):
        if isinstance(claim, AttributeCertificateError):
            yield Vo.of(Finding(None, error=claim))
        else:
            yield Vo.of(Finding(claim), objection)


def _single(name: str, help_text: str, *more: str) -> Callable[[Any], Any]:
    """An option that asks for one value; they are printed in the order of the command line."""

    def note(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(list).append(name)

    return click.option(*more, f"-{name}", f"--{name}", is_flag=True, expose_value=False, callback=note, help=help_text)


@click.command(cls=OneDashCommand, epilog=EPILOG, context_settings={"help_option_names": ["-help", "--help", "-usage"]})
@click.option("-file", "--file", "-f", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="The proxy; else $X509_USER_PROXY, /tmp/x509up_u<uid>.")
@click.option("-certdir", "--certdir", "ca_dir", type=click.Path(path_type=Path), metavar="DIR",
              help="Directory of trusted CAs to verify with.")
@_single("subject", "Name of the proxy.", "-s")
@_single("issuer", "Name of its signer.", "-i")
@_single("identity", "Name of the person or host behind it.")
@_single("type", "Kind of proxy.")
@_single("timeleft", "Seconds until it expires, 0 if it has.")
@_single("strength", "Size of the key in bits.")
@_single("path", "Path of the file.")
@_single("pathlen", "How many further proxies may be made of it.")
@_single("vo", "Virtual organisations, one a line.")
@_single("fqan", "Groups and roles, one a line.")
@_single("acissuer", "VOMS servers' names, one a line.")
@_single("actimeleft", "Seconds until the attributes expire, one a line.")
@_single("uri", "host:port of the VOMS servers, one a line.")
@click.option("-all", "--all", is_flag=True, expose_value=False, help="Everything, as without options.")
@click.option("-dont-verify-ac", "--dont-verify-ac", "unheeded", is_flag=True, hidden=True, expose_value=False)
@click.option("-rfc2253", "--rfc2253", "as_rfc2253", is_flag=True, help="Names as CN=...,DC=... (RFC 2253).")
@click.option("-exists", "--exists", "-e", is_flag=True, help="Only answer by exit code: is there a valid proxy?")
@click.option("-valid", "--valid", "-v", type=HoursMinutes(), help="With -exists: for at least this time.")
@click.option("-hours", "--hours", type=click.IntRange(0), metavar="H", help="The same in hours.")
@click.option("-bits", "--bits", "-b", type=click.IntRange(0), metavar="N", help="With -exists: of at least this size.")
@click.option("-acexists", "--acexists", metavar="VO", help="Only answer by exit code: are there attributes of VO?")
@output_options
@common_options
@one_dash_options
@click.pass_context
def command(
    context: click.Context, file: Path | None, ca_dir: Path | None, as_rfc2253: bool, exists: bool,
    valid: timedelta | None, hours: int | None, bits: int | None, acexists: str | None, as_json: bool,
    pretty_print: bool,
) -> int:
    """Print what is in a proxy, and whether services can believe it."""
    needed = duration(valid, hours)
    if not exists and (needed is not None or bits is not None):
        raise click.UsageError("-valid, -hours and -bits go with -exists")
    proxy = ProxyFile.read(file or proxy_path(os.environ), rfc2253 if as_rfc2253 else slash_dn)
    if exists:
        return 0 if _is_there(proxy, needed or timedelta(0), bits or 0) else EXIT_FAILED
    verdict = Verdict.on(proxy, ca_dir or ca_directory(os.environ))
    if acexists is not None:
        return 0 if acexists in {each.vo for each in verdict.vos} else EXIT_FAILED
    asked: list[str] = context.obj or []
    if as_json:
        print_json(_as_json(proxy, verdict), pretty_print)
    elif asked:
        return _print_values(proxy, verdict, asked)
    else:
        _print_all(proxy, verdict)
    return 0


def _is_there(proxy: ProxyFile, needed: timedelta, bits: int) -> bool:
    told = proxy.claims
    began = told.not_before <= datetime.now(UTC)
    return began and proxy.left > max(needed, timedelta(0)) and told.bits >= bits and proxy.key_state == _BELONGS


# ---- single values --------------------------------------------------------------------------------------------------


def _print_values(proxy: ProxyFile, verdict: Verdict, asked: Sequence[str]) -> int:
    """Print the values in the order of their options. Return: exit code, 1 when one is asked for that is not there."""
    code = 0
    for name in asked:
        values = list(_VALUES[name](proxy, verdict))
        if not values:
            code = EXIT_FAILED
        for value in values:
            click.echo(value)
    if verdict.refused is not None and _PROVABLE & set(asked):
        warn(f"not verified, only what the file claims: {verdict.refused.reason}")
    elif _FROM_VO & set(asked) and not verdict.vos:
        warn("the proxy has no VO attributes; voms-proxy-init gets them")
    elif _FROM_VO & set(asked):
        for vo in verdict.vos:
            if vo.objection is not None:
                warn(f"the attributes of {vo.vo} count for nothing: {vo.objection}")
    return code


def _seconds(time: datetime | None) -> str:
    return "0" if time is None else str(max(0, int((time - datetime.now(UTC)).total_seconds())))


_VALUES: Mapping[str, Callable[[ProxyFile, Verdict], Iterable[str]]] = {
    "subject": lambda proxy, _: [proxy.name(proxy.claims.subject)],
    "issuer": lambda proxy, _: [proxy.name(proxy.claims.issuer)],
    "identity": lambda proxy, _: [proxy.name(proxy.claims.identity)],
    "type": lambda proxy, _: [proxy.kind],
    "timeleft": lambda proxy, _: [_seconds(proxy.claims.not_after)],
    "strength": lambda proxy, _: [str(proxy.claims.bits)],
    "path": lambda proxy, _: [str(proxy.path)],
    "pathlen": lambda proxy, _: [_path_length(proxy)],
    "vo": lambda _, verdict: [vo.vo for vo in verdict.vos],
    "fqan": lambda _, verdict: [_long(fqan) for vo in verdict.vos for fqan in vo.fqans],
    "acissuer": lambda _, verdict: [vo.issuer for vo in verdict.vos],
    "actimeleft": lambda _, verdict: [_seconds(vo.not_after) for vo in verdict.vos],
    "uri": lambda _, verdict: [vo.server for vo in verdict.vos],
}


def _long(fqan: str) -> str:
    """The form of the originals, with Role=NULL and Capability=NULL."""
    return Fqan.parse(fqan).full


def _path_length(proxy: ProxyFile) -> str:
    length = proxy.claims.path_length
    return "any number" if length is None else str(length)


# ---- everything -----------------------------------------------------------------------------------------------------


def _print_all(proxy: ProxyFile, verdict: Verdict) -> None:
    told = proxy.claims
    lines: list[tuple[str, str | None]] = [
        ("subject", proxy.name(told.subject)), ("issuer", proxy.name(told.issuer)),
        ("identity", proxy.name(told.identity)), ("type", proxy.kind), ("strength", f"{told.bits} bits"),
        ("path", str(proxy.path)), ("timeleft", clock_text(proxy.left)), ("limited", "yes" if told.limited else "no"),
        ("pathlen", _path_length(proxy)), ("key", f"{told.key}, {proxy.key_state}"),
    ]
    if not proxy.private:
        lines.append(("file", f"others can read the key; do: chmod 600 {proxy.path}"))
    for vo in verdict.vos:
        lines += _vo_lines(vo)
    for name, value in lines + _verdict_lines(verdict):
        click.echo(f"{name:<10}: {value}" if value is not None else name)


def _vo_lines(vo: Vo) -> list[tuple[str, str | None]]:
    left = timedelta(0) if vo.not_after is None else vo.not_after - datetime.now(UTC)
    return [
        (f"=== VO {vo.vo} extension information ===", None), ("VO", vo.vo), ("issuer", vo.issuer),
        *(("attribute", _long(fqan)) for fqan in vo.fqans), ("timeleft", clock_text(left)), ("uri", vo.server),
        ("believed", "yes, verified" if vo.objection is None else f"no: {vo.objection}"),
    ]


def _verdict_lines(verdict: Verdict) -> list[tuple[str, str | None]]:
    head: list[tuple[str, str | None]] = [("=== What of this is verified ===", None)]
    if verdict.refused is not None:
        return [*head, ("verified", f"nothing: {verdict.refused.reason}"), ("remedy", verdict.refused.remedy),
                ("claimed", "everything above is only what the file says")]
    head.append(("verified", f"subject, issuer, identity, type, validity, limited, with the CAs of {verdict.ca_dir}"))
    believed = [vo.vo for vo in verdict.vos if vo.objection is None]
    if believed:
        head.append(("verified", f"the attributes of {', '.join(believed)}"))
    if doubted := [vo.vo for vo in verdict.vos if vo.objection is not None]:
        head.append(("claimed", f"the attributes of {', '.join(doubted)}: they count for nothing here"))
    return head


def _as_json(proxy: ProxyFile, verdict: Verdict) -> dict[str, Any]:
    told, refused = proxy.claims, verdict.refused
    return {
        "path": str(proxy.path), "subject": proxy.name(told.subject), "issuer": proxy.name(told.issuer),
        "identity": proxy.name(told.identity), "type": proxy.kind, "kind": told.kind.value,
        "rights": told.rights.value, "limited": told.limited, "path_length": told.path_length, "proxies": told.proxies,
        "key": told.key, "strength": told.bits, "key_matches": proxy.key_state == _BELONGS, "private": proxy.private,
        "timeleft_s": int(proxy.left.total_seconds()), "not_before": told.not_before.isoformat(),
        "not_after": told.not_after.isoformat(), "verified": refused is None,
        "reason": None if refused is None else refused.reason, "remedy": None if refused is None else refused.remedy,
        "vos": [
            {"vo": vo.vo, "fqans": list(vo.fqans), "issuer": vo.issuer, "server": vo.server,
             "not_after": None if vo.not_after is None else vo.not_after.isoformat(),
             "verified": vo.objection is None, "reason": vo.objection}
            for vo in verdict.vos
        ],
    }


_BELONGS = "belongs to the certificate"


def _key_state(octets: bytes, certificate: x509.Certificate) -> str:
    try:
        key = read_key(octets)
    except CredentialError as error:
        return str(error)
    return _BELONGS if belongs(key, certificate) else "does NOT belong to the certificate"


def main() -> None:
    """Entry point."""
    run(command, advice="")


if __name__ == "__main__":
    main()
