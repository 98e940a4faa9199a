"""Run every bench program and print what was measured: `make bench`, or `python -m bench tls soap`."""

import importlib
import sys

#: In the order in which they are run; each is a module with a function main() that prints rates and memory.
PROGRAMS = ("soap", "tls", "gsi", "gsi_voms", "model", "lb", "jpis", "broker")


def main() -> None:
    """Run the programs named on the command line, or all."""
    chosen = sys.argv[1:] or PROGRAMS
    unknown = set(chosen) - set(PROGRAMS)
    if unknown:
        sys.exit(f"no bench program {', '.join(sorted(unknown))}; there are {', '.join(PROGRAMS)}")
    for name in chosen:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
