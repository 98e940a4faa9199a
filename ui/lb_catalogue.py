"""The catalogue of events for people and, as objects, for programs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from lb.model.catalogue import COMMON, Common, EventType, Field, Kind
from lb.model.events import EVENTS, find_type
from lb.model.vocabulary import FLAGS, LEVEL_CODES, SOURCE_TABLE
from ui.lb_explain import described, similar, values_text
from ui.tables import print_table

COMMON_NAME: Final = "common"
"""Asks for the fields that every event has."""

FAMILIES: Final = tuple(dict.fromkeys(kind.family for kind in EVENTS.values()))


def family(name: str) -> list[EventType]:
    """The types of a family, of all families for an empty name. Raises UsageError."""
    known = {each.lower(): each for each in FAMILIES}
    if name and name.lower() not in known:
        raise click.UsageError(f"{name!r} is no family of events; the families are {', '.join(FAMILIES)}")
    wanted = known.get(name.lower())
    return [kind for kind in EVENTS.values() if wanted is None or kind.family == wanted]


def event_type(name: str) -> EventType | None:
    """The type of that name in any case; None for the common fields. Raises UsageError."""
    if name.lower() == COMMON_NAME:
        return None
    kind = find_type(name)
    if kind is None:
        close = similar(name, (*EVENTS, COMMON_NAME))
        remedy = f"did you mean {close}?" if close else f"--list tells all names, and {COMMON_NAME!r} is one"
        raise click.UsageError(f"no type of event is called {name!r}; {remedy}")
    return kind


# ---- for people -----------------------------------------------------------------------------------------------------


def print_list(kinds: Sequence[EventType]) -> None:
    """One row per type."""
    rows = ((str(kind.code), kind.name, kind.family, kind.since, kind.doc) for kind in kinds)
    print_table(("code", "name", "family", "since", "meaning"), rows)


def print_description(kind: EventType | None) -> None:
    """A type with all its fields; None: the fields of all events."""
    columns = ("in a line", "in XML", "type", "required", "meaning")
    if kind is None:
        click.echo("The fields that every event has\n")
        print_table(columns, [_common_row(field) for field in COMMON])
        _print_vocabulary()
        return
    click.echo(described(kind))
    click.echo(f"Since {kind.since}.\n")
    if kind.fields:
        print_table((*columns, "since"), [_row(field) for field in kind.fields])
    click.echo(f"\nBeside {'these' if kind.fields else 'its name'} it has the fields of every event: "
               f"glite-lb-event --describe {COMMON_NAME}")


def _print_vocabulary() -> None:
    click.echo("\nComponents that log (DG.SOURCE), and the part of a sequence code that each advances\n")
    print_table(("code", "name", "in a sequence code", "since", "meaning"), (
        (str(code), source.name, source.component, source.since, source.doc)
        for code, source in enumerate(SOURCE_TABLE, 1)
    ))
    click.echo("\nFlags of the way of delivery (DG.PRIORITY)\n")
    print_table(("value", "name", "since", "meaning"), (
        (str(flag.value), flag.name, flag.since, flag.doc) for flag in FLAGS
    ))
    click.echo("\nLevels (LVL): " + ", ".join(f"{name} ({code})" for name, code in LEVEL_CODES.items()))


def _row(field: Field) -> Sequence[str]:
    return field.ulm, field.xml, values_text(field), "yes" if field.required else "", field.doc, field.since


def _common_row(field: Common) -> Sequence[str]:
    return field.ulm, field.xml, values_text(field), "yes" if field.required else "", field.doc


# ---- for programs ---------------------------------------------------------------------------------------------------


def as_object(kind: EventType | None) -> dict[str, Any]:
    """A type with all its fields; None: the fields of all events."""
    if kind is None:
        return {
            "name": COMMON_NAME, "fields": list(map(_common_object, COMMON)), "levels": dict(LEVEL_CODES),
            "sources": [
                {"name": source.name, "code": code, "component": source.component or None, "since": source.since,
                 "meaning": source.doc} for code, source in enumerate(SOURCE_TABLE, 1)
            ],
            "flags": [{"name": flag.name, "value": flag.value, "since": flag.since, "meaning": flag.doc}
                      for flag in FLAGS],
        }
    return {"name": kind.name, "code": kind.code, "family": kind.family, "since": kind.since, "meaning": kind.doc,
            "fields": [dict(_field_items(field)) for field in kind.fields]}


def _common_object(field: Common) -> dict[str, Any]:
    return {"name": field.name, "ulm": field.ulm, "xml": field.xml, "type": field.kind, "required": field.required,
            "meaning": field.doc}


def _field_items(field: Field) -> Iterator[tuple[str, Any]]:
    yield from (("name", field.name), ("ulm", field.ulm), ("xml", field.xml), ("type", field.kind.value))
    yield from (("required", field.required), ("since", field.since), ("meaning", field.doc))
    if field.kind in (Kind.INT, Kind.PORT, Kind.DOUBLE):
        yield "null", field.null
    if field.values:
        yield "values", {value: field.number(value) for value in field.values}
    if field.later:
        yield "later", dict(field.later)
