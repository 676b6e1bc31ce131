"""Bars for the liquidation map, out of what a store holds of one instrument.

In: a reader, an instrument, a stretch of time. Out: a `Feed`: five-minute bars of the last day and quarter hours before
it, with what was seen of each series. Sizes and times are the store's; a minute without a price makes no bar.
"""

from collections.abc import Iterator
from math import isfinite
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS, Bar
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.totals.causal import trust
from perpscope.app.coverage import PUBLISHED
from perpscope.app.totals.causal import FLOOR_TRUST, Estimator
from perpscope.app.totals.feeds import coin_of
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness
from perpscope.model.stream import Channel
from perpscope.stores.ledger import spans_of
from perpscope.stores.reader import SqliteReader

#: Minutes of a bar: of the last day, and before.
FINE, ROUGH = 5, 15
_CANDLES: Final = ("ts_open", "low", "high", "close", "volume", "quote_volume")
_MARKS: Final = ("ts_event", "mark_price", "funding_rate", "funding_interval_h")
_FUNDING_HOURS = 8.0
_SECOND_NS: Final = 1_000_000_000
_LEAST_TRUST: Final = 1e-3


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's bars, and what they are worth."""

    instrument: Instrument
    bars: list[Bar]
    price_share: float  #: of the minutes that have a price, in [0, 1]
    open_interest_share: float  #: of the bars that were told open interest
    liquidations_share: float  #: of the time whose liquidations were seen
    completeness: Completeness  #: of its liquidations, at best
    estimated_share: float  #: of the bars with liquidations, in which more than a floor is told of them

    @property
    def open_interest(self) -> float:
        """Newest that was told, base units; 0 where none was."""
        return next((bar.open_interest for bar in reversed(self.bars) if isfinite(bar.open_interest)), 0.0)


class _Minutes:
    """Columns of minutes from `start` (ns UTC), nan where nothing is known."""

    def __init__(self, start: int, count: int) -> None:
        self.start, self.count = start, count
        names = ("low", "high", "close", "volume", "turnover", "mark", "open_interest", "funding", "long", "short")
        self.columns: dict[str, Floats] = {name: np.full(count, np.nan) for name in names}
        self.columns["usd"], self.columns["variance"] = np.zeros(count), np.zeros(count)
        self.seen: NDArray[np.bool_] = np.zeros(count, bool)
        #: How far a usual minute of liquidations is told, and whether more than a floor is.
        self.usual: Floats = np.zeros(count)
        self.is_told: NDArray[np.bool_] = np.zeros(count, bool)

    def at(self, ts: int) -> int | None:
        """The place of a moment; None outside."""
        place = (ts - self.start) // MINUTE_NS
        return place if 0 <= place < self.count else None

    def places(self, ts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The places of moments that are inside, and which of them are."""
        found = (ts - self.start) // MINUTE_NS
        inside = (found >= 0) & (found < self.count)
        return found[inside], inside


def read_feed(
    reader: SqliteReader,
    instrument: Instrument,
    start: int,
    end: int,
    estimator: Estimator | None = None,
    fine_from: int | None = None,
) -> Feed:
    """The bars of an instrument from one moment (ns UTC) to another, the last that is over.

    Args:
        reader: the store.
        instrument: whose.
        start: ns UTC.
        end: ns UTC.
        estimator: of its coin, over the same time or more; None = one is made.
        fine_from: ns UTC, where bars of `FINE` minutes begin; None = a day before the end.

    Raises:
        StoreError: the store cannot be read.
    """
    start -= start % (ROUGH * MINUTE_NS)
    minutes = _Minutes(start, max((end - start) // MINUTE_NS, 0))
    _prices(reader, instrument, minutes)
    _open_interest(reader, instrument, minutes)
    completeness = PUBLISHED.get(instrument.venue, Completeness.SAMPLED)
    minutes.usual[:] = FLOOR_TRUST[completeness]
    _seen(reader, instrument, minutes, end)
    _liquidations(instrument, minutes, estimator or Estimator(reader, coin_of(instrument.id), start, end))
    fine = minutes.count - DAY_NS // MINUTE_NS if fine_from is None else (fine_from - start) // MINUTE_NS
    bars = [bar for bar in _bars(minutes, fine) if bar is not None]
    told = sum(bar.open_interest == bar.open_interest for bar in bars)
    known = ~np.isnan(minutes.columns["close"])
    some = minutes.columns["usd"] > 0.0
    return Feed(
        instrument=instrument,
        bars=bars,
        price_share=float(known.mean()) if known.size else 0.0,
        open_interest_share=told / len(bars) if bars else 0.0,
        liquidations_share=float(minutes.seen.mean()) if known.size else 0.0,
        completeness=completeness,
        estimated_share=float(minutes.is_told[some].mean()) if some.any() else 0.0,
    )


def minute_bars(
    reader: SqliteReader, instrument: Instrument, start: int, end: int, estimator: Estimator | None = None
) -> list[Bar]:
    """Bars of a minute each, of the whole minutes from one moment (ns UTC) to another; else as `read_feed`.

    A minute's bar is the same whenever and with whatever others it is asked for: one without liquidations teaches as
    far as its venue's floor does, since a window that has none of a feed cannot know what was learnt of it.
    """
    start -= start % MINUTE_NS
    minutes = _Minutes(start, max((end - start) // MINUTE_NS, 0))
    _prices(reader, instrument, minutes)
    _open_interest(reader, instrument, minutes)
    floor = FLOOR_TRUST[PUBLISHED.get(instrument.venue, Completeness.SAMPLED)]
    minutes.usual[:] = floor
    _seen(reader, instrument, minutes, end)
    _liquidations(instrument, minutes, estimator or Estimator(reader, coin_of(instrument.id), start, end))
    minutes.usual[minutes.columns["usd"] <= 0.0] = floor
    return [bar for at in range(minutes.count) if (bar := _bar(minutes, at, at + 1)) is not None]


def _prices(reader: SqliteReader, instrument: Instrument, minutes: _Minutes) -> None:
    """Candles of the last price, widened by the mark at each minute's end."""
    columns = minutes.columns
    candles = reader.columns("candles_1m", _CANDLES, instrument, minutes.start)
    at, inside = minutes.places(candles.times("ts_open"))
    low, high, close, volume, quote = (candles.figures(name)[inside] for name in _CANDLES[1:])
    columns["low"][at], columns["high"][at], columns["close"][at], columns["volume"][at] = low, high, close, volume
    columns["turnover"][at] = np.where(np.isnan(quote), volume * (low + high + close) / 3.0, quote)
    told = reader.columns("premium_index", _MARKS, instrument, minutes.start)
    at, inside = minutes.places(told.times("ts_event"))
    mark, rate, hours = (told.figures(name)[inside] for name in _MARKS[1:])
    columns["mark"][at] = mark
    hours = np.where(np.isnan(hours) | (hours == 0.0), instrument.funding_interval_h or _FUNDING_HOURS, hours)
    due = ~np.isnan(rate)
    columns["funding"][at[due]] = rate[due] * _FUNDING_HOURS / hours[due]
    for name, widen in (("low", np.fmin), ("high", np.fmax)):
        columns[name] = widen(columns[name], columns["mark"])
    columns["close"] = np.where(np.isnan(columns["mark"]), columns["close"], columns["mark"])


def _open_interest(reader: SqliteReader, instrument: Instrument, minutes: _Minutes) -> None:
    told = reader.columns("open_interest", ("ts_event", "open_interest"), instrument, minutes.start)
    at, inside = minutes.places(told.times("ts_event"))
    minutes.columns["open_interest"][at] = told.figures("open_interest")[inside]


def _seen(reader: SqliteReader, instrument: Instrument, minutes: _Minutes, end: int) -> None:
    """Minutes whose liquidations were watched; in them nothing came until it did."""
    venue, channel = instrument.venue, Channel.LIQUIDATIONS
    rows = reader.coverage(venue, channel=channel, since_ns=minutes.start, until_ns=end)
    mine = [row for row in rows if row.instrument in {None, instrument.id}]
    for span in spans_of(mine, minutes.start, end):
        if span.source is not None:
            first, last = -(-(span.start - minutes.start) // MINUTE_NS), (span.end - minutes.start) // MINUTE_NS
            minutes.seen[max(first, 0) : max(last, 0)] = True
    for name in ("long", "short"):
        minutes.columns[name][minutes.seen] = 0.0


def _liquidations(instrument: Instrument, minutes: _Minutes, estimator: Estimator) -> None:
    """Base units by minute as estimated, with their doubt; nan where more came than the feed can tell, or not seen."""
    for found in estimator.estimated(instrument.id):
        for first_s, last_s, is_told, usual in found.stretches:
            first, last = ((at * _SECOND_NS - minutes.start) // MINUTE_NS for at in (first_s, last_s))
            minutes.usual[max(first, 0) : max(last, 0)] = usual
            minutes.is_told[max(first, 0) : max(last, 0)] = is_told
        for place, start in enumerate(found.start.tolist()):
            at = minutes.at(start * _SECOND_NS)
            if at is None or not minutes.seen[at]:
                continue
            lost = float("nan") if found.is_unsure[place] else 0.0
            minutes.columns["long"][at] += found.long.size[place] + lost
            minutes.columns["short"][at] += found.short.size[place] + lost
            minutes.columns["usd"][at] += found.long.usd[place] + found.short.usd[place]
            minutes.columns["variance"][at] += found.variance[place]


def _bars(minutes: _Minutes, fine: int) -> Iterator[Bar | None]:
    """Rough bars up to a place, then fine ones."""
    border = min(max(fine, 0), minutes.count) // ROUGH * ROUGH
    for first in range(0, border, ROUGH):
        yield _bar(minutes, first, first + ROUGH)
    for first in range(border, minutes.count - FINE + 1, FINE):
        yield _bar(minutes, first, first + FINE)


def _bar(minutes: _Minutes, first: int, last: int) -> Bar | None:
    part = {name: column[first:last] for name, column in minutes.columns.items()}
    known = ~np.isnan(part["close"])
    if not known.any():
        return None
    volume = _total(part["volume"])
    close = float(part["close"][known][-1])
    low, high = float(np.nanmin(part["low"])), float(np.nanmax(part["high"]))
    seen = bool(minutes.seen[first:last].all())
    return Bar(
        ts=minutes.start + last * MINUTE_NS,
        low=min(low, close),
        high=max(high, close),
        close=close,
        vwap=_total(part["turnover"]) / volume if volume > 0.0 else float("nan"),
        volume=volume,
        open_interest=_last(part["open_interest"]),
        liquidated_long=float(part["long"].sum()) if seen else float("nan"),
        liquidated_short=float(part["short"].sum()) if seen else float("nan"),
        trust=_trust(minutes, first, last),
        funding_8h=_last(part["funding"]),
    )


def _trust(minutes: _Minutes, first: int, last: int) -> float:
    """How far a bar teaches (METHOD 6.7): by its interval; by what is usual where there is nothing, or a floor."""
    usd, usual = float(minutes.columns["usd"][first:last].sum()), float(minutes.usual[first:last].min())
    if usd <= 0.0 or not minutes.is_told[first:last].all():
        return usual
    variance = float(minutes.columns["variance"][first:last].sum())
    return max(trust(usd, variance), _LEAST_TRUST) if np.isfinite(variance) else usual


def _total(column: Floats) -> float:
    """Sum of what is known; nan where nothing is."""
    known = column[~np.isnan(column)]
    return float(known.sum()) if known.size else float("nan")


def _last(column: Floats) -> float:
    """The newest that is known; nan where nothing is."""
    known = column[~np.isnan(column)]
    return float(known[-1]) if known.size else float("nan")
