"""The number of rounds of a test: short in the suite, FACTOR times as many with `make chaos`."""

import os

FACTOR = int(os.environ.get("PILEUS_CHAOS_FACTOR", "1"))


def rounds(short: int) -> range:
    """Return the rounds of a test that has `short` of them in the suite."""
    return range(short * FACTOR)
