"""How much of everything one client may take. Each number has a unit and a reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server; the same object serves the connections and the HTTP in them.

    Sizes in bytes, times in seconds.
    """

    #: Connections of one worker process at a time; further ones wait in the kernel's queue.
    max_connections: int = 2000
    #: From accept to the end of the TLS handshake: an honest one takes a few round trips.
    handshake_s: float = 30
    #: Silence between two requests of a connection (Apache at WMProxy: Timeout 300, wms.md 1.12).
    idle_s: float = 300
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
