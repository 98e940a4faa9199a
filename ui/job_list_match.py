"""glite-wms-job-list-match: which computing elements suit a job description (wms.md 6.2, 6.4)."""

from pathlib import Path

import click

from soap.faults import TypedFault
from ui.frame import HELP, common_options, config_option, output_options, print_json, run, stripe
from ui.job_submit import delegation_id, read_jdl
from ui.settings import Settings
from ui.wmproxy import WmProxy

WIDTH = 74
#: Column of the rank in the list.
RANK_COLUMN = 65

EPILOG = """\b
Example:
  glite-wms-job-list-match -a --rank hello.jdl
"""


@click.command(epilog=EPILOG, context_settings=HELP)
@click.option("-a", "--autm-delegation", is_flag=True, help="Delegate your proxy for this call.")
@click.option("-d", "--delegationid", help="Use a proxy delegated before under this identifier.")
@click.option("-e", "--endpoint", metavar="URL", help="The WMProxy to ask.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the list to this file as well.")
@config_option
@click.option("--vo", help="Your virtual organisation.")
@click.option("--rank", "with_rank", is_flag=True, help="Print the rank of each computing element.")
@output_options
@common_options
@click.argument("jdl_file", metavar="JDL", type=click.Path(path_type=Path))
def command(
    autm_delegation: bool, delegationid: str | None, endpoint: str | None, output: Path | None, config: Path | None,
    vo: str | None, with_rank: bool, as_json: bool, pretty_print: bool, jdl_file: Path,
) -> int:
    """List the computing elements that match the job description, best first."""
    settings = Settings(endpoint, config, vo)
    server = WmProxy(settings.endpoint, settings.session, settings.credential)
    jdl = read_jdl(jdl_file, settings)
    delegation = delegation_id(server, autm_delegation, delegationid)
    matches = _matches(server, jdl.text(), delegation)
    if as_json:
        listed = [{"ceid": name, "rank": rank} if with_rank else name for name, rank in matches]
        print_json({"result": "success" if matches else "no match", "endpoint": settings.endpoint, "ces": listed},
                   pretty_print)
        return 0
    text = _list(matches, with_rank) if matches else _nothing()
    click.echo(text)
    if output:
        output.write_text(text)
    return 0


def _matches(server: WmProxy, jdl: str, delegation: str) -> list[tuple[str, int]]:
    try:
        answer = server.call("jobListMatch", jdl=jdl, delegationId=delegation)
    except TypedFault as fault:
        if fault.name == "NoSuitableResourcesFault":
            return []
        raise
    return [(entry.name, entry.size) for entry in answer.CEIdAndRankList.file]


def _list(matches: list[tuple[str, int]], with_rank: bool) -> str:
    title = " *CEId*".ljust(RANK_COLUMN) + "*Rank*" if with_rank else " *CEId*"
    lines = [f" - {name}".ljust(RANK_COLUMN) + str(rank) if with_rank else f" - {name}" for name, rank in matches]
    return "\n".join(
        ["", "=" * WIDTH, "", "COMPUTING ELEMENT IDs LIST".center(WIDTH).rstrip(),
         "The following CE(s) matching your job requirements have been found:", "", title, *lines, "", "=" * WIDTH, ""]
    )


def _nothing() -> str:
    return "\n".join(
        ["", stripe("glite-wms-job-list-match failure", WIDTH),
         "No Computing Element matching your job requirements has been found!", "=" * WIDTH, ""]
    )


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
