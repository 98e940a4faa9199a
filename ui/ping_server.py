"""glite-ping: what the server shows, and what it says of the caller."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gsi.certificates import extensions, facts, proxy_kind
from gsi.errors import GsiError
from gsi.names import slash_dn
from gsi.peer import ProxyKind
from gsi.trust import Trust
from ui.check_findings import span
from ui.hostnames import alternative_names, covers
from ui.ping_steps import FAIL, OK, WARN, Failure
from ui.remedies import advice

TellStep = Callable[..., None]

_TELL = "tell the administrators of the service; do not send anything there until it is mended"


def check_server(chain: Sequence[x509.Certificate], host: str, trust: Trust, step: TellStep) -> None:
    """Tell the server's name, chain and revocation lists. Raises Failure when it is not the one that was meant."""
    if not chain:
        raise Failure("the server showed no certificate", _TELL)
    try:
        names, kind = alternative_names(chain[0]), proxy_kind(chain[0])
    except ValueError as error:
        step("server name", FAIL, f"its certificate cannot be read: {error}")
        raise Failure(f"the certificate of the server cannot be read: {error}", _TELL) from None
    _check_name(names, host, step)
    if kind is not ProxyKind.NONE:
        step("server chain", FAIL, "the server shows a proxy; any user can make one")
        raise Failure("the server shows a proxy instead of a host certificate", _TELL)
    _check_chain(chain, trust, step)


def _check_name(names: Sequence[str], host: str, step: TellStep) -> None:
    if any(covers(name, host) for name in names):
        step("server name", OK, f"its certificate is for {host}")
        return
    held = ", ".join(names) or "no alternative name"
    step("server name", FAIL, f"its certificate is not for {host}: {held}")
    raise Failure(f"the certificate of the server is not for {host} (it has {held})",
                  "use the name that its certificate has, or tell the administrators")


def _check_chain(chain: Sequence[x509.Certificate], trust: Trust, step: TellStep) -> None:
    try:
        lines = [f"{slash_dn(each.subject)}, by {slash_dn(each.issuer)}, until {each.not_after:%Y-%m-%d %H:%M} UTC"
                 for each in map(facts, chain)]
    except ValueError as error:
        step("server chain", FAIL, f"a certificate cannot be read: {error}")
        raise Failure(f"a certificate that the server shows cannot be read: {error}", _TELL) from None
    try:
        verified = trust.verify(chain).chain
    except GsiError as error:
        told = advice(error, chain)
        step("server chain", FAIL, f"it does not verify with the CAs of {trust.ca_dir}: {told.reason}", *lines)
        raise Failure(f"the server is not to be trusted: {told.reason}", _server_remedy(told.reason)) from None
    if not _is_for_servers(chain[0]):
        step("server chain", FAIL, "its certificate is not meant for servers", *lines)
        raise Failure("the certificate of the server is not meant for servers", _TELL)
    step("server chain", OK, f"verified with the CAs of {trust.ca_dir}", *lines)
    for authority in verified[1:]:
        _tell_list(authority, trust, step)


def _server_remedy(reason: str) -> str:
    if re.search(r"crl|revocation list", reason, re.IGNORECASE):
        return "the revocation list in your CA directory is missing, too old or damaged: run fetch-crl"
    return ("if you know the server well, install its CA in your CA directory (and run fetch-crl); "
            "otherwise tell the administrators")


def _is_for_servers(certificate: x509.Certificate) -> bool:
    try:
        purposes = extensions(certificate).get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in purposes


def _tell_list(authority: x509.Certificate, trust: Trust, step: TellStep) -> None:
    """The state of the CA's revocation list in our directory; one that is bad was a refusal before."""
    now = datetime.now(UTC)
    lists = [crl for crl in trust.authorities().revocations if crl.issuer == authority.subject]
    name = slash_dn(authority.subject)
    if not lists:
        step("server CRL", WARN, f"there is no revocation list of {name} in {trust.ca_dir}",
             "remedy: run fetch-crl, for a stolen host certificate would go unnoticed")
        return
    newest = max(lists, key=lambda crl: crl.last_update_utc)
    end = newest.next_update_utc
    until = f", good for {span(end - now)} more" if end else ""
    step("server CRL", OK, f"the list of {name} is {span(now - newest.last_update_utc)} old{until}; not revoked")


def read_answer(body: bytes) -> dict[str, Any] | None:
    """What the server said (soap.whoami); None for anything else, whoever wrote it."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and _is_answer(told) else None


def _is_answer(told: Mapping[str, Any]) -> bool:
    service, ports = told.get("service"), told.get("ports")
    return (
        isinstance(told.get("identity"), str) and isinstance(service, dict) and isinstance(ports, list)
        and all(isinstance(service.get(name), str) for name in ("name", "version"))
        and all(isinstance(told.get(name, []), list) for name in ("fqans", "disbelieved"))
        and all(isinstance(port, dict) and all(_is_table(port.get(name, {})) for name in ("operations", "reasons"))
                for port in ports)
    )


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def describe(told: Mapping[str, Any], step: TellStep) -> None:
    """Tell what the server said of the caller (soap.whoami)."""
    step("service", OK, f"{told['service']['name']} {told['service']['version']}")
    kind = f"{'limited ' if told.get('limited') else ''}{told.get('proxy_kind', '?')}"
    attributes = [f"attribute {fqan}" for fqan in told.get("fqans", ())] or ["no VO attributes"]
    attributes += [f"not believed: {reason}" for reason in told.get("disbelieved", ())]
    step("peer", OK, f"the server sees {told['identity']} ({kind}), until {told.get('not_after', '?')}", *attributes)
    for port in told["ports"]:
        lines = _by_answer(port.get("operations", {}), port.get("reasons", {}))
        name = port.get("port", "?")
        alone = sum(each.get("port", "?") == name for each in told["ports"]) == 1
        step("operations", OK, str(name) if alone else f"{name} ({port.get('namespace', '?')})", *lines)


def _by_answer(operations: Mapping[str, str], reasons: Mapping[str, str]) -> list[str]:
    """Operations with the same answer for the same reason on one line, what is allowed first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, answer in operations.items():
        groups.setdefault((answer, reasons.get(name, "")), []).append(name)
    return [f"{answer}: {', '.join(names)}" + (f" ({reason})" if reason else "")
            for (answer, reason), names in sorted(groups.items(), reverse=True)]
