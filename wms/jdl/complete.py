"""Attributes that client and service add to a description before it is matched (wms.md 2.2, 3.4)."""

from __future__ import annotations

import math

from .document import Jdl

DEFAULT_REQUIREMENTS = 'other.GlueCEStateStatus == "Production"'  # wms.md 2.2, configuration of the user interface
DEFAULT_RANK = "-other.GlueCEStateEstimatedResponseTime"
DEFAULT_RETRY_COUNT = 3
DEFAULT_SHALLOW_RETRY_COUNT = 3


def add_requirements(jdl: Jdl, conjunct: str) -> None:
    """Requirements := (what is there) && (*conjunct*), in place."""
    own = jdl.expression("Requirements")
    jdl.set_expression("Requirements", f"({own}) && ({conjunct})" if own not in (None, "true") else conjunct)


def apply_client_defaults(
    jdl: Jdl, *, requirements: str = DEFAULT_REQUIREMENTS, rank: str = DEFAULT_RANK, virtual_organisation: str = ""
) -> None:
    """What the user interface fills in: requirements ANDed, rank and retry counts when absent."""
    add_requirements(jdl, requirements)
    if "Rank" not in jdl:
        jdl.set_expression("Rank", rank)
    for name, value in (("RetryCount", DEFAULT_RETRY_COUNT), ("ShallowRetryCount", DEFAULT_SHALLOW_RETRY_COUNT)):
        if name not in jdl:
            jdl.set(name, value)
    if virtual_organisation and "VirtualOrganisation" not in jdl:
        jdl.set("VirtualOrganisation", virtual_organisation)


def apply_service_defaults(jdl: Jdl) -> None:
    """What the service fills in for every client: type, rank, requirements that follow from other attributes."""
    jdl.set("Type", (jdl.string("Type") or "job").lower())
    jdl.set("JobType", (jdl.strings("JobType") or ["normal"])[0].lower())
    if "Requirements" not in jdl:
        jdl.set("Requirements", True)
    if "Rank" not in jdl:
        jdl.set_expression("Rank", DEFAULT_RANK)
    for conjunct in _processor_requirements(jdl):
        add_requirements(jdl, conjunct)
    location = jdl.string("HLRLocation")
    if location:
        jdl.set("Environment", [*jdl.strings("Environment"), f"HLR_LOCATION={location}"])


def _processor_requirements(jdl: Jdl) -> list[str]:
    processors = jdl.integer("CpuNumber") or jdl.integer("NodeNumber")
    hosts, granularity = jdl.integer("HostNumber"), jdl.integer("SMPGranularity")
    found = [f"other.GlueCEInfoTotalCPUs >= {processors}"] if processors else []
    if granularity:
        found.append(f"other.GlueHostArchitectureSMPSize >= {granularity}")
    elif hosts and processors and not jdl.boolean("WholeNodes"):
        found.append(f"other.GlueHostArchitectureSMPSize >= {math.ceil(processors / hosts)}")
    return found
