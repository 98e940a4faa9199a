"""The broker: which computing element a job goes to (wms.md 3.4, 3.6, 3.7).

    job's Requirements true for the CE, CE admits the user ─► rank per CE ─► best first, ties at random

`match` answers the matches, `why_not` says in words why there are none.
"""

from wms.broker.errors import BrokerError, HelperError, RankingError, UnavailableError
from wms.broker.matching import Match, match
from wms.broker.reasons import NO_COMPATIBLE, why_not

__all__ = [
    "NO_COMPATIBLE", "BrokerError", "HelperError", "Match", "RankingError", "UnavailableError", "match", "why_not",
]
