"""glite-jpis-client: ask a Job Provenance Index Server for jobs (jp.md 5.2).

The query comes from an XML file as with the original, or is made of --jobid and --attribute, which are ours, as is
--json.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import requests

import soap.contract
from gsi.credential import Credential, ca_directory
from gsi.errors import GsiError
from httpg.client import session
from soap.client import Client, TransportError
from soap.faults import Fault, PosixFault
from ui import jpis_format
from ui.frame import PROXY_ADVICE, no_answer
from ui.jpis_query import EXAMPLE, Query, QueryError, describe, from_options, parse

ENDPOINT = "GLITE_JPIS_URL"
DEFAULT_URL = "http://localhost:8902"
CONTRACT = "JobProvenanceIS"
EXIT_FAILED = 1

EPILOG = """\b
Examples:
  glite-jpis-client --jobid https://lb.example.org:9000/abc --attribute status --attribute System:regtime
  glite-jpis-client -e query.xml          write an example query, to be edited
  glite-jpis-client -t query.xml          show what a query means
  glite-jpis-client -i https://jpis.example.org:8902 -q query.xml -f human

\b
Names for --attribute: a full name; LB:status, System:owner, Workflow:ancestor, tag:colour; or just status, which
means LB:status.
"""

FORMATS: dict[str, Callable[[Iterator[Any], IO[str]], None]] = {
    "xml": jpis_format.xml,
    "strippedxml": jpis_format.stripped_xml,
    "json": jpis_format.json,
}


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-i", "--index-server", "url", metavar="URL", envvar=ENDPOINT, default=DEFAULT_URL, show_default=True,
              help=f"Index server; also from {ENDPOINT}.")
@click.option("-q", "--query-file", metavar="FILE", help="Run the query in this XML file; - is standard input.")
@click.option("-t", "--test-file", metavar="FILE", help="Only read this query and print what it means.")
@click.option("-e", "--example-file", metavar="FILE", help="Write an example query to this file; - is standard output.")
@click.option("-f", "--format", "form", default="xml", metavar="xml|strippedxml|human", show_default=True,
              help="Form of the answer; anything else is human.")
@click.option("--jobid", "jobids", multiple=True, metavar="JOBID", help="Ask for this job (repeatable).")
@click.option("--attribute", "attributes", multiple=True, metavar="NAME",
              help="With --jobid: attribute to tell of each job (repeatable); without any, job id and owner.")
@click.option("--json", "as_json", is_flag=True, help="Answer as a JSON document.")
@click.pass_context
def command(
    context: click.Context, url: str, query_file: str | None, test_file: str | None, example_file: str | None,
    form: str, jobids: tuple[str, ...], attributes: tuple[str, ...], as_json: bool,
) -> int:
    """Ask a Job Provenance Index Server for jobs and their attributes."""
    if example_file is not None:
        with _open_output(example_file) as file:
            file.write(EXAMPLE)
        return 0
    source = test_file or query_file
    if source is not None:
        query = parse(_read(source))
    elif jobids:
        query = from_options(jobids, attributes)
    else:
        click.echo(context.get_help(), err=True)
        return EXIT_FAILED
    if test_file is not None:
        click.echo(describe(query))
        return 0
    _ask(url, query, FORMATS.get("json" if as_json else form, jpis_format.human))
    return 0


def _ask(url: str, query: Query, write: Callable[[Iterator[Any], IO[str]], None]) -> None:
    """Send the query and write the answer as it arrives."""
    click.echo(f"query: using JPIS {url}\n{describe(query)}", err=True)
    # the scheme is http in old settings, the transport is TLS all the same (jp.md 1.6)
    secure = "https://" + url.removeprefix("http://") if url.startswith("http://") else url
    with session(Credential.find(), ca_directory(os.environ)) as http:
        client = Client(soap.contract.load(CONTRACT), secure, http)
        found = client.stream("QueryJobs", child="jobs", conditions=query.conditions, attributes=query.attributes)
        write(found, sys.stdout)
    sys.stdout.flush()
    click.echo("OK", err=True)


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


@contextmanager
def _open_output(name: str) -> Iterator[IO[str]]:
    if name == "-":
        yield sys.stdout
    else:
        with Path(name).open("w") as file:
            yield file


def fault_text(fault: Fault) -> str:
    """The fault as the original prints it: two more blanks per level of the chain (jp.md 1.7)."""
    lines = [fault.faultstring]
    if isinstance(fault, PosixFault):
        for depth, level in enumerate(fault.chain(), 1):
            described = f" ({level.description})" if level.description else ""
            lines.append(f"{'  ' * depth}{level.source}: {level.text}{described}")
    return "\n".join(lines)


def main() -> None:
    """Entry point. Exit codes: 0 done; 1 fault, wrong usage, or a file that cannot be opened (jp.md 5.2)."""
    try:
        sys.exit(command.main(standalone_mode=False))
    except click.UsageError as error:
        error.show()
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
    except QueryError as error:
        click.echo(f"the query cannot be read: {error}", err=True)
        sys.exit(0)  # scripts know it so: a query that is no XML is a message, no failure (jp.md 5.2)
    except Fault as fault:
        click.echo(fault_text(fault), err=True)
    except (TransportError, requests.RequestException) as error:
        click.echo(no_answer(error, f"check the address (-i or {ENDPOINT}) and that the service is up"), err=True)
    except GsiError as error:
        click.echo(f"{error}; {PROXY_ADVICE}", err=True)
    except OSError as error:
        click.echo(f"{error.filename or ''}: {error.strerror or error}", err=True)
    sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
