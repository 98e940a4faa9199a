"""Coverage-guided fuzzing of one parser: any octets give a result or the package's own error.

    python tests/fuzz/fuzzed.py "attribute certificate" SEEDS -runs=100000

SEEDS: a directory with inputs to begin with; the options are libFuzzer's. It ends with an error, and writes the octets
to a file crash-…, when a parser raises anything else. test_fuzzed_parsers runs each for a short while.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris
from cryptography import x509

with atheris.instrument_imports(include=["gsi", "guarded", "lb", "asn1crypto"], enable_loader_override=False):
    from gsi import certificates, fqan, namespaces, signingpolicy
    from gsi.errors import GsiError
    from gsi.gacl import Gacl
    from gsi.gridmap import GridMap, Identities
    from gsi.peer import ProxyKind
    from gsi.peers import Names
    from gsi.rules import Rules
    from gsi.verify import check
    from gsi.voms import certificate as voms
    from gsi.voms import vomsdir
    from lb.model import eventjson, ledger, native, ulmlines  # noqa: F401 - what fuzz calls is to be instrumented
    from lb.server.policy import PolicyError, PolicyFile

import pki
from fuzz import lbforms, lbparsers


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda octets: parse(octets.decode("utf-8", "replace"))


def _pattern(text: str) -> None:
    pattern, _, name = text.partition(" ")
    fqan.matches(pattern, name)


def _attribute_certificates(octets: bytes) -> None:
    """The one that is remembered is not run again, so the function below the cache is called."""
    if not voms.parse_extension.__wrapped__(octets):
        raise AssertionError("neither a certificate nor an error")


def _chain(octets: bytes) -> None:
    """A certificate in front of a user's chain, as it comes out of a handshake."""
    try:
        certificate = x509.load_der_x509_certificate(octets)
    except (ValueError, x509.InvalidVersion):
        return
    check([certificate, pki.user().certificate, pki.authority().certificate], Rules(), lambda issuer, name: None)


#: Name, parser, and the errors that it may raise beside the package's own.
PARSERS: dict[str, tuple[Callable[[bytes], object], tuple[type[Exception], ...]]] = {
    "attribute certificate": (_attribute_certificates, ()),
    "LSC file": (_text(vomsdir.parse_lsc), (ValueError,)),
    "FQAN": (_text(fqan.normal), ()),
    "pattern of FQANs": (_text(_pattern), ()),
    "ProxyCertInfo": (lambda octets: certificates.parse_proxy_cert_info(octets, ProxyKind.RFC3820), (ValueError,)),
    "draft ProxyCertInfo": (lambda octets: certificates.parse_proxy_cert_info(octets, ProxyKind.DRAFT), (ValueError,)),
    "signing policy": (signingpolicy.parse, (ValueError,)),
    "namespaces": (namespaces.parse, (ValueError,)),
    "grid-mapfile": (GridMap.parse, ()),
    "identity mapping": (Identities.parse, ()),
    "list of names": (Names.parse, ()),
    "gACL": (Gacl.parse, ()),
    "certificate": (_chain, ()),
    "policy of LB": (_text(PolicyFile.parse), (PolicyError,)),
    **lbparsers.PARSERS,
    **lbforms.PARSERS,
}


def main() -> None:
    """Fuzz the parser named on the command line."""
    program, name, seeds, *options = sys.argv
    parse, allowed = PARSERS[name]
    errors: tuple[type[Exception], ...] = (GsiError, *allowed)

    def one(octets: bytes) -> None:
        try:
            parse(octets)
        except errors:
            return

    atheris.Setup([program, *options, str(Path(seeds))], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
