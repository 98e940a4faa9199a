"""The LB server: it stores events, keeps the state of every job, answers about them, and lets old jobs go.

    store port ─► admission ─► groupcommit ─► batch ─► tables ─► ws (queries)
                                                          └─► purge ─► dump, export to Job Provenance, zombies
"""
