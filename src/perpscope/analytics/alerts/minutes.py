"""The minutes of a coin, and what came after each of them once that is known.

In: closed minutes in order of time, with holes where nothing was seen. Out: for each horizon, the minute that has just
become old enough to be judged, and what came after it. Constant work a minute, as many kept as the longest horizon.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import floor, log, log2, sqrt
from typing import Final

import msgspec

from perpscope.analytics.alerts.alert import Side
from perpscope.analytics.alerts.expression import Value
from perpscope.analytics.alerts.outcomes import Ahead, measured

#: Minutes before one that its volatility is taken of, and that must be known; chosen by hand.
_PAST, _LEAST_PAST = 60, 30
#: Share of the minutes after one that must be known; chosen by hand.
_LEAST_SEEN: Final = 0.8


class Minute(msgspec.Struct, frozen=True, array_like=True):
    """One closed minute of a coin."""

    at: int  #: minutes UTC: its start in ms ÷ 60,000
    high: float  #: quote per base
    low: float
    close: float
    long_usd: float | None  #: liquidated; None = nobody watched
    short_usd: float | None


class Seen(msgspec.Struct, array_like=True):
    """A minute, with how restless the hour before its end was."""

    minute: Minute
    sigma: float | None  #: of one-minute log returns


class Judged(msgspec.Struct, kw_only=True):
    """A minute of which it is known what came after, for one horizon."""

    base: Seen
    ahead: Ahead
    horizon_min: int
    values: dict[str, Mapping[str, Value]] = {}  #: by side, reckoned once for all rules

    def measured(self, side: Side | None) -> Mapping[str, Value]:
        """The measures of what came, for an alert about a side."""
        key = side or ""
        if key not in self.values:
            self.values[key] = measured(self.ahead, side, self.horizon_min)
        return self.values[key]


class _Sliding:
    """Extremes and sums of the newest minutes of one horizon, at constant work a minute."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self._minutes: deque[Minute] = deque()
        self._highs: deque[Minute] = deque()
        self._lows: deque[Minute] = deque()
        self._cents = [0, 0]
        self._watched = [0, 0]

    def take(self, minute: Minute) -> None:
        """The next minute; those beyond the horizon go."""
        while self._highs and self._highs[-1].high <= minute.high:
            self._highs.pop()
        while self._lows and self._lows[-1].low >= minute.low:
            self._lows.pop()
        for kept in (self._minutes, self._highs, self._lows):
            kept.append(minute)
        self._add(minute, 1)
        last = minute.at - self.horizon
        while self._minutes[0].at <= last:
            self._add(self._minutes.popleft(), -1)
        while self._highs[0].at <= last:
            self._highs.popleft()
        while self._lows[0].at <= last:
            self._lows.popleft()

    def ahead(self, base: Seen) -> Ahead | None:
        """What came after a minute that lies right before these; None where too much is unknown."""
        count = len(self._minutes)
        if count < max(1.0, _LEAST_SEEN * self.horizon):
            return None
        long, short = (
            cents / 100.0 if watched == count else None
            for cents, watched in zip(self._cents, self._watched, strict=True)
        )
        return Ahead(
            base=base.minute.close,
            high=self._highs[0].high,
            low=self._lows[0].low,
            long_usd=long,
            short_usd=short,
            sigma=base.sigma,
        )

    def _add(self, minute: Minute, sign: int) -> None:
        for side, usd in enumerate((minute.long_usd, minute.short_usd)):
            if usd is not None:
                self._cents[side] += sign * round(usd * 100.0)
                self._watched[side] += sign


class Path:
    """The last minutes of one coin.

    Args:
        horizons: minutes ahead that are wanted.
        seen: minutes that were kept before, in order.
    """

    def __init__(self, horizons: Collection[int], seen: Collection[Seen] = ()) -> None:
        self.horizons = sorted(set(horizons))
        self._keep = max(self.horizons, default=0) + 1
        self.seen: deque[Seen] = deque()
        self._by: dict[int, Seen] = {}
        self._returns: deque[tuple[int, float]] = deque()
        self._sliding = [_Sliding(horizon) for horizon in self.horizons]
        for each in seen:
            self._put(each)

    @property
    def newest(self) -> int | None:
        """The newest minute."""
        return self.seen[-1].minute.at if self.seen else None

    def take(self, minute: Minute) -> dict[int, Judged]:
        """One more minute; by horizon, the one that can be judged now. A minute that is not newer is not taken."""
        if self.newest is not None and minute.at <= self.newest:
            return {}
        before = self._by.get(minute.at - 1)
        if before is not None:
            self._returns.append((minute.at, log(minute.close / before.minute.close)))
        while self._returns and self._returns[0][0] <= minute.at - _PAST:
            self._returns.popleft()
        self._put(Seen(minute, self._sigma()))
        found = {}
        for sliding in self._sliding:
            base = self._by.get(minute.at - sliding.horizon)
            ahead = None if base is None else sliding.ahead(base)
            if base is not None and ahead is not None:
                found[sliding.horizon] = Judged(base=base, ahead=ahead, horizon_min=sliding.horizon)
        return found

    def after(self, base: Seen, minutes: int) -> list[Minute]:
        """The minutes after one, as far as they are known."""
        start = base.minute.at + 1
        return [each.minute for at in range(start, start + minutes) if (each := self._by.get(at)) is not None]

    def _put(self, seen: Seen) -> None:
        self.seen.append(seen)
        self._by[seen.minute.at] = seen
        for sliding in self._sliding:
            sliding.take(seen.minute)
        while self.seen[0].minute.at <= seen.minute.at - self._keep:
            del self._by[self.seen.popleft().minute.at]

    def _sigma(self) -> float | None:
        if len(self._returns) < _LEAST_PAST:
            return None
        return sqrt(sum(value * value for _, value in self._returns) / len(self._returns))


def growing(base: Seen, after: Sequence[Minute]) -> Iterator[tuple[Minute, Ahead]]:
    """What had come by the end of each of the minutes after one."""
    high, low, sides, watched = 0.0, float("inf"), [0, 0], [True, True]
    for minute in after:
        high, low = max(high, minute.high), min(low, minute.low)
        for side, usd in enumerate((minute.long_usd, minute.short_usd)):
            watched[side] = watched[side] and usd is not None
            sides[side] += round((usd or 0.0) * 100.0)
        long, short = (cents / 100.0 if known else None for cents, known in zip(sides, watched, strict=True))
        yield (
            minute,
            Ahead(base=base.minute.close, high=high, low=low, long_usd=long, short_usd=short, sigma=base.sigma),
        )


def calm(sigma: float | None) -> str:
    """Name of the class of minutes as restless as this one: powers of two of a basis point.

    >>> calm(None), calm(0.0), calm(0.0003), calm(0.00041)
    ('?', '-1', '1', '2')
    """
    return "?" if sigma is None else str(max(-1, min(9, floor(log2(max(sigma, 1e-12) / 1e-4)))))
