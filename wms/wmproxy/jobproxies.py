"""Renewal of jobs' proxies: what is put under a delegation reaches the jobs that were submitted with it.

A job directory holds a copy of the delegated proxy. When its owner puts a newer one under the same id (renewProxyReq
and putProxy, or a new getProxyReq), the copies are replaced, each one whole or not at all; the workload manager passes
the change on to the computing element. A job keeps what it has unless the new proxy

    1  is of the same user                                       (somebody else's rights, or somebody else's name)
    2  ends later                                                (a job must not lose time that it had)
    3  has the same first FQAN                                   (a job was matched and is accounted by it)
    4  is limited if, and only if, the old one was               (a job on a node gets no fuller rights than before)
    5  can be shown to other services                            (SHA-1, see `proxies`)

Which jobs belong to a delegation is written down beside the delegations:

    <proxy cache>/jobs/<url-encoded DN>/<id>/<encoded job id>    {"fqan": first FQAN, "limited": true or false}

A job is written down after its directory was made, and only then it is looked whether its delegation was renewed
meanwhile: so either the job gets the new proxy there, or the one who puts it sees the job. `sweep` finishes what a
crash interrupted.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gsi import private
from gsi.credential import Credential
from gsi.delegation import PROXY, Delegated, DelegationStore
from gsi.errors import CredentialError, VerificationError
from gsi.names import same_dn
from gsi.peer import Peer
from gsi.trust import Trust
from wms.jobdirectory import JobDirectory, decode, encode

from .proxies import can_be_shown

log = logging.getLogger(__name__)

_JOBS = "jobs"


@dataclass(frozen=True)
class _Entry:
    """What a renewal must not change about a job's proxy."""

    fqan: str
    limited: bool

    @classmethod
    def of(cls, peer: Peer) -> _Entry:
        return cls(peer.fqans[0] if peer.fqans else "", peer.limited)


class JobProxies:
    """For one worker process; threads may share it."""

    def __init__(self, store: DelegationStore, sandboxes: Path, trust: Trust) -> None:
        self._store = store
        self._sandboxes = sandboxes
        self._trust = trust

    def follow(self, directory: JobDirectory, delegated: Delegated) -> None:
        """From now on renewals of the delegation reach the job, whose directory has its proxy already.

        Raises OSError when that cannot be written down.
        """
        parts = self._parts(delegated.path)
        with private.locked(self._store.root, parts, create=True) as index:
            entry = _Entry.of(delegated.peer)
            private.write(index, encode(directory.jobid), json.dumps(asdict(entry)).encode())
            latest = self._latest(delegated.path)
            if latest is not None and latest.credential != delegated.credential:
                self._renew_one(index, encode(directory.jobid), latest)

    def renew(self, delegated: Delegated) -> int:
        """Give the jobs of a delegation its new proxy; returns how many got it. Trouble with one is logged."""
        renewed = 0
        try:
            with private.locked(self._store.root, self._parts(delegated.path)) as index:
                for name, _ in private.names(index):
                    renewed += self._renew_one(index, name, delegated)
        except FileNotFoundError:
            return 0  # no job was ever submitted with it
        except OSError as error:
            log.error("not all jobs of %s could be renewed; the clean-up tries again: %s", delegated.peer.dn, error)
        if renewed:
            log.info("renewed the proxies of %d jobs of %s", renewed, delegated.peer.dn)
        return renewed

    def forget(self, path: Path) -> None:
        """The delegation with this file was destroyed: its jobs keep what they have, whatever is put under its id."""
        parts = self._parts(path)
        try:
            with private.directory(self._store.root, parts[:-1]) as parent, \
                    private.locked(self._store.root, parts) as index:
                for name, _ in private.names(index):
                    private.remove(index, name)
                os.rmdir(parts[-1], dir_fd=parent)
        except FileNotFoundError:
            return

    def sweep(self, since: float = 0.0) -> None:
        """Forget jobs whose directory is gone, and finish the renewal of delegations that changed after `since`."""
        for dn, delegation in self._known():
            path = self._store.root / dn / delegation / PROXY
            try:
                self._drop_removed((_JOBS, dn, delegation))
                if path.stat().st_mtime >= since and (latest := self._latest(path)) is not None:
                    self.renew(latest)
            except FileNotFoundError:
                continue  # destroyed, or expired and purged
            except OSError as error:
                log.error("the jobs of a delegation cannot be looked through: %s", error)

    def _known(self) -> Iterator[tuple[str, str]]:
        base = self._store.root / _JOBS
        if base.is_dir():
            for dn in sorted(base.iterdir()):
                yield from ((dn.name, delegation.name) for delegation in sorted(dn.iterdir()))

    def _drop_removed(self, parts: tuple[str, ...]) -> None:
        root = self._store.root
        with private.directory(root, parts[:-1]) as parent, private.locked(root, parts) as index:
            names = [name for name, _ in private.names(index)]
            gone = [name for name in names if not self._directory(name).exists]
            for name in gone:
                private.remove(index, name)
            if len(gone) == len(names):
                os.rmdir(parts[-1], dir_fd=parent)

    def _renew_one(self, index: int, name: str, new: Delegated) -> bool:
        directory = self._directory(name)
        try:
            entry = _Entry(**json.loads(private.read(index, name)))
            refusal = self._refusal(entry, directory.proxy, new)
            if refusal is None:
                directory.write(directory.proxy, new.credential.to_pem())
        except FileNotFoundError:
            if not directory.exists:
                private.remove(index, name)
            return False
        except (ValueError, TypeError) as error:
            log.error("%s: what is written down of its delegation cannot be read: %s", directory.jobid, error)
            return False
        if refusal is not None:
            log.info("%s keeps its proxy: %s", directory.jobid, refusal)
        return refusal is None

    def _refusal(self, entry: _Entry, path: Path, new: Delegated) -> str | None:
        """Why the job at `path` must not have the new proxy; the numbers are those of the module's text."""
        if path.is_symlink():
            return "it is renewed in another way"
        try:
            current = Credential.load(path)
        except CredentialError as error:
            return f"the present one cannot be read: {error}"
        given = _Entry.of(new.peer)
        if not same_dn(current.dn, new.peer.dn):  # 1
            return "the new one is of another user"
        if new.credential.not_after <= current.not_after:  # 2
            return "the new one ends no later"
        if given.fqan != entry.fqan:  # 3
            return f"the new one is for {given.fqan or 'no VO'}, the job for {entry.fqan or 'none'}"
        if given.limited != entry.limited:  # 4
            return "the new one is limited" if given.limited else "the new one is not limited"
        return None if can_be_shown(new.peer, self._trust) else "the new one is signed with SHA-1"  # 5

    def _latest(self, path: Path) -> Delegated | None:
        """What is stored now under the delegation with this file, if it is of any use."""
        try:
            with private.directory(self._store.root, self._parts(path)[1:]) as home:
                credential = Credential.from_pem(private.read(home, PROXY))
            peer = self._trust.verify([credential.certificate, *credential.chain], delegated=True)
        except (FileNotFoundError, CredentialError, VerificationError) as error:
            log.info("no renewal from %s: %s", path.parent.name, error)
            return None
        return Delegated(credential, path, peer)

    def _directory(self, name: str) -> JobDirectory:
        return JobDirectory(self._sandboxes, decode(name))

    def _parts(self, path: Path) -> tuple[str, ...]:
        """Where the jobs of the delegation with this file are written down, from the store's root on."""
        return _JOBS, *path.parent.relative_to(self._store.root).parts
