"""Durable queues of files: maildir (LB to JP), job directory (WMS), event files (loggers)."""
