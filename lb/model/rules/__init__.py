"""The rules of the state machine, one module per kind of job; ``lb.model.machine`` tells how they fit together."""
