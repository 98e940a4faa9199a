"""glite-wms-job-submit: register a job, send its input sandbox, start it (wms.md 6.2, 6.4, 6.6)."""

from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import click

from ui.frame import HELP, UiError, common_options, config_option, output_options, print_json, read_text, run, stripe
from ui.settings import Settings
from ui.wmproxy import WmProxy
from wms.jdl import Jdl, JdlError, LocalFile, apply_client_defaults, check, collect_local_files, parse
from wms.jdl.complete import DEFAULT_RANK, DEFAULT_REQUIREMENTS

WIDTH = 74
FIRST_LINE = "###Submitted Job Ids###"

EPILOG = """\b
Examples:
  glite-wms-job-submit -a hello.jdl                 submit with automatic delegation
  glite-wms-job-submit -a -o ids hello.jdl          and append the job identifier to the file ids
  glite-wms-job-submit -a --register-only hello.jdl register now, start later
  glite-wms-job-submit --start https://lb:9000/...  start a registered job
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("-a", "--autm-delegation", is_flag=True, help="Delegate your proxy for this submission.")
@click.option("-d", "--delegationid", help="Use a proxy delegated before under this identifier.")
@click.option("-e", "--endpoint", metavar="URL", help="The WMProxy to submit to.")
@click.option("-r", "--resource", metavar="CEID", help="Submit to this computing element, without matchmaking.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Append the job identifier to this file.")
@config_option
@click.option("--vo", help="Your virtual organisation.")
@click.option("-v", "--valid", metavar="hh:mm", help="Give the job up if it is not matched within this time.")
@click.option("--to", "until", metavar="[MM:DD:]hh:mm[:[CC]YY]", help="Give the job up if not matched until then.")
@click.option("--nomsg", is_flag=True, help="Print the job identifier and nothing else.")
@click.option("--register-only", is_flag=True, help="Register the job, do not start it.")
@click.option("--transfer-files", is_flag=True, help="With --register-only: send the input sandbox as well.")
@click.option("--start", "start_id", metavar="JOBID", help="Start a job registered before.")
@output_options
@common_options
@click.argument("jdl_file", metavar="[JDL]", type=click.Path(path_type=Path), required=False)
def command(
    autm_delegation: bool, delegationid: str | None, endpoint: str | None, resource: str | None, output: Path | None,
    config: Path | None, vo: str | None, valid: str | None, until: str | None, nomsg: bool, register_only: bool,
    transfer_files: bool, start_id: str | None, as_json: bool, pretty_print: bool, jdl_file: Path | None,
) -> int:
    """Submit the job that the file JDL describes."""
    settings = Settings(endpoint, config, vo)
    server = WmProxy(settings.endpoint, settings.session, settings.credential)
    if start_id:
        server.call("jobStart", jobId=start_id)
        _report(start_id, "started", settings.endpoint, output, nomsg, as_json, pretty_print)
        return 0
    if jdl_file is None:
        raise click.UsageError("name the file with the job description")
    if transfer_files and not register_only:
        raise click.UsageError("--transfer-files goes with --register-only")
    expiry = expiry_time(valid, until, datetime.now().astimezone())
    jdl = read_jdl(jdl_file, settings, resource)
    if expiry is not None:
        jdl.set("ExpiryTime", expiry)
    delegation = delegation_id(server, autm_delegation, delegationid)
    files = local_files(jdl, jdl_file)
    if files or register_only:
        jobid = server.call("jobRegister", jdl=jdl.text(), delegationId=delegation).jobIdStruct.id
        if files and (transfer_files or not register_only):
            _transfer(server, jobid, files)
        if not register_only:
            _start(server, jobid, output)
    else:
        jobid = server.call("jobSubmit", jdl=jdl.text(), delegationId=delegation).jobIdStruct.id
    done = "registered" if register_only else "submitted"
    _report(jobid, done, settings.endpoint, output, nomsg, as_json, pretty_print)
    return 0


def read_jdl(path: Path, settings: Settings, resource: str | None = None) -> Jdl:
    """Read and check a job description, with the configured defaults filled in; raises UiError."""
    text = read_text(path)
    try:
        jdl = parse(text)
        check(jdl)
        _complete(jdl, settings, resource)
    except JdlError as error:
        raise UiError("Jdl", f"{path}: {error}") from None
    return jdl


def _complete(jdl: Jdl, settings: Settings, resource: str | None) -> None:
    """Fill in what the configuration and the options say (wms.md 6.3)."""
    defaults = settings.jdl_defaults or Jdl()
    for name in defaults:
        if name not in jdl and name.lower() not in ("requirements", "rank"):
            jdl.set_expression(name, defaults.expression(name) or "")
    if settings.vo:
        jdl.set("VirtualOrganisation", settings.vo)
    if resource:
        jdl.set("SubmitTo", resource)
    apply_client_defaults(
        jdl, requirements=defaults.expression("Requirements") or DEFAULT_REQUIREMENTS,
        rank=defaults.expression("Rank") or DEFAULT_RANK,
    )


def expiry_time(valid: str | None, until: str | None, now: datetime) -> int | None:
    """ExpiryTime, in epoch seconds, of the options --valid and --to (wms.md 6.2); None without them."""
    if valid and until:
        raise click.UsageError("--valid does not go with --to")
    try:
        if valid:
            hours, minutes = map(int, valid.split(":"))
            return int((now + timedelta(hours=hours, minutes=minutes)).timestamp())
        return int(_moment(until, now).timestamp()) if until else None
    except ValueError:
        raise click.UsageError("write times as --valid hh:mm or --to [MM:DD:]hh:mm[:[CC]YY]") from None


def _moment(text: str, now: datetime) -> datetime:
    """hh:mm today or tomorrow, or on the date given with it."""
    parts = [int(part) for part in text.split(":")]
    if len(parts) == 2:
        moment = now.replace(hour=parts[0], minute=parts[1], second=0, microsecond=0)
        return moment if moment > now else moment + timedelta(days=1)
    month, day, hour, minute, *rest = parts
    year = rest[0] if rest else now.year
    return now.replace(year=year if year > 99 else 2000 + year, month=month, day=day, hour=hour, minute=minute,
                       second=0, microsecond=0)


def local_files(jdl: Jdl, path: Path) -> list[LocalFile]:
    """The files to send, relative names counted from the working directory (wms.md 2.4), else from that of the JDL."""
    for directory in (Path.cwd(), path.resolve().parent):
        try:
            return collect_local_files(jdl, directory)
        except JdlError as error:
            refused = error
    raise UiError("Jdl", f"{path}: {refused}")


def delegation_id(server: WmProxy, automatic: bool, named: str | None) -> str:
    """The delegation to use: a new one with -a, else the one named with -d."""
    if automatic == bool(named):
        raise click.UsageError("give either -a (delegate now) or -d ID (delegated before)")
    return server.delegate() if automatic else str(named)


def _transfer(server: WmProxy, jobid: str, files: list[LocalFile]) -> None:
    target = server.sandbox_uri(jobid)
    for file in files:
        server.put(file.path, f"{target}/{quote(file.name)}")


def _start(server: WmProxy, jobid: str, output: Path | None) -> None:
    try:
        server.call("jobStart", jobId=jobid)
    except Exception:
        if output:
            _append(output, "#*Following Job Registered but Submission failed (try use --start option)", jobid)
        click.echo(f"{jobid} is registered but was not started; try: glite-wms-job-submit --start {jobid}", err=True)
        raise


def _append(path: Path, *lines: str) -> None:
    head = [] if path.exists() and path.stat().st_size else [FIRST_LINE]
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in [*head, *lines]))


def _report(
    jobid: str, done: str, endpoint: str, output: Path | None, nomsg: bool, as_json: bool, pretty: bool
) -> None:
    if output:
        _append(output, jobid)
    if as_json:
        print_json({"result": "success", "jobid": jobid, "endpoint": endpoint}, pretty)
    elif nomsg:
        click.echo(jobid)
    else:
        saved = f"\nThe job identifier has been saved in the following file:\n{output.resolve()}\n" if output else ""
        click.echo(
            f"\n{stripe('glite-wms-job-submit Success', WIDTH)}\n\nThe job has been successfully {done} to the WMProxy"
            f"\nYour job identifier is:\n\n{jobid}\n{saved}\n{'=' * WIDTH}\n"
        )


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
