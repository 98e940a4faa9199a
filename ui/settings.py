"""Where a command gets its endpoints and defaults from (wms.md 6.3, lb.md 13.1)."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests

from gsi.credential import Credential, ca_directory
from httpg.client import session
from lb.model.jobid import JobId
from ui.frame import UiError, read_text
from wms.jdl import Jdl, JdlError, parse

ENDPOINT = "GLITE_WMS_WMPROXY_ENDPOINT"
#: Seconds that a command waits for an answer.
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Settings:
    """The surroundings of one command: environment, configuration file, the user's credential."""

    endpoint_option: str | None = None
    config_option: Path | None = None
    vo_option: str | None = None

    @cached_property
    def credential(self) -> Credential:
        """The user's proxy; raises GsiError with advice when there is none."""
        return Credential.find()

    @cached_property
    def session(self) -> requests.Session:
        """An HTTPS session as the user."""
        return session(self.credential, ca_directory(os.environ), timeout=TIMEOUT_S)

    @property
    def endpoint(self) -> str:
        """The WMProxy: option -e, environment, configuration."""
        configured = self.config.strings("WmProxyEndPoints") if self.config else []
        for found in (self.endpoint_option, os.environ.get(ENDPOINT), *configured):
            if found:
                return found
        raise UiError(
            "Wrong Configuration", f"no WMProxy is known: give one with -e URL, or set {ENDPOINT}, "
            "or WmProxyEndPoints in glite_wmsui.conf"
        )

    @property
    def endpoints(self) -> list[str]:
        """All WMProxies that the configuration names, else the one of `endpoint`."""
        configured = self.config.strings("WmProxyEndPoints") if self.config else []
        return configured or [self.endpoint]

    @cached_property
    def config(self) -> Jdl | None:
        """The first that exists of: option, environment, the user's file, the site's file."""
        for path in self._config_paths():
            if path.is_file():
                try:
                    found = parse(read_text(path))
                except JdlError as error:
                    raise UiError("Wrong Configuration", f"{path}: {error}") from None
                section = found.get("WmsClient")
                return section if isinstance(section, Jdl) else found
        return None

    @property
    def jdl_defaults(self) -> Jdl | None:
        """JdlDefaultAttributes of the configuration: what is inserted in a JDL that lacks it."""
        found = self.config.get("JdlDefaultAttributes") if self.config else None
        return found if isinstance(found, Jdl) else None

    @property
    def vo(self) -> str | None:
        """The virtual organisation of option --vo, or of the configuration."""
        if self.vo_option:
            return self.vo_option
        return self.config.string("VirtualOrganisation") if self.config else None

    @property
    def query_server(self) -> str:
        """The LB server for questions that name no job (lb.md 13.1)."""
        named = os.environ.get("GLITE_WMS_QUERY_SERVER") or os.environ.get("EDG_WL_QUERY_SERVER")
        if not named:
            raise UiError("Wrong Configuration", "set GLITE_WMS_QUERY_SERVER to host:port of your LB server")
        return f"https://{named}/"

    @property
    def output_storage(self) -> Path:
        """Where output sandboxes are put when --dir does not say (wms.md 6.3)."""
        configured = self.config.string("OutputStorage") if self.config else None
        return Path(configured or "/tmp")

    def _config_paths(self) -> list[Path]:
        paths = [self.config_option] if self.config_option else []
        if named := os.environ.get("GLITE_WMSUI_COMMANDS_CONFIG"):
            paths.append(Path(named))
        if self.vo_option:
            site = Path(os.environ.get("EMI_UI_CONF", "/")) / "etc/glite-wms" / self.vo_option.lower()
            paths += [Path.home() / ".glite" / self.vo_option / "glite_wmsui.conf", site / "glite_wmsui.conf"]
        return paths


def lb_url(jobid: str) -> str:
    """The LB server that a job id names; it answers SOAP on its query port as well (lb.md 4.1)."""
    try:
        return f"https://{JobId.parse(jobid).server}/"
    except ValueError as error:
        raise UiError("Wrong Input", f"{jobid} is no job identifier: {error}") from None
