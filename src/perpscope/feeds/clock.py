"""The only room that reads time. Stamps frames, makes Ticks, follows a lab's market clock.

Market time is wall time at the start plus monotonic time since, so it never goes back, whatever NTP or an operator
does to the wall clock. A playback or a demo at another speed *rebases*: the lab publishes an anchor (market time,
wall time, rate) and this clock follows it, so that staleness, coverage and retention all run in market time.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec

SECOND_NS = 1_000_000_000
#: Ticks come each market second, but not oftener than this in real time, so that a demo at 1000× is not all ticks.
_LEAST_TICK_S = 0.02
#: Nor seldomer than this: what was received waits no longer to be written.
_MOST_TICK_S = 5.0


def wall_ns() -> int:
    """Real time, ns UTC, as the machine tells it: for ages seen from another process."""
    return time.time_ns()


class Anchor(msgspec.Struct, frozen=True):
    """One instant in two clocks: market time = market_ns + (wall time - wall_ns) × rate."""

    market_ns: int  #: ns UTC
    wall_ns: int  #: ns UTC
    rate: float  #: market seconds per real second
    asked_rate: float | None = None  #: what it should be, where that is told: more if the lab cannot keep up


class MarketClock:
    """Market time, ns UTC; follows real time unless told to follow an anchor."""

    def __init__(self) -> None:
        self._wall_at_start = time.time_ns()
        self._monotonic_at_start = time.monotonic_ns()
        self._anchor = Anchor(self._wall_at_start, self._wall_at_start, 1.0)
        self._floor = 0
        self.lag_s = 0.0  #: real seconds the last Tick was late by: the event loop was busy, or the process stopped
        self.longest_lag_s = 0.0  #: real seconds the latest of all Ticks was late by

    @property
    def rate(self) -> float:
        """Market seconds per real second."""
        return self._anchor.rate

    def follow(self, anchor: Anchor) -> None:
        """Rebase onto a market clock; time still never goes back."""
        self._anchor = anchor

    def wall_ns(self) -> int:
        """Real time, ns UTC; never goes back."""
        return self._wall_at_start + time.monotonic_ns() - self._monotonic_at_start

    def now_ns(self) -> int:
        """Market time, ns UTC; never goes back."""
        anchor = self._anchor
        if anchor.rate == 1.0:
            now = anchor.market_ns + self.wall_ns() - anchor.wall_ns
        else:
            now = anchor.market_ns + int((self.wall_ns() - anchor.wall_ns) * anchor.rate)
        if now < self._floor:
            return self._floor
        self._floor = now
        return now

    @property
    def tick_s(self) -> float:
        """Real seconds between Ticks: one market second, within bounds at high and low speeds."""
        return min(max(1.0 / self._anchor.rate, _LEAST_TICK_S), _MOST_TICK_S)

    async def ticks(self) -> AsyncIterator[int]:
        """Market time at each Tick, forever; `lag_s` is that of the newest."""
        woke = time.monotonic()
        while True:
            tick_s = self.tick_s
            await asyncio.sleep(tick_s)
            slept, woke = woke, time.monotonic()
            self.lag_s = max(0.0, woke - slept - tick_s)
            self.longest_lag_s = max(self.longest_lag_s, self.lag_s)
            yield self.now_ns()
