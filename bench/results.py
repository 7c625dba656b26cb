"""Results, their goals, and the table that shows them."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of a result."""

    value: float
    at_least: bool = False

    def is_met(self, result: float) -> bool:
        """Return whether a result is within the bound, as far as the table shows its digits."""
        rounded = float(format_number(result).replace(",", ""))
        return rounded >= self.value if self.at_least else rounded <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """The median of the rounds of one measurement. `unit` is empty for a ratio."""

    name: str
    rounds: Sequence[float]
    unit: str = ""
    goal: Goal | None = None
    details: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {format_number(self.median)} {self.unit}".strip()

    @property
    def median(self) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.rounds)

    @property
    def is_missed(self) -> bool:
        """Return whether there is a goal that the result does not reach."""
        return self.goal is not None and not self.goal.is_met(self.median)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A measurement that is impossible here, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: not measured: {self.reason}"


def at_least(value: float) -> Goal:
    """Return the goal of at least a value."""
    return Goal(value, at_least=True)


def at_most(value: float) -> Goal:
    """Return the goal of at most a value."""
    return Goal(value)


def make_table(results: Iterable[Result | Skipped]) -> Table:
    """Return the table of all results; missed goals are marked."""
    table = Table("measurement", "median", "rounds", "goal", "", "details", show_lines=False)
    for result in results:
        if isinstance(result, Skipped):
            table.add_row(result.name, "–", "", "", "not measured", result.reason)
            continue
        lowest, highest = (format_number(value) for value in (min(result.rounds), max(result.rounds)))
        spread = f"{lowest} to {highest}" if len(result.rounds) > 1 else ""
        goal = f"{result.goal} {result.unit}" if result.goal else ""
        mark = "" if result.goal is None else "MISSED" if result.is_missed else "met"
        median = f"{format_number(result.median)} {result.unit}"
        table.add_row(result.name, median.strip(), spread, goal.strip(), mark, result.details)
    return table


def format_number(value: float) -> str:
    """Format a number with three significant digits or, above, as an integer."""
    if abs(value) >= 100:  # noqa: PLR2004  # three digits
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004  # three digits
