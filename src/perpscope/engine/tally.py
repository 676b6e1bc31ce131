"""What has come in, counted by kind of event, by instrument and by venue, at the cost of two additions an event.

In: a note for each event, with its instrument. Out: `counts` by kind, and `(events, ts_last)` by venue and channel,
summed when they are asked for.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import AccountRatio, ContractUpdate, FundingPaid, Interval, PublicPosition, TakerVolume
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
    FundingPaid: ("funding_paid", Channel.FUNDING),
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


class InstrumentTally:
    """Events of one instrument, for which its venue keeps a state."""

    __slots__ = (
        "book_deltas",
        "book_snapshots",
        "candles",
        "liquidations",
        "mark_prices",
        "open_interest",
        "quotes",
        "streamed_books",
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

    def streamed(self, channel: Channel) -> tuple[Seen, ...]:
        """Where the events of a channel are counted; a book's are what streams."""
        match channel:
            case Channel.TRADES:
                return (self.trades,)
            case Channel.QUOTES:
                return (self.quotes,)
            case Channel.BOOK:
                return (self.book_deltas, self.streamed_books)
            case Channel.MARK_PRICES:
                return (self.mark_prices,)
            case Channel.LIQUIDATIONS:
                return (self.liquidations,)
            case Channel.OPEN_INTEREST:
                return (self.open_interest,)
            case _:
                return tuple(seen for interval, seen in self.candles.items() if CANDLE_CHANNELS[interval] is channel)


#: Channels counted by instrument; liquidations are, but for the venue's count those of unknown instruments too.
_BY_INSTRUMENT: Final = (
    *(Channel.TRADES, Channel.QUOTES, Channel.BOOK, Channel.MARK_PRICES, Channel.OPEN_INTEREST),
    *CANDLE_CHANNELS.values(),
)


class VenueTally:
    """Events of one venue."""

    __slots__ = ("instruments", "liquidations", "told")

    def __init__(self) -> None:
        self.instruments: list[InstrumentTally] = []
        self.liquidations = Seen()  # of unknown instruments too
        self.told = {kind: Seen() for kind in TOLD}

    def instrument(self) -> InstrumentTally:
        """The tally of one more instrument."""
        tally = InstrumentTally()
        self.instruments.append(tally)
        return tally

    def channels(self) -> dict[Channel, tuple[int, int]]:
        """`(events, ts_recv of the last)` of each channel that has had any; a book's are what streams."""
        found = {
            channel: _together(seen for tally in self.instruments for seen in tally.streamed(channel))
            for channel in _BY_INSTRUMENT
        }
        found[Channel.LIQUIDATIONS] = _together((self.liquidations,))
        found |= {TOLD[kind][1]: _together((told,)) for kind, told in self.told.items()}
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
        venues = list(self._venues.values())
        tallies = [tally for venue in venues for tally in venue.instruments]
        return {
            "trade": sum(t.trades.count for t in tallies),
            "quote": sum(t.quotes.count for t in tallies),
            "book_delta": sum(t.book_deltas.count for t in tallies),
            "book_snapshot": sum(t.book_snapshots.count + t.streamed_books.count for t in tallies),
            "candle": sum(seen.count for t in tallies for seen in t.candles.values()),
            "mark_price": sum(t.mark_prices.count for t in tallies),
            "liquidation": sum(venue.liquidations.count for venue in venues),
            "open_interest": sum(t.open_interest.count for t in tallies),
            **{name: sum(venue.told[kind].count for venue in venues) for kind, (name, _) in TOLD.items()},
        }

    @property
    def by_channel(self) -> dict[tuple[str, Channel], tuple[int, int]]:
        """`(events, ts_recv of the last)` by venue and channel."""
        return {
            (venue, channel): seen
            for venue, tally in self._venues.items()
            for channel, seen in tally.channels().items()
        }


def _together(seen: Iterable[Seen]) -> tuple[int, int]:
    count = ts_last = 0
    for one in seen:
        count += one.count
        ts_last = max(ts_last, one.ts_last)
    return count, ts_last
