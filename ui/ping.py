"""glite-ping: whether a service answers, as whom it sees the caller, and if it refuses, why and what to do."""

import os
import time
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from gsi.credential import Credential, ca_directory
from ui.frame import EXIT_FAILED, UiError, common_options, output_options, print_json, run
from ui.ping_steps import FAIL, OK, Result, Step
from ui.ping_trace import Caller, target, trace

TIMEOUT_S = 10.0

EPILOG = """\b
Examples:
  glite-ping https://jpps.example.org:8901
  glite-ping --trace https://wms.example.org:7443/glite_wms_wmproxy_server
  glite-ping --count 5 https://lb.example.org:9003
  glite-ping --trace --proxy /tmp/other --json https://jpis.example.org:8902
\b
The path of the URL does not matter: the question is put to /.well-known/glite/peer, which all services of this
package answer. Nothing is changed there.
Exit code 0: the service accepted you, each time; 1: it did not, and the reason is told; 255: wrong usage.
"""
_STYLE = {OK: "green", FAIL: "bold red"}


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-t", "--trace", "traced", is_flag=True, help="Tell every step.")
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How often.")
@click.option("--interval", "interval_s", type=click.FloatRange(0), default=1.0, show_default=True,
              help="Seconds between two.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1), default=TIMEOUT_S, show_default=True,
              help="Seconds for one.")
@click.option("--proxy", type=click.Path(path_type=Path), metavar="FILE",
              help="Go as this proxy; what X509_USER_PROXY names, or is found where grid tools look, by default.")
@click.option("-c", "--cert", "certificate", type=click.Path(path_type=Path), metavar="FILE",
              help="Go as this certificate.")
@click.option("-k", "--key", type=click.Path(path_type=Path), metavar="FILE", help="Its key.")
@click.option("--anonymous", is_flag=True, help="Go without a certificate.")
@click.option("-C", "--certdir", "--ca-dir", "ca_dir", type=click.Path(path_type=Path), metavar="DIR",
              help="Trusted CAs; $X509_CERT_DIR or /etc/grid-security/certificates.")
@output_options
@common_options
@click.argument("url", metavar="URL")
def command(
    traced: bool, count: int, interval_s: float, timeout_s: float, proxy: Path | None, certificate: Path | None,
    key: Path | None, anonymous: bool, ca_dir: Path | None, as_json: bool, pretty_print: bool, url: str,
) -> int:
    """Ask a grid service who you are there: is it up, does it accept you, and if not, why?"""
    if (certificate is None) != (key is None):
        raise click.UsageError("--cert and --key belong together")
    if sum((anonymous, proxy is not None, certificate is not None)) > 1:
        raise click.UsageError("--anonymous, --proxy and --cert exclude one another")
    _check(url)
    load = None if anonymous else lambda: Credential.given(certificate or proxy, key)
    caller = Caller(load, ca_dir or ca_directory(os.environ))
    show = _silent if as_json or not traced else _show
    results = []
    for number in range(count):
        if number:
            time.sleep(interval_s)
        results.append(trace(url, caller, timeout_s, show))
        if not as_json:
            _conclude(results[-1])
    if as_json:
        print_json([each.as_json() for each in results] if count > 1 else results[0].as_json(), pretty_print)
    elif count > 1:
        click.echo(_statistics(results))
    return 0 if all(each.reason is None for each in results) else EXIT_FAILED


def _check(url: str) -> None:
    try:
        target(url)
    except ValueError as error:
        raise UiError("Wrong Input", f"{url}: {error}") from None


def _silent(_step: Step) -> None:
    pass


def _show(step: Step) -> None:
    console = Console(highlight=False, soft_wrap=True)
    state = Text(f"{step.state:<5}", style=_STYLE.get(step.state, "yellow"))
    console.print(state + Text(f"{step.name:<13} {step.text}"))
    for line in step.details:
        console.print(Text(f"{'':<19} {line}"))


def _conclude(result: Result) -> None:
    """The line that stands for the whole."""
    host, port = target(result.url)
    if result.reason is not None:
        click.echo(f"{host}:{port} FAILED: {result.reason}\nWhat to do: {result.remedy}", err=True)
        return
    told = result.told
    who = f"sees {told['identity']}" if told else "accepted the connection"
    service = f" {told['service']['name']}" if told else ""
    click.echo(f"{host}:{port}{service} {who}, time={result.rtt_ms} ms")


def _statistics(results: list[Result]) -> str:
    times = [each.rtt_ms for each in results if each.rtt_ms is not None and each.reason is None]
    line = f"{len(results)} requests, {len(times)} answers"
    if times:
        line += f", min/avg/max {min(times):.2f}/{sum(times) / len(times):.2f}/{max(times):.2f} ms"
    return line


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
