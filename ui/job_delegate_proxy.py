"""glite-wms-job-delegate-proxy: delegate the user's proxy to WMProxies, renew it there, look at it, destroy it.

Options of the original (wms.md 6.2); --renew, --destroy, --time, --lifetime and --limited are ours.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from soap.client import TransportError
from soap.delegation import Delegation, DelegationClient
from soap.faults import Fault
from ui.frame import (
    EXIT_FAILED,
    HELP,
    UiError,
    common_options,
    config_option,
    describe,
    logfile_option,
    output_options,
    print_json,
    run,
    stripe,
    warn,
)
from ui.settings import Settings
from ui.wmproxy import WmProxy

WIDTH = 74

Step = Callable[[DelegationClient], Delegation | None]

EPILOG = """\b
Examples:
  glite-wms-job-delegate-proxy -a
  glite-wms-job-delegate-proxy -d mine -e https://wms.example.org:7443/glite_wms_wmproxy_server
  glite-wms-job-delegate-proxy -d mine --renew        jobs submitted with it live on
  glite-wms-job-delegate-proxy -d mine --destroy
\b
Then: glite-wms-job-submit -d mine job.jdl
A renewed proxy reaches the jobs when it lasts longer, carries the same VO attributes, and is limited if theirs is.
"""


class HoursMinutes(click.ParamType[timedelta]):
    """hh:mm."""

    name = "hh:mm"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time, which has to be more than none."""
        if isinstance(value, timedelta):
            return value
        hours, colon, minutes = str(value).partition(":")
        if not (colon and hours.isdecimal() and minutes.isdecimal() and int(minutes) < 60):
            self.fail(f"{value!r} is no time; write for instance 12:00", param, ctx)
        if len(hours) > 5 or not (found := timedelta(hours=int(hours), minutes=int(minutes))):
            self.fail(f"{value!r} is too short or too long", param, ctx)
        return found


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("-d", "--delegationid", metavar="ID", help="Delegate under this identifier.")
@click.option("-a", "--autm-delegation", is_flag=True, help="Delegate under an identifier made up now.")
@click.option("-e", "--endpoint", metavar="URL", help="The WMProxy to delegate to.")
@click.option("--all", "everywhere", is_flag=True, help="Delegate to every WMProxy of the configuration.")
@click.option("--renew", is_flag=True, help="Put a newer proxy in place of the one that is there.")
@click.option("--destroy", is_flag=True, help="Have the delegated proxy deleted.")
@click.option("--time", is_flag=True, help="Say when the delegated proxy ends.")
@click.option("--lifetime", type=HoursMinutes(), help="How long it shall last, by default as long as your own.")
@click.option("--limited", is_flag=True, help="Delegate a limited proxy.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outcome to this file as well.")
@config_option
@click.option("--vo", help="Your virtual organisation.")
@click.option("--noint", is_flag=True, help="Accepted for compatibility: nothing is asked.")
@logfile_option
@output_options
@common_options
def command(
    delegationid: str | None, autm_delegation: bool, endpoint: str | None, everywhere: bool, renew: bool,
    destroy: bool, time: bool, lifetime: timedelta | None, limited: bool, output: Path | None, config: Path | None,
    vo: str | None, noint: bool, as_json: bool, pretty_print: bool,
) -> int:
    """Delegate your proxy to the WMProxy, which needs it to run jobs for you."""
    action = _action(renew=renew, destroy=destroy, time=time)
    _check_usage(delegationid, autm_delegation, endpoint, everywhere, action, lifetime, limited)
    settings = Settings(endpoint, config, vo)
    name = delegationid or secrets.token_hex(8)
    step = _step(action, name, lifetime, limited)
    urls = settings.endpoints if everywhere else [settings.endpoint]
    done = _everywhere(urls, settings, step)
    text = _text(action or "delegate", name, done) if done else ""
    if output:
        _save(output, text)
    if as_json:
        print_json(_document(name, done, complete=len(done) == len(urls)), pretty_print)
    else:
        click.echo(text, nl=bool(text))
    return 0 if len(done) == len(urls) else EXIT_FAILED


def _action(**asked: bool) -> str | None:
    """The one that is asked for; None: to delegate."""
    names = [name for name, wanted in asked.items() if wanted]
    if len(names) > 1:
        raise click.UsageError(f"give one of --{' and --'.join(names)}")
    return names[0] if names else None


def _check_usage(
    named: str | None, automatic: bool, endpoint: str | None, everywhere: bool, action: str | None,
    lifetime: timedelta | None, limited: bool,
) -> None:
    if automatic == bool(named):
        raise click.UsageError("give either -d ID or -a")
    if action and automatic:
        raise click.UsageError(f"--{action} goes with -d ID: only what is there can be meant")
    if endpoint and everywhere:
        raise click.UsageError("-e does not go with --all")
    if action in ("destroy", "time") and (lifetime or limited):
        raise click.UsageError(f"--lifetime and --limited do not go with --{action}")


def _everywhere(urls: list[str], settings: Settings, step: Step) -> dict[str, Delegation | None]:
    """What came of it at each server; of several, those that fail are named in a warning and left out."""
    done: dict[str, Delegation | None] = {}
    for url in urls:
        try:
            done[url] = step(WmProxy(url, settings.session, settings.credential).delegation)
        except (Fault, TransportError) as error:
            if len(urls) == 1:
                raise
            warn(f"{url}: {describe(error) if isinstance(error, Fault) else error}")
    return done


def _step(
    action: str | None, name: str, lifetime: timedelta | None, limited: bool
) -> Step:
    """What is done at each server; None: there is no delegation any more."""

    def step(client: DelegationClient) -> Delegation | None:
        if action == "destroy":
            client.destroy(name)
            return None
        if action == "time":
            return Delegation(name, client.termination_time(name))
        delegate = client.renew if action == "renew" else client.put
        return delegate(name, lifetime, limited=limited)

    return step


_SENTENCES = {
    "delegate": "Your proxy has been successfully delegated to the WMProxy(s):",
    "renew": "Your delegated proxy has been successfully renewed at the WMProxy(s):",
    "destroy": "Your delegated proxy has been deleted from the WMProxy(s):",
    "time": "Your proxy is delegated to the WMProxy(s):",
}


def _text(action: str, name: str, done: dict[str, Delegation | None]) -> str:
    lines = (url if found is None else f"{url}\n   valid until {_time(found)}" for url, found in done.items())
    servers = "\n".join(lines)
    return (f"\n{stripe('glite-wms-job-delegate-proxy Success', WIDTH)}\n\n{_SENTENCES[action]}\n{servers}\n\n"
            f"with the delegation identifier: {name}\n\n{'=' * WIDTH}\n")


def _time(found: Delegation) -> str:
    left = max(found.expires - datetime.now(UTC), timedelta(0)) // timedelta(minutes=1)
    return f"{found.expires:%Y-%m-%d %H:%M:%S} UTC ({left // 60}:{left % 60:02d} left)"


def _document(name: str, done: dict[str, Delegation | None], *, complete: bool) -> dict[str, Any]:
    servers = [
        {"endpoint": url, "expires": None if found is None else found.expires.isoformat()}
        for url, found in done.items()
    ]
    return {"result": "success" if complete else "failure", "delegationid": name, "servers": servers}


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UiError("File", f"cannot write {path}: {error.strerror}") from None


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
