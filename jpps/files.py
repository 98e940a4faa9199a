"""The rows of uploaded files (jp.md 2.3): what is under way, what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, insert, select, update

from jpps import schema
from jpps.schema import COMMITTED, UPLOADING

_T = schema.files.c


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file of a job. `uploader`: MD5 of the uploader's DN; `committed`: when its commit began, if it has."""

    key: str
    filename: str
    url: str
    state: str
    deadline: datetime | None
    uploader: str
    size: int | None
    sha256: str | None
    content_type: str | None
    committed: datetime | None

    @property
    def file_class(self) -> str:
        """The class: what stands before the first dot."""
        return self.filename.partition(".")[0]

    @property
    def name(self) -> str:
        """The name that the uploader gave, empty for none."""
        return self.filename.partition(".")[2]

    @property
    def is_committed(self) -> bool:
        return self.state == COMMITTED

    def overdue(self, moment: datetime) -> bool:
        """Say whether this upload was not committed in time."""
        return self.state == UPLOADING and self.deadline is not None and self.deadline < moment


def get(conn: Connection, key: str, filename: str) -> FileRow | None:
    """Return the row of one file."""
    row = conn.execute(select(schema.files).where(_T.jobid == key, _T.filename == filename)).one_or_none()
    return None if row is None else _file(row)


def committed_of(conn: Connection, keys: Sequence[str]) -> dict[str, list[FileRow]]:
    """Return the committed files of several jobs, in the order of their names."""
    found: dict[str, list[FileRow]] = {key: [] for key in keys}
    query = select(schema.files).where(_T.jobid.in_(keys), _T.state == COMMITTED).order_by(_T.filename)
    for row in conn.execute(query):
        found[row.jobid].append(_file(row))
    return found


def overdue(conn: Connection, moment: datetime, limit: int) -> list[FileRow]:
    """Return uploads whose deadline has passed."""
    query = select(schema.files).where(_T.state == UPLOADING, _T.deadline < moment).limit(limit)
    return [_file(row) for row in conn.execute(query)]


def add(conn: Connection, row: FileRow, path: str) -> None:
    """Insert an upload; the caller has made sure that there is none."""
    conn.execute(
        insert(schema.files).values(
            jobid=row.key, filename=row.filename, int_path=path, ext_url=row.url, state=row.state,
            deadline=row.deadline, ul_userid=row.uploader, content_type=row.content_type,
        )
    )


def arrived(conn: Connection, row: FileRow, size: int, sha256: str) -> None:
    """Note what has been uploaded."""
    conn.execute(_update(row).values(size=size, sha256=sha256))


def commit_begins(conn: Connection, row: FileRow, moment: datetime) -> None:
    """Note the time that stamps the tags of the commit hook."""
    conn.execute(_update(row).values(committed=moment))


def commit(conn: Connection, row: FileRow, size: int, sha256: str, moment: datetime) -> None:
    """The file is stored for good."""
    values = {"state": COMMITTED, "deadline": None, "size": size, "sha256": sha256, "committed": moment}
    conn.execute(_update(row).values(**values))


def forget(conn: Connection, row: FileRow) -> None:
    """Delete the row of an upload that was given up."""
    conn.execute(delete(schema.files).where(_T.jobid == row.key, _T.filename == row.filename, _T.state == UPLOADING))


def _update(row: FileRow):  # type: ignore[no-untyped-def]  # the type of update() cannot be written down
    return update(schema.files).where(_T.jobid == row.key, _T.filename == row.filename)


def _file(row: Row) -> FileRow:  # type: ignore[type-arg]
    return FileRow(
        row.jobid, row.filename, row.ext_url or "", row.state, row.deadline, row.ul_userid, row.size, row.sha256,
        row.content_type, row.committed,
    )
