"""Liquidations of the last minutes, summed as they come, exactly: dollars are counted in cents.

In: each liquidation with its time, in any order. Out: sums of both sides over four windows that end at the newest
second. Constant work a liquidation, one entry for each second that had any, none older than an hour.
"""

from bisect import insort
from collections import deque
from operator import attrgetter
from typing import Final

import msgspec

from perpscope.analytics.alerts.alert import Side

#: Windows by name, seconds.
WINDOWS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
_LONGEST_S: Final = max(WINDOWS.values())


class _Second(msgspec.Struct):
    """What was liquidated in one second."""

    at: int  #: s UTC
    cents: list[int]  #: longs, shorts
    events: list[int]
    largest: int = 0  #: cents
    venue: str = ""  #: of the largest


class _Window:
    """Sums over the seconds in (now − length, now]."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.seconds: deque[_Second] = deque()
        self.cents = [0, 0]
        self.events = [0, 0]

    def forget(self, until: int) -> None:
        """Let go of the seconds up to and with this one."""
        while self.seconds and self.seconds[0].at <= until:
            gone = self.seconds.popleft()
            for side in (0, 1):
                self.cents[side] -= gone.cents[side]
                self.events[side] -= gone.events[side]


class Liquidated:
    """Liquidations of one coin.

    >>> sums = Liquidated()
    >>> sums.take(1000, "long", 250.0, "bybit")
    >>> sums.advance(1059); sums.usd("1m", "long"), sums.usd("1m", "short")
    (250.0, 0.0)
    >>> sums.advance(1060); sums.usd("1m", "long"), sums.usd("5m", "long")
    (0.0, 250.0)
    """

    def __init__(self) -> None:
        self._now = 0  #: s UTC
        self._windows = {name: _Window(length) for name, length in WINDOWS.items()}

    def take(self, at: int, side: Side, usd: float, venue: str) -> None:
        """Count one liquidation at a second (UTC); older than an hour before the newest, it is not counted."""
        self.advance(at)
        hour = self._windows["1h"].seconds
        if at <= self._now - _LONGEST_S:
            return
        second = hour[-1] if hour and hour[-1].at == at else next((each for each in hour if each.at == at), None)
        cents = round(usd * 100.0)
        place = 0 if side == "long" else 1
        if second is None:
            second = _Second(at, [0, 0], [0, 0])
            for window in self._windows.values():
                if at > self._now - window.length:
                    _put(window.seconds, second)
        second.cents[place] += cents
        second.events[place] += 1
        if cents > second.largest:
            second.largest, second.venue = cents, venue
        for window in self._windows.values():
            if at > self._now - window.length:
                window.cents[place] += cents
                window.events[place] += 1

    def advance(self, now: int) -> None:
        """Let time pass up to a second (UTC); it does not go back."""
        if now > self._now:
            self._now = now
            for window in self._windows.values():
                window.forget(now - window.length)

    def usd(self, window: str, side: Side | None) -> float:
        """Dollars of a window; both sides where none is named."""
        cents = self._windows[window].cents
        return _of(cents, side) / 100.0

    def events(self, window: str, side: Side | None) -> int:
        """How many; both sides where none is named."""
        return _of(self._windows[window].events, side)

    def largest(self, window: str) -> tuple[float, str] | None:
        """The largest single one and its venue; None where there was none."""
        seconds = self._windows[window].seconds
        found = max(seconds, key=attrgetter("largest"), default=None)
        return None if found is None else (found.largest / 100.0, found.venue)


def _of(sides: list[int], side: Side | None) -> int:
    return sum(sides) if side is None else sides[0 if side == "long" else 1]


def _put(seconds: deque[_Second], second: _Second) -> None:
    """In order of time; nearly always at the end."""
    if not seconds or seconds[-1].at < second.at:
        seconds.append(second)
    else:
        insort(seconds, second, key=attrgetter("at"))
