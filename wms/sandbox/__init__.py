"""The jobs' sandboxes over HTTPS: who may reach which file, and how it travels (wms.md 1.12, 5.1)."""
