"""The tables of jp.md 2.3, the file details and feed state that the original did not keep, and the feed outbox."""

import sqlalchemy as sa
from alembic import op

import sql

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("userid", sql.Key32, primary_key=True),
        sa.Column("cert_subj", sql.Text255, nullable=False, unique=True),
    )
    op.create_table(
        "jobs",
        sa.Column("jobid", sql.Key32, primary_key=True),
        sa.Column("dg_jobid", sql.Text255, nullable=False, unique=True),
        sa.Column("owner", sql.Key32, nullable=False),
        sa.Column("reg_time", sql.UtcDateTime, nullable=False),
        sa.Index("jobs_owner_reg_time", "owner", "reg_time"),
    )
    op.create_table(
        "files",
        sa.Column("jobid", sql.Key32, primary_key=True),
        sa.Column("filename", sql.Text255, primary_key=True),
        sa.Column("int_path", sql.LongText),
        sa.Column("ext_url", sql.LongText),
        sa.Column("state", sql.Key32, nullable=False),
        sa.Column("deadline", sql.UtcDateTime),
        sa.Column("ul_userid", sql.Key32, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("sha256", sa.CHAR(64)),
        sa.Column("content_type", sql.Text255),
        sa.Column("committed", sql.UtcDateTime),
        sa.Index("files_deadline", "deadline"),
    )
    op.create_table(
        "feeds",
        sa.Column("feedid", sql.Key32, primary_key=True),
        sa.Column("destination", sql.Text255, nullable=False),
        sa.Column("expires", sql.UtcDateTime, nullable=False),
        sa.Column("cols", sql.LongText, nullable=False),
        sa.Column("query", sql.LongText, nullable=False),
        sa.Column("subscriber", sql.Key32, nullable=False),
        sa.Column("continuous", sa.Boolean, nullable=False),
        sa.Column("history", sa.Boolean, nullable=False),
        sa.Column("history_after", sql.Key32, nullable=False),
    )
    op.create_table(
        "fed_jobs",
        sa.Column("jobid", sql.Key32, primary_key=True),
        sa.Column("feedid", sql.Key32, primary_key=True),
        sa.Index("fed_jobs_feedid", "feedid"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("feedid", sql.Key32, nullable=False),
        sa.Column("jobid", sql.Key32, nullable=False),
        sa.Column("change", sql.LongText, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sql.UtcDateTime),
        sa.Index("outbox_feedid_jobid", "feedid", "jobid"),
        sqlite_autoincrement=True,
    )
