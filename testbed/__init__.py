"""A whole grid in one folder: throwaway CA, credentials, configuration, all services."""
