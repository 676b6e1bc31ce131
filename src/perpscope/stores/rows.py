"""From an event to the row that keeps it, and the batch the rows travel in.

Events come in from `intake`, tuples in column order go out to `statements`. Sides are turned here, once: the tables
promise the side of the *order* that closed a position, the model has the position's own.
"""

import math
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import (
    Candle,
    Completeness,
    ContractUpdate,
    Covered,
    Gap,
    Interval,
    Liquidation,
    Lpi,
    MarkPrice,
    PositionSide,
    Sampling,
    Source,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.status import FeedStatus, HeartStatus

Row: TypeAlias = tuple[str | int | float | None, ...]
#: What names an interval of coverage: venue, streams, ts_from; a covered one also by its source.
IntervalKey: TypeAlias = tuple[str, tuple[Stream, ...], int]
CoveredKey: TypeAlias = tuple[str, tuple[Stream, ...], int, Source]

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
_MS_NS = 1_000_000
_MS_TEXT = tuple(f".{ms:03d}" for ms in range(1000))


class Batch:
    """Rows that are committed together, and the coverage that vouches for them and for those before them."""

    __slots__ = (
        "candles",
        "contracts",
        "covered",
        "feeds",
        "gaps",
        "heart",
        "instruments",
        "liquidations",
        "rows",
        "series",
        "tiers",
        "ts_tick",
    )

    def __init__(self) -> None:
        self.rows = 0  #: liquidations, candles, rows of series and contract updates
        self.ts_tick: int | None = None  #: ns UTC, newest Tick
        self.liquidations: list[Row] = []
        self.candles: dict[Interval, list[Row]] = {interval: [] for interval in Interval}
        self.series: dict[str, list[Row]] = {}  #: by table: mark prices, and what is told of traders
        self.covered: dict[CoveredKey, Covered] = {}
        self.gaps: dict[IntervalKey, Gap] = {}
        self.instruments: dict[tuple[InstrumentId, int | None], Instrument] = {}  #: since when, if known
        self.contracts: list[ContractUpdate] = []
        #: By instrument, source and since when: venue, symbol, tiers.
        self.tiers: dict[tuple[InstrumentId, str, int], tuple[str, str, tuple[MarginTier, ...]]] = {}
        self.feeds: dict[tuple[str, Channel], FeedStatus] = {}
        self.heart: HeartStatus | None = None

    def cover(self, event: Covered) -> None:
        """Keep the furthest state of an interval: its end never moves back."""
        key = (event.venue, event.streams, event.ts_from, event.source)
        held = self.covered.get(key)
        if held is None or event.ts_to >= held.ts_to:
            self.covered[key] = event

    def miss(self, event: Gap) -> None:
        """Keep the last state of a gap: one that was closed does not open again."""
        key = (event.venue, event.streams, event.ts_from)
        if event.ts_to is not None or key not in self.gaps:
            self.gaps[key] = event


@lru_cache(maxsize=4096)
def _text_of_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")


def text_of(ts: int) -> str:
    """Write a time (ns UTC) the way the tables promise, in milliseconds.

    >>> text_of(1_723_118_400_123_456_789)
    '2024-08-08 12:00:00.123'
    """
    return _text_of_second(ts // SECOND_NS) + _MS_TEXT[ts // _MS_NS % 1000]


def liquidation_row(event: Liquidation, venue: str, symbol: str) -> Row:
    """Row of `liquidation_events`; its last column is the key by which the same liquidation is known again.

    The venue's own id is the end of the key, where there is one.

    Raises:
        ValueError: the venue told no price.
    """
    size, fill, bankruptcy, ts_event = event.size, event.fill_price, event.bankruptcy_price, event.ts_event
    price = fill if fill is not None else bankruptcy
    venue_id = f"|{event.venue_id}" if event.venue_id else ""
    if price is None or not math.isfinite(price):
        raise ValueError(f"a liquidation needs a price, {event.instrument} at {ts_event} has {price}")
    side, position_side = ("SELL", "LONG") if event.position_side is PositionSide.LONG else ("BUY", "SHORT")
    return (
        symbol,
        side,
        size,
        price,
        text_of(ts_event),
        venue,
        event.instrument,
        position_side,
        ts_event,
        event.ts_recv,
        fill,
        bankruptcy,
        event.completeness._value_,  # a tenth of the time of .value
        event.sampling._value_,
        *_lpi_columns(event.lpi),
        f"{ts_event}|{symbol}|{side}|{size!r}|{fill!r}|{bankruptcy!r}{venue_id}",
    )


def _lpi_columns(lpi: Lpi | None) -> tuple[float | None, float | None, float | None, int | None]:
    return (None, None, None, None) if lpi is None else (lpi.value, lpi.bps, lpi.reference_price, lpi.sample)


#: What `liquidation_of` takes, in order.
LIQUIDATION_COLUMNS = """instrument, ts_event, ts_recv, position_side, size, fill_price, bankruptcy_price, completeness,
    sampling, lpi, lpi_bps, lpi_reference_price, lpi_sample, venue_key"""
_KEY_PARTS = 6  #: before the venue's id
LiquidationColumns: TypeAlias = tuple[
    InstrumentId,
    int,
    int,
    str,
    float,
    float | None,
    float | None,
    str,
    str,
    float | None,
    float | None,
    float | None,
    int | None,
    str,
]


def never_written(error: Exception) -> sqlite3.DatabaseError:
    """The error for a row with a word that no writer of ours knows: the file's content is not what it was."""
    return sqlite3.DatabaseError(f"a row says what was never written: {error}")


def liquidation_of(columns: LiquidationColumns) -> Liquidation:
    """The event a row of `liquidation_events` came from; an older collector's `lpi` has no sample and is not ours.

    Raises:
        sqlite3.DatabaseError: see `never_written`.
    """
    instrument, ts_event, ts_recv, side, size, fill, bankruptcy, completeness, sampling, *_ = columns
    value, bps, reference_price, sample, venue_key = columns[9:]
    try:
        return Liquidation(
            instrument,
            ts_event,
            ts_recv,
            PositionSide(side),
            size,
            fill,
            bankruptcy,
            Completeness(completeness),
            Sampling(sampling),
            None if sample is None else Lpi(value, bps, reference_price, sample),
            "".join(venue_key.split("|", _KEY_PARTS)[_KEY_PARTS:]),
        )
    except ValueError as error:
        raise never_written(error) from error


def candle_row(event: Candle, venue: str, symbol: str) -> Row:
    """Row of `candles_1m`, `candles_15m` or `candles_1h`."""
    return (
        venue,
        symbol,
        event.instrument,
        text_of(event.ts_open),
        event.ts_open,
        event.open,
        event.high,
        event.low,
        event.close,
        event.volume,
        event.quote_volume,
        event.trades,
        event.taker_buy_volume,
        event.taker_buy_quote_volume,
        event.ts_event,
        event.ts_recv,
    )


def mark_row(event: MarkPrice, venue: str, symbol: str) -> Row:
    """Row of `premium_index`."""
    ts_minute = event.ts_event - event.ts_event % MINUTE_NS
    return (
        venue,
        symbol,
        event.instrument,
        text_of(ts_minute),
        ts_minute,
        event.mark,
        event.index,
        event.funding_rate,
        event.ts_next_funding,
        event.ts_event,
        event.ts_recv,
        event.funding_interval_h,
    )


def covered_rows(event: Covered) -> Iterable[Row]:
    """Rows of `coverage`, one per stream."""
    for stream in event.streams:
        yield (
            event.venue,
            stream.channel.value,
            stream.instrument,
            "covered",
            event.ts_from,
            event.ts_to,
            int(event.is_open),
            event.connection,
            None,
            event.source.value,
        )


def gap_rows(event: Gap) -> Iterable[Row]:
    """Rows of `coverage`, one per stream."""
    for stream in event.streams:
        yield (
            event.venue,
            stream.channel.value,
            stream.instrument,
            "gap",
            event.ts_from,
            event.ts_to,
            int(event.ts_to is None),
            None,
            event.cause,
            Source.STREAM.value,
        )


def feed_row(feed: FeedStatus) -> Row:
    """Row of `feeds`."""
    return (feed.venue, feed.channel.value, feed.state.value, feed.ts_last, feed.events, feed.gaps)


def heart_row(heart: HeartStatus) -> Row:
    """The row of `heart`."""
    return (1, heart.pid, heart.ts_market, heart.ts_wall, heart.rate, int(heart.is_running))
