"""How many rounds a test has, what they have found, and what is printed about it.

The suite runs the short form. `make chaos` runs the long form for PILEUS_CHAOS_MINUTES minutes: each file gets its part
of the time, which its tests share.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

MINUTES = float(os.environ.get("PILEUS_CHAOS_MINUTES", "0"))
IS_LONG = MINUTES > 0
PARTS = {
    "crashes": 16,
    "fairness": 3,
    "hostile_requests": 4,
    "outages": 2,
    "overlapping_changes": 1,
    "reference_races": 4,
    "servers": 6,
    "tenancy": 3,
}
"""The parts of the time that the files get."""
PROGRESS_SECONDS = 15.0

Figures = Counter[str]


@dataclass(slots=True)
class Schedule:
    """The running test: when it has to end, and the figures of its file."""

    deadline: float = 0.0
    figures: dict[str, Figures] = field(default_factory=dict)
    part: str = ""
    write: Callable[[str], None] = lambda _: None
    next_progress: float = 0.0
    is_interrupted: bool = False

    def begin(self, part: str, seconds: float) -> None:
        """Begin a test that may go on for some seconds after its short form."""
        self.part, self.deadline = part, time.monotonic() + seconds

    def report_progress(self) -> None:
        """Print the figures of the running file, at most every PROGRESS_SECONDS."""
        now = time.monotonic()
        if IS_LONG and now >= self.next_progress:
            self.next_progress = now + PROGRESS_SECONDS
            self.write(self.describe(self.part))

    def describe(self, part: str) -> str:
        """Return the line of figures of a file."""
        return " ".join([f"{part}:", *(f"{name}={number:g}" for name, number in self.figures[part].items())])


SCHEDULE = Schedule()


def current_figures() -> Figures:
    """Return the figures of the running file, to be changed."""
    return SCHEDULE.figures.setdefault(SCHEDULE.part, Counter())


def rounds(short: int) -> Iterator[int]:
    """Yield the rounds of the running test: `short` of them, and more until its time is over.

    After an interrupt only the running round goes on.
    """
    figures = current_figures()
    for number in count():
        if (number >= short and time.monotonic() >= SCHEDULE.deadline) or (number and SCHEDULE.is_interrupted):
            return
        yield number
        figures["rounds"] += 1
        SCHEDULE.report_progress()
