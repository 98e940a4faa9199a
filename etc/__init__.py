"""Default and example configuration files of the services."""
