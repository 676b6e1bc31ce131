"""The books a run's orders met, and those they would have met had the model been right about how late they are.

In: a recording, and moments of the exchange's time at which somebody wants to know what a size was worth. Out: for each
the levels that were there, or that the book was not seen. One pass over the frames, without strategy or desk.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app import others, venues
from perpscope.app.backtest.frames import stepped
from perpscope.app.replay_cast import Cast
from perpscope.engine.book_feed import BookFeed, Steps
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookDelta, BookSnapshot, Disconnected, Subscribed, Unheard
from perpscope.model.order import Arrival
from perpscope.ports import Venue
from perpscope.trading.units import Units

#: A book that says nothing for so long does not tell what was there; ns, chosen by hand.
STALE_NS: Final = 5_000_000_000


class Wanted(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A question to the book; compared by its time."""

    ts: int  #: ns UTC, the exchange's
    key: str  #: unlike any other's
    is_next: bool  #: the first book from then on, as a modelled exchange fills; else the one that stood then
    side: int  #: 1 buys, -1 sells
    size: int  #: steps


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What was there."""

    ts: int  #: ns UTC, the exchange's, of the book
    levels: list[tuple[int, int]]  #: (ticks, steps) taken, best first; the last stands for what lies deeper
    is_seen: bool  #: False: the book was lost, or silent, at the time that was asked for


def shown(recording: Path, instrument: Instrument, wanted: Sequence[Wanted]) -> dict[str, Shown]:
    """What each question comes to, by its key; left out = no book ever came.

    Args:
        recording: perpscope's own.
        instrument: whose book.
        wanted: in any order.

    Raises:
        DataError: it is no recording.
    """
    if not wanted:
        return {}
    tape = Tape(recording)
    cast = Cast(tape, venues.find(tape.venue or instrument.venue), {}, venue_named, only=frozenset({instrument.id}))
    return answered(_events(cast), instrument, wanted)


def answered(events: Iterable[Arrival], instrument: Instrument, wanted: Sequence[Wanted]) -> dict[str, Shown]:
    """As `shown`, of events in the order of their receipt."""
    asking = _Asking(instrument, wanted)
    for event in events:
        match event:
            case BookDelta() | BookSnapshot() if event.instrument == instrument.id:
                asking.booked(event)
            case Subscribed():
                asking.book.subscribed(event)
            case Unheard() | Disconnected():
                asking.book.dropped(event)
            case _:
                continue
    asking.end()
    return asking.found


class _Asking:
    """Questions that wait for their time."""

    def __init__(self, instrument: Instrument, wanted: Sequence[Wanted]) -> None:
        self.book = BookFeed(instrument.id, Units.of(instrument))
        self.found: dict[str, Shown] = {}
        self._now = [one for one in wanted if not one.is_next]
        self._next = [one for one in wanted if one.is_next]
        heapify(self._now)
        heapify(self._next)
        self._at = 0  # ns UTC, the exchange's, of the newest book
        self._missed: set[str] = set()  # questions whose time came while there was none

    def booked(self, event: BookDelta | BookSnapshot) -> None:
        """Answer what was asked of the time before this book, then what is asked from it on."""
        ts = event.ts_event
        while self._now and self._now[0].ts < ts:
            self._answer(heappop(self._now))
        if isinstance(event, BookDelta):
            self.book.delta(event)
        else:
            self.book.snapshot(event)
        self._at = ts
        if not self._next or self._next[0].ts > ts:
            return
        bids, asks = self.book.top()
        if not (bids and asks):
            self._missed |= {one.key for one in self._next if one.ts <= ts}
            return
        while self._next and self._next[0].ts <= ts:
            one = heappop(self._next)
            is_seen = one.key not in self._missed and ts - one.ts <= STALE_NS
            self._keep(one, Shown(ts=ts, levels=taken(asks if one.side > 0 else bids, one.size), is_seen=is_seen))

    def end(self) -> None:
        """Answer what is left with the last book there was."""
        while self._now:
            self._answer(heappop(self._now))

    def _answer(self, one: Wanted) -> None:
        bids, asks = self.book.top()
        if not (bids and asks):
            return
        is_seen = one.ts - self._at <= STALE_NS
        self._keep(one, Shown(ts=self._at, levels=taken(asks if one.side > 0 else bids, one.size), is_seen=is_seen))

    def _keep(self, one: Wanted, found: Shown) -> None:
        self.found[one.key] = found


def taken(levels: Steps, size: int) -> list[tuple[int, int]]:
    """The levels that so many steps take, best first; what lies deeper than is known is taken at the last of them.

    >>> taken([(100, 2), (101, 3)], 4), taken([(100, 2), (101, 3)], 7)
    ([(100, 2), (101, 2)], [(100, 2), (101, 3), (101, 2)])
    """
    found, left = [], size
    for ticks, steps in levels:
        some = min(left, steps)
        if some > 0:
            found.append((ticks, some))
            left -= some
    if left > 0:
        found.append((levels[-1][0], left))
    return found


def venue_named(name: str) -> Venue | None:
    """The venue a part of a recording names."""
    return venues.find(name) if name in venues.names() else others.venue_named(name)


def _events(cast: Cast) -> Iterator[Arrival]:
    for batch in stepped(cast.feed().batches()):
        yield from batch
