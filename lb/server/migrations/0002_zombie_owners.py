"""Zombies remember whose they were, so that nobody else lets them live again."""

import sqlalchemy as sa
from alembic import op

import sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("zombie_jobs", sa.Column("userid", sql.Key32))
