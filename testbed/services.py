"""The services of a grid: how each is started, and how one sees that it answers."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed.layout import HOST, Layout

#: The grid is for this machine alone.
LISTEN = "127.0.0.1"

#: On one machine a server that was down is back soon (seconds).
RETRY_S = "2"


@dataclass(frozen=True)
class Service:
    """One server of the grid; `port` names the listener that tells whether it answers, None for one without."""

    name: str
    command: Callable[[Layout], list[str]]
    port: str | None = None


def _program(name: str) -> str:
    """The program beside this interpreter, as pip installed it."""
    return str(Path(sys.executable).parent / name)


def _credentials(grid: Layout) -> list[str]:
    return ["-c", str(grid.host_cert), "-k", str(grid.host_key), "-C", str(grid.ca_dir)]


def _url(grid: Layout, service: str) -> str:
    return grid.database(service).render_as_string(hide_password=False)


def _lb(grid: Layout) -> list[str]:
    return [
        _program("glite-lb-bkserverd"), "-d", "-a", HOST, "-p", str(grid.ports["lb"]), "-w", str(grid.ports["lb_ws"]),
        *_credentials(grid), "-m", _url(grid, "lb"), "-s", str(grid.choices.workers),
        "-S", str(grid.root / "lb" / "purge"), "-D", str(grid.root / "lb" / "dump"), "-J", str(grid.spool("jpreg")),
        "--jpdump-maildir", str(grid.spool("jpdump")), "--export-dir", str(grid.spool("lbexport")),
        "-l", str(grid.etc("glite-lb-authz.conf")),
    ]


def _interlogd(grid: Layout) -> list[str]:
    return [_program("glite-lb-interlogd"), "-d", "-f", str(grid.spool("events") / "dglogd.log"), *_credentials(grid)]


def _jpps(grid: Layout) -> list[str]:
    return [
        _program("glite-jp-primarystoraged"), "-d", "-B", f"I,{grid.root / 'jpps' / 'storage'}",
        "-B", f"E,{grid.url('jpps', '/jpps')}", "-B", f"D,{_url(grid, 'jpps')}", "-a", str(grid.etc("JPPS-peers")),
        "-p", str(grid.ports["jpps"]), "--listen", LISTEN, "-s", str(grid.choices.workers), *_credentials(grid),
    ]


def _importer(grid: Layout) -> list[str]:
    return [
        _program("glite-jp-importer"), "-g", "-p", grid.url("jpps"), "-r", str(grid.spool("jpreg")),
        "-d", str(grid.spool("jpdump")), "-s", str(grid.spool("jpsandbox")), "-t", "0.5", "--reg-retry", RETRY_S,
        "--upload-retry", RETRY_S, *_credentials(grid),
    ]


def _jpis(grid: Layout) -> list[str]:
    return [
        _program("glite-jp-indexd"), "-d", "-x", str(grid.etc("glite-jpis-config.xml")), "-m", _url(grid, "jpis"),
        "-p", str(grid.ports["jpis"]), "--listen", LISTEN, "-s", str(grid.choices.workers), *_credentials(grid),
        "--endpoint", grid.url("jpis"),
    ]


def _wmproxy(grid: Layout) -> list[str]:
    return [_program("glite-wms-wmproxy"), "--foreground", "--config", str(grid.etc("glite_wms.toml"))]


def _manager(grid: Layout) -> list[str]:
    return [_program("glite-wms-workload-manager"), "--foreground", "--config", str(grid.etc("glite_wms.toml"))]


def _watched(name: str, command: Callable[[Layout], list[str]]) -> Callable[[Layout], list[str]]:
    """The command with health and metrics turned on."""
    return lambda grid: [*command(grid), "--status-port", str(grid.ports[f"{name}_status"])]


#: In the order in which they are started; stopped the other way round.
SERVICES = (
    Service("lb", _watched("lb", _lb), "lb_ws"),
    Service("jpps", _watched("jpps", _jpps), "jpps"),
    Service("jpis", _watched("jpis", _jpis), "jpis"),
    Service("importer", _watched("importer", _importer)),
    Service("interlogd", _watched("interlogd", _interlogd)),
    Service("workload-manager", _watched("workload-manager", _manager)),
    Service("wmproxy", _watched("wmproxy", _wmproxy), "wmproxy"),
)
