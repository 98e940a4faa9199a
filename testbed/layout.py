"""Where everything of a grid in one folder is, and which ports it uses."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy.engine import URL

from spool.files import write_durably
from sql.engines import parse_url

HOST = "localhost"
VO = "testvo"
#: The name of the VOMS server that would sign, were there one.
VOMS_HOST = "voms.example.org"
USER_DN = "/DC=org/DC=example/CN=Test User"
#: Every service shows its health and metrics on a port of its own, which has no counterpart in the original.
WITH_STATUS = ("lb", "jpps", "jpis", "importer", "interlogd", "workload-manager", "wmproxy")
#: The ports of the original (design of the services; lb.md 0, jp.md 0, wms.md 1.1).
DEFAULT_PORTS = {
    "lb": 9000, "lb_store": 9001, "lb_ws": 9003, "jpps": 8901, "jpis": 8902, "wmproxy": 7443,
} | {f"{service}_status": 9010 + n for n, service in enumerate(WITH_STATUS)}
#: With --base-port N the ports are packed from N on; the LB store port stays query port + 1 (lb.md 0).
SHIFTED_PORTS = {"lb": 0, "lb_store": 1, "lb_ws": 3, "jpps": 4, "jpis": 5, "wmproxy": 6} | {
    f"{service}_status": 7 + n for n, service in enumerate(WITH_STATUS)
}
MARK = "grid.json"
DEFAULT_WORKERS = 2


class NotAGrid(Exception):
    """The folder holds no grid."""


class Damaged(Exception):
    """The folder holds a grid, but its MARK cannot be read."""


@dataclass(frozen=True)
class Choices:
    """What the user chose at the first `up`; kept in DIR/grid.json."""

    base_port: int | None = None
    workers: int = DEFAULT_WORKERS
    db: str | None = None


@dataclass(frozen=True)
class Layout:
    """All paths, ports and addresses of one grid."""

    root: Path
    choices: Choices

    @classmethod
    def load(cls, root: Path) -> "Layout":
        """The grid in the folder; raises NotAGrid, Damaged."""
        try:
            return cls(root.resolve(), Choices(**json.loads((root / MARK).read_text())))
        except FileNotFoundError:
            raise NotAGrid(f"{root} holds no grid; make one with: glite-testbed up {root}") from None
        except (ValueError, TypeError) as error:
            raise Damaged(f"{root / MARK} cannot be read: {error}; repair it or remove the folder") from None

    def save(self) -> None:
        """Write the choices down."""
        write_durably(self.root / MARK, json.dumps(asdict(self.choices)).encode() + b"\n")

    @cached_property
    def ports(self) -> dict[str, int]:
        """Port of each listener."""
        if self.choices.base_port is None:
            return DEFAULT_PORTS
        return {name: self.choices.base_port + shift for name, shift in SHIFTED_PORTS.items()}

    def url(self, service: str, path: str = "") -> str:
        """The HTTPS address of a listener."""
        return f"https://{HOST}:{self.ports[service]}{path}"

    def status_url(self, service: str, path: str) -> str:
        """The address of health or metrics of a service."""
        return f"http://127.0.0.1:{self.ports[f'{service}_status']}{path}"

    def address(self, service: str) -> str:
        """host:port of a listener."""
        return f"{HOST}:{self.ports[service]}"

    def database(self, service: str) -> URL:
        """The database of one service: a file of its own, or `<name>_<service>` on the chosen server."""
        if self.choices.db is None:
            return URL.create("sqlite", database=str(self.root / service / f"{service}.db"))
        url = parse_url(self.choices.db)
        if url.get_backend_name() == "sqlite":
            return url.set(database=f"{url.database}_{service}")
        return url.set(drivername="mysql", database=f"{url.database or 'glite'}_{service}")

    @property
    def ca_dir(self) -> Path:
        """The trusted CAs, as /etc/grid-security/certificates."""
        return self.root / "ca" / "certificates"

    @property
    def vomsdir(self) -> Path:
        """Which VOMS servers speak for which VO, as /etc/grid-security/vomsdir."""
        return self.root / "ca" / "vomsdir"

    @property
    def voms_cert(self) -> Path:
        """Certificate of the VOMS server of the grid's VO."""
        return self.root / "credentials" / "vomscert.pem"

    @property
    def voms_key(self) -> Path:
        """Key of the VOMS server, mode 0400."""
        return self.root / "credentials" / "vomskey.pem"

    @property
    def host_cert(self) -> Path:
        """Certificate of all services."""
        return self.root / "credentials" / "hostcert.pem"

    @property
    def host_key(self) -> Path:
        """Key of all services, mode 0400."""
        return self.root / "credentials" / "hostkey.pem"

    @property
    def user_cert(self) -> Path:
        """Certificate of the user."""
        return self.root / "credentials" / "usercert.pem"

    @property
    def user_key(self) -> Path:
        """Key of the user, mode 0400, without pass phrase."""
        return self.root / "credentials" / "userkey.pem"

    @property
    def user_proxy(self) -> Path:
        """The user's proxy."""
        return self.root / "credentials" / "x509up"

    def etc(self, name: str) -> Path:
        """A configuration file."""
        return self.root / "etc" / name

    def log(self, service: str) -> Path:
        """The log of a service."""
        return self.root / "log" / f"{service}.log"

    def spool(self, name: str) -> Path:
        """A durable queue."""
        return self.root / "spool" / name

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell needs (DIR/env.sh)."""
        return {
            "X509_USER_PROXY": str(self.user_proxy),
            "X509_CERT_DIR": str(self.ca_dir),
            "X509_VOMS_DIR": str(self.vomsdir),
            "GLITE_WMS_WMPROXY_ENDPOINT": self.url("wmproxy", "/glite_wms_wmproxy_server"),
            "GLITE_WMS_QUERY_SERVER": self.address("lb"),
            "GLITE_WMS_LOG_DESTINATION": self.address("lb"),
            "GLITE_LB_WS_URL": self.url("lb_ws"),
            "GLITE_JPPS_URL": self.url("jpps"),
            "GLITE_JPIS_URL": self.url("jpis"),
            "GLITE_WMSUI_COMMANDS_CONFIG": str(self.etc("glite_wmsui.conf")),
        }
