"""What glite-ping --trace tells: steps, each with its state, and at the end why and what to do."""

from dataclasses import dataclass, field
from typing import Any

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True, slots=True)
class Step:
    """name: such as `TLS`; text: what was found; details: further lines."""

    name: str
    state: str
    text: str
    details: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The step as values."""
        return {"step": self.name, "state": self.state, "text": self.text, "details": list(self.details)}


class Failure(Exception):
    """The trace ends here. reason: what is wrong; remedy: what to do, one sentence."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(slots=True)
class Result:
    """How it went. reason and remedy: None when the server answered; told: what the server said of the caller;
    rtt_ms: time of the request and its answer.
    """

    url: str
    steps: list[Step] = field(default_factory=list)
    reason: str | None = None
    remedy: str | None = None
    told: dict[str, Any] | None = None
    rtt_ms: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The result as values."""
        return {
            "url": self.url, "result": "ok" if self.reason is None else "failed", "reason": self.reason,
            "remedy": self.remedy, "rtt_ms": self.rtt_ms, "steps": [step.as_json() for step in self.steps],
            "peer": self.told,
        }
