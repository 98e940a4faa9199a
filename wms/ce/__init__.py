"""Computing elements: the contract between the workload manager and a batch system (`base`), and one module per batch
system. Nothing is imported here: the supervisor of a local job starts fast and stays small."""
