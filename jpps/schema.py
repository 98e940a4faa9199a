"""The tables of the Primary Storage (jp.md 2.3), made by jpps/migrations.

Names and meaning of the original columns are kept. What is ours: of a file its size, digest, media type and time of
commit; of a feed who subscribed, what it wants and how far its history run has come; and `outbox`, the changes that
still have to be told to an index server. `attrs` and `backend_info` of the original were never used.
"""

from sqlalchemy import CHAR, BigInteger, Boolean, Column, Integer, MetaData, Table

import sql

metadata = MetaData()

#: Values of files.state.
UPLOADING = "uploading"
COMMITTED = "committed"

#: `userid`: MD5 of the DN in lower-case hex.
users = Table(
    "users",
    metadata,
    Column("userid", sql.Key32, primary_key=True),
    Column("cert_subj", sql.Text255, nullable=False),
)
#: `jobid`: the job's key, normally the unique part of the job id (jpps.jobs says when not); `dg_jobid`: the whole id.
jobs = Table(
    "jobs",
    metadata,
    Column("jobid", sql.Key32, primary_key=True),
    Column("dg_jobid", sql.Text255, nullable=False),
    Column("owner", sql.Key32, nullable=False),
    Column("reg_time", sql.UtcDateTime, nullable=False),
)
#: `filename`: `class[.name]`; `size`, `sha256`: of the content as it was uploaded, whatever the disk holds.
#: `committed`: when the commit began; it stamps the tags of the commit hook.
files = Table(
    "files",
    metadata,
    Column("jobid", sql.Key32, primary_key=True),
    Column("filename", sql.Text255, primary_key=True),
    Column("int_path", sql.LongText),
    Column("ext_url", sql.LongText),
    Column("state", sql.Key32, nullable=False),
    Column("deadline", sql.UtcDateTime),
    Column("ul_userid", sql.Key32, nullable=False),
    Column("size", BigInteger),
    Column("sha256", CHAR(64)),
    Column("content_type", sql.Text255),
    Column("committed", sql.UtcDateTime),
)
#: `cols`, `query`: JSON of jpps.feeds (the original's text form cannot hold origins, ranges and binary values).
#: `history`: the run over all jobs is not finished; `history_after`: the last job key it has dealt with.
feeds = Table(
    "feeds",
    metadata,
    Column("feedid", sql.Key32, primary_key=True),
    Column("destination", sql.Text255, nullable=False),
    Column("expires", sql.UtcDateTime, nullable=False),
    Column("cols", sql.LongText, nullable=False),
    Column("query", sql.LongText, nullable=False),
    Column("subscriber", sql.Key32, nullable=False),
    Column("continuous", Boolean, nullable=False),
    Column("history", Boolean, nullable=False),
    Column("history_after", sql.Key32, nullable=False),
)
#: Jobs whose full record the feed's destination has confirmed.
fed_jobs = Table(
    "fed_jobs",
    metadata,
    Column("jobid", sql.Key32, primary_key=True),
    Column("feedid", sql.Key32, primary_key=True),
)
#: One row per change and feed it may concern, written in the transaction of the change, deleted once delivered.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("feedid", sql.Key32, nullable=False),
    Column("jobid", sql.Key32, nullable=False),
    Column("change", sql.LongText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", sql.UtcDateTime),
)
