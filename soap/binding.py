"""Binding a handler to the operations of a port by name, and checking that they fit before anything starts."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gsi.authz import Requirement, declared
from soap.contract import Operation, Port

if TYPE_CHECKING:
    from gsi.peer import Peer

Handler = Callable[..., Mapping[str, Any] | None]


class BindingError(Exception):
    """The handler and the contract do not fit; the text names the operations. Raised at start-up only."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what: the verified peer (None when anonymous), the operation's wire name, the WSGI environ."""

    peer: "Peer | None"
    operation: str
    environ: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation with the method that does it, and who may call it."""

    operation: Operation
    method: Handler
    requirement: Requirement


def bind(port: Port, handler: object) -> dict[str, Bound]:
    """The methods of `handler` for all operations of `port`. Raises BindingError naming every misfit."""
    problems: list[str] = []
    bound: dict[str, Bound] = {}
    for operation in port.operations.values():
        method = getattr(handler, operation.method, None)
        requirement = declared(method)
        problem = _problem(operation, method)
        if problem:
            problems.append(problem)
        else:
            assert method is not None and requirement is not None
            bound[operation.name] = Bound(operation, method, requirement)
    expected = {operation.method for operation in port.operations.values()}
    problems += [
        f"{name}: port {port.name} has no such operation" for name in _declared(handler) if name not in expected
    ]
    if problems:
        raise BindingError(f"{type(handler).__name__} does not fit {port.name}: " + "; ".join(problems))
    return bound


def _problem(operation: Operation, method: Any) -> str | None:
    if method is None:
        return f"operation {operation.name} has no method {operation.method}"
    if declared(method) is None:
        return f"method {operation.method} does not say who may call it (@requires)"
    wanted = {member.attribute for member in operation.input.members}
    parameters = list(inspect.signature(method).parameters.values())[1:]
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    given = {each.name for each in parameters}
    if given != wanted:
        return f"method {operation.method} must take {sorted(wanted)} by keyword, not {sorted(given)}"
    return None


def _declared(handler: object) -> Iterator[str]:
    """Names of the methods that are meant as operations: those that say who may call them."""
    for name in dir(type(handler)):
        if not name.startswith("__") and declared(getattr(type(handler), name)):
            yield name
