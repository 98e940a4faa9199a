"""From a dump of many jobs to one file and one message per job: what the Job Provenance importer takes (jp.md 4.5)."""
