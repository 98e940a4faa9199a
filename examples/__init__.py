"""Job descriptions to try, and what they need."""
