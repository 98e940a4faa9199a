"""Doors for what comes from outside: nothing gets past them that could hurt its reader."""
