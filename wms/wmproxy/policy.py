"""Who may call what at the WMProxy: whom the site admits; a job's operations its owner only.

The site names its users in a list (`users_file`), in the access list of the original (`gacl_file`, permission exec), or
in both: then either admits, and a denial in the access list outweighs. Without any, every authenticated peer is a user.
An access list that stands where the original looks for it counts without being named, so that a site which has one is
not open to everybody all of a sudden.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gsi.authz import Access, Outlook, ServicePolicy, depends, no, yes
from gsi.gacl import Circumstances, Credential, Gacl, GaclError, Kind, Permission
from gsi.names import same_dn
from gsi.peer import Peer
from gsi.peers import PeerList
from gsi.watched import Watched
from lb.model.jobid import JobId, JobIdError
from wms.config import Settings
from wms.jobdirectory import JobDirectory

log = logging.getLogger(__name__)

GACL_NAME: Final = "glite_wms_wmproxy.gacl"
#: Where the original looks for it (wms.md 1.9): the first variable that is set decides, and what is below it.
_PLACES: Final = (
    ("GLITE_WMS_CONFIG_DIR", ""), ("GLITE_LOCATION", "etc"), ("WMS_LOCATION_ETC", ""), ("WMS_LOCATION", "etc"),
)
_USUAL_PLACE: Final = Path("/etc/glite-wms")
_NAMED: Final = frozenset({Kind.FQAN, Kind.GROUP, Kind.PERSON})


class WmProxyPolicy(ServicePolicy):
    """The policy of all three ports; nothing here is open to anonymous clients."""

    def __init__(self, settings: Settings) -> None:
        """:raises gsi.errors.RulesError: the list of users or the access list cannot be read."""
        self._root = settings.common.sandbox_directory
        users, gacl = settings.wmproxy.users_file, settings.wmproxy.gacl_file or usual_gacl(os.environ)
        if gacl is not None:
            log.info("the access list %s says who may use this service", gacl)
        self._users = None if users is None else PeerList(users)
        self._gacl = None if gacl is None else Watched(gacl, Gacl.parse, "the access list")

    def barred(self, peer: Peer) -> str | None:
        """See gsi.authz.ServicePolicy."""
        if self._users is None and self._gacl is None:
            return None
        gacl = None if self._gacl is None else self._gacl.current
        if gacl is not None and gacl.denies(Permission.EXEC, Circumstances(peer)):
            return "the access list of this service denies it to you"
        if (self._users is not None and peer in self._users) or (gacl is not None and admits(gacl, peer)):
            return None
        return "neither your name nor your VO attributes are among the users of this service"

    def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
        """See gsi.authz.ServicePolicy."""
        if access is not Access.JOB_OWNER:
            return super().decide(peer, access, arguments)
        if arguments is None:
            return depends("for your own jobs")
        return yes("it is your job") if self._may_touch(peer, arguments.get("jobId")) else no("it is not your job")

    def _may_touch(self, peer: Peer, jobid: object) -> bool:
        """A job that is not there has no owner: the operation itself answers that it is unknown.

        One that is there without an access list is being registered or removed, and nobody's.
        """
        try:
            directory = JobDirectory(self._root, str(JobId.parse(str(jobid))))
            there = directory.exists
        except (JobIdError, ValueError):
            return True
        try:
            owner = Gacl.parse(directory.gacl.read_bytes()).owner
        except FileNotFoundError:
            return not there
        except GaclError:
            return False
        return owner is not None and same_dn(owner, peer.dn)


def usual_gacl(environ: Mapping[str, str], usual: Path = _USUAL_PLACE) -> Path | None:
    """The access list that the original would read, None when there is none."""
    named = (Path(environ[name]) / below for name, below in _PLACES if environ.get(name))
    path = next(named, usual) / GACL_NAME
    return path if path.exists() else None


def admits(gacl: Gacl, peer: Peer) -> bool:
    """Whether the access list of the service lets the peer execute (wms.md 1.9); what it denies, is asked elsewhere.

    Of the peer's VO attributes the first one counts. Entries for everybody alone admit somebody with attributes only
    when the list names no persons and no attributes; somebody without attributes they admit always.
    """
    who = Circumstances(replace(peer, fqans=peer.fqans[:1]))
    allowing = [entry for entry in gacl.entries if entry.allows(Permission.EXEC, who)]
    if any(_names(entry.credentials) for entry in allowing):
        return True
    names_somebody = any(_names(entry.credentials) for entry in gacl.entries)
    return bool(allowing) and (not peer.fqans or not names_somebody)


def _names(credentials: Sequence[Credential]) -> bool:
    return any(credential.kind in _NAMED for credential in credentials)
