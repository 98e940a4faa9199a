"""Write the configuration files of a grid: what a site's administrator would write by hand."""

import logging
from importlib.resources import files
from importlib.util import find_spec

from sqlalchemy import text

import sql
from spool.files import write_durably
from testbed.layout import HOST, VO, Layout

log = logging.getLogger(__name__)

DATABASES = ("lb", "jpps", "jpis")
DIRECTORIES = ("etc", "log", "run", "credentials", "lb", "jpps", "jpis", "wms", "spool")

#: A job that nothing matches is given up after this time (seconds), unless it has an ExpiryTime of its own.
EXPIRY_PERIOD_S = 3600
MATCH_RETRY_PERIOD_S = 5

AUTHZ = """\
# Who may do what at this LB server (lb.md 11.1). The services of this grid log for the users they serve.
resource "LB" {{
    action "LOG_WMS_EVENTS"     {{ rule permit {{ subject = "{host}" }} }}
    action "LOG_CE_EVENTS"      {{ rule permit {{ subject = "{host}" }} }}
    action "LOG_GENERAL_EVENTS" {{ rule permit {{ subject = ".*" }} }}
    action "REGISTER_JOBS"      {{ rule permit {{ subject = ".*" }} }}
    action "READ_ALL"           {{ rule permit {{ subject = "{host}" }} }}
    action "PURGE"              {{ rule permit {{ subject = "{host}" }} rule permit {{ subject = "{user}" }} }}
}}
"""

UI = """\
// Defaults of the user commands for this grid (wms.md 6.3).
[
  WmsClient = [
    VirtualOrganisation = "{vo}";
    OutputStorage = "{output}";
    JdlDefaultAttributes = [
      VirtualOrganisation = "{vo}";
    ];
  ];
]
"""

ENVIRONMENT = """\
# Source this file to use the grid in {root}:  . {root}/env.sh
{exports}
case ":$PATH:" in *":{programs}:"*) ;; *) export PATH="{programs}:$PATH" ;; esac
"""


def make_directories(grid: Layout) -> None:
    """Make the folders of the grid, readable by its owner alone."""
    grid.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in DIRECTORIES:
        (grid.root / name).mkdir(mode=0o700, exist_ok=True)


def make_databases(grid: Layout) -> None:
    """Make the databases on a MySQL server that are not there; SQLite files appear by themselves."""
    for service in DATABASES:
        url = grid.database(service)
        if url.get_backend_name() == "sqlite":
            continue
        engine = sql.engine(url.set(drivername="mysql+mysqldb", database=""))
        with engine.connect() as conn:
            conn.execute(text(f"CREATE DATABASE IF NOT EXISTS `{url.database}` CHARACTER SET utf8mb4"))
        engine.dispose()


def write(grid: Layout, host_dn: str, user_dn: str, programs: str) -> None:
    """Write every configuration file; they are derived, so each `up` writes them anew."""
    _put(grid, "glite-lb-authz.conf", AUTHZ.format(host=host_dn, user=user_dn))
    _put(grid, "JPPS-peers", f"{host_dn}\n")
    _put(grid, "glite-jpis-config.xml", _example("glite-jpis-config.xml").replace(
        "https://localhost:8901", grid.url("jpps")))
    _put(grid, "glue.ldif", _glue())
    _put(grid, "glite_wms.toml", _wms(grid, programs))
    _put(grid, "glite_wmsui.conf", UI.format(vo=VO, output=grid.root / "output"))
    exports = "\n".join(f'export {name}="{value}"' for name, value in grid.environment.items())
    environment = ENVIRONMENT.format(root=grid.root, exports=exports, programs=programs)
    write_durably(grid.root / "env.sh", environment.encode(), 0o644)


def _put(grid: Layout, name: str, content: str) -> None:
    write_durably(grid.etc(name), content.encode())


def _example(name: str) -> str:
    return (files("etc") / name).read_text()


def _glue() -> str:
    """The example elements; they offer nibabel where this environment has it, since the jobs run in it."""
    text = _example("glue.ldif")
    if find_spec("nibabel") is None:
        return text
    tag = "GlueHostApplicationSoftwareRunTimeEnvironment: TESTBED\n"
    return text.replace(tag, f"{tag}GlueHostApplicationSoftwareRunTimeEnvironment: NIBABEL\n")


WMS = """\
[common]
document_root = "{root}/wms"
queue_directory = "{root}/wms/queue"
event_prefix = "{root}/spool/events/dglogd.log"
host_certificate = "{cert}"
host_key = "{key}"
ca_directory = "{ca}"
glue_file = "{root}/etc/glue.ldif"
host = "{host}"
lb_servers = ["{lb}"]
default_vo = "{vo}"

[wmproxy]
listen_address = "127.0.0.1"
port = {port}
workers = {workers}
lb_pause_s = 1

[workload_manager]
match_retry_period_s = {match_retry}
expiry_period_s = {expiry}
dispatch_period_s = 0.2
poll_period_s = 0.5

[[computing_element]]
id = "localhost:8443/cream-local-short"
adapter = "local"
slots = 2
max_wall_clock_s = 600
max_output_bytes = 100000000
options = {{ PATH = "{path}", GLITE_LOCAL_COPY_RETRY_COUNT = "8", GLITE_LOCAL_COPY_RETRY_FIRST_WAIT = "1" }}

[[computing_element]]
id = "localhost:8443/cream-local-long"
adapter = "local"
slots = 2
max_wall_clock_s = 36000
max_output_bytes = 100000000
options = {{ PATH = "{path}", GLITE_LOCAL_COPY_RETRY_COUNT = "8", GLITE_LOCAL_COPY_RETRY_FIRST_WAIT = "1" }}
"""


def _wms(grid: Layout, programs: str) -> str:
    return WMS.format(
        root=grid.root, cert=grid.host_cert, key=grid.host_key, ca=grid.ca_dir, host=HOST, lb=grid.address("lb"),
        vo=VO, port=grid.ports["wmproxy"], workers=grid.choices.workers, match_retry=MATCH_RETRY_PERIOD_S,
        expiry=EXPIRY_PERIOD_S, path=f"{programs}:/usr/local/bin:/usr/bin:/bin",
    )
