"""glite-proxy-init: make a proxy certificate, with the options of grid-proxy-init and voms-proxy-init.

RFC 3820 only: what older tools called -old and -draft is accepted by services of our time, but not made any more.
"""

import getpass
import os
import sys
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric import ec

from gsi.claims import claims, key_text
from gsi.credential import Credential, PrivateKey, ca_directory
from gsi.errors import VerificationError
from gsi.proxy import DEFAULT_KEY_BITS, DEFAULT_LIFETIME, create_proxy, new_key
from gsi.trust import Trust
from gsi.usercredential import UserFiles
from ui.frame import UiError, common_options, one_dash_options, output_options, print_json, run, warn
from ui.proxyfile import HoursMinutes, OneDashCommand, duration, proxy_path
from ui.remedies import advice

#: Shorter RSA keys are refused by services (gsi.rules).
RSA_BITS = (2048, 3072, 4096)
CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1}
RFC_PROXYVER = 4
#: A proxy that ends this much earlier than asked for is no reason for a warning: certificates count whole seconds.
_ROUNDING = timedelta(minutes=1)

EPILOG = """\b
Examples:
  glite-proxy-init                          12 hours, from ~/.globus, to $X509_USER_PROXY or /tmp/x509up_u<uid>
  glite-proxy-init -valid 24:00 -limited
  glite-proxy-init -cert usercred.p12 -out /tmp/proxy --key-type ec
  glite-proxy-init --from-proxy -pathlen 0 -out /tmp/second        a further level below the proxy that there is
\b
Long options may be written with one dash or with two. VOMS attributes come from a VOMS server: voms-proxy-init gets
them. Exit code 0: made; 1: not made, the reason is on standard error; 255: wrong usage.
"""


@dataclass(frozen=True)
class Wish:
    """What the proxy shall be. bits: None = the default of the key type."""

    lifetime: timedelta
    limited: bool
    path_length: int | None
    key_type: str
    bits: int | None

    def new_key(self) -> PrivateKey:
        """A fresh key. Raises click.UsageError for a size that the type does not have."""
        sizes = RSA_BITS if self.key_type == "rsa" else tuple(CURVES)
        bits = self.bits or (DEFAULT_KEY_BITS if self.key_type == "rsa" else 256)
        if bits not in sizes:
            known = ", ".join(map(str, sizes))
            raise click.UsageError(f"-bits {bits}: {self.key_type.upper()} keys are made with {known} bits")
        return new_key(bits) if self.key_type == "rsa" else ec.generate_private_key(CURVES[bits]())


def _refused(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Options of the originals that this command does not have: say what to do instead."""
    if value:
        raise click.UsageError(f"-{parameter.name} is not supported: {_INSTEAD[str(parameter.name)]}")


_INSTEAD = {
    "old": "legacy proxies are no longer made; leave it out for an RFC 3820 proxy, which all services take",
    "draft": "draft proxies are no longer made; leave it out for an RFC 3820 proxy, which all services take",
    "independent": "an independent proxy does not speak for you and no service takes it; use -limited for less rights",
    "voms": "attributes come from a VOMS server, and voms-proxy-init asks it; services read the proxy that it makes",
}


def _proxyver(_context: click.Context, _parameter: click.Parameter, value: int | None) -> None:
    if value not in (None, RFC_PROXYVER):
        raise click.UsageError(f"-proxyver {value}: only version {RFC_PROXYVER}, RFC 3820, is made")


@click.command(cls=OneDashCommand, epilog=EPILOG,
               context_settings={"help_option_names": ["-h", "-help", "--help", "-usage"]})
@click.option("-cert", "--cert", "certificate", type=click.Path(path_type=Path), metavar="FILE",
              help="Your certificate (PEM, PKCS#12, or a proxy); also $X509_USER_CERT, ~/.globus.")
@click.option("-key", "--key", type=click.Path(path_type=Path), metavar="FILE",
              help="Your key; also $X509_USER_KEY, ~/.globus/userkey.pem.")
@click.option("-certdir", "--certdir", "ca_dir", type=click.Path(path_type=Path), metavar="DIR",
              help="Directory of trusted CAs for -verify.")
@click.option("-out", "--out", type=click.Path(path_type=Path), metavar="FILE",
              help="The proxy; also $X509_USER_PROXY, /tmp/x509up_u<uid>.")
@click.option("-valid", "--valid", type=HoursMinutes(), help="How long it shall be valid; 12:00 by default.")
@click.option("-hours", "--hours", type=click.IntRange(1), metavar="H", help="The same in hours.")
@click.option("-bits", "--bits", type=click.IntRange(1), metavar="N",
              help="Size of the key: RSA 2048 (default), 3072, 4096; EC 256 (default), 384.")
@click.option("--key-type", "-key-type", type=click.Choice(["rsa", "ec"]), default="rsa", show_default=True,
              help="Kind of key.")
@click.option("-limited", "--limited", is_flag=True, help="A limited proxy: gatekeepers start no jobs for it.")
@click.option("-path-length", "--path-length", "-pathlen", "--pathlen", "path_length", type=click.IntRange(0),
              metavar="N", help="At most N further proxies below this one; any number by default.")
@click.option("--from-proxy", "-noregen", "--noregen", "from_proxy", is_flag=True,
              help="Sign with the proxy that there is, instead of certificate and key.")
@click.option("-verify", "--verify", is_flag=True, help="Check the new proxy as a service would, before it is written.")
@click.option("-pwstdin", "--pwstdin", is_flag=True, help="Read the pass phrase from standard input.")
@click.option("-q", "-quiet", "--quiet", "quiet", is_flag=True, help="Print errors and warnings only.")
@click.option("-rfc", "--rfc", is_flag=True, expose_value=False, help="RFC 3820, as always.")
@click.option("-proxyver", "--proxyver", type=int, hidden=True, expose_value=False, callback=_proxyver)
@click.option("-old", "--old", is_flag=True, hidden=True, expose_value=False, callback=_refused)
@click.option("-draft", "--draft", is_flag=True, hidden=True, expose_value=False, callback=_refused)
@click.option("-independent", "--independent", is_flag=True, hidden=True, expose_value=False, callback=_refused)
@click.option("-voms", "--voms", hidden=True, expose_value=False, callback=_refused)
@output_options
@common_options
@one_dash_options
def command(
    certificate: Path | None, key: Path | None, ca_dir: Path | None, out: Path | None, valid: timedelta | None,
    hours: int | None, bits: int | None, key_type: str, limited: bool, path_length: int | None, from_proxy: bool,
    verify: bool, pwstdin: bool, quiet: bool, as_json: bool, pretty_print: bool,
) -> int:
    """Make a proxy certificate, so that services act for you without your long-lived key."""
    if from_proxy and (certificate or key):
        raise click.UsageError("--from-proxy takes the proxy that there is; it does not go with -cert and -key")
    lifetime = duration(valid, hours)
    if lifetime == timedelta(0):
        raise click.UsageError("-valid 0:00: a proxy needs some time to be of use")
    wish = Wish(lifetime or DEFAULT_LIFETIME, limited, path_length, key_type, bits)
    new = wish.new_key()
    issuer = _issuer(certificate, key, from_proxy, pwstdin)
    proxy = create_proxy(issuer, wish.lifetime, limited=limited, path_length=path_length, key=new)
    trust = ca_dir or ca_directory(os.environ)
    if verify:
        _verify(proxy, trust)
    path = out or proxy_path(os.environ)
    proxy.save(path)
    _warn_if_short(proxy, wish.lifetime)
    if as_json:
        print_json(_as_json(proxy, path, verified=verify), pretty_print)
    elif not quiet:
        _tell(proxy, path, trust if verify else None)
    return 0


def _verify(proxy: Credential, ca_dir: Path) -> None:
    chain = (proxy.certificate, *proxy.chain)
    try:
        Trust(ca_dir).verify(chain)
    except VerificationError as error:
        told = advice(error, chain)
        raise UiError("Services would refuse this proxy", f"{told.reason}\n{told.remedy}") from None


def _issuer(certificate: Path | None, key: Path | None, from_proxy: bool, pwstdin: bool) -> Credential:
    if from_proxy:
        return Credential.load(proxy_path(os.environ))
    files = UserFiles.find(os.environ, certificate, key)
    return files.open(_read_passphrase if pwstdin else _ask_passphrase)


def _ask_passphrase(path: Path) -> bytes:
    """Ask on the terminal, without echo; when there is none, do not fall back to an echoing one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"Pass phrase of {path}: ").encode()
        except (getpass.GetPassWarning, EOFError, OSError):
            raise UiError("Pass phrase", f"{path} is encrypted and there is no terminal to ask for its pass phrase; "
                                         "give it on standard input with -pwstdin") from None


def _read_passphrase(_path: Path) -> bytes:
    return sys.stdin.buffer.readline().rstrip(b"\r\n")


def _warn_if_short(proxy: Credential, wanted: timedelta) -> None:
    """Say so when something above the proxy ends it before its time."""
    if proxy.certificate.not_valid_after_utc < datetime.now(UTC) + wanted - _ROUNDING:
        limit = min(reversed(proxy.chain), key=lambda issuer: issuer.not_valid_after_utc)
        kind = "proxy" if limit in proxy.chain[:proxy.proxies - 1] else "certificate"
        warn(f"the {kind} above ends at {limit.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC, and so does this proxy, "
             f"before the time that you asked for; renew the {kind}")


def _tell(proxy: Credential, path: Path, verified_with: Path | None) -> None:
    click.echo(f"Your identity: {proxy.dn}")
    if verified_with is not None:
        click.echo(f"Verified with the CAs of {verified_with}: a service that trusts them takes it.")
    limited = claims((proxy.certificate, *proxy.chain)).limited
    click.echo(f"Created {'a limited' if limited else 'a'} proxy, RFC 3820, {key_text(proxy.certificate)}: {path}")
    click.echo(f"Your proxy is valid until: {proxy.not_after.astimezone():%a %b %e %H:%M:%S %Y %Z}")


def _as_json(proxy: Credential, path: Path, *, verified: bool) -> dict[str, Any]:
    told = claims((proxy.certificate, *proxy.chain))
    return {
        "path": str(path), "identity": proxy.dn, "limited": told.limited, "key": told.key,
        "path_length": told.path_length, "not_after": proxy.not_after.isoformat(), "verified": verified,
    }


def main() -> None:
    """Entry point."""
    run(command, advice="")


if __name__ == "__main__":
    main()
