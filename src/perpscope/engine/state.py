"""The state of the market: for each known instrument its book, last trade, quote, mark price, open interest, candles.

In: events, already in the order of receipt. Out: what is true now. Bounded: an instrument is known because it was
named at the start or, where none was, because it is among the first few thousand to be heard of.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from perpscope.engine.book import OrderBook
from perpscope.engine.book_check import BookCheck
from perpscope.engine.candles import CandleBook
from perpscope.engine.reference import ReferencePrices
from perpscope.engine.tally import Tally, venue_of
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import MarkPrice, OpenInterest, Quote, Trade

#: Instruments learnt from their events at most; all venues together list fewer.
_CAPACITY: Final = 8_192
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MarkCache(msgspec.Struct, frozen=True, gc=False):
    """The mark price as shown to people and programs."""

    mark_price: float  #: quote per base
    index_price: float | None  #: quote per base, where published
    funding_rate: float | None  #: fraction per interval; None for dated contracts
    next_funding_time: datetime | None  #: UTC; None for dated contracts
    updated_at: datetime  #: UTC, when it was received


class QuoteCache(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask as shown to people and programs."""

    bid: float  #: quote per base
    bid_qty: float  #: base units
    ask: float  #: quote per base
    ask_qty: float  #: base units
    spread: float  #: ask - bid, quote per base
    spread_bps: float  #: spread against mid, basis points
    updated_at: datetime  #: UTC, when it was received


class InstrumentState:
    """What is known of one instrument; written by the engine alone."""

    __slots__ = (
        "book",
        "check",
        "instrument",
        "last_mark",
        "last_open_interest",
        "last_quote",
        "last_trade",
        "references",
        "seen",
        "venue",
    )

    def __init__(self, instrument: InstrumentId, tally: Tally, check: BookCheck | None) -> None:
        self.instrument = instrument
        self.venue = venue_of(instrument)
        self.seen = tally.of(self.venue).instrument()
        self.check = check
        self.book = OrderBook(instrument, None if check is None else check.applied)
        self.last_trade: Trade | None = None
        self.last_quote: Quote | None = None
        self.last_mark: MarkPrice | None = None
        self.last_open_interest: OpenInterest | None = None
        self.references = ReferencePrices()

    @property
    def mark_cache(self) -> MarkCache | None:
        """The last mark price; None before the first."""
        mark = self.last_mark
        if mark is None:
            return None
        due = None if mark.ts_next_funding is None else _moment(mark.ts_next_funding)
        return MarkCache(mark.mark, mark.index, mark.funding_rate, due, _moment(mark.ts_recv))

    @property
    def quote_cache(self) -> QuoteCache | None:
        """The last best bid and ask with their spread; None before the first.

        Spread in basis points = (ask - bid) ÷ mid × 10⁴.
        """
        quote = self.last_quote
        if quote is None:
            return None
        spread = quote.ask - quote.bid
        spread_bps = spread / ((quote.ask + quote.bid) / 2.0) * 10_000.0
        received = _moment(quote.ts_recv)
        return QuoteCache(quote.bid, quote.bid_size, quote.ask, quote.ask_size, spread, spread_bps, received)


class MarketState:
    """All instruments.

    Args:
        tally: where their events are counted.
        instruments: those to know; None = learn them from their events.
        check_books: compare every book with its quotes.
        capacity: instruments learnt at most.
    """

    def __init__(
        self,
        tally: Tally,
        instruments: Iterable[InstrumentId] | None = None,
        *,
        check_books: bool = False,
        capacity: int = _CAPACITY,
    ) -> None:
        self.candles = CandleBook()
        self._tally = tally
        self._check_books = check_books
        self._states: dict[InstrumentId, InstrumentState] = {}
        self._capacity = capacity if instruments is None else 0
        for instrument in instruments or ():
            self._learn(instrument)

    def __iter__(self) -> Iterator[InstrumentState]:
        return iter(self._states.values())

    def get(self, instrument: InstrumentId) -> InstrumentState | None:
        """The state of an instrument; None if it is not known."""
        return self._states.get(instrument)

    def admit(self, instrument: InstrumentId) -> InstrumentState | None:
        """The state of an instrument, learnt now if there is room; None if it stays unknown."""
        state = self._states.get(instrument)
        if state is None and len(self._states) < self._capacity:
            return self._learn(instrument)
        return state

    def _learn(self, instrument: InstrumentId) -> InstrumentState:
        check = BookCheck() if self._check_books else None
        state = self._states[instrument] = InstrumentState(instrument, self._tally, check)
        return state


def _moment(ts_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ts_ns // 1_000)
