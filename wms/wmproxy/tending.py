"""What the WMProxy does beside serving: it clears away expired proxies and finishes renewals (wms.md 1.10).

Also as a command for sites that want it at a time of their own: glite-wms-wmproxy-purge-proxycache.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import click

from gsi.delegation import DelegationStore
from gsi.errors import CredentialError
from gsi.proxycache import purge
from gsi.trust import Trust
from httpg import daemon
from wms.config import ConfigError, Settings, load

from .jobproxies import JobProxies

log = logging.getLogger(__name__)

NAME = "glite-wms-wmproxy-purge-proxycache"
DEFAULT_CONFIG = Path("/etc/glite-wms/glite_wms.toml")
EPILOG = """\b
Examples:
  glite-wms-wmproxy-purge-proxycache --dry-run
  glite-wms-wmproxy-purge-proxycache /var/proxycache
\b
Removed are expired proxies whose file was last changed over 60 minutes ago, keys of requests that were not answered
within a day, and directories that are empty then. Jobs are not touched: they have copies. A running glite-wms-wmproxy
does the same by itself, every proxy_cache_period_s.
Exit code 1: the store cannot be read; the reason is on standard error.
"""


def tend(settings: Settings, stop: threading.Event) -> None:
    """Run until `stop` is set; a process of the server of its own."""
    root, period_s = settings.common.proxy_cache, settings.wmproxy.proxy_cache_period_s
    trust = Trust(settings.common.ca_directory)
    job_proxies = JobProxies(DelegationStore(root, trust), settings.common.sandbox_directory, trust)
    since = 0.0  # the first time everything: an earlier run may have been killed in the middle of a renewal
    while True:
        begun = time.time()
        try:
            job_proxies.sweep(since)
            removed = sum(1 for _ in purge(root))
            since = begun
            if removed:
                log.info("removed %d stale files and directories of delegations", removed)
        except OSError as error:
            log.error("the proxy cache cannot be cleared up now: %s", error)
        if stop.wait(period_s):
            return


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config", default=DEFAULT_CONFIG, show_default=True, type=click.Path(path_type=Path),
              help="Configuration of the WMProxy, which says where the store is.")  # fmt: skip
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option("-v", "--verbose", is_flag=True, help="Print what is removed.")
@click.version_option(package_name="glite-py", prog_name="glite-py")
@click.argument("cache", required=False, type=click.Path(path_type=Path))
def command(config: Path, dry_run: bool, verbose: bool, cache: Path | None) -> None:
    """Remove expired delegated proxies from the store CACHE, by default that of the configuration."""
    root = cache or load(config).common.proxy_cache
    count = 0
    for path in purge(root, dry_run=dry_run):
        count += 1
        if dry_run or verbose:
            click.echo(path)
    click.echo(f"{count} entries {'would be' if dry_run else 'were'} removed", err=True)


def main() -> None:
    """Entry point."""
    try:
        command()
    except (ConfigError, CredentialError, OSError) as error:
        daemon.refuse(NAME, error)


if __name__ == "__main__":
    main()
