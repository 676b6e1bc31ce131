"""What a store tells of one coin, venue by venue, on a grid of quarter hours that ends now: the input of sentiment.

In: a reader and instruments. Out: for each figure of `analytics.sentiment` a `Source` per venue, with the exact age of
its newest row. Nothing is filled in: a quarter hour without a row is a hole.
"""

from collections.abc import Callable, Sequence
from math import log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_sources import Source
from perpscope.app.sentiment.grid import STEP_S, Grid
from perpscope.app.sentiment.liquidations import Stepped, estimators_of, liquidated
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, Interval, MarkPrice, RatioKind
from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching
from perpscope.stores.reader import SqliteReader

DAYS: Final = 31.0  #: METHOD's 30 days of history, and a day before for changes over 24 h
RISK_DAYS: Final = 8.0
_HOUR_STEPS = 4
EVERYTHING = 2**62
_LEAST_PERIOD_S, _MOST_PERIOD_S = 60.0, 28_800.0
#: A quarter hour of which less was seen is a hole in the liquidations (chosen by hand).
_LEAST_SEEN = 0.5


class Told(msgspec.Struct, kw_only=True):
    """Everything of one coin; each list has a source per venue that tells such a thing."""

    price: list[Source]  #: ln of the mark price
    interest: list[Source]  #: ln of open interest, base units
    ls_accounts: list[Source]
    top_positions: list[Source]
    funding: list[Source]  #: per 8 h, fraction
    taker: list[Source]
    basis: list[Source]
    volume: list[Source]  #: ln of the volume of a quarter hour
    long_usd: list[Source]  #: longs liquidated, dollars, estimated; zero where watched and nothing came
    short_usd: list[Source]
    liquidated: list[tuple[Stepped, Stepped]]  #: the same with their doubt: longs, shorts


def read(reader: SqliteReader, instruments: Sequence[Instrument], grid: Grid) -> Told:
    """What a store tells of these instruments, one of each venue or more.

    Raises:
        StoreError: it cannot be read.
    """
    found = Told(**{name: [] for name in Told.__struct_fields__})
    liquidations = reader.coverage(channel=Channel.LIQUIDATIONS, since_ns=grid.start_ns, until_ns=grid.now_ns)
    vouching = Vouching(liquidations, grid.start_ns, grid.now_ns)
    estimators = estimators_of(reader, instruments, grid)
    for instrument in instruments:
        marks = reader.marks(instrument.id, grid.start_ns, EVERYTHING)
        weight = _marks(found, instrument, marks, reader, grid)
        _ratios(found, instrument, reader, grid, weight)
        _taker(found, instrument, reader, grid, weight)
        _volume(found, instrument, reader, grid, weight)
        watched = watched_steps(instrument, grid, vouching)
        if watched.any():
            _liquidated(found, instrument, grid, watched, liquidated(instrument, reader, grid, watched, estimators))
    return found


def _marks(found: Told, instrument: Instrument, marks: list[MarkPrice], reader: SqliteReader, grid: Grid) -> float:
    """Price, basis, funding and open interest; returns the open interest in dollars, which weighs the venue."""
    make = _maker(instrument, grid)
    ts = [mark.ts_event for mark in marks]
    counts = reader.open_interest(instrument.venue, instrument.symbol, grid.start_ns, None, EVERYTHING)
    weight = counts[-1].open_interest * marks[-1].mark if counts and marks else 0.0
    found.price += make(ts, weight, lambda: np.log(grid.last(ts, [mark.mark for mark in marks])))
    counted = [count.ts_event for count in counts]
    found.interest += make(
        counted, weight, lambda: logs_of(grid.last(counted, [count.open_interest for count in counts]))
    )
    indexed = [mark for mark in marks if mark.index]
    told = [mark.ts_event for mark in indexed]
    apart = [(mark.mark - mark.index) / mark.index for mark in indexed if mark.index]
    found.basis += make(told, weight, lambda: _hourly(grid.total(told, apart), grid.total(told, [1.0] * len(told))))
    found.funding += funding_of(instrument, marks, reader, grid, weight)
    return weight


def funding_of(
    instrument: Instrument, marks: list[MarkPrice], reader: SqliteReader, grid: Grid, weight: float
) -> list[Source]:
    """What is due; what was paid where a venue does not tell that. Nothing where its interval is not known."""
    due = [
        (mark.ts_event, mark.funding_rate * 8.0 / hours)
        for mark in marks
        if mark.funding_rate is not None and (hours := mark.funding_interval_h or instrument.funding_interval_h)
    ]
    hours = instrument.funding_interval_h
    if not due and hours:
        paid = reader.funding_rates(instrument.venue, instrument.symbol, grid.start_ns, None, EVERYTHING)
        due = [(payment.ts_event, payment.funding_rate * 8.0 / hours) for payment in paid]
    ts = [moment for moment, _ in due]
    return _maker(instrument, grid)(ts, weight, lambda: grid.last(ts, [rate for _, rate in due]))


def _ratios(found: Told, instrument: Instrument, reader: SqliteReader, grid: Grid, weight: float) -> None:
    """Accounts and top traders' positions, ln of longs over shorts; of the shortest period there is."""
    rows = reader.long_short_ratio(instrument.venue, instrument.symbol, grid.start_ns, None, EVERYTHING)
    for kind, sources in (
        (RatioKind.ALL_ACCOUNTS, found.ls_accounts),
        (RatioKind.TOP_POSITIONS, found.top_positions),
    ):
        of_kind = [row for row in rows if row.kind is kind and 0.0 < row.long_fraction < 1.0]
        shortest = min((row.period_s for row in of_kind), default=0)
        told = [row for row in of_kind if row.period_s == shortest]
        sources.extend(_of_ratios(instrument, told, grid, weight))


def _of_ratios(instrument: Instrument, rows: list[AccountRatio], grid: Grid, weight: float) -> list[Source]:
    ts = [row.ts_event for row in rows]
    logs = [log(row.long_fraction / (1.0 - row.long_fraction)) for row in rows]
    return _maker(instrument, grid)(ts, weight, lambda: grid.last(ts, logs))


def _taker(found: Told, instrument: Instrument, reader: SqliteReader, grid: Grid, weight: float) -> None:
    """What takers bought over what they sold in the last hour, ln."""
    rows = reader.taker_volume(instrument.venue, instrument.symbol, grid.start_ns, None, EVERYTHING)
    shortest = min((row.period_s for row in rows), default=0)
    rows = [row for row in rows if row.period_s == shortest]
    ts = [row.ts_event for row in rows]
    bought, sold = [row.buy_volume for row in rows], [row.sell_volume for row in rows]
    found.taker += _maker(instrument, grid)(
        ts, weight, lambda: logs_of(_hourly(grid.total(ts, bought), grid.total(ts, sold)))
    )


def _volume(found: Told, instrument: Instrument, reader: SqliteReader, grid: Grid, weight: float) -> None:
    """Volume of each quarter hour, from closed minutes of the last days; ln, base units."""
    since = grid.now_ns - round(RISK_DAYS * 86_400e9)
    candles = reader.candles(instrument.id, Interval.M1, max(since, grid.start_ns), EVERYTHING)
    ts = [candle.ts_open + Interval.M1.ns for candle in candles]
    found.volume += _maker(instrument, grid)(
        ts, weight, lambda: logs_of(grid.total(ts, [candle.volume for candle in candles]))
    )


def _liquidated(
    found: Told, instrument: Instrument, grid: Grid, watched: NDArray[np.bool_], sides: tuple[Stepped, Stepped]
) -> None:
    """What is told of each side."""
    newest = grid.start_ns + (int(np.flatnonzero(watched)[-1]) + 1) * grid.step_ns
    age_s = max(0.0, (grid.now_ns - newest) / 1e9)
    found.liquidated.append(sides)
    for side, sources in zip(sides, (found.long_usd, found.short_usd), strict=True):
        sources.append(Source(venue=_name(instrument), values=side.usd, weight=1.0, age_s=age_s, period_s=STEP_S))


def watched_steps(instrument: Instrument, grid: Grid, vouching: Vouching) -> NDArray[np.bool_]:
    """(steps,) whether enough of a step was seen of the instrument's liquidations."""
    stream = (instrument.venue, Channel.LIQUIDATIONS, instrument.id)
    starts = [grid.start_ns + at * grid.step_ns for at in range(grid.steps)]
    seen = [vouching.share(stream, start, start + grid.step_ns) or 0.0 for start in starts]
    return np.array(seen) >= _LEAST_SEEN


def _maker(instrument: Instrument, grid: Grid) -> Callable[[Sequence[int], float, Callable[[], Floats]], list[Source]]:
    """Turns rows into one source, or into none where there are no rows."""

    def make(ts: Sequence[int], weight: float, values: Callable[[], Floats]) -> list[Source]:
        if not ts:
            return []
        apart = float(np.median(np.diff(np.asarray(ts[-200:], np.int64)))) / 1e9 if len(ts) > 1 else _LEAST_PERIOD_S
        return [
            Source(
                venue=_name(instrument),
                values=values(),
                weight=weight,
                age_s=max(0.0, (grid.now_ns - ts[-1]) / 1e9),
                period_s=min(max(apart, _LEAST_PERIOD_S), _MOST_PERIOD_S),
            )
        ]

    return make


def _name(instrument: Instrument) -> str:
    """A venue, with the quote where a coin is held in another than the usual one."""
    return instrument.venue if instrument.quote == "USDT" else f"{instrument.venue} {instrument.quote}"


def _hourly(above: Floats, below: Floats) -> Floats:
    """Ratio of two sums over the last hour; NaN where the newest quarter has no row, or nothing is below."""
    window = np.ones(_HOUR_STEPS)
    tops, bottoms = (np.convolve(np.nan_to_num(part), window)[: part.size] for part in (above, below))
    ratio = np.divide(tops, bottoms, out=np.full(above.shape, np.nan), where=bottoms > 0.0)
    return np.where(np.isfinite(above) & np.isfinite(below), ratio, np.nan)


def logs_of(values: Floats) -> Floats:
    """The logarithm of what is above 0."""
    logs: Floats = np.log(values, out=np.full(values.shape, np.nan), where=values > 0.0)
    return logs
