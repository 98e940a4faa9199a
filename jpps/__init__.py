"""Job Provenance Primary Storage: keeps the whole track of every job for good."""
