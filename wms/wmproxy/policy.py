"""Who may call what at the WMProxy: every authenticated user, or those on a list; a job's operations only its owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gsi.authz import Access, PeerList
from gsi.names import same_dn
from gsi.peer import Peer
from lb.model.jobid import JobId, JobIdError
from wms.config import Settings
from wms.jobdirectory import JobDirectory
from wms.sandbox.gacl import Gacl, XmlRefused


class WmProxyPolicy:
    """The policy of all three ports. Groups and roles (GACL of the service, wms.md 1.9) are not read yet."""

    def __init__(self, settings: Settings) -> None:
        """:raises gsi.errors.CredentialError: the list of users cannot be read."""
        self._root = settings.common.sandbox_directory
        path = settings.wmproxy.users_file
        self._users = None if path is None else PeerList(path)

    def permits(self, access: Access, peer: Peer | None, operation: str, arguments: Mapping[str, Any]) -> bool:
        """Whether *peer* has *access*; nothing here is open to anonymous clients."""
        if peer is None or (self._users is not None and peer.dn not in self._users):
            return False
        if access is Access.AUTHENTICATED:
            return True
        return access is Access.JOB_OWNER and self._may_touch(peer, arguments.get("jobId"))

    def _may_touch(self, peer: Peer, jobid: object) -> bool:
        """A job that is not there has no owner: the operation itself answers that it is unknown.

        One that is there without an access list is being registered or removed, and nobody's.
        """
        try:
            directory = JobDirectory(self._root, str(JobId.parse(str(jobid))))
            there = directory.exists
            owner = Gacl.parse(directory.gacl.read_bytes()).owner
        except (JobIdError, ValueError):
            return True
        except FileNotFoundError:
            return not there
        except XmlRefused:
            return False
        return owner is not None and same_dn(owner, peer.dn)
