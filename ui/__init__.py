"""The commands, with the original names and options: clients of the services, nothing more."""
