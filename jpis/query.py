"""QueryJobs: from conditions to SQL (jp.md 3.6).

The conditions are joined by AND, the records of one condition by OR. A condition holds for a job when one row of its
attribute satisfies it; conditions on the same attribute must hold for the same row. Strings compare by the bytes of
their index values. All values travel as bound parameters.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, and_, false, or_, select, true

from jpis.attributes import JOBID_ID, attribute_id, key_of
from jpis.errors import InvalidRequest
from jpis.schema import Schema, jobs
from jpis.update import StringOrBlob, content_of
from jpis.values import BLOB_INDEX, ORIGIN_NUMBERS, index_value

#: Records of one query. SQLite takes expressions 1,000 deep and 32,766 bound values.
CLAUSE_LIMIT = 300
EQUAL_LIMIT = 30_000
#: Attributes of one query. A name that comes twice is answered twice, so their number multiplies the answer.
REQUESTED_LIMIT = 1000


class IndexQueryRecord(Protocol):
    """indexQueryRecord of the contract."""

    op: str | None
    value: StringOrBlob | None
    value2: StringOrBlob | None


class IndexQuery(Protocol):
    """indexQuery of the contract."""

    attr: str | None
    origin: str | None
    record: Sequence[IndexQueryRecord]


@dataclass(frozen=True)
class Query:
    """A checked query: which jobs, and what to tell of each."""

    criteria: tuple[ColumnElement[bool], ...]
    """What must hold for a row of table `jobs`."""
    requested: tuple[tuple[str, str | None], ...] = field(default=())
    """(name as requested, id of the attribute whose values are stored; None for a job id without table)."""

    def numbers(self, conn: Connection, after: int, limit: int) -> list[int]:
        """Return the numbers of matching jobs, in order: up to `limit` of those that follow `after`."""
        statement: Select[Any] = select(jobs.c.number).where(jobs.c.number > after, *self.criteria)
        return list(conn.execute(statement.order_by(jobs.c.number).limit(limit)).scalars())


def compile_query(
    schema: Schema, conditions: Sequence[IndexQuery], attributes: Iterable[str], owner: str | None
) -> Query:
    """Check a query and make it ready to run; `owner`: only this user's jobs, None for all.

    Raises InvalidRequest: no indexed attribute among the conditions, an attribute that is not configured, a condition
    that says nothing.
    """
    _check(schema, conditions)
    criteria = list(_criteria(schema, conditions))
    if owner is not None:
        criteria.append(jobs.c.ownerid == key_of(owner))
    return Query(tuple(criteria), tuple(_requested(schema, attributes)))


def _check(schema: Schema, conditions: Sequence[IndexQuery]) -> None:
    equal = sum(record.op == "EQUAL" for condition in conditions for record in condition.record)
    others = sum(record.op != "EQUAL" for condition in conditions for record in condition.record)
    if equal > EQUAL_LIMIT or others > CLAUSE_LIMIT or len(conditions) > CLAUSE_LIMIT:
        raise InvalidRequest(
            f"Too many conditions: up to {CLAUSE_LIMIT}, with {EQUAL_LIMIT} EQUAL records and {CLAUSE_LIMIT} others;"
            " ask in several queries"
        )
    for number, condition in enumerate(conditions, 1):
        if condition.attr is None:
            raise InvalidRequest(f"Condition {number} names no attribute")
    if not any(schema.configuration.is_indexed(condition.attr or "") for condition in conditions):
        indexed = ", ".join(schema.configuration.indexed) or "System:jobId"
        raise InvalidRequest(f"No indexed attribute in query; a condition on one of these is needed: {indexed}")
    for condition in conditions:
        _known(schema, condition.attr or "")


def _known(schema: Schema, name: str) -> str:
    """Return the id of a configured attribute; the job id is one always."""
    identity = attribute_id(name)
    if identity not in schema.values and identity != JOBID_ID:
        raise InvalidRequest(f"Unknown attribute in query: {name} is not configured at this index server")
    return identity


def _requested(schema: Schema, attributes: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    for number, name in enumerate(attributes):
        if number == REQUESTED_LIMIT:
            raise InvalidRequest(f"Too many attributes: up to {REQUESTED_LIMIT}")
        identity = _known(schema, name)
        yield name, identity if identity in schema.values else None


def _criteria(schema: Schema, conditions: Sequence[IndexQuery]) -> Iterator[ColumnElement[bool]]:
    by_attribute: dict[str, list[IndexQuery]] = {}
    for condition in conditions:
        by_attribute.setdefault(attribute_id(condition.attr or ""), []).append(condition)
    for identity, same_attribute in by_attribute.items():
        if identity == JOBID_ID:
            # the job's own id, whatever its origin; it has no length limit of 255 bytes to be cut to
            yield from (_any_record(jobs.c.dg_jobid, condition, _whole) for condition in same_attribute)
        else:
            yield jobs.c.number.in_(_rows(schema.values[identity], same_attribute))


def _rows(table: Table, conditions: Sequence[IndexQuery]) -> Select[Any]:
    """Select the jobs that have a row of the attribute for which all `conditions` hold."""
    clauses: list[ColumnElement[bool]] = []
    for condition in conditions:
        if condition.origin is not None:
            clauses.append(table.c.origin == _origin_number(condition.origin))
        clauses.append(_any_record(table.c.value, condition, index_value))
    return select(table.c.job).where(and_(true(), *clauses))


def _origin_number(origin: str) -> int:
    if origin not in ORIGIN_NUMBERS:
        raise InvalidRequest(f"Unknown origin {origin}; known are {', '.join(ORIGIN_NUMBERS)}")
    return ORIGIN_NUMBERS[origin]


def _any_record(column: Column[bytes], condition: IndexQuery, form: Any) -> ColumnElement[bool]:
    """Join the records of a condition by OR. EXISTS restricts nothing, and nothing beside others (jp.md 3.6)."""
    name = condition.attr or ""
    records = [record for record in condition.record if record.op != "EXISTS"]
    equal = [value for record in records if record.op == "EQUAL" and (value := content_of(record.value)) is not None]
    clauses = [_compare(column, record, name, form) for record in records if record.op != "EQUAL"]
    if len(equal) < len(records) - len(clauses):
        clauses.append(false())
    if equal:
        # one list: thousands of job ids may be asked for at once
        clauses.append(column.in_([form(value) for value in equal]))
    return or_(*clauses) if clauses else true()


def _compare(column: Column[bytes], record: IndexQueryRecord, name: str, form: Any) -> ColumnElement[bool]:
    value, value2 = content_of(record.value), content_of(record.value2)
    if record.op == "WITHIN":
        if value is None or value2 is None:
            raise InvalidRequest(f"WITHIN for {name} needs a value and a value2")
        return column.between(form(value), form(value2))
    operators = {"UNEQUAL": column.__ne__, "LESS": column.__lt__, "GREATER": column.__gt__}
    if record.op not in operators:
        raise InvalidRequest(f"Unknown operator {record.op} for {name}")
    # compared with nothing no value is equal, unequal, less or greater: as recorded from the original
    return false() if value is None else operators[record.op](form(value))


def _whole(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else BLOB_INDEX
