"""Engines, transactions, bulk writes and migrations on SQLite and MySQL/MariaDB."""
