"""The access log: one line for each request, made for programs that read logs.

    dn="/DC=org/DC=example/CN=Test User" op=RegisterJob status=200 ms=3.1 in=812 out=420 proxy=rfc3820 client=192.0.2.7

`name=value` pairs; a value with anything but letters, digits and a few signs is in double quotes, with a backslash
before a quote, a backslash and whatever is not printable: what clients send ends neither a value nor a line.
"""

import logging
import re

from gsi.peer import Peer, ProxyKind

#: At level INFO.
log = logging.getLogger("httpg.access")

#: Longest name, operation or path that is written out, in characters.
_LONGEST = 512
_BARE = re.compile(r"[A-Za-z0-9._:/=+@,*%-]+", re.ASCII)


def wanted() -> bool:
    """Whether anybody reads it."""
    return log.isEnabledFor(logging.INFO)


def caller(peer: Peer | None, address: str) -> tuple[str, str]:
    """What the lines of a connection begin and end with."""
    if peer is None:
        return "dn=-", f"client={address}"
    proxy = "" if peer.proxy_kind is ProxyKind.NONE else f"proxy={peer.proxy_kind.name.lower()} "
    limited = "limited=yes " if peer.limited else ""
    fqan = f"fqan={value(peer.fqans[0])} " if peer.fqans else ""
    return f"dn={value(peer.dn)}", f"{proxy}{limited}{fqan}client={address}"


def write(who: tuple[str, str], operation: str, status: str, seconds: float, received: int, sent: int) -> None:
    """Log a request. operation: its SOAP name, or method and path; received, sent: bytes inside TLS."""
    log.info("%s op=%s status=%s ms=%.1f in=%d out=%d %s",
             who[0], value(operation), status or "-", seconds * 1000, received, sent, who[1])


def value(text: str) -> str:
    """The text as a value of a pair."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…({len(text)})"
    if _BARE.fullmatch(text):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
