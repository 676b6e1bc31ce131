"""The book of the one instrument that is traded, and whether anything of its market is not seen.

In: every event of a feed that may touch either. Out: what became of the book, as whole ticks and steps; and the moments
when something begins to be missing, or nothing is any more. Backtests' tapes and the event path ask the same class.
"""

import enum
from collections.abc import Iterable
from typing import Final

from perpscope.engine.book import BookChange, OrderBook
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import BookDelta, BookSnapshot, Disconnected, Gap, Level, Subscribed, Unheard
from perpscope.model.stream import Channel, Stream
from perpscope.trading.layout import DEPTH
from perpscope.trading.units import Units

#: What a decision rests on: a gap in one of these is a gap.
_WATCHED: Final = frozenset({Channel.TRADES, Channel.BOOK, Channel.CANDLES_1M, Channel.MARK_PRICES})

Steps = list[tuple[int, int]]


class Reading(enum.Enum):
    """What has to be done about the book after an event."""

    NOTHING = "nothing"
    LEVELS = "levels"  #: these levels changed: it is read when somebody looks
    ANEW = "anew"  #: the same, but every level is another
    TOP = "top"  #: its best levels are all that is known of it: it is read at once
    LOST = "lost"  #: it is not known any more


class BookFeed:
    """Keeps the book, and says how it is to be read.

    A feed that sends nothing but whole books has each of them read at once; as soon as it sends deltas the book is read
    when somebody looks.
    """

    def __init__(self, instrument: InstrumentId, units: Units) -> None:
        self._instrument = instrument
        self._tick, self._step = float(units.tick), float(units.step)
        self._book = OrderBook(instrument)
        self._has_deltas = False
        self._was_lazy = False
        self._was_readable = False
        self._carriers: set[str] = set()

    def delta(self, event: BookDelta) -> Reading:
        """Take a delta."""
        self._has_deltas = True
        return self._read(self._book.apply(event))

    def snapshot(self, event: BookSnapshot) -> Reading:
        """Take a snapshot, streamed or asked for."""
        return self._read(self._book.restore(event), is_anew=event.is_stream)

    def subscribed(self, event: Subscribed) -> None:
        """Note which connections carry the book."""
        if any(self._is_book(stream) for stream in event.streams):
            self._carriers.add(event.connection)

    def dropped(self, event: Unheard | Disconnected) -> Reading:
        """A connection is gone, or goes on without these streams: nobody feeds the book any more."""
        is_whole = isinstance(event, Disconnected) or any(self._is_book(stream) for stream in event.streams)
        if not is_whole or event.connection not in self._carriers:
            return Reading.NOTHING
        self._carriers.discard(event.connection)
        if self._carriers:
            return Reading.NOTHING
        self._book.invalidate()
        return self._read(BookChange.HOLE)

    def top(self) -> tuple[Steps, Steps]:
        """The best levels, best first: (tick, steps)."""
        return self._best(is_bid=True), self._best(is_bid=False)

    def all(self) -> tuple[Steps, Steps]:
        """Every level there is."""
        return self.steps(self._book.bids() or []), self.steps(self._book.asks() or [])

    def steps(self, levels: Iterable[Level]) -> Steps:
        """Levels in whole ticks and steps; a level of less than half a step has none."""
        tick, step = self._tick, self._step
        return [(round(price / tick), round(size / step)) for price, size in levels]

    def _best(self, *, is_bid: bool) -> Steps:
        known = self._book.bids if is_bid else self._book.asks
        found = self.steps(known(DEPTH) or [])
        if all(size for _, size in found):
            return found
        return [level for level in self.steps(known() or []) if level[1]][:DEPTH]

    def _read(self, change: BookChange, *, is_anew: bool = False) -> Reading:
        was_lazy, was_readable = self._was_lazy, self._was_readable
        self._was_readable = self._book.is_readable
        if not self._was_readable:
            self._was_lazy = False
            return Reading.LOST if was_readable else Reading.NOTHING
        if change not in (BookChange.APPLIED, BookChange.LIVE):
            return Reading.NOTHING
        self._was_lazy = self._has_deltas and self._book.is_whole
        if not self._was_lazy:
            return Reading.TOP
        return Reading.LEVELS if was_lazy and not is_anew else Reading.ANEW

    def _is_book(self, stream: Stream) -> bool:
        return stream.channel is Channel.BOOK and stream.instrument in (None, self._instrument)


class OpenGaps:
    """What is not seen of one instrument."""

    def __init__(self, instrument: InstrumentId) -> None:
        self._instrument = instrument
        self._open: set[Stream] = set()

    def told(self, event: Gap) -> bool | None:
        """Take a gap; True = something is missing from now on, False = nothing any more, None if nothing changes."""
        ours = {stream for stream in event.streams if self._is_ours(stream)}
        was_open = bool(self._open)
        if event.ts_to is None:
            self._open |= ours
        else:
            self._open -= ours
        is_open = bool(self._open)
        return None if is_open is was_open else is_open

    def _is_ours(self, stream: Stream) -> bool:
        return stream.channel in _WATCHED and stream.instrument in (None, self._instrument)
