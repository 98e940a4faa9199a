"""What goes wrong, as it travels: SOAP faults with and without a typed detail.

    Fault           plain: faultcode and faultstring
    PosixFault      JP and LB: genericFault with source, POSIX code, text, description, reason (jp.md 1.7, lb.md 6)
    TypedFault      WMProxy and delegation: one of the fault elements that the WSDL names (wms.md 1.3, 1.11)
"""

import os
from collections.abc import Iterator
from typing import Any

SEE_DETAIL = "An error occurred, see detail"
"""faultstring of LB (lb.md 6); the one of JP carries no information (jp.md 1.7), so it shares this text."""


class Fault(Exception):
    """A SOAP fault.

    `faultcode` is the local name: "Server" (we failed or refuse), "Client" (the request is at fault),
    "MustUnderstand", "VersionMismatch". `detail` is the detail element of a fault that came over the wire and
    is of no known type, as XML text.
    """

    def __init__(self, faultcode: str, faultstring: str, detail: str | None = None) -> None:
        super().__init__(faultstring)
        self.faultcode = faultcode
        self.faultstring = faultstring
        self.detail = detail


class PosixFault(Fault):
    """A genericFault: an error number, what it means, what happened, and what led to it.

    `code` is a POSIX errno (or one of the service's own numbers), `text` its standard text unless given,
    `source` the operation or part that noticed, filled with the operation's name when left out, `reason` the
    inner fault.
    """

    def __init__(
        self,
        code: int,
        description: str | None = None,
        *,
        source: str | None = None,
        reason: "PosixFault | None" = None,
        text: str | None = None,
        faultstring: str = SEE_DETAIL,
    ) -> None:
        super().__init__("Server", faultstring)
        self.code = code
        self.text = os.strerror(code) if text is None else text
        self.description = description
        self.source = source
        self.reason = reason

    def chain(self) -> "Iterator[PosixFault]":
        """This fault, then its reason, and so on inwards."""
        link: PosixFault | None = self
        while link is not None:
            yield link
            link = link.reason

    def __str__(self) -> str:
        return f"{self.text} ({self.description})" if self.description else self.text


class TypedFault(Fault):
    """A fault whose detail is the element `name` with the content of `record`.

    `name` is the local name of a fault element of the operation's contract ("InvalidArgumentFault");
    `record` is made from the contract's types. The faultstring is the record's own description unless given.
    """

    def __init__(self, name: str, record: Any, faultstring: str | None = None) -> None:
        super().__init__("Server", faultstring if faultstring is not None else _description(record) or name)
        self.name = name
        self.record = record


def _description(record: Any) -> str | None:
    for member in ("Description", "message", "msg", "description"):
        text = getattr(record, member, None)
        if isinstance(text, str):
            return text
    return None
