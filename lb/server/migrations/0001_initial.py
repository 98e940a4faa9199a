"""The tables that storing, asking and purging need (lb.md 12.2); described in lb.server.schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import BINARY, VARBINARY

import sql

revision = "0001"
down_revision = None

_Text = sa.LargeBinary(255).with_variant(VARBINARY(255), "mysql", "mariadb")
_Digest = sa.LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb")


def upgrade() -> None:
    _jobs_and_events()
    _states()
    _zombies()
    op.create_table("jpreg", sa.Column("jobid", sql.Text255, primary_key=True))


def _jobs_and_events() -> None:
    op.create_table(
        "users",
        sa.Column("userid", sql.Key32, primary_key=True),
        sa.Column("cert_subj", sql.Blob, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("jobid", sql.Text255, primary_key=True),
        sa.Column("dg_jobid", sql.LongText, nullable=False),
        sa.Column("userid", sql.Key32, nullable=False, index=True),
    )
    op.create_table(
        "events",
        sa.Column("jobid", sql.Text255, primary_key=True),
        sa.Column("event", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("code", sa.SmallInteger, nullable=False),
        sa.Column("prog", sa.SmallInteger, nullable=False),
        sa.Column("time_stamp", sa.BigInteger, nullable=False, index=True),
        sa.Column("usec", sa.Integer, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("arrived", sa.BigInteger, nullable=False),
        sa.Column("digest", _Digest, nullable=False),
        sa.UniqueConstraint("jobid", "digest", name="events_digest"),
    )
    op.create_table(
        "events_flesh",
        sa.Column("jobid", sql.Text255, primary_key=True),
        sa.Column("event", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ulm", sql.Blob, nullable=False),
    )


def _states() -> None:
    op.create_table(
        "states",
        sa.Column("jobid", sql.Text255, primary_key=True),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("int_status", sql.Blob, nullable=False),
        sa.Column("version", sql.Text255, nullable=False),
        sa.Column("parent_job", sql.Text255, index=True),
        sa.Column("payload_userid", sql.Key32),
        sa.Column("STD_destination", _Text, index=True),
        sa.Column("STD_location", _Text, index=True),
        sa.Column("STD_network_server", _Text),
        sa.Column("STD_stateEnterTime", sa.BigInteger, nullable=False),
        sa.Column("STD_lastUpdateTime", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "status_tags",
        sa.Column("jobid", sql.Text255, primary_key=True),
        sa.Column("name", _Text, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("value", _Text, nullable=False),
    )


def _zombies() -> None:
    for kind, part in (("prefix", "prefixes"), ("suffix", "suffixes")):
        op.create_table(
            f"zombie_{part}",
            sa.Column(f"{kind}_id", sa.Integer, primary_key=True, autoincrement=True),
            sa.Column(kind, sql.Text255, nullable=False, unique=True),
        )
    op.create_table(
        "zombie_jobs",
        sa.Column("jobid", sql.Text255, primary_key=True),
        sa.Column("prefix_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("suffix_id", sa.Integer, primary_key=True, autoincrement=False),
    )
