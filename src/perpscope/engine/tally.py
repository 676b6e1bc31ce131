"""What has come in, counted by kind of event and by venue and channel, at the cost of two additions an event.

In: a note for each event. Out: `counts` by kind, and `(events, ts_last)` by venue and channel.
"""

from collections.abc import Mapping
from typing import Final

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import AccountRatio, ContractUpdate, Interval, PublicPosition, TakerVolume
from perpscope.model.stream import Channel

CANDLE_CHANNELS: Final = {
    Interval.M1: Channel.CANDLES_1M,
    Interval.M15: Channel.CANDLES_15M,
    Interval.H1: Channel.CANDLES_1H,
}
#: Kinds that are passed on as they come: the name they are counted under, and their channel.
TOLD: Final[Mapping[type, tuple[str, Channel]]] = {
    AccountRatio: ("account_ratio", Channel.ACCOUNT_RATIOS),
    TakerVolume: ("taker_volume", Channel.TAKER_VOLUME),
    PublicPosition: ("public_position", Channel.POSITIONS),
    ContractUpdate: ("contract_update", Channel.CONTRACTS),
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

    __slots__ = (
        "book_deltas",
        "book_snapshots",
        "candles",
        "liquidations",
        "mark_prices",
        "open_interest",
        "quotes",
        "streamed_books",
        "told",
        "trades",
    )

    def __init__(self) -> None:
        self.trades = Seen()
        self.quotes = Seen()
        self.book_deltas = Seen()
        self.book_snapshots = Seen()  # asked for
        self.streamed_books = Seen()  # snapshots that came in their place among the deltas
        self.mark_prices = Seen()
        self.liquidations = Seen()
        self.open_interest = Seen()
        self.candles = {interval: Seen() for interval in Interval}
        self.told = {kind: Seen() for kind in TOLD}

    def channels(self) -> dict[Channel, tuple[int, int]]:
        """`(events, ts_recv of the last)` of each channel that has had any; a book's are what streams."""
        book, whole = self.book_deltas, self.streamed_books
        found = {Channel.BOOK: (book.count + whole.count, max(book.ts_last, whole.ts_last))}
        seen = {
            Channel.TRADES: self.trades,
            Channel.QUOTES: self.quotes,
            Channel.MARK_PRICES: self.mark_prices,
            Channel.LIQUIDATIONS: self.liquidations,
            Channel.OPEN_INTEREST: self.open_interest,
            **{CANDLE_CHANNELS[interval]: candles for interval, candles in self.candles.items()},
            **{TOLD[kind][1]: told for kind, told in self.told.items()},
        }
        found |= {channel: (kind.count, kind.ts_last) for channel, kind in seen.items()}
        return {channel: counted for channel, counted in found.items() if counted[0]}


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
            "book_snapshot": sum(t.book_snapshots.count + t.streamed_books.count for t in tallies),
            "candle": sum(seen.count for t in tallies for seen in t.candles.values()),
            "mark_price": sum(t.mark_prices.count for t in tallies),
            "liquidation": sum(t.liquidations.count for t in tallies),
            "open_interest": sum(t.open_interest.count for t in tallies),
            **{name: sum(t.told[kind].count for t in tallies) for kind, (name, _) in TOLD.items()},
        }

    @property
    def by_channel(self) -> dict[tuple[str, Channel], tuple[int, int]]:
        """`(events, ts_recv of the last)` by venue and channel."""
        return {
            (venue, channel): seen
            for venue, tally in self._venues.items()
            for channel, seen in tally.channels().items()
        }
