"""One program per promise: prints rates, ratios and memory, judges nothing."""
