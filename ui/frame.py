"""What all commands share: how they start, how they fail, how they print (wms.md 6.1, 6.4).

Exit codes: 0 success, also "no match"; 1 an exception, a failed item or the answer "no"; 255 wrong usage.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import requests

from gsi.credential import Credential, ca_directory
from gsi.errors import GsiError, VerificationError
from gsi.trust import Trust
from soap.client import TransportError, transport_error
from soap.faults import Fault, PosixFault
from ui.remedies import advice

EXIT_FAILED = 1
EXIT_USAGE = 255

#: For the commands: help with -h as well, as the originals have it.
HELP = {"help_option_names": ["-h", "--help"]}

PROXY_ADVICE = "make a proxy with glite-proxy-init, voms-proxy-init or grid-proxy-init, or set X509_USER_PROXY"

F = TypeVar("F", bound=Callable[..., Any])


class UiError(Exception):
    """The command cannot go on. `name` is the heading, the text says what happened and what to do."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def run(command: click.Command, advice: str = f"; {PROXY_ADVICE}", usage: int = EXIT_USAGE) -> NoReturn:
    """Run a command and leave with its exit code; every error ends as two lines on stderr.

    advice: what to do when the credential is unusable, appended to a reason that does not say it; usage: the exit code
    of wrong usage.
    """
    for package in ("gsi", "httpg", "soap"):  # what libraries log is for --debug, not for the terminal
        logging.getLogger(package).addHandler(logging.NullHandler())
    try:
        code = command.main(standalone_mode=False)
        if sys.stdout:  # there is none when the caller has closed it
            sys.stdout.flush()
    except click.UsageError as error:
        error.show()
        sys.exit(usage)
    except click.exceptions.Abort:
        fail("Interrupted", "the command was interrupted; nothing more was done")
    except UiError as error:
        fail(error.name, str(error))
    except Fault as error:
        fail("Operation refused by the server", describe(error))
    except (TransportError, requests.RequestException) as error:
        fail("No connection", no_answer(error, "check the address, the network and that the service is up"))
    except GsiError as error:
        told = str(error)
        fail("Credentials", told if "; " in told else f"{told}{advice}")  # many say themselves what to do
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_output()
        sys.exit(EXIT_FAILED)
    except OSError as error:
        _drop_output()
        fail("File", f"{error.filename or 'cannot write the output'}: {error.strerror or error}")
    sys.exit(code if isinstance(code, int) else 0)


def _drop_output() -> None:
    """Should standard output take no more, what is left for it goes nowhere: no second error at the end."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def no_answer(error: TransportError | requests.RequestException, elsewhere: str) -> str:
    """Why there is no answer, and what to do; a server that refuses a certificate just closes the connection.

    elsewhere: what to do about an error that is not about the user's credential.
    """
    cause = error.__cause__
    if isinstance(error, requests.RequestException):
        cause, error = error, transport_error(str(error.request.url) if error.request else "the server", error)
    if not error.broken_off:
        about_tls = isinstance(cause, requests.exceptions.SSLError)
        return f"{error}; {'glite-ping --trace, with the same address, tells more' if about_tls else elsewhere}"
    try:
        credential = Credential.find()
        chain = (credential.certificate, *credential.chain)
        Trust(ca_directory(os.environ)).verify(chain)
    except GsiError as objection:
        told = advice(objection, chain) if isinstance(objection, VerificationError) else None
        if told is not None:
            return f"{error}; it refuses your credential: {told.reason}\n{told.remedy}"
    return f"{error}; it may refuse your credential: glite-ping --trace, with the same address, tells why"


def fail(name: str, text: str) -> NoReturn:
    """Print the error and leave with exit code 1."""
    click.echo(f"\nError - {name}\n{text}\n", err=True)
    sys.exit(EXIT_FAILED)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    click.echo(f"Warning - {text}", err=True)


def describe(fault: Fault) -> str:
    """The fault in words: each level of the chain on a line of its own, two more blanks per level (jp.md 1.7)."""
    if not isinstance(fault, PosixFault):
        return fault.faultstring
    return "\n".join("  " * depth + str(level) for depth, level in enumerate(fault.chain()))


def visible(text: str) -> str:
    """The text with control characters as escapes: what servers and files say must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def stripe(title: str, width: int) -> str:
    """A line of `=` with the title in its middle."""
    return f" {title} ".center(width, "=")


def print_json(value: Any, pretty: bool = True) -> None:
    """Print a JSON document on stdout."""
    click.echo(json.dumps(value, indent=2 if pretty else None))


def read_text(path: Path) -> str:
    """A text file of the user, UTF-8 whatever the locale is. Raises UiError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UiError("File", f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UiError("File", f"{path} is no UTF-8 text: byte {error.start + 1} is {error.object[error.start]:#x}; "
                              f"convert it, for instance with iconv") from None


def read_jobids(path: Path) -> list[str]:
    """The job ids of a file as `glite-wms-job-submit -o` writes it: one a line, `#` begins a comment."""
    ids = [line.strip() for line in read_text(path).splitlines()]
    found = [line for line in ids if line and not line.startswith("#")]
    if not found:
        raise UiError("Wrong Input", f"{path} holds no job identifier")
    return found


def jobids_of(arguments: tuple[str, ...], input_file: Path | None) -> list[str]:
    """Job ids given on the command line or in a file; at least one is needed."""
    ids = [*arguments, *(read_jobids(input_file) if input_file else [])]
    if not ids:
        raise click.UsageError("give a job identifier, or a file of them with -i")
    return ids


#: Options that several commands have word for word.
input_option = click.option(
    "-i", "--input", "input_file", type=click.Path(path_type=Path, exists=True), help="File of identifiers."
)
config_option = click.option(
    "-c", "--config", type=click.Path(path_type=Path, exists=True), help="Configuration file."
)


def common_options(command: F) -> F:
    """--debug, --noint and --version, which every command has."""
    debug = click.option("--debug", is_flag=True, callback=_debug, expose_value=False, help="Say what happens.")
    return click.version_option(package_name="glite-py", prog_name="glite-py")(debug(command))


def one_dash_options(command: F) -> F:
    """-debug and -version, as Globus' and VOMS' tools spell them."""
    command = click.option("-debug", is_flag=True, hidden=True, expose_value=False, callback=_debug)(command)
    return click.version_option(None, "-version", package_name="glite-py", prog_name="glite-py", hidden=True)(command)


def output_options(command: F) -> F:
    """--json and --pretty-print."""
    command = click.option("--pretty-print", is_flag=True, help="With --json: indent the document.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print a JSON document instead of text.")(command)


def _log_to(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise UiError("File", f"cannot write {path}: {error.strerror}") from None
    handler.setFormatter(logging.Formatter(
        "%(asctime)s -I- PID: %(process)d (%(levelname)s) - %(message)s", "%d %b %Y, %H:%M:%S"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)


#: Lines of the form of wms.md 6.1, whatever --debug says on the terminal.
logfile_option = click.option(
    "--logfile", type=click.Path(path_type=Path), callback=_log_to, expose_value=False,
    help="Append what happens to this file.",
)


def _debug(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
