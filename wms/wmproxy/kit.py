"""What the operations work with: one object per worker process, made after the fork."""

from __future__ import annotations

from dataclasses import dataclass

from gsi.delegation import DelegationStore
from gsi.trust import Trust
from wms.config import Settings
from wms.infosys import GlueFile
from wms.jobdirectory import JobDirectory

from .bookkeeping import Bookkeeping
from .handover import Handover
from .jobproxies import JobProxies


@dataclass(frozen=True)
class Kit:
    settings: Settings
    trust: Trust
    delegations: DelegationStore
    job_proxies: JobProxies
    bookkeeping: Bookkeeping
    handover: Handover
    glue: GlueFile

    @classmethod
    def of(cls, settings: Settings) -> Kit:
        """:raises gsi.errors.CredentialError: the CA directory or the rules cannot be used."""
        common = settings.common
        trust = Trust(common.ca_directory)
        delegations = DelegationStore(common.proxy_cache, trust)
        return cls(
            settings,
            trust,
            delegations,
            JobProxies(delegations, common.sandbox_directory, trust),
            Bookkeeping(settings),
            Handover(common.queue_directory),
            GlueFile(common.glue_file),
        )

    def directory(self, jobid: str) -> JobDirectory:
        return JobDirectory(self.settings.common.sandbox_directory, jobid)
