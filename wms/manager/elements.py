"""Which adapter runs the jobs of which computing element: the configuration bound to the information system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from wms.ce.base import Adapter
from wms.ce.local import LocalElement
from wms.config import ComputingElement, ConfigError, Settings
from wms.infosys import GlueFile, InfosysError
from wms.jobdirectory import encode

#: A published limit of at least this many minutes means that there is none (sites publish 999999999).
NO_LIMIT_MINUTES = 10_000_000
_LIMIT = "GlueCEPolicyMaxWallClockTime"


class Elements:
    """The adapters of the configured elements, by CE id."""

    def __init__(self, settings: Settings, glue: GlueFile) -> None:
        """:raises ConfigError: an element names an adapter that does not exist."""
        self._adapters = {one.id: _adapter(settings, glue, one) for one in settings.computing_element}
        self._places = {one.id: place(settings, one) for one in settings.computing_element}

    def __iter__(self) -> Iterator[tuple[str, Adapter]]:
        return iter(self._adapters.items())

    def get(self, ceid: str) -> Adapter | None:
        return self._adapters.get(ceid)

    def queue_name(self, ceid: str) -> str:
        """The element's queue as events name it."""
        return str(self._places[ceid])


def place(settings: Settings, element: ComputingElement) -> Path:
    """Where the jobs of an element work."""
    return element.directory or settings.state_directory / "ce" / encode(element.id)


def _local(settings: Settings, element: ComputingElement, wall_clock_s: float) -> Adapter:
    """`options` of a local element are environment variables of its jobs."""
    return LocalElement(
        root=place(settings, element),
        ca_directory=settings.common.ca_directory,
        slots=element.slots,
        max_wall_clock_s=wall_clock_s,
        max_output_bytes=element.max_output_bytes,
        environment=element.options,
    )


ADAPTERS: dict[str, Callable[[Settings, ComputingElement, float], Adapter]] = {"local": _local}


def _adapter(settings: Settings, glue: GlueFile, element: ComputingElement) -> Adapter:
    make = ADAPTERS.get(element.adapter)
    if make is None:
        known = ", ".join(sorted(ADAPTERS))
        raise ConfigError(f"computing_element {element.id!r}: no adapter {element.adapter!r}; there are: {known}")
    return make(settings, element, wall_clock_limit(glue, element))


def wall_clock_limit(glue: GlueFile, element: ComputingElement) -> float:
    """Seconds: the configured limit, or the one that the element publishes if that is shorter."""
    try:
        published = [ce.number(_LIMIT) for ce in glue.ces() if ce.ceid == element.id]
    except InfosysError:
        published = []
    limits = [minutes * 60.0 for minutes in published if minutes is not None and 0 < minutes < NO_LIMIT_MINUTES]
    return min([element.max_wall_clock_s, *limits])
