"""A store's past, minute by minute, through the same measures, rules and scores as what happens now.

In: a store and a stretch of its time. Out: alerts as they would have been raised, looking once a minute. A day is read
at a time; prices are of closed minutes, traded high and low where candles are stored.
"""

from collections.abc import Collection, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.alerts.alert import Alert, Side
from perpscope.analytics.alerts.measures import Line
from perpscope.analytics.alerts.watch import Watch
from perpscope.app.totals.feeds import coin_of
from perpscope.model.instrument import Contract, Instrument
from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching
from perpscope.stores.prints import stored_prints
from perpscope.stores.reader import SqliteReader

_MS_NS, _MINUTE_MS, _DAY_MS = 1_000_000, 60_000, 86_400_000
#: A hole in what was watched that is shorter is none.
_HOLE_MS: Final = 5_000
Floats = NDArray[np.float64]


class _Rows(msgspec.Struct, frozen=True):
    """One instrument's minutes of a stretch, (minutes,) each, NaN where nothing was told."""

    instrument: str
    price: Floats
    high: Floats
    low: Floats
    funding_8h: Floats
    open_interest: Floats


class _Print(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    side: Side
    usd: float
    venue: str


class Stretch(msgspec.Struct, frozen=True):
    """Part of a store's time, of one coin."""

    coin: str
    start_ms: int
    rows: list[_Rows]
    prints: list[_Print]  #: oldest first
    watched: list[tuple[int, int]]  #: ms, where a venue's liquidations were heard


def coins_of(path: Path) -> dict[str, list[Instrument]]:
    """The linear perpetuals of a store, by coin.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        found: dict[str, list[Instrument]] = {}
        for instrument in reader.instruments():
            if instrument.is_perpetual and instrument.contract is Contract.LINEAR:
                found.setdefault(coin_of(instrument.id), []).append(instrument)
    return found


def feed(
    watch: Watch,
    path: Path,
    since_ms: int,
    until_ms: int,
    *,
    looks_from_ms: int,
    coins: Collection[str] = (),
    hole_ms: int = _HOLE_MS,
) -> Iterator[list[Alert]]:
    """Let a watch live through a store's past; alerts of each minute, empty lists too.

    Args:
        watch: is fed.
        path: the store.
        since_ms: market time.
        until_ms: market time, not included.
        looks_from_ms: rules are looked at from here on; before, measures are only filled.
        coins: that are wanted; none = all of the store.
        hole_ms: a shorter hole in what was watched is none; a store is written a moment after its market.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    known = {coin: found for coin, found in coins_of(path).items() if not coins or coin in coins}
    for start in range(since_ms - since_ms % _MINUTE_MS, until_ms, _DAY_MS):
        end = min(start + _DAY_MS, until_ms)
        stretches = [read_stretch(path, coin, found, start, end) for coin, found in known.items()]
        yield from _lived(watch, stretches, (start, end), looks_from_ms, hole_ms)


def read_stretch(path: Path, coin: str, instruments: Sequence[Instrument], start_ms: int, end_ms: int) -> Stretch:
    """One coin's rows of a stretch of time. Raises as `feed`."""
    with SqliteReader.open(path) as reader:
        rows = [_rows(reader, instrument, start_ms, end_ms) for instrument in instruments]
        ledger = reader.coverage(
            channel=Channel.LIQUIDATIONS, since_ns=start_ms * _MS_NS - 2 * _DAY_MS * _MS_NS, until_ns=end_ms * _MS_NS
        )
    vouching = Vouching(ledger, start_ms * _MS_NS - _DAY_MS * _MS_NS, end_ms * _MS_NS)
    names = {instrument.id for instrument in instruments}
    symbols = {instrument.symbol for instrument in instruments}
    told = stored_prints(path, start_ms * _MS_NS, end_ms * _MS_NS, symbols) if symbols else []
    prints = [
        _Print(ts // _MS_NS, "long" if is_long else "short", size * price, each.venue)
        for each in told
        if each.instrument in names
        for ts, is_long, size, price in zip(
            each.ts_event.tolist(), each.is_long.tolist(), each.size.tolist(), each.price.tolist(), strict=True
        )
    ]
    return Stretch(
        coin=coin,
        start_ms=start_ms,
        rows=rows,
        prints=sorted(prints, key=lambda each: each.at_ms),
        watched=_watched(vouching, instruments),
    )


def watched_since(watched: Sequence[tuple[int, int]], at_ms: int, hole_ms: int = _HOLE_MS) -> int | None:
    """Since when liquidations had been heard without a break at a moment; None where they were not."""
    return next((start for start, end in watched if start <= at_ms <= end + hole_ms), None)


def _lived(
    watch: Watch, stretches: Sequence[Stretch], span: tuple[int, int], looks_from_ms: int, hole_ms: int
) -> Iterator[list[Alert]]:
    """Minute by minute, all coins together."""
    waiting = [iter(each.prints) for each in stretches]
    ahead = [next(prints, None) for prints in waiting]
    for place, minute_ms in enumerate(range(*span, _MINUTE_MS)):
        last_ms = minute_ms + _MINUTE_MS - 1
        for at, stretch in enumerate(stretches):
            watch.coin(stretch.coin).watched(watched_since(stretch.watched, last_ms, hole_ms))
            while (coming := ahead[at]) is not None and coming.at_ms <= last_ms:
                watch.take_liquidation(stretch.coin, coming.at_ms, coming.side, coming.usd, coming.venue)
                ahead[at] = next(waiting[at], None)
            for rows in stretch.rows:
                _take(watch, stretch.coin, rows, place, last_ms)
        if last_ms >= looks_from_ms:
            yield watch.step(last_ms)
        else:
            watch.catch_up(last_ms)
            yield []


def _take(watch: Watch, coin: str, rows: _Rows, place: int, last_ms: int) -> None:
    price, interest = float(rows.price[place]), float(rows.open_interest[place])
    if not (isfinite(price) or isfinite(interest)):
        return
    funding, high, low = float(rows.funding_8h[place]), float(rows.high[place]), float(rows.low[place])
    line = Line(
        instrument=rows.instrument,
        at_ms=last_ms,
        price=price if isfinite(price) else None,
        funding_8h=funding if isfinite(funding) else None,
        open_interest=interest if isfinite(interest) else None,
    )
    watch.take_line(coin, line, high if isfinite(high) else None, low if isfinite(low) else None)


def _rows(reader: SqliteReader, instrument: Instrument, start_ms: int, end_ms: int) -> _Rows:
    since, until = start_ms * _MS_NS, end_ms * _MS_NS
    minutes = -(-(end_ms - start_ms) // _MINUTE_MS)

    def laid(ts: NDArray[np.int64], values: Floats) -> Floats:
        found = np.full(minutes, np.nan)
        places = (ts // _MS_NS - start_ms) // _MINUTE_MS
        inside = (places >= 0) & (places < minutes)
        found[places[inside]] = values[inside]
        return found

    names = ("ts_minute", "mark_price", "funding_rate", "funding_interval_h")
    marks = reader.columns("premium_index", names, instrument, since, until_ns=until)
    candles = reader.columns("candles_1m", ("ts_open", "high", "low", "close"), instrument, since, until_ns=until)
    counts = reader.columns("open_interest", ("ts_minute", "open_interest"), instrument, since, until_ns=until)
    hours = marks.figures("funding_interval_h")
    hours = np.where(hours > 0.0, hours, instrument.funding_interval_h or np.nan)
    at, opened = marks.times("ts_minute"), candles.times("ts_open")
    mark, close = laid(at, marks.figures("mark_price")), laid(opened, candles.figures("close"))
    return _Rows(
        instrument=instrument.id,
        price=np.where(np.isfinite(close), close, mark),
        high=laid(opened, candles.figures("high")),
        low=laid(opened, candles.figures("low")),
        funding_8h=laid(at, marks.figures("funding_rate") * 8.0 / hours),
        open_interest=laid(counts.times("ts_minute"), counts.figures("open_interest")),
    )


def _watched(vouching: Vouching, instruments: Sequence[Instrument]) -> list[tuple[int, int]]:
    """Stretches in which at least one venue's liquidations were heard, ms, joined where they meet."""
    spans = sorted(
        (span.start // _MS_NS, span.end // _MS_NS)
        for instrument in instruments
        for span in vouching.spans((instrument.venue, Channel.LIQUIDATIONS, instrument.id))
        if span.is_whole
    )
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1] + _HOLE_MS:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
