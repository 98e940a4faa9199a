"""Versions of the fixed tables; run by sql.migrate."""
