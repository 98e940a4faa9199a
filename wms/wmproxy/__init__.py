"""WMProxy: the web service through which users hand in and control their jobs (wms.md 1)."""
