"""Features whole: of many minutes at once for training, and of one minute after the other as they come.

Both give the same numbers: the second keeps as many minutes as the first looks back, and asks the first.
"""

from collections import deque
from typing import Final

import numpy as np

from perpscope.analytics.features.raw import FEATURES, MEMORY, raw
from perpscope.analytics.features.scaling import DAY_NS, DAYS, EVERY, Reference, is_sampled, reference, scaled
from perpscope.analytics.features.told import INPUTS, MINUTE_NS, SOURCES, Stamps, Told
from perpscope.analytics.margin_arrays import Floats

#: Rows references are made of at most.
_KEPT: Final = DAYS * 1440 // EVERY


def features(told: Told) -> Floats:
    """(n, features) What a model is fed, of every minute; NaN where it is not known yet.

    Nothing of a later minute is in a row.
    """
    rows = raw(told)
    days = _day_of(told.ts)
    sampled = is_sampled(told.ts)
    found = np.full(rows.shape, np.nan)
    for day in range(int(days[0]), int(days[-1]) + 1):
        start, end = np.searchsorted(days, [day, day + 1])
        past = slice(int(np.searchsorted(days, day - DAYS)), int(start))
        at = reference(told.ts[past][sampled[past]], rows[past][sampled[past]])
        found[start:end] = scaled(told.ts[start:end], rows[start:end], at)
    return found


class FeatureStream:
    """The same, minute after minute."""

    def __init__(self) -> None:
        self._ts = 0
        self._values = np.full((MEMORY, len(INPUTS)), np.nan)
        self._ages = np.full((MEMORY, len(SOURCES)), np.nan)
        self._past: deque[tuple[int, Floats]] = deque(maxlen=_KEPT)
        self._day: int | None = None
        self._reference = reference(np.empty(0, np.int64), np.empty((0, len(FEATURES))))

    def begin(self, told: Told) -> None:
        """Take the minutes before the first that will be pushed, all at once."""
        rows, sampled = raw(told), is_sampled(told.ts)
        self._past.extend(zip(told.ts[sampled].tolist(), rows[sampled], strict=True))
        newest = told.until(len(told.ts))
        for ts, values, ages in zip(newest.ts[-MEMORY:], newest.values[-MEMORY:], newest.ages[-MEMORY:], strict=True):
            self._keep(int(ts), values, ages)

    @property
    def last(self) -> int:
        """Close of the newest minute, ns UTC; 0 = none."""
        return self._ts

    def push(self, ts: int, values: Floats, ages: Floats) -> Floats:
        """(features,) Of the minute that closes at `ts` (ns UTC); minutes left out since the last are unknown.

        Args:
            ts: after the last.
            values: (columns,) as of `Told`.
            ages: (sources,)

        Raises:
            ValueError: the minute is not after the last.
        """
        if ts <= self._ts:
            raise ValueError(f"minute {ts} does not come after {self._ts}")
        self._keep(ts, values, ages)
        stamps = ts + np.arange(1 - MEMORY, 1) * MINUTE_NS
        row = raw(Told(stamps, self._values, self._ages))[-1:]
        at = self._compared_with(ts)
        if is_sampled(stamps[-1:])[0]:
            self._past.append((ts, row[0]))
        found: Floats = scaled(stamps[-1:], row, at)[0]
        return found

    def _keep(self, ts: int, values: Floats, ages: Floats) -> None:
        steps = min((ts - self._ts) // MINUTE_NS, MEMORY) if self._ts else MEMORY
        for kept, newest in ((self._values, values), (self._ages, ages)):
            kept[:-steps] = kept[steps:].copy()
            kept[-steps:] = np.nan
            kept[-1] = newest
        self._ts = ts

    def _compared_with(self, ts: int) -> Reference:
        """The reference of the day, made when its first minute comes."""
        day = int(_day_of(np.array([ts]))[0])
        if day != self._day:
            self._day = day
            past = [(at, row) for at, row in self._past if day - DAYS <= (at - 1) // DAY_NS < day]
            rows = np.array([row for _, row in past]).reshape(-1, len(FEATURES))
            self._reference = reference(np.array([at for at, _ in past], np.int64), rows)
        return self._reference


def _day_of(ts: Stamps) -> Stamps:
    """Number of the UTC day in which the minute that closes at `ts` was."""
    days: Stamps = (ts - 1) // DAY_NS
    return days
