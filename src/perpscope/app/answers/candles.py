"""Candles of one instrument: as its venue publishes them, or summed up by us from shorter ones, with their holes.

In: a store and a stretch of time. Out: candles newest first, the gaps between them with their causes, and how much of
the time was seen.
"""

from collections.abc import Sequence
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.known import meant
from perpscope.app.status import market_now
from perpscope.config import nearest
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, Interval
from perpscope.model.stream import Channel
from perpscope.settings import Settings
from perpscope.stores import pages
from perpscope.stores.ledger import Vouching
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000
_MINUTE_NS: Final = 60_000_000_000
#: Candles of one length that are read at most.
_MOST: Final = 70_000
_LENGTHS: Final = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}
INTERVALS: Final = tuple(_LENGTHS)
_CHANNELS: Final = {
    Interval.M1: Channel.CANDLES_1M,
    Interval.M15: Channel.CANDLES_15M,
    Interval.H1: Channel.CANDLES_1H,
}


class By(Enum):
    """Who made a candle."""

    VENUE = "venue"
    OURS = "ours"  #: summed up from the venue's shorter ones


class CandleTold(msgspec.Struct, frozen=True, kw_only=True):
    """One closed candle."""

    open_ms: int
    open: float  #: quote per base
    high: float
    low: float
    close: float
    volume: float  #: base units
    quote_volume: float | None  #: quote units, where published
    trades: int | None
    taker_buy_volume: float | None  #: base units
    share: float  #: of its time that its parts cover, in (0, 1]; 1 for the venue's own


class Hole(msgspec.Struct, frozen=True):
    """A stretch of time that was not seen when it happened."""

    from_ms: int
    to_ms: int
    cause: str
    is_repaired: bool  #: filled since


class Candles(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    data: StoreKind
    at_ms: int  #: market time
    instrument: Instrument
    interval: str
    by: By
    parts: str  #: length of the stored candles these are made of
    candles: list[CandleTold]  #: newest first
    gaps: list[Hole]  #: within the time of these candles, oldest first
    coverage: float | None  #: share of that time that was seen, or filled since
    missing: int  #: candles that should stand between the first and the last of these, and do not
    has_more: bool


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which candles."""

    name: str  #: coin, symbol or id
    venue: str | None = None  #: None = the one with most open interest that has any
    interval: str = "1m"
    by: By | None = None  #: None = the venue's own where it publishes this length
    from_ms: int | None = None
    to_ms: int | None = None  #: not included
    limit: int = 500


def read_candles(path: Path, settings: Settings, asked: Asked) -> Candles:
    """The newest candles of a stretch of time.

    Raises:
        ConfigError: nobody knows the name or venue, or there are no candles of this length from there.
        DataError: none are stored ("window-empty"), or there is no such store.
        StoreError: it cannot be read.
    """
    by, base = _made_of(asked)
    length = _LENGTHS[asked.interval] * _MINUTE_NS
    start, end = (asked.from_ms or 0) * _MS_NS, 2**62 if asked.to_ms is None else asked.to_ms * _MS_NS
    if end <= start:
        raise ConfigError("option-value", "the time asked about ends before it begins")
    start, end = start + -start % length, end + -end % length  # whole candles, those that open before the end
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        instrument = _chosen(reader, settings, asked)
    end = min(end, now // length * length)  # a candle that is not over is none yet
    count = min((asked.limit + 1) * (length // base.ns), _MOST)
    rows = pages.candles(path, instrument.venue, instrument.symbol, base, start, end, count)
    if not rows:
        raise DataError("window-empty", f"no {base.value} candle of {instrument.id} is stored of this time")
    found = [_told(row) for row in rows] if by is By.VENUE else _summed(rows, length, base, is_cut=len(rows) == count)
    kept = found[: asked.limit]
    begins = kept[-1].open_ms * _MS_NS if kept else start
    until = kept[0].open_ms * _MS_NS + length if kept else end
    gaps, coverage = _seen(path, instrument, base, begins, until)
    return Candles(
        data=kind,
        at_ms=now // _MS_NS,
        instrument=instrument,
        interval=asked.interval,
        by=by,
        parts=base.value,
        candles=kept,
        gaps=gaps,
        coverage=coverage,
        missing=(until - begins) // length - len(kept) if kept else 0,
        has_more=len(found) > len(kept) or len(rows) == count,
    )


def _made_of(asked: Asked) -> tuple[By, Interval]:
    """Who makes them, and which stored ones they are made of."""
    own = next((each for each in Interval if each.value == asked.interval), None)
    if own is not None and asked.by is not By.OURS:
        return By.VENUE, own
    if own is Interval.M1 or asked.by is By.VENUE:
        who = "any venue's own" if asked.by is By.VENUE else "ours: nothing shorter is stored"
        raise ConfigError("option-value", f"there are no {asked.interval} candles that are {who}")
    return By.OURS, Interval.M1 if _LENGTHS[asked.interval] <= _LENGTHS["1h"] else Interval.H1


def _chosen(reader: SqliteReader, settings: Settings, asked: Asked) -> Instrument:
    """One instrument: perpetuals quoted in USDT first, and of those the one with most open interest.

    Raises:
        ConfigError: nobody knows the name, or the venue has none of it.
        DataError: it is known, but nothing of it is stored.
    """
    found = meant(reader.instruments(), settings, asked.name)
    if not found:
        raise DataError("window-empty", f"nothing is stored of {asked.name} yet")
    if asked.venue is not None:
        here = [i for i in found if i.venue == asked.venue.lower()]
        if not here:
            venues = sorted({i.venue for i in found})
            like = nearest(asked.venue.lower(), venues)
            hint = f"did you mean {like!r}?" if like else f"stored are {', '.join(venues)}"
            raise ConfigError("venue-unknown", f"no {asked.name} of a venue {asked.venue!r} is stored", hint=hint)
        found = here
    first = (found[0].is_perpetual, "USDT" in {i.quote for i in found})
    alike = [i for i in found if i.is_perpetual is first[0] and (i.quote == "USDT") is first[1]]
    return max(alike or found, key=lambda i: _held(reader, i))


def _held(reader: SqliteReader, instrument: Instrument) -> float:
    rows = reader.open_interest(instrument.venue, instrument.symbol, limit=1)
    return rows[0].open_interest if rows else 0.0


def _told(row: Candle) -> CandleTold:
    return CandleTold(
        open_ms=row.ts_open // _MS_NS,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        quote_volume=row.quote_volume,
        trades=row.trades,
        taker_buy_volume=row.taker_buy_volume,
        share=1.0,
    )


def _summed(rows: Sequence[Candle], length: int, base: Interval, *, is_cut: bool) -> list[CandleTold]:
    """Candles of a length, of rows newest first; the oldest is left out where its rows may go on."""
    groups = [(start, [*group]) for start, group in groupby(rows, key=lambda row: row.ts_open // length * length)]
    if is_cut and len(groups) > 1:
        groups.pop()
    return [_together(start, group, length // base.ns) for start, group in groups]


def _together(start: int, rows: Sequence[Candle], parts: int) -> CandleTold:
    """One candle of its parts, newest first; what one part was not told, the whole is not."""
    quotes, counts = [row.quote_volume for row in rows], [row.trades for row in rows]
    bought = [row.taker_buy_volume for row in rows]
    return CandleTold(
        open_ms=start // _MS_NS,
        open=rows[-1].open,
        high=max(row.high for row in rows),
        low=min(row.low for row in rows),
        close=rows[0].close,
        volume=sum(row.volume for row in rows),
        quote_volume=_sum(quotes),
        trades=None if (total := _sum(counts)) is None else int(total),
        taker_buy_volume=_sum(bought),
        share=len(rows) / parts,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _seen(path: Path, instrument: Instrument, base: Interval, start: int, end: int) -> tuple[list[Hole], float | None]:
    """Holes in a stretch of time (ns UTC), and the share of it that is there now."""
    channel = _CHANNELS[base]
    with SqliteReader.open(path) as reader:
        rows = reader.coverage(instrument.venue, None, channel, start, end)
    vouching = Vouching(rows, start, end)
    stream = (instrument.venue, channel, instrument.id)
    holes = [
        Hole(span.start // _MS_NS, span.end // _MS_NS, span.cause, span.is_repaired)
        for span in vouching.spans(stream)
        if span.cause is not None
    ]
    return holes, vouching.share(stream, start, end)
