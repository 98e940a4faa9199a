"""The workload manager: takes jobs from its queue, finds each a computing element, follows it to its end.

    queue ─dispatch─► WAITING ─match─► DELIVERING ─submit─► AT_CE ─outcome─► FINISHED
                         ▲                                    │
                         └────────── resubmission ────────────┘

`lifecycle` has one function per stage, `record` what is remembered of a job, `loop` who does what when.
"""
