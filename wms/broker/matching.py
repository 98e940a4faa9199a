"""Match of a single job (wms.md 3.7, the path without input data)."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import classad2

from wms.broker.admission import refusal
from wms.broker.errors import HelperError, RankingError
from wms.broker.job import Applicant
from wms.infosys import CeId, CeIdError, ComputingElement
from wms.jdl import Jdl


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """An element that the job can go to. `host` is what a later resubmission avoids; `ad` is None after SubmitTo."""

    ceid: str
    rank: float
    name: CeId
    host: str
    ad: classad2.ClassAd | None = None


def match(
    jdl: Jdl,
    ces: Iterable[ComputingElement],
    *,
    previous_hosts: Collection[str] = (),
    chance: random.Random | None = None,
) -> list[Match]:
    """The elements that the job can go to, best first; the empty list when there is none.

    The job's Requirements must be true for the element; elements have no say of their own beyond the operator's
    conditions (wms.md 3.4). Equal ranks come in random order, drawn from `chance`. Hosts in `previous_hosts` are
    avoided as long as another one matches. With FuzzyRank the order is a draw in which a better rank weighs more.

    :raises HelperError: SubmitTo is no CE id, or an attribute has the wrong type.
    :raises RankingError: elements match, but Rank is undefined for all of them.
    :raises UnavailableError: the description uses something that is not built, such as InputData.
    """
    job = Applicant.read(jdl)
    if job.submit_to is not None:
        return [_direct(job.submit_to)]
    suitable = [ce for ce in ces if refusal(job, ce) is None and job.satisfied_by(ce.ad)]
    return _ordered(job, _ranked(job, _fresh(suitable, previous_hosts)), chance or random.Random())


def _direct(submit_to: str) -> Match:
    try:
        name = CeId.parse(submit_to)
    except CeIdError as error:
        raise HelperError(f"SubmitTo: {error}") from error
    return Match(submit_to, 0.0, name, name.host)


def _fresh(suitable: list[ComputingElement], previous_hosts: Collection[str]) -> list[ComputingElement]:
    """Without the hosts that were tried before, unless nothing else would be left."""
    avoided = {host.lower() for host in previous_hosts}
    return [ce for ce in suitable if ce.host.lower() not in avoided] or suitable


def _ranked(job: Applicant, suitable: Sequence[ComputingElement]) -> list[Match]:
    """One match per CE: of several views of one element the best counts."""
    best: dict[str, Match] = {}
    for ce in suitable:
        rank = job.rank_of(ce.ad)
        if rank is not None and (ce.ceid not in best or rank > best[ce.ceid].rank):
            best[ce.ceid] = Match(ce.ceid, rank, ce.name, ce.host, ce.ad)
    if suitable and not best:
        raise RankingError("the Rank of the job is undefined for every computing element that matches")
    return list(best.values())


def _ordered(job: Applicant, ranked: list[Match], chance: random.Random) -> list[Match]:
    chance.shuffle(ranked)
    if job.fuzzy and ranked:
        keys = _fuzzy_keys(ranked, job.fuzzy_factor, chance)
        return [found for _, found in sorted(zip(keys, ranked, strict=True), key=lambda pair: -pair[0])]
    return sorted(ranked, key=lambda found: -found.rank)


def _fuzzy_keys(ranked: Sequence[Match], factor: float, chance: random.Random) -> list[float]:
    """Keys whose descending order is a weighted draw without replacement (Efraimidis and Spirakis: u ** (1 / weight)).

    The weight of an element is atan((rank - mean) * factor) + pi/2 (wms.md 3.7).
    """
    mean = sum(found.rank / len(ranked) for found in ranked)  # divided first: ranks may be as large as floats are
    weights = (math.atan((found.rank - mean) * factor) + math.pi / 2 for found in ranked)
    return [math.log(1.0 - chance.random()) / max(weight, 1e-12) for weight in weights]
