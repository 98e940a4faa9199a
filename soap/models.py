"""spyne models of a contract's types and messages: what spyne's interface and dispatch table are made of.

spyne's own schema parser loses member order and mishandles choice and anonymous types (facts: stack.md 1), so
the models are built from our reading of the XSD: members unqualified (`sub_ns=""`), members of a choice
optional, recursion by SelfReference.
"""

from collections.abc import Callable
from typing import Any

import soap.compat  # noqa: F401  (before spyne)
from soap.contract import Contract, Message, Operation
from soap.schema import INTEGERS, STRINGS, ComplexType, Member, SimpleType

from spyne.decorator import rpc  # isort: skip
from spyne.model.binary import ByteArray  # isort: skip
from spyne.model.complex import ComplexModelBase, ComplexModelMeta, SelfReference, TypeInfo  # isort: skip
from spyne.model.enum import Enum  # isort: skip
from spyne.model.primitive import AnyXml, Boolean, DateTime, Decimal, Double, Integer, Unicode  # isort: skip
from spyne.service import ServiceBase  # isort: skip

_PLAIN = {"boolean": Boolean, "dateTime": DateTime, "base64Binary": ByteArray,
          "double": Double, "float": Double, "decimal": Decimal}  # fmt: skip


Call = Callable[[Any, Any], Any]
"""Takes spyne's context and the request record (None when the message has no members)."""


class Models:
    """The spyne classes of one contract, built on demand."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._made: dict[str, Any] = {}
        self._open: list[str] = []

    def message(self, message: Message) -> Any:
        """The model of a message's wrapper, named and placed so that spyne dispatches on it."""
        namespace, _, name = message.wrapper[1:].partition("}")
        return self._class(message.type_name, name, namespace, message.members)

    def _type(self, type_name: str) -> Any:
        if type_name in self._open:
            # Only direct recursion occurs in the contracts; a longer circle is cut by any XML.
            return SelfReference if self._open[-1] == type_name else AnyXml
        if type_name not in self._made:
            type_ = self._contract.schemas.type(type_name)
            self._made[type_name] = self._simple(type_) if isinstance(type_, SimpleType) else self._complex(type_)
        return self._made[type_name]

    def _complex(self, type_: ComplexType) -> Any:
        namespace = type_.name[1:].partition("}")[0]
        return self._class(type_.name, type_.label, namespace, type_.members)

    def _class(self, key: str, name: str, namespace: str, members: tuple[Member, ...]) -> Any:
        self._open.append(key)
        info = TypeInfo((member.attribute, self._member(member)) for member in members)
        self._open.pop()
        body = {"__namespace__": namespace, "__type_name__": name, "_type_info": info}
        return ComplexModelMeta(str(name), (_Model,), body)

    def _member(self, member: Member) -> Any:
        model = AnyXml if member.any else self._type(member.type)
        maximum = "unbounded" if member.maximum is None else member.maximum
        facets = {"min_occurs": member.minimum, "max_occurs": maximum, "nillable": member.nillable}
        return model.customize(sub_ns="", sub_name=member.name, **facets)

    @staticmethod
    def _simple(type_: SimpleType) -> Any:
        namespace, _, local = type_.name[1:].partition("}")
        if type_.values:
            return Enum(*type_.values, type_name=local.replace("#", "").replace("/", "_"), __namespace__=namespace)
        if type_.builtin in STRINGS:
            return Unicode
        return Integer if type_.builtin in INTEGERS else _PLAIN[type_.builtin]


class _Model(ComplexModelBase):  # type: ignore[misc]
    """Base of all models; without the array and table features of spyne's own."""

    __namespace__ = ""

    class Attributes(ComplexModelBase.Attributes):  # type: ignore[misc]
        pass


def service_class(contract: Contract, operations: list[Operation], function: Callable[[Operation], Call]) -> Any:
    """A spyne service with one rpc per operation; `function(operation)` makes the callable behind it."""
    models = Models(contract)
    body = {each.name: _declare(models, each, function(each)) for each in operations}
    return type(f"{contract.name}Service", (ServiceBase,), body)


def _declare(models: Models, operation: Operation, function: Call) -> Any:
    """spyne counts arguments: a bare operation has one, or none when its message has no members."""
    options = {
        "_returns": models.message(operation.output),
        "_body_style": "bare",
        "_in_message_name": operation.input.wrapper,
    }

    def with_message(ctx: Any, request: Any) -> Any:
        return function(ctx, request)

    def without_message(ctx: Any) -> Any:
        return function(ctx, None)

    with_message.__name__ = without_message.__name__ = operation.name  # spyne's key of the method
    if operation.input.members:
        return rpc(models.message(operation.input), **options)(with_message)
    return rpc(**options)(without_message)
