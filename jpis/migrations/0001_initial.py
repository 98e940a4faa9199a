"""The fixed tables of the index (jp.md 3.3). The tables of the attributes follow the configuration: jpis.schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import VARBINARY

import sql

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _binary(size: int) -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary(size).with_variant(VARBINARY(size), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("jobid", sql.Key32, nullable=False, unique=True),
        sa.Column("dg_jobid", _binary(255), nullable=False, unique=True),
        sa.Column("ownerid", sql.Key32, nullable=False, index=True),
        sa.Column("aclid", sql.Key32),
        sa.Column("ps", sql.Text255, nullable=False),
    )
    op.create_table(
        "attrs",
        sa.Column("attrid", sql.Key32, primary_key=True),
        sa.Column("name", sql.Text255, nullable=False, index=True),
        sa.Column("indexed", sa.Integer, nullable=False),
        sa.Column("type", sql.Key32),
    )
    op.create_table(
        "feeds",
        sa.Column("uniqueid", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("feedid", sql.Key32, unique=True),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("locked", sa.BigInteger, nullable=False),
        sa.Column("source", sql.Text255, nullable=False),
        sa.Column("expires", sql.UtcDateTime),
        sa.Column("condition", sql.LongText, nullable=False),
        sa.Column("due", sql.UtcDateTime),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("fingerprint", sql.Key32, nullable=False, index=True),
        sa.Column("configured", sa.Boolean, nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("userid", sql.Key32, primary_key=True),
        sa.Column("cert_subj", _binary(1024), nullable=False),
    )
    op.create_table(
        "acls",
        sa.Column("aclid", sql.Key32, primary_key=True),
        sa.Column("value", sql.Blob, nullable=False),
        sa.Column("refcnt", sa.Integer, nullable=False),
    )
