"""Schema versions of the Primary Storage (alembic scripts, run by sql.migrate)."""
