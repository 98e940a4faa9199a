"""The interlogger: delivers event files to the LB servers of their jobs (lb.md 5.2).

    scanner: looks at the directory, finds files with undelivered events ─► one thread per LB server: delivers
"""
