"""Values and conditions as records of the contracts, and back (jp.md 1.5)."""

from typing import Any

from jpps.attributes import Origin, Value
from jpps.conditions import Condition, Operator
from soap.contract import Contract


def attr_value(contract: Contract, value: Value) -> Any:
    """Return a value as the record attrValue."""
    kind = "string" if isinstance(value.content, str) else "blob"
    return contract.types.attrValue(
        name=value.name, value=contract.types.stringOrBlob(**{kind: value.content}), timestamp=value.time,
        origin=str(value.origin), originDetail=value.detail,
    )


def content(record: Any) -> str | bytes | None:
    """Return what a record stringOrBlob holds, None for none."""
    if record is None:
        return None
    found: str | bytes | None = record.string if record.string is not None else record.blob
    return found


def condition(record: Any) -> Condition:
    """Return a record primaryQuery as a condition."""
    origin = None if record.origin is None else Origin(record.origin)
    return Condition(record.attr or "", Operator(record.op), origin, content(record.value), content(record.value2))
