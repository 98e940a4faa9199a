"""glite-check-credentials: whether this machine is set up for the grid, and what to do where it is not.

For whoever runs services, or wonders why a proxy is refused. Nothing is changed, no network is used.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import click

from gsi.credential import ca_directory
from gsi.errors import CredentialError
from gsi.names import slash_dn
from gsi.rules import Rules
from gsi.trust import Trust
from ui.check_cas import check_ca_directory
from ui.check_files import Files, check_files
from ui.check_findings import Finding, Reporter, State, print_table, worst
from ui.check_site import check_clock, check_rules, check_umask, check_vomsdir
from ui.frame import common_options, output_options, print_json, run
from ui.proxyfile import proxy_path

GRID_SECURITY = Path("/etc/grid-security")

EPILOG = """\b
Examples:
  glite-check-credentials                                as root: the host's certificate, CAs, VOMS, rules, clock
  glite-check-credentials --host-name se.example.org     clients call this machine so
  glite-check-credentials --cert hostcert.pem --key hostkey.pem --certdir certificates --json
\b
Exit code 0: all is well; 1: something needs attention; 2: something does not work or is not safe; 255: wrong usage.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--cert", "certificate", type=click.Path(path_type=Path), metavar="FILE",
              help="Certificate of the host; /etc/grid-security/hostcert.pem.")
@click.option("-k", "--key", type=click.Path(path_type=Path), metavar="FILE",
              help="Its key; /etc/grid-security/hostkey.pem.")
@click.option("--host-name", "host_names", multiple=True, metavar="NAME",
              help="Name by which clients call this machine (repeatable); its own full name by default.")
@click.option("--proxy", type=click.Path(path_type=Path), metavar="FILE",
              help="A user's proxy; $X509_USER_PROXY or /tmp/x509up_u<uid> if there.")
@click.option("-C", "--certdir", "--ca-dir", "ca_dir", type=click.Path(path_type=Path), metavar="DIR",
              help="Trusted CAs; $X509_CERT_DIR or /etc/grid-security/certificates.")
@click.option("--vomsdir", type=click.Path(path_type=Path), metavar="DIR",
              help="LSC files; $X509_VOMS_DIR or /etc/grid-security/vomsdir.")
@click.option("--quiet", "-q", is_flag=True, help="Show only what is not in order.")
@output_options
@common_options
def command(
    certificate: Path | None, key: Path | None, host_names: tuple[str, ...], proxy: Path | None, ca_dir: Path | None,
    vomsdir: Path | None, quiet: bool, as_json: bool, pretty_print: bool,
) -> int:
    """Check host and user certificates, CAs, revocation lists, VOMS servers, rules and the clock of this machine."""
    ca_dir = ca_dir or ca_directory(os.environ)
    vomsdir = vomsdir or Path(os.environ.get("X509_VOMS_DIR") or GRID_SECURITY / "vomsdir")
    if key is not None and certificate is None:
        raise click.UsageError("--key goes with --cert")
    credentials = [*_host(certificate, key, host_names), *_user(proxy)]
    findings = list(_everything(credentials, ca_dir, vomsdir))
    state = worst(findings)
    shown = [finding for finding in findings if not quiet or finding.state is not State.OK]
    if as_json:
        print_json({"state": state.name, "findings": [finding.as_json() for finding in shown]}, pretty_print)
    else:
        if shown:
            print_table(shown)
        click.echo(_SUMMARY[state])
    return int(state)


_SUMMARY = {
    State.OK: "All is well.",
    State.WARN: "It works, but something needs attention.",
    State.FAIL: "Something does not work or is not safe.",
}


def _everything(credentials: list[Files], ca_dir: Path, vomsdir: Path) -> Iterator[Finding]:
    rules, about_rules = check_rules(os.environ)
    trust = _trust(ca_dir, rules, vomsdir)
    if not credentials:
        yield Reporter("host").warn(
            GRID_SECURITY / "hostcert.pem", "is not there, nor is a user's proxy or certificate",
            "on a server, get a host certificate; as a user, make a proxy with glite-proxy-init",
        )
    for files in credentials:
        yield from check_files(files, trust)
    cas = check_ca_directory(ca_dir, rules)
    yield from cas.findings
    yield from check_vomsdir(vomsdir, [slash_dn(each.subject) for each in cas.authorities])
    yield from about_rules
    paths = [path for files in credentials for path in (files.certificate, files.key)]
    yield check_clock(cas.authorities, cas.lists, paths)
    yield check_umask()


def _trust(ca_dir: Path, rules: Rules, vomsdir: Path) -> Trust | None:
    try:
        return Trust(ca_dir, rules, vomsdir)
    except CredentialError:
        return None  # told by the check of the directory


def _host(certificate: Path | None, key: Path | None, names: tuple[str, ...]) -> Iterator[Files]:
    """The host's certificate: the one given, else the usual one if it is there."""
    usual = GRID_SECURITY / "hostcert.pem"
    if certificate is None and not usual.exists():
        return
    if certificate is None:
        certificate, key = usual, GRID_SECURITY / "hostkey.pem"
    yield Files("host", certificate, key or certificate, names or (socket.getfqdn(),))


def _user(proxy: Path | None) -> Iterator[Files]:
    """The user's proxy and certificate, as far as they are there."""
    path = proxy or proxy_path(os.environ)
    if proxy is not None or path.exists():
        yield Files("proxy", path, path)
    globus = Path.home() / ".globus"
    certificate = Path(os.environ.get("X509_USER_CERT") or globus / "usercert.pem")
    if certificate.exists():
        yield Files("user", certificate, Path(os.environ.get("X509_USER_KEY") or globus / "userkey.pem"))


def main() -> None:
    """Entry point."""
    run(command, advice="")


if __name__ == "__main__":
    main()
