"""Recorded frames as a source: through the real decoders, the engine judging what is whole, once and seen.

The engine takes every event first, as it does live: liquidations come once, candles when they close, and gaps when it
finds them. Trades, quotes and books are told as they came: who takes them keeps a book by the venue's own rules.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from perpscope.analytics.watching import watched, whole_share
from perpscope.app.backtest.material import Event
from perpscope.app.backtest.settlements import due_of
from perpscope.app.backtest.told import ticking
from perpscope.app.replay_cast import Cast
from perpscope.app.trade.hearing import Hearing
from perpscope.engine.engine import Engine
from perpscope.feeds.replay import ReplayFeed
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Covered,
    FundingPaid,
    Gap,
    MarkPrice,
    Quote,
    Source,
    Trade,
)
from perpscope.model.stream import Channel
from perpscope.trading.strategy import Needs

T = TypeVar("T")
#: Streams whose holes are holes in prices, by what a strategy looks at.
_SEEN_BY: Final = {Needs.TRADES: Channel.TRADES, Needs.BOOK: Channel.BOOK, Needs.CANDLES: Channel.CANDLES_1M}


class Heard(msgspec.Struct):
    """What a pass over the frames found."""

    counts: dict[type[object], int] = {}
    ts_first: int = 0
    ts_last: int = 0
    covered: dict[Channel, list[tuple[int, int, Source]]] = {}
    missed: dict[Channel, list[tuple[int, int, str]]] = {}
    frames: int = 0
    rejected: int = 0

    def share(self, channel: Channel) -> float:
        """Fraction of the time in which a stream was seen whole."""
        spans = watched(self.covered.get(channel, []), self.missed.get(channel, []), self.ts_first, self.ts_last)
        return whole_share(spans, self.ts_first, self.ts_last) or 0.0

    @property
    def offers(self) -> Needs:
        """What of the market it tells: candles are made of trades where none come."""
        found = Needs(0)
        if self.counts.get(Trade):
            found |= Needs.TRADES | Needs.CANDLES
        if self.counts.get(Candle):
            found |= Needs.CANDLES
        if any(self.counts.get(kind) for kind in (BookSnapshot, BookDelta, Quote)):
            found |= Needs.BOOK
        return found

    def coverage(self, needs: Needs) -> float:
        """The least share of what is needed of it, or, if nothing that is needed is told, of all that it tells."""
        told = [channel for need, channel in _SEEN_BY.items() if channel in self.covered and need in needs]
        told = told or [channel for channel in _SEEN_BY.values() if channel in self.covered]
        return min((self.share(channel) for channel in told), default=0.0)


class FrameSource(msgspec.Struct, frozen=True, kw_only=True):
    """Recordings of one instrument, in the order of their times."""

    instrument: Instrument
    casts: Sequence[Cast]

    def events(self) -> Iterator[Event]:
        """Everything of the instrument, with settlements and Ticks."""
        yield from ticking(self._settled(event for event in self.judged(Heard()) if not isinstance(event, Covered)))

    def judged(self, heard: Heard) -> Iterator[Event]:
        """Everything as the engine lets it pass, `Covered` among it; what was found is written into `heard`."""
        for cast in self.casts:
            feed = cast.feed()
            yield from _judged(feed, self.instrument.id, heard)
            heard.frames += feed.counts.frames
            heard.rejected += feed.counts.rejected

    def _settled(self, events: Iterator[Event]) -> Iterator[Event]:
        """With payments where nobody tells them."""
        due = due_of(self.instrument.id, self.instrument.funding_interval_h)
        is_told = False
        for event in events:
            is_told = is_told or isinstance(event, FundingPaid)
            paid = due.before(event.ts_recv, event if isinstance(event, MarkPrice) else None)
            if paid is not None and not is_told:
                yield paid
            yield event


def _judged(feed: ReplayFeed, wanted: InstrumentId, heard: Heard) -> Iterator[Event]:
    hearing = Hearing(wanted)
    engine = Engine(sinks=[hearing])
    for batch in stepped(feed.batches()):
        for event in batch:
            engine.process(event)
            for one in hearing.heard(event):
                _note(heard, one)
                yield one
    for event in feed.ending():
        engine.process(event)
    for one in hearing.told():
        _note(heard, one)
        yield one


def stepped(batches: AsyncIterator[T]) -> Iterator[T]:
    """What an asynchronous iterator yields that never waits for anything, as a replay does not."""
    while True:
        step = batches.__anext__()
        try:
            step.__await__().__next__()
        except StopIteration as got:
            yield got.value
        except StopAsyncIteration:
            return
        else:
            raise AssertionError("a replay waits for nothing")


def _note(heard: Heard, event: Event) -> None:
    if isinstance(event, Covered):
        for stream in event.streams:
            heard.covered.setdefault(stream.channel, []).append((event.ts_from, event.ts_to, event.source))
        return
    if isinstance(event, Gap):
        for stream in event.streams:
            if event.ts_to is not None:
                heard.missed.setdefault(stream.channel, []).append((event.ts_from, event.ts_to, event.cause))
        return
    heard.counts[type(event)] = heard.counts.get(type(event), 0) + 1
    heard.ts_first = heard.ts_first or event.ts_recv
    heard.ts_last = max(heard.ts_last, event.ts_recv)
