"""Interleaved rounds and their medians: a figure is CPU time, a claim is the ratio of two in the same run."""

import statistics
import time
from collections.abc import Callable

ROUNDS = 7


class Figure:
    """CPU nanoseconds per unit of one way of doing a thing, over several rounds."""

    def __init__(self, name: str, rounds: list[float]) -> None:
        self.name = name
        self.rounds = rounds

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.rounds)


def interleaved(ways: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, Figure]:
    """Run each way once per round, in turn; each returns CPU ns per unit. One uncounted round comes first."""
    results: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            figure = way()
            if number:
                results[name].append(figure)
    return {name: Figure(name, figures) for name, figures in results.items()}


def cpu_ns(work: Callable[[], object], units: int) -> float:
    """CPU ns per unit of one call of `work`."""
    started = time.process_time_ns()
    work()
    return (time.process_time_ns() - started) / units


def ratio(over: Figure, under: Figure) -> float:
    """Median of the round-by-round ratios."""
    return statistics.median(a / b for a, b in zip(over.rounds, under.rounds, strict=True))


def tell(title: str, figures: dict[str, Figure], unit: str = "ns") -> None:
    """Print each figure: median and least."""
    print(f"\n{title}")
    for figure in figures.values():
        print(f"  {figure.name:<44} {figure.median:>12,.0f} {unit}   (least {min(figure.rounds):,.0f})")


def judge(name: str, value: float, goal: float, *, at_least: bool = False) -> bool:
    """Print a ratio beside its goal; True if it is met."""
    met = value >= goal if at_least else value <= goal
    print(f"  → {name:<42} {value:>12.2f}      goal {'≥' if at_least else '≤'} {goal:g}  {'met' if met else 'MISSED'}")
    return met
