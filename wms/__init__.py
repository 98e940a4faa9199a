"""Workload Management: from a job description to a process that runs."""
