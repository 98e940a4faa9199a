"""glite-lb-event: are these lines events, and if not, why; ULM to JSON and back; which events there are."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from lb.model import eventjson, ulm
from lb.model.catalogue import COMMON, Kind
from lb.model.eventjson import EventJsonError
from lb.model.events import Event
from lb.model.ulm import UlmError
from ui import lb_catalogue
from ui.frame import EXIT_FAILED, HELP, common_options, run
from ui.lb_explain import described, remarks, report, report_json
from ui.lb_files import Line, lines
from ui.lb_lines import (
    EXIT_USAGE,
    TOLD,
    Complaints,
    JobIdType,
    Supply,
    escape_output,
    is_json,
    moment_text,
    shown,
)
from ui.tables import print_table, terminal_width

ULM, JSON = "ulm", "json"

EPILOG = """\b
Examples:
  glite-lb-event events.log
  glite-lb-event --verbose events.log
  glite-lb-event --json events.log | jq -r '.timestamp + " " + .type'
  glite-lb-event --json dump.log.gz | glite-lb-event --ulm -
  glite-lb-event --list PBS
  glite-lb-event --describe Done
\b
FILEs hold one event per line, a ULM line or a JSON object, plain or gzip; empty lines are passed over. Of a
file with many bad lines the first are told one by one and the others counted, unless --all is given.
--json and --ulm print the good lines and tell of the bad ones on standard error. Fields without meaning for an event
(PROG, DG.LLLID, DG.TYPE, unknown ones) do not come back from JSON; everything else does, in the canonical order.
With --list and --describe, --json prints one object per type and line.
Octets that are no UTF-8 stand as \\udcNN in JSON (Python's surrogateescape), as they are in ULM, and as \\xNN on a
terminal.
\b
Exit code 0: all lines are good; 1: some are not, or a file cannot be read; 2: wrong usage.
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON, one object per line.")
@click.option("--ulm", "as_ulm", is_flag=True, help="Print the events as ULM lines.")
@click.option("--from", "form", type=click.Choice([ULM, JSON]), help="What the lines are; told by their begin if not.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what the good lines say, too.")
@click.option("--assume-jobid", "jobid", type=JobIdType(), help="The job of lines without DG.JOBID.")
@click.option("--assume-user", "user", metavar="DN", help="The author of lines without DG.USER.")
@click.option("--list", "family", is_flag=False, flag_value="", metavar="[FAMILY]",
              help=f"List the events, or those of a family: {', '.join(lb_catalogue.FAMILIES)}.")
@click.option("--describe", "names", multiple=True, metavar="NAME",
              help="Tell all about an event; may be repeated. \"common\": the fields of all events.")
@click.option("--all", "everything", is_flag=True, help=f"Tell of all bad lines, not of the first {TOLD} of each file.")
@click.option("-q", "--quiet", is_flag=True, help="No summary, no progress.")
@common_options
@click.argument("files", metavar="[FILE]...", nargs=-1)
def command(
    as_json: bool, as_ulm: bool, form: str | None, verbose: bool, jobid: str | None, user: str | None,
    family: str | None, names: tuple[str, ...], everything: bool, quiet: bool, files: tuple[str, ...],
) -> int:
    """Check and explain the event lines of files ("-": standard input), or convert them; list and describe events."""
    if family is not None or names:
        if files or as_ulm or (family is not None and names):
            raise click.UsageError("--list and --describe go alone, or with --json")
        _tell_catalogue(family, names, as_json)
        return 0
    if not files:
        raise click.UsageError('name a file, or "-" for standard input')
    if as_json + as_ulm + verbose > 1:
        raise click.UsageError("--json, --ulm and --verbose exclude one another")
    write = _write_json if as_json else _write_ulm if as_ulm else None
    check = Check(Supply(jobid, user), form, write, verbose, Complaints(everything, err=write is not None))
    check.read(files, quiet)
    if not quiet and (check.bad or check.write is None):
        click.echo(check.summary, err=check.write is not None)
    return EXIT_FAILED if check.bad else 0


@dataclass(slots=True)
class Check:
    """Reads lines; ``write`` prints a good one, without it only what is bad is told."""

    supply: Supply
    form: str | None
    write: Callable[[Event], None] | None
    verbose: bool
    complaints: Complaints
    good: int = 0

    @property
    def bad(self) -> int:
        """Lines that are none."""
        return self.complaints.count

    def read(self, files: Sequence[str], quiet: bool) -> None:
        """All lines of the files."""
        for line in lines(files, self._broken_file, quiet):
            if line.octets.strip():
                self._line(line)
        self.complaints.end()

    @property
    def summary(self) -> str:
        """How many lines there were."""
        total = self.good + self.bad
        told = f"{total} line{'s' * (total != 1)}"
        return f"{told}, {self.bad} bad" if self.bad else f"{told}, all good" if total else "no lines"

    def _line(self, line: Line) -> None:
        as_json = self.form == JSON or (self.form is None and is_json(line.octets))
        try:
            event = self.supply.json_event(line) if as_json else self.supply.event(line)[0]
        except UlmError as error:
            self.complaints.tell(line, report(line, error, self.supply.values))
        except EventJsonError as error:
            self.complaints.tell(line, report_json(line, error))
        else:
            self.good += 1
            if self.write is not None:
                self.write(event)
            elif self.verbose:
                _describe(line, event, as_json)

    def _broken_file(self, line: Line, text: str) -> None:
        self.complaints.tell(line, [f"{line.place}: {text}"], always=True)


# ---- output ---------------------------------------------------------------------------------------------------------


def _write_json(event: Event) -> None:
    text = eventjson.to_json(event, compact=True)
    click.echo(text if text.isascii() else json.dumps(json.loads(text)))


def _write_ulm(event: Event) -> None:
    text = ulm.write(event, arrived=True)
    if terminal_width() is not None:
        click.echo(shown(text))
    else:
        click.echo(ulm.encode(text))


def _describe(line: Line, event: Event, as_json: bool) -> None:
    click.echo(f"{line.place}: {described(event.type)}")
    print_table(("field", "value", "meaning"), _values(event))
    if not as_json:
        for text in remarks(ulm.split(line.octets)[0], event):
            click.echo(f"note: {shown(text)}")
    click.echo()


def _values(event: Event) -> list[tuple[str, str, str]]:
    rows = []
    for common in COMMON:
        value = getattr(event, common.name)
        if value not in (None, ""):
            text = moment_text(value) if common.kind == "timeval" else str(value)
            rows.append((common.ulm, shown(text), common.doc))
    for field in event.type.fields:
        value = event.get(field.name)
        if value is not None:
            text = moment_text(value) if field.kind is Kind.TIME else ulm.value_text(field, value)
            rows.append((field.ulm, shown(text), field.doc))
    return rows


def _tell_catalogue(family: str | None, names: Sequence[str], as_json: bool) -> None:
    kinds = [lb_catalogue.event_type(name) for name in names] if family is None else lb_catalogue.family(family)
    if as_json:
        for kind in kinds:
            click.echo(json.dumps(lb_catalogue.as_object(kind)))
    elif family is not None:
        lb_catalogue.print_list([kind for kind in kinds if kind is not None])
    else:
        for number, kind in enumerate(kinds):
            click.echo("\n" * (number > 0), nl=False)
            lb_catalogue.print_description(kind)


def main() -> None:
    """Entry point."""
    escape_output()
    run(command, usage=EXIT_USAGE)


if __name__ == "__main__":
    main()
