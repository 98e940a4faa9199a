"""Values for any message of any contract, made up from its model."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from soap import leniency
from soap.contract import Contract, Message, Operation, Port
from soap.schema import INTEGERS, ComplexType, Member, SimpleType

CONTRACTS = ("JobProvenancePS", "JobProvenanceIS", "LB", "WMProxy", "WMProxy-gridsite-delegation-2.0.0",
             "delegation-1.1.0")
_DEPTH = 2
_RANGES = {"int": 2**31, "long": 2**63, "short": 2**15, "byte": 2**7}

#: Characters that XML 1.0 can carry; a carriage return too, which has to be written as a reference.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff",
                             include_characters="\t\n\r"), max_size=12)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
ELEMENT = st.sampled_from([b"<a></a>", b'<q:b xmlns:q="urn:q" c="1">text</q:b>', "<ž>&amp;</ž>".encode()])


def arguments(contract: Contract, message: Message) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping for all children of a message."""
    return st.fixed_dictionaries({
        member.name: _member(contract, message.type_name, member, _DEPTH) for member in message.members
    })  # fmt: skip


def record(contract: Contract, type_name: str, depth: int = _DEPTH) -> st.SearchStrategy[Any]:
    """A record of a complex type."""
    type_ = contract.schemas.types[type_name]
    assert isinstance(type_, ComplexType)
    make = contract.records[type_name]
    if type_.members and all(member.choice for member in type_.members):
        chosen = [st.fixed_dictionaries({member.attribute: _required(contract, member, depth)})
                  for member in type_.members]  # fmt: skip
        return st.one_of(chosen).map(lambda values: make(**values))
    members = {member.attribute: _member(contract, type_name, member, depth) for member in type_.members}
    return st.fixed_dictionaries(members).map(lambda values: make(**values))


def _member(contract: Contract, type_name: str, member: Member, depth: int) -> st.SearchStrategy[Any]:
    one = _required(contract, member, depth)
    if leniency.empty_is_absent(type_name, member.name):
        one = one.filter(bool)
    if member.repeated:
        fewest = member.minimum
        return st.lists(one, min_size=fewest, max_size=fewest if depth == 0 else fewest + 2)
    if member.minimum == 0:
        return st.none() if depth == 0 else st.none() | one
    return st.none() | one if member.nillable and not member.choice else one


def _required(contract: Contract, member: Member, depth: int) -> st.SearchStrategy[Any]:
    if member.any:
        return ELEMENT
    type_ = contract.schemas.type(member.type)
    if isinstance(type_, ComplexType):
        return st.deferred(lambda: record(contract, type_.name, max(0, depth - 1)))
    return _simple(type_)


def _simple(type_: SimpleType) -> st.SearchStrategy[Any]:
    if type_.values:
        return st.sampled_from(type_.values)
    if type_.builtin in INTEGERS:
        limit = _RANGES.get(type_.builtin, 2**31)
        return st.integers(-limit if type_.builtin in _RANGES else 1, limit - 1)
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "string": TEXT, "boolean": st.booleans(), "dateTime": INSTANTS, "base64Binary": st.binary(max_size=20),
        "double": st.floats(allow_nan=False), "float": st.floats(width=32, allow_nan=False),
        "decimal": st.integers().map(Decimal),
    }  # fmt: skip
    return scalars[type_.builtin]


def messages(contract: Contract) -> list[tuple[Port, Operation, Message]]:
    """Requests and responses of all operations of all ports."""
    return [
        (port, operation, message)
        for port in contract.ports.values()
        for operation in port.operations.values()
        for message in (operation.input, operation.output)
    ]
