"""The job's side of a match: its expressions, parsed once and kept.

ClassAd look-ups and parses leak a little in the library, evaluations of a kept expression do not (stack.md 4). So
everything is looked up here, once per job, and per computing element only `eval` is called.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import classad2

from wms.broker.errors import HelperError, UnavailableError
from wms.broker.functions import Calls, rewrite
from wms.jdl import Jdl, JdlError

DEFAULT_REQUIREMENTS = "true"
#: wms.md 2.2: the rank of a job that gives none.
DEFAULT_RANK = "-other.GlueCEStateEstimatedResponseTime"


@dataclass(slots=True)
class Applicant:
    """What the broker reads from a job description. One object serves one match in one thread."""

    ad: classad2.ClassAd
    requirements: classad2.ExprTree
    requirements_text: str
    rank: classad2.ExprTree
    calls: Calls
    submit_to: str | None
    subject: str | None
    vo: str | None
    fqan: str | None
    output_se: str | None
    short_deadline: bool
    feedback: bool
    fuzzy: bool
    fuzzy_factor: float

    @classmethod
    def read(cls, jdl: Jdl) -> Applicant:
        """From a job description.

        :raises HelperError: an attribute has the wrong type, or an expression cannot be read.
        :raises UnavailableError: it asks for something that is not built.
        """
        _refuse_data_driven(jdl)
        requirements = jdl.expression("Requirements") or DEFAULT_REQUIREMENTS
        calls = Calls()
        try:
            return cls(
                # A copy: the values of the broker's functions are written into it.
                ad=classad2.ClassAd(jdl.text()),
                requirements=calls.compile(rewrite(requirements, calls)),
                requirements_text=requirements,
                rank=calls.compile(rewrite(jdl.expression("Rank") or DEFAULT_RANK, calls)),
                calls=calls,
                submit_to=jdl.string("SubmitTo"),
                subject=jdl.string("CertificateSubject"),
                vo=jdl.string("VirtualOrganisation"),
                fqan=jdl.string("VOMS_FQAN"),
                output_se=jdl.string("OutputSE"),
                short_deadline=jdl.get("ShortDeadlineJob") is True,
                feedback=jdl.get("EnableWmsFeedback") is True,
                fuzzy=jdl.get("FuzzyRank") is True,
                fuzzy_factor=_factor(jdl),
            )
        except JdlError as error:
            raise HelperError(str(error)) from error

    def satisfied_by(self, ce: classad2.ClassAd) -> bool:
        """Are the job's Requirements true for the element? Undefined and Error are no match."""
        return self.value_of(self.requirements, ce) is True

    def rank_of(self, ce: classad2.ClassAd) -> float | None:
        """The job's rank of the element, None when it is not a number."""
        value = self.value_of(self.rank, ce)
        number = float(value) if isinstance(value, int | float) and not _is_special(value) else math.nan
        return number if math.isfinite(number) else None

    def value_of(self, expression: classad2.ExprTree, ce: classad2.ClassAd) -> object:
        """The value for an element. What the library gives up on, or cannot hand over as text, has the value Error."""
        try:
            self.calls.prepare(self.ad, ce)
            return expression.eval(self.ad, ce)
        except (classad2.ClassAdException, UnicodeDecodeError):
            return classad2.Value.Error


def _is_special(value: object) -> bool:
    """Undefined and Error come back as members of an integer enumeration."""
    return isinstance(value, classad2.Value)


def _factor(jdl: Jdl) -> float:
    value = jdl.get("fuzzy_factor", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise HelperError("fuzzy_factor must be a finite number")
    return float(value)


def _refuse_data_driven(jdl: Jdl) -> None:
    for name in ("InputData", "DataRequirements"):
        if name in jdl:
            raise UnavailableError(f"{name}: matching by the place of data is not available in this release")
