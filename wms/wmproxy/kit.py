"""What the operations work with: one object per worker process, made after the fork."""

from __future__ import annotations

from dataclasses import dataclass

from gsi.delegation import DelegationStore
from wms.config import Settings
from wms.infosys import GlueFile
from wms.jobdirectory import JobDirectory

from .bookkeeping import Bookkeeping
from .handover import Handover


@dataclass(frozen=True)
class Kit:
    settings: Settings
    delegations: DelegationStore
    bookkeeping: Bookkeeping
    handover: Handover
    glue: GlueFile

    @classmethod
    def of(cls, settings: Settings) -> Kit:
        common = settings.common
        return cls(
            settings,
            DelegationStore(common.proxy_cache, common.ca_directory),
            Bookkeeping(settings),
            Handover(common.queue_directory),
            GlueFile(common.glue_file),
        )

    def directory(self, jobid: str) -> JobDirectory:
        return JobDirectory(self.settings.common.sandbox_directory, jobid)
