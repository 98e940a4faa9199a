"""jobListMatch: which computing elements a job could go to (wms.md 1.7)."""

from __future__ import annotations

import math

from gsi.peer import Peer
from wms.broker import HelperError, RankingError, UnavailableError, match
from wms.infosys import InfosysError
from wms.jdl import add_requirements, apply_service_defaults

from .errors import Code, OperationError
from .kit import Kit
from .registration import checked


def list_match(kit: Kit, peer: Peer, text: str, delegation_id: str | None) -> list[tuple[str, int]]:
    """(CE id, rank truncated to an integer), best first.

    :raises OperationError: NO_SUITABLE_RESOURCE when nothing matches, MATCHMAKING when what matches has no rank,
        INVALID_JDL_ATTRIBUTE or NOT_AVAILABLE when the broker cannot work with the description, IS_FAILURE when the
        elements cannot be read, and what `checked` refuses.
    """
    jdl = checked(kit, peer, text, delegation_id).jdl
    if "SubmitTo" in jdl:
        raise OperationError(Code.OPERATION_NOT_ALLOWED, "SubmitTo leaves nothing to be matched")
    apply_service_defaults(jdl)
    add_requirements(jdl, kit.settings.wmproxy.wms_requirements)
    try:
        found = match(jdl, kit.glue.ces())
    except RankingError as error:
        raise OperationError(Code.MATCHMAKING, str(error)) from error
    except HelperError as error:
        raise OperationError(Code.INVALID_JDL_ATTRIBUTE, str(error)) from error
    except UnavailableError as error:
        raise OperationError(Code.NOT_AVAILABLE, str(error)) from error
    except InfosysError as error:
        raise OperationError(Code.IS_FAILURE, "the information system cannot be read") from error
    if not found:
        raise OperationError(Code.NO_SUITABLE_RESOURCE, "no matching resources found")
    return [(one.ceid, _as_long(one.rank)) for one in found]


def _as_long(rank: float) -> int:
    """The rank as the contract has room for it: a 64-bit integer."""
    return max(-(2**63), min(math.trunc(rank), 2**63 - 1))
