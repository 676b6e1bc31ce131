"""What each day and each month of UTC brought, as a fraction of the equity it began with.

The first day begins at the run's begin and the last ends at its end: they may be short. A day on which nothing was
looked at has a return of 0, since equity did not move.
"""

from datetime import UTC, datetime
from typing import Final

import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.trading.performance.course import Course

_DAY_MS: Final = 86_400_000


def day_ends(course: Course, deposit: float, from_ms: int, to_ms: int) -> Floats:
    """Equity at the begin of the run and at the end of each of its days: (days + 1,).

    Args:
        course: rows within the run; what stands at midnight is the end of the day before, and of two rows at one
            moment the later counts.
        deposit: equity at the begin.
        from_ms: begin of the run.
        to_ms: its end; an end at midnight begins no further day.

    Raises:
        ValueError: the run ends before it begins.
    """
    if to_ms < from_ms:
        raise ValueError(f"a run from {from_ms} ms cannot end at {to_ms} ms")
    first, last = from_ms // _DAY_MS, max(to_ms - 1, from_ms) // _DAY_MS
    ends = np.arange(first + 1, last + 2) * _DAY_MS
    ends[-1] = to_ms
    rows = np.searchsorted(course.at_ms, ends, side="right")
    return np.concatenate([[deposit], np.concatenate([[deposit], course.equity])[rows]])


def of_ends(ends: Floats) -> Floats:
    """Return of each day; after equity has fallen to 0 or below there is none to speak of, and 0 stands for it.

    >>> of_ends(np.array([100.0, 110.0, 99.0]))
    array([ 0.1, -0.1])
    """
    before, after = ends[:-1], ends[1:]
    return np.divide(after - before, before, out=np.zeros(before.size), where=before > 0.0)


def months(course: Course, deposit: float, from_ms: int, to_ms: int) -> list[tuple[str, float]]:
    """Net return of each month of UTC, e.g. ("2026-06", 0.012): its days' returns compounded."""
    daily = of_ends(day_ends(course, deposit, from_ms, to_ms))
    first = from_ms // _DAY_MS
    found: dict[str, float] = {}
    for day, gain in enumerate(daily.tolist()):
        name = datetime.fromtimestamp((first + day) * 86_400, UTC).strftime("%Y-%m")
        found[name] = found.get(name, 1.0) * (1.0 + gain)
    return [(name, growth - 1.0) for name, growth in found.items()]
