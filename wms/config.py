"""Settings of the workload management system: one TOML file, read once, never changed afterwards.

The WMProxy and the workload manager read the same file. Units are in the names (``_s`` seconds, ``_bytes``). A key
nobody knows is an error, with a suggestion. Numbers are the deployed defaults of wms.md 5.5. ``etc/glite_wms.toml``
explains every key.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import socket
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from .jdl.errors import JdlError
from .jdl.parser import parse_expression

T = TypeVar("T")

# The deployed WmsRequirements (wms.md 3.4); fqanMember is a function of the broker. An element that publishes no
# total number of jobs has no limit.
WMS_REQUIREMENTS = """
(ShortDeadlineJob =?= true ? RegExp(".*sdj$", other.GlueCEUniqueID) : !RegExp(".*sdj$", other.GlueCEUniqueID))
&& (other.GlueCEPolicyMaxTotalJobs =?= undefined || other.GlueCEPolicyMaxTotalJobs == 0
    || other.GlueCEStateTotalJobs < other.GlueCEPolicyMaxTotalJobs)
&& (EnableWmsFeedback =?= true ? RegExp("cream", other.GlueCEImplementationName, "i") : true)
&& (member(CertificateSubject, other.GlueCEAccessControlBaseRule)
    || member(strcat("VO:", VirtualOrganisation), other.GlueCEAccessControlBaseRule)
    || fqanMember(strcat("VOMS:", VOMS_FQAN), other.GlueCEAccessControlBaseRule))
&& fqanMember(strcat("DENY:", VOMS_FQAN), other.GlueCEAccessControlBaseRule) =!= true
&& (OutputSE =?= undefined || member(OutputSE, other.GlueCESEBindGroupSEUniqueID))
"""


class ConfigError(Exception):
    """The configuration cannot be used; the message names file and key and says what to do."""


@dataclass(frozen=True)
class Common:
    """What both servers need: identity, places, the logging and bookkeeping servers."""

    document_root: Path  # everything that HTTPS may show lies below it
    queue_directory: Path  # command queue of the workload manager (wms.md 5.2)
    event_prefix: Path  # prefix of the event files that glite-lb-interlogd delivers (lb.md 5.2)
    host_certificate: Path
    host_key: Path
    ca_directory: Path = Path("/etc/grid-security/certificates")
    glue_file: Path = Path("/etc/glite-wms/glue.ldif")  # computing elements (wms.md 3.3)
    sandbox_name: str = "SandboxDir"  # directory below document_root; one path component (wms.md 1.6)
    host: str = field(default_factory=socket.getfqdn)  # this host's name in URIs
    lb_servers: tuple[str, ...] = ()  # "host:port" or "host"; none: this host, port 9000
    lb_web_service_port_offset: int = 3  # web service port = server port + this (9000 -> 9003, lb.md 0)
    default_vo: str = ""  # VO of users whose proxy names none
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def sandbox_directory(self) -> Path:
        """SandboxStagingPath of the original: where the job directories are."""
        return self.document_root / self.sandbox_name

    @property
    def proxy_cache(self) -> Path:
        """Delegated proxies (wms.md 1.11)."""
        return self.document_root / "proxycache"


@dataclass(frozen=True)
class WmProxy:
    """The web service (section WorkloadManagerProxy of the original)."""

    listen_address: str = "0.0.0.0"
    port: int = 7443
    workers: int = 2
    users_file: Path | None = None  # a DN or FQAN a line: who may use the service; no file: everybody
    gacl_file: Path | None = None  # who may use the service; none: where the original looks for it (wms.md 1.9)
    max_input_sandbox_bytes: int = 100_000_000
    max_output_sandbox_bytes: int = 100_000_000
    max_input_sandbox_files: int = 10
    max_output_sandbox_files: int = 10
    min_perusal_time_interval_s: int = 1000
    proxy_cache_period_s: float = 600.0  # how often expired delegated proxies are cleared away
    wms_requirements: str = WMS_REQUIREMENTS  # ANDed to every job's Requirements
    lb_tries: int = 3
    lb_pause_s: float = 5.0  # between two tries at the same LB server
    lb_timeout_s: float = 30.0


@dataclass(frozen=True)
class WorkloadManager:
    """Matching and delivery (section WorkloadManager of the original)."""

    state_directory: Path | None = None  # what the manager remembers over a restart; none: beside the queue
    worker_threads: int = 5
    match_retry_period_s: float = 300.0
    expiry_period_s: float = 7200.0
    max_retry_count: int = 10
    max_shallow_retry_count: int = 10
    dispatch_period_s: float = 1.0
    poll_period_s: float = 5.0  # how often the computing elements are asked for their jobs


@dataclass(frozen=True)
class ComputingElement:
    """How jobs reach one computing element of the GLUE file."""

    id: str  # GlueCEUniqueID, <host>:<port>/<x>-<lrms>-<queue>
    adapter: str = "local"
    directory: Path | None = None  # where its jobs work; none: below the manager's state directory
    slots: int = 2  # jobs that run at the same time
    max_wall_clock_s: float = 3600.0
    max_output_bytes: int = 1_000_000_000
    options: Mapping[str, str] = field(default_factory=dict)  # for the adapter


@dataclass(frozen=True)
class Settings:
    common: Common
    wmproxy: WmProxy = field(default_factory=WmProxy)
    workload_manager: WorkloadManager = field(default_factory=WorkloadManager)
    computing_element: tuple[ComputingElement, ...] = ()

    @property
    def endpoint(self) -> str:
        """The service's own URL (wms.md 1.1)."""
        return f"https://{self.common.host}:{self.wmproxy.port}/glite_wms_wmproxy_server"

    @property
    def lb_servers(self) -> tuple[str, ...]:
        """'host:port' of the configured servers, port 9000 where none is given (wms.md 5.5)."""
        names = self.common.lb_servers or (self.common.host,)
        return tuple(name if ":" in name else f"{name}:9000" for name in names)

    @property
    def state_directory(self) -> Path:
        """What the workload manager remembers over a restart."""
        return self.workload_manager.state_directory or self.common.queue_directory.parent / "manager"


def load(path: Path) -> Settings:
    """Read the file; relative paths in it count from its own directory.

    :raises ConfigError: unreadable, not TOML, unknown or missing key, wrong type or value.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        settings = _dataclass(Settings, table, "", path.parent.absolute())
        _check(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return settings


def _check(settings: Settings) -> None:
    if "/" in settings.common.sandbox_name or settings.common.sandbox_name in ("", ".", ".."):
        raise ConfigError("common.sandbox_name must be one path component below document_root")
    try:
        parse_expression(settings.wmproxy.wms_requirements)
    except JdlError as error:
        raise ConfigError(f"wmproxy.wms_requirements: {error}") from error
    ids = [element.id for element in settings.computing_element]
    for name in {name for name in ids if ids.count(name) > 1}:
        raise ConfigError(f"computing_element {name!r} is described twice")


def _dataclass(cls: type[T], table: object, where: str, base: Path) -> T:
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table")
    hints = get_type_hints(cls)
    known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in table.keys() - known.keys():
        near = difflib.get_close_matches(key, known, 1)
        advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        raise ConfigError(f"unknown key {_join(where, key)!r}; {advice}")
    for name, one in known.items():
        needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if needed and name not in table:
            raise ConfigError(f"the key {_join(where, name)!r} is missing")
    return cls(**{key: _value(hints[key], value, _join(where, key), base) for key, value in table.items()})


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _value(hint: Any, value: object, where: str, base: Path) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type[Any], hint), value, where, base)
    if origin is types.UnionType:
        return _value(arguments[0], value, where, base)
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        return tuple(_value(arguments[0], item, f"{where}[{i}]", base) for i, item in enumerate(items))
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where} must be one of {', '.join(map(str, arguments))}, not {value!r}")
        return value
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise ConfigError(f"{where} must be a table of strings")
        return types.MappingProxyType(dict(value))
    return _scalar(hint, value, where, base)


def _scalar(hint: type, value: object, where: str, base: Path) -> object:
    if hint is Path and isinstance(value, str) and value:
        return base / os.path.expandvars(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if hint in (str, bool) and isinstance(value, hint):
        return value
    kind = {Path: "a path", float: "a number, 0 or more", int: "an integer, 0 or more", str: "a string"}
    raise ConfigError(f"{where} must be {kind.get(hint, 'true or false')}, not {value!r}")
