"""How fast the broker matches: one job against 1,000 and 10,000 computing elements.

    python -m bench.broker

The elements are made here and go through the LDIF reader, so that loading is measured too. The job has requirements of
three parts and a rank; about half of the elements match.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from wms.broker import match
from wms.infosys import ComputingElement, compose
from wms.infosys.ldif import records
from wms.jdl import parse

SIZES = (1_000, 10_000)
#: Seconds that each measurement runs for at least.
MEASURE_S = 2.0
JOB = """[
    VirtualOrganisation = "testvo"; CertificateSubject = "/DC=org/DC=example/CN=Test User";
    Requirements = other.GlueCEStateStatus == "Production" && other.GlueCEPolicyMaxCPUTime > 700
        && Member("APP-7", other.GlueHostApplicationSoftwareRunTimeEnvironment);
    Rank = -other.GlueCEStateEstimatedResponseTime;
]"""


def grid(size: int) -> str:
    """The LDIF text of a grid with `size` elements, four queues to a host."""
    chance = random.Random(1)
    return "".join(_records(size, chance))


def _records(size: int, chance: random.Random) -> Iterator[str]:
    for number in range(size):
        host, queue = f"ce{number // 4}.example.org", f"q{number % 4}"
        if number % 4 == 0:
            yield _cluster(host)
        yield _queue(host, queue, chance)


def _cluster(host: str) -> str:
    software = "".join(f"GlueHostApplicationSoftwareRunTimeEnvironment: APP-{n}\n" for n in range(20))
    return (
        f"dn: GlueClusterUniqueID={host},o=grid\nGlueForeignKey: GlueSiteUniqueID=SITE\n\n"
        f"dn: GlueSubClusterUniqueID={host},GlueClusterUniqueID={host},o=grid\n"
        f"GlueHostMainMemoryRAMSize: 2048\nGlueHostArchitectureSMPSize: 8\n{software}\n"
    )


def _queue(host: str, queue: str, chance: random.Random) -> str:
    ceid = f"{host}:8443/cream-pbs-{queue}"
    return (
        f"dn: GlueCEUniqueID={ceid},o=grid\nGlueCEInfoHostName: {host}\nGlueCEImplementationName: CREAM\n"
        f"GlueForeignKey: GlueClusterUniqueID={host}\nGlueCEStateStatus: Production\n"
        f"GlueCEStateTotalJobs: {chance.randrange(500)}\nGlueCEPolicyMaxTotalJobs: 1000\n"
        f"GlueCEStateEstimatedResponseTime: {chance.randrange(5000)}\n"
        f"GlueCEPolicyMaxCPUTime: {chance.randrange(1440)}\n"
        "GlueCEAccessControlBaseRule: VO:testvo\nGlueCEAccessControlBaseRule: VO:other\n\n"
    )


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def measure(ces: list[ComputingElement]) -> tuple[float, int]:
    """Jobs matched per second, and how many elements matched."""
    jdl, done, found, start = parse(JOB), 0, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < MEASURE_S:
        found = len(match(jdl, ces))
        done += 1
    return done / elapsed, found


def main() -> None:
    table = Table(title="broker: one job against all elements", title_justify="left")
    for heading in ("CEs", "read s", "match ms", "jobs/s", "CEs/s", "found", "MB", "grown MB"):
        table.add_column(heading, justify="right")
    for size in SIZES:
        start = time.perf_counter()
        ces = compose(records(grid(size)))
        read, before = time.perf_counter() - start, resident_mb()
        rate, found = measure(ces)
        grown = resident_mb() - before
        table.add_row(
            f"{size:,}", f"{read:.2f}", f"{1000 / rate:.1f}", f"{rate:.1f}", f"{rate * size:,.0f}", f"{found:,}",
            f"{before + grown:.0f}", f"{grown:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
