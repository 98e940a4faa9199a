"""The identifier of a computing element: `<host>:<port>/<x>-<lrms>-<queue>` (wms.md 3.3, 3.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"(?P<host>[^\s:/]+):(?P<port>[0-9]{1,5})/(?P<kind>[^\s/-]+)-(?P<lrms>[^\s/-]+)-(?P<queue>[^\s/]+)")
CE_ID_FORM = "<host>:<port>/<x>-<lrms>-<queue>"


class CeIdError(ValueError):
    """A text that is no computing element identifier."""


@dataclass(frozen=True, slots=True)
class CeId:
    """The parts of an identifier; `kind` is the `<x>` in front of the batch system, such as `cream` or `jobmanager`."""

    host: str
    port: int
    kind: str
    lrms: str
    queue: str

    @classmethod
    def parse(cls, text: str) -> CeId:
        found = _FORM.fullmatch(text)
        if found is None:
            raise CeIdError(f"{text!r} is no computing element identifier: the form is {CE_ID_FORM}")
        return cls(found["host"], int(found["port"]), found["kind"], found["lrms"], found["queue"])

    def __str__(self) -> str:
        return f"{self.contact}-{self.queue}"

    @property
    def contact(self) -> str:
        """What the ads call GlobusResourceContactString: the identifier without its queue."""
        return f"{self.host}:{self.port}/{self.kind}-{self.lrms}"

    @property
    def is_cream(self) -> bool:
        return self.kind == "cream"
