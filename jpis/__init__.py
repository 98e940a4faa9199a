"""Job Provenance Index Server: makes selected attributes of jobs searchable."""
