"""What has come in, counted by kind of event and by venue and channel, at the cost of two additions an event.

In: a note for each event. Out: `counts` by kind, and `(events, ts_last)` by venue and channel.
"""

from typing import Final

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Interval
from perpscope.model.stream import Channel

CANDLE_CHANNELS: Final = {
    Interval.M1: Channel.CANDLES_1M,
    Interval.M15: Channel.CANDLES_15M,
    Interval.H1: Channel.CANDLES_1H,
}


def venue_of(instrument: InstrumentId) -> str:
    """The venue an instrument's name ends in, lower case.

    >>> venue_of(InstrumentId("BTC-USDT-PERP.BINANCE"))
    'binance'
    """
    return instrument.rpartition(".")[2].lower()


class Seen:
    """How many events of one kind, and when the last one came."""

    __slots__ = ("count", "ts_last")

    def __init__(self) -> None:
        self.count = 0
        self.ts_last = 0  #: ns UTC, `ts_recv`; 0 before the first

    def note(self, ts_recv: int) -> None:
        """Count one event received at `ts_recv` (ns UTC)."""
        self.count += 1
        self.ts_last = ts_recv


class VenueTally:
    """Events of one venue."""

    __slots__ = ("book_deltas", "book_snapshots", "candles", "liquidations", "mark_prices", "quotes", "trades")

    def __init__(self) -> None:
        self.trades = Seen()
        self.quotes = Seen()
        self.book_deltas = Seen()
        self.book_snapshots = Seen()
        self.mark_prices = Seen()
        self.liquidations = Seen()
        self.candles = {interval: Seen() for interval in Interval}

    def channels(self) -> dict[Channel, tuple[int, int]]:
        """`(events, ts_recv of the last)` of each channel that has had any; a book's are its deltas."""
        seen = {
            Channel.TRADES: self.trades,
            Channel.QUOTES: self.quotes,
            Channel.BOOK: self.book_deltas,
            Channel.MARK_PRICES: self.mark_prices,
            Channel.LIQUIDATIONS: self.liquidations,
            **{CANDLE_CHANNELS[interval]: candles for interval, candles in self.candles.items()},
        }
        return {channel: (kind.count, kind.ts_last) for channel, kind in seen.items() if kind.count}


class Tally:
    """Events of every venue."""

    def __init__(self) -> None:
        self._venues: dict[str, VenueTally] = {}

    def of(self, venue: str) -> VenueTally:
        """The tally of a venue, made at its first event."""
        tally = self._venues.get(venue)
        if tally is None:
            tally = self._venues[venue] = VenueTally()
        return tally

    @property
    def counts(self) -> dict[str, int]:
        """Events by kind, all venues together."""
        tallies = list(self._venues.values())
        return {
            "trade": sum(t.trades.count for t in tallies),
            "quote": sum(t.quotes.count for t in tallies),
            "book_delta": sum(t.book_deltas.count for t in tallies),
            "book_snapshot": sum(t.book_snapshots.count for t in tallies),
            "candle": sum(seen.count for t in tallies for seen in t.candles.values()),
            "mark_price": sum(t.mark_prices.count for t in tallies),
            "liquidation": sum(t.liquidations.count for t in tallies),
        }

    @property
    def by_channel(self) -> dict[tuple[str, Channel], tuple[int, int]]:
        """`(events, ts_recv of the last)` by venue and channel."""
        return {
            (venue, channel): seen
            for venue, tally in self._venues.items()
            for channel, seen in tally.channels().items()
        }
