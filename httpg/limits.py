"""How much of everything one client may take. Each number has a unit and a reason."""

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server; the same object serves the connections and the HTTP in them.

    Sizes in bytes, times in seconds, numbers for each worker process: what a process holds is what may run out.
    """

    #: Connections at a time; further ones wait in the kernel's queue (Apache at WMProxy: MaxClients 150 processes).
    max_connections: int = 2000
    #: Of them from one address (IPv6: one /64): half, for there may be a farm with all its jobs behind it.
    max_address_connections: int = 1000
    #: Of them with one DN: a quarter; a host that logs for thousands of jobs needs a few, a user's jobs some hundred.
    max_dn_connections: int = 500
    #: Handshakes at a time, half of them from one address: at 500/s these are done in less than a second.
    max_handshakes: int = 400
    #: Requests that are worked on at a time; further ones get 503 and come again.
    max_requests: int = 1000
    #: Bodies that are in memory at a time, together; further ones get 503 and come again.
    max_bodies: int = 256 * 1024 * 1024
    #: What a client that gets 503 or 429 is told to wait.
    retry_after_s: int = 5
    #: From accept to the end of the TLS handshake: an honest one takes a few round trips.
    handshake_s: float = 30
    #: The same when there are too many handshakes or connections: the oldest have to go.
    pressed_handshake_s: float = 3
    #: Silence between two requests of a connection (Apache at WMProxy: Timeout 300, wms.md 1.12).
    idle_s: float = 300
    #: The same when there are too many connections: clients can open them again.
    pressed_idle_s: float = 10
    #: From the first byte of a request to the end of its header.
    header_s: float = 30
    #: Grace for a body; on top of it every `min_body_rate` bytes received buy one second.
    body_s: float = 60
    #: Slowest body that is waited for, bytes/s.
    min_body_rate: int = 1024
    #: A piece of an answer (at most 64 KiB) has to leave within this time.
    write_s: float = 60
    #: How long SIGTERM waits for what is in flight.
    grace_s: float = 30
    #: Request line and header fields together (Apache: 8 KB per line; VOMS clients send long ones).
    max_header: int = 64 * 1024
    #: Header fields of a request (Apache: 100).
    max_header_fields: int = 100
    #: Body of a request that is not PUT: SOAP with a large JDL or many files in a list.
    max_body: int = 32 * 1024 * 1024
    #: Body of a PUT, which applications stream to disk: sandboxes and job dumps. None: no limit here.
    max_put_body: int | None = None

    @classmethod
    def of(cls, settings: Iterable[str]) -> Self:
        """Limits with some numbers of one's own, each as NAME=NUMBER. Raises ValueError."""
        defaults = cls()
        known = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(cls)}
        changed: dict[str, int | float] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise ValueError(f"no limit is called {name!r}; {hint}")
            changed[name] = _number(setting, text, whole=not isinstance(known[name], float) and not name.endswith("_s"))
        return cls(**changed)  # type: ignore[arg-type]


def _number(setting: str, text: str, *, whole: bool) -> int | float:
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"{setting}: write a {'whole ' if whole else ''}number after the =") from None
    if not 0 < number < float("inf"):
        raise ValueError(f"{setting}: it has to be greater than 0")
    return number
