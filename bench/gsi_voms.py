"""What VO attributes cost a connection: reading an attribute certificate, and verifying it.

    python -m bench gsi_voms

Reading and verifying are promised under 150 microseconds each. A client that comes again is neither read again nor is
its signature checked again; the issuer's certificate is verified again every few seconds.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from rich.console import Console
from rich.table import Table

from gsi.proxy import create_proxy
from gsi.rules import Rules
from gsi.trust import Trust
from gsi.voms import certificate, verification
from gsi.voms.issuers import Issuers
from testbed import ca, voms

#: Seconds that each measurement runs for at least.
MEASURE_S = 1.0
REACH_US = 150.0
HOST = "voms.example.org"


def microseconds(work: Callable[[], object]) -> float:
    """How long one piece of work takes."""
    work()
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < MEASURE_S:
        work()
        done += 1
    return spent / done * 1e6


def measure(trust: Trust, chain: list[x509.Certificate]) -> list[tuple[str, float]]:
    """Microseconds of each step for the attribute certificate of a proxy; chain: the proxy and its user."""
    octets = certificate.extension_value(chain[0])
    if octets is None or not trust.voms.attributes(chain, 1):
        raise SystemExit("the attributes do not verify")

    def first_time() -> None:
        verification._is_signed.cache_clear()
        trust.voms.attributes(chain, 1)

    def unknown_issuer() -> None:
        trust.voms._issuers = Issuers(trust.voms._issuers._vomsdir, trust._verified, lambda: 1)
        first_time()

    return [
        ("read", microseconds(lambda: certificate.parse_extension.__wrapped__(octets))),
        ("verified", microseconds(first_time)),
        ("once more", microseconds(lambda: trust.voms.attributes(chain, 1))),
        ("verified with its issuer", microseconds(unknown_issuer)),
    ]


def main() -> None:
    """Print the times for a small and a large attribute certificate, under RSA and EC."""
    table = Table("signed with", "what", "us", "per second", f"of {REACH_US:.0f} us",
                  title="VO attributes, one thread")
    with tempfile.TemporaryDirectory() as folder:
        authority = ca.new_authority()
        user = ca.issue_user(authority, "/DC=org/DC=example/CN=Test User")
        for key, host, sizes in ((None, HOST, (1, 10, 50)), (ca.ec_key(), f"ec.{HOST}", (1,))):
            server = voms.VomsServer("testvo", ca.issue_host(authority, host, key=key), host)
            trust = Trust(ca.write_ca_directory(Path(folder) / "certificates", [authority]), Rules(),
                          voms.write_vomsdir(Path(folder) / "vomsdir", [server]))
            for names in sizes:
                fqans = ["/testvo", *(f"/testvo/group{n}/Role=production/Capability=NULL" for n in range(1, names))]
                signed = voms.attribute_certificate(server, user.certificate, fqans)
                proxy = create_proxy(user, key=ca.ec_key(), extensions=[voms.extension([signed])])
                kind = f"{'RSA-2048' if key is None else 'EC P-256'}, {names} name{'s' if names > 1 else ''}"
                for what, took in measure(trust, [proxy.certificate, user.certificate]):
                    table.add_row(kind, what, f"{took:,.0f}", f"{1e6 / took:,.0f}", f"{took / REACH_US:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
