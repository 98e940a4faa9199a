"""Logging and Bookkeeping: what happened to a job, and the state that follows."""
