"""Subject names as event lines carry them: when two of them are one person (lb.md 5.1, 11.1).

Names are the slash form that OpenSSL prints. They are compared as written, but for two things: old proxies added marks
to the name of their owner, and OpenSSL has called the e-mail attribute by two names in the course of time.
"""

from typing import Final

ANONYMOUS: Final = "anonymous"
"""DG.USER of one whom the local logger did not authenticate."""
_PROXY_TAILS: Final = ("/CN=proxy", "/CN=limited proxy")


def person(dn: str) -> str:
    """The subject without the marks of proxies at its end."""
    while dn.endswith(_PROXY_TAILS):
        dn = dn[: dn.rindex("/CN=")]
    return dn


def same_dn(a: str, b: str) -> bool:
    """Whether two subjects name the same entity; ``gsi.names``, which is out of reach here, says the same."""
    return a == b or _folded(a) == _folded(b)


def same_person(a: str, b: str) -> bool:
    """Whether two subjects, either of which may end in marks of proxies, are one person."""
    return a == b or same_dn(person(a), person(b))


def _folded(dn: str) -> str:
    return dn.replace("/emailAddress=", "/Email=")
