"""Uploads: started, received, committed, or given up (jp.md 2.5).

    StartUpload ─► row `uploading` ─► PUT: part, fsync, rename ─► CommitUpload: row `committed` ─► gzip under the name
                        └─ deadline passes: row and file go

What has been acknowledged at each step is on disk. A step that was broken off can be repeated; nothing is visible to
readers before the commit.
"""

import errno
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine

import sql
from jpps import attributes, feeds, files, jobs, recording
from jpps import storage as storing
from jpps.collect import Sources, says
from jpps.errors import Denied, Exists, Invalid, JppsError, NotFound, StoredAt
from jpps.feeds import Change
from jpps.files import FileRow
from jpps.jobs import MAX_LENGTH, Job, userid
from jpps.schema import UPLOADING

log = logging.getLogger(__name__)

#: When the client names no deadline, in seconds (the original's only one, jp.md 2.5).
DEFAULT_UPLOAD_S = 300
#: The latest deadline that is granted, in seconds from now.
MAX_UPLOAD_S = 86_400
#: Largest file, in bytes. Sandboxes are 100 kB to 1 MB by hypothesis, dumps below 5 MB (jp.md 9).
DEFAULT_MAX_FILE = 1 << 30


class AlreadyStored(NotFound):
    """There is no such upload any more: it has been committed."""


class TooLarge(JppsError):
    """The upload exceeds the limit of this server."""

    code = errno.EFBIG


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What StartUpload asks for. `name`: empty for none; `commit_before`: None for the default."""

    jobid: str
    uri: str
    name: str = ""
    commit_before: datetime | None = None
    content_type: str = ""


class Uploads:
    """The uploads of one server. Thread-safe."""

    def __init__(self, engine: Engine, sources: Sources, max_file: int = DEFAULT_MAX_FILE) -> None:
        self._engine = engine
        self._sources = sources
        self._storage = sources.storage
        self._max_file = max_file

    def start(self, wanted: NewUpload, uploader: str) -> tuple[str, datetime]:
        """Open an upload for the peer `uploader`; return its URL and deadline. Raises NotFound, Exists, Invalid."""
        filename = self._filename(wanted)
        deadline = _deadline(wanted.commit_before)
        job = self._job(wanted.jobid)
        url = self._storage.url(job, filename)
        media_type = wanted.content_type[:MAX_LENGTH] or None
        row = FileRow(job.key, filename, url, UPLOADING, deadline, userid(uploader), None, None, media_type, None)
        with self._storage.lock(job):
            sql.transact(self._engine, lambda conn: self._open(conn, job, row))
        return url, deadline

    def _job(self, jobid: str) -> Job:
        with sql.read(self._engine) as conn:
            try:
                return jobs.find(conn, jobid)
            except NotFound:
                raise NotFound("No such job registered") from None

    def _filename(self, wanted: NewUpload) -> str:
        file_class = self._sources.registry.file_class(wanted.uri)
        if not wanted.name:
            return file_class
        storing.check_name(wanted.name)
        return f"{file_class}.{wanted.name}"

    def _open(self, conn: Connection, job: Job, row: FileRow) -> None:
        there = files.get(conn, row.key, row.filename)
        if there is not None and there.overdue(datetime.now(UTC)):
            self._give_up(conn, job, there)
        elif there is not None:
            what = "file already stored" if there.is_committed else "upload already in progress"
            # Its own uploader is told where, so that an interrupted importer can find out how far it came.
            raise Exists(what, StoredAt(there.url) if there.uploader == row.uploader else None)
        files.add(conn, row, str(self._storage.path(job, row.filename)))

    def receive(self, key: str, filename: str, uploader: str, chunks: Iterable[bytes]) -> None:
        """Take the content of an upload; it is on disk when the call returns. Raises NotFound, Denied, TooLarge.

        Whatever else `chunks` raises leaves the upload as it was before.
        """
        job, _ = self._under_way(key, filename, uploader)
        with self._storage.receive(job, filename) as arrival:
            for chunk in chunks:
                if arrival.size + len(chunk) > self._max_file:
                    raise TooLarge(f"files are limited to {self._max_file} bytes")
                arrival.write(chunk)
            arrival.flush()
            with self._storage.lock(job):
                # Committed, or given up, in the meantime?
                _, row = self._under_way(key, filename, uploader)
                arrival.publish()
                self._storage.sync(job)
                sql.transact(self._engine, lambda conn: files.arrived(conn, row, arrival.size, arrival.sha256))

    def commit(self, destination: str, uploader: str) -> None:
        """Make an upload permanent. Raises NotFound, Denied; OSError when what is on disk is not what arrived."""
        place = self._storage.split_url(destination)
        if place is None:
            raise NotFound("No such upload in progress")
        job, row = self._under_way(*place, uploader)
        if row.url != destination:
            raise NotFound("No such upload in progress")
        with self._storage.lock(job):
            job, row = self._under_way(*place, uploader)
            self._commit(job, row)
            self._pack(job, row)

    def _commit(self, job: Job, row: FileRow) -> None:
        size, sha256 = self._check_content(job, row)
        moment, change = self._record_tags(job, row)
        change = Change(change.values, row.filename)

        def store(conn: Connection) -> None:
            files.commit(conn, row, size, sha256, moment)
            feeds.announce(conn, self._sources.registry, [(job.key, change)], datetime.now(UTC))

        sql.transact(self._engine, store)

    def _check_content(self, job: Job, row: FileRow) -> tuple[int, str]:
        try:
            found = storing.digest(self._storage.path(job, row.filename))
        except FileNotFoundError:
            raise NotFound("the file has not been uploaded yet") from None
        if row.sha256 is not None and found != (row.size, row.sha256):
            raise OSError(errno.EIO, "the stored file is not the one that was uploaded last; upload it again")
        return found

    def _record_tags(self, job: Job, row: FileRow) -> tuple[datetime, Change]:
        """Run the commit hook of the file's plug-in (jp.md 2.9); return the time of the commit and the change."""
        moment = row.committed or attributes.now()
        stored = self._sources.stored(job, row)
        said = () if stored is None else says(self._sources.registry, stored)
        if not said:
            return moment, Change()
        if row.committed is None:
            sql.transact(self._engine, lambda conn: files.commit_begins(conn, row, moment))
        return moment, recording.record_of_commit(self._storage, job, said, moment)

    def _pack(self, job: Job, row: FileRow) -> None:
        """Tidy up; the file is safe already, so a full disk is no failure of the commit."""
        try:
            self._storage.remove_parts(job, row.filename)
            self._storage.pack(job, row.filename)
        except OSError as error:
            log.warning("%s of %s stays uncompressed: %s", row.filename, job.jobid, error)

    def clean(self, limit: int = 1000) -> int:
        """Give up uploads whose deadline has passed; return how many."""
        with sql.read(self._engine) as conn:
            late = [(jobs.by_key(conn, row.key), row) for row in files.overdue(conn, datetime.now(UTC), limit)]
        for job, row in late:
            if job is not None:
                self._clean(job, row.filename)
        return len(late)

    def _clean(self, job: Job, filename: str) -> None:
        def give_up_if_overdue(conn: Connection) -> None:
            row = files.get(conn, job.key, filename)
            if row is not None and row.overdue(datetime.now(UTC)):
                self._give_up(conn, job, row)

        with self._storage.lock(job):
            sql.transact(self._engine, give_up_if_overdue)

    def _give_up(self, conn: Connection, job: Job, row: FileRow) -> None:
        log.info("upload %s of %s was not committed in time", row.filename, job.jobid)
        files.forget(conn, row)
        self._storage.remove(job, row.filename)

    def _under_way(self, key: str, filename: str, uploader: str) -> tuple[Job, FileRow]:
        with sql.read(self._engine) as conn:
            job, row = jobs.by_key(conn, key), files.get(conn, key, filename)
        if job is None or row is None or row.overdue(datetime.now(UTC)):
            raise NotFound("No such upload in progress")
        if row.is_committed:
            raise AlreadyStored("No such upload in progress: the file is stored already")
        if row.uploader != userid(uploader):
            raise Denied("you are not the one who started this upload")
        return job, row


def _deadline(wanted: datetime | None) -> datetime:
    """Honour the client's wish within bounds (the original ignored it)."""
    now = datetime.now(UTC).replace(microsecond=0)
    if wanted is None:
        return now + timedelta(seconds=DEFAULT_UPLOAD_S)
    if wanted <= now:
        raise Invalid("commitBefore has passed already")
    return min(wanted.replace(microsecond=0), now + timedelta(seconds=MAX_UPLOAD_S))
