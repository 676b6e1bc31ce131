"""What a store tells of one coin, venue by venue, on a grid of quarter hours that ends now: the input of sentiment.

In: a reader and instruments. Out: for each figure of `analytics.sentiment` a `Source` per venue, with the exact age of
its newest row. Nothing is filled in: a quarter hour without a row is a hole.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_sources import Source
from perpscope.app.sentiment.grid import STEP_S, Grid
from perpscope.app.sentiment.liquidations import Stepped, estimators_of, liquidated
from perpscope.model.instrument import Instrument
from perpscope.model.market import Interval, RatioKind
from perpscope.model.stream import Channel
from perpscope.stores.columns import Columns
from perpscope.stores.ledger import Vouching
from perpscope.stores.reader import SqliteReader

DAYS: Final = 31.0  #: METHOD's 30 days of history, and a day before for changes over 24 h
RISK_DAYS: Final = 8.0
_HOUR_STEPS = 4
_LEAST_PERIOD_S, _MOST_PERIOD_S = 60.0, 28_800.0
#: A quarter hour of which less was seen is a hole in the liquidations (chosen by hand).
_LEAST_SEEN = 0.5


#: Columns that are read of each series.
MARKS: Final = ("ts_event", "mark_price", "index_price", "funding_rate", "funding_interval_h")
COUNTS: Final = ("ts_event", "open_interest")
RATIOS: Final = ("ts_event", "period_s", "long_fraction")
TAKERS: Final = ("ts_event", "period_s", "buy_volume", "sell_volume")


class Ratios(msgspec.Struct, frozen=True):
    """Ratios of one kind and period, oldest first; arrays (n,)."""

    ts: NDArray[np.int64]  #: ns UTC, end of the period
    long: Floats  #: share that is long, within 0 and 1
    period_s: int


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
        marks = reader.columns("premium_index", MARKS, instrument, grid.start_ns)
        weight = _marks(found, instrument, marks, reader, grid)
        _ratios(found, instrument, reader, grid, weight)
        _taker(found, instrument, reader, grid, weight)
        _volume(found, instrument, reader, grid, weight)
        watched = watched_steps(instrument, grid, vouching)
        if watched.any():
            _liquidated(found, instrument, grid, watched, liquidated(instrument, reader, grid, watched, estimators))
    return found


def _marks(found: Told, instrument: Instrument, marks: Columns, reader: SqliteReader, grid: Grid) -> float:
    """Price, basis, funding and open interest; returns the open interest in dollars, which weighs the venue."""
    make = _maker(instrument, grid)
    ts, mark, index = marks.times("ts_event"), marks.figures("mark_price"), marks.figures("index_price")
    counts = reader.columns("open_interest", COUNTS, instrument, grid.start_ns)
    counted, held = counts.times("ts_event"), counts.figures("open_interest")
    weight = float(held[-1] * mark[-1]) if len(counts) and len(marks) else 0.0
    found.price += make(ts, weight, lambda: np.log(grid.last(ts, mark)))
    found.interest += make(counted, weight, lambda: logs_of(grid.last(counted, held)))
    has = np.isfinite(index) & (index != 0.0)
    told, apart = ts[has], (mark[has] - index[has]) / index[has]
    found.basis += make(told, weight, lambda: _hourly(grid.total(told, apart), grid.total(told, np.ones(told.size))))
    found.funding += funding_of(instrument, marks, reader, grid, weight)
    return weight


def funding_of(instrument: Instrument, marks: Columns, reader: SqliteReader, grid: Grid, weight: float) -> list[Source]:
    """What is due; what was paid where a venue does not tell that. Nothing where its interval is not known."""
    usual = instrument.funding_interval_h or float("nan")
    hours = marks.figures("funding_interval_h")
    hours = np.where(np.isfinite(hours) & (hours != 0.0), hours, usual)
    due = marks.figures("funding_rate") * 8.0 / hours
    known = np.isfinite(due)
    ts, rates = marks.times("ts_event")[known], due[known]
    if not ts.size and instrument.funding_interval_h:
        paid = reader.columns("funding_rates", ("ts_event", "funding_rate"), instrument, grid.start_ns)
        ts, rates = paid.times("ts_event"), paid.figures("funding_rate") * 8.0 / usual
    return _maker(instrument, grid)(ts, weight, lambda: grid.last(ts, rates))


def _ratios(found: Told, instrument: Instrument, reader: SqliteReader, grid: Grid, weight: float) -> None:
    """Accounts and top traders' positions, ln of longs over shorts; of the shortest period there is."""
    for kind, sources in (
        (RatioKind.ALL_ACCOUNTS, found.ls_accounts),
        (RatioKind.TOP_POSITIONS, found.top_positions),
    ):
        sources.extend(ratio_source(instrument, ratios_of(reader, instrument, grid, kind), grid, weight))


def ratios_of(reader: SqliteReader, instrument: Instrument, grid: Grid, kind: RatioKind) -> Ratios:
    """What is told of one kind, of its shortest period; nobody being long, or short, is not believed."""
    rows = reader.columns("long_short_ratio", RATIOS, instrument, grid.start_ns, kind.value)
    ts, period, share = rows.times("ts_event"), rows.times("period_s"), rows.figures("long_fraction")
    told = (share > 0.0) & (share < 1.0)
    shortest = int(period[told].min(initial=2**31))
    told &= period == shortest
    return Ratios(ts[told], share[told], shortest)


def ratio_source(instrument: Instrument, ratios: Ratios, grid: Grid, weight: float) -> list[Source]:
    """Ratios as a source: ln of longs over shorts; none where there are none."""
    logs = np.log(ratios.long / (1.0 - ratios.long))
    return _maker(instrument, grid)(ratios.ts, weight, lambda: grid.last(ratios.ts, logs))


def _taker(found: Told, instrument: Instrument, reader: SqliteReader, grid: Grid, weight: float) -> None:
    """What takers bought over what they sold in the last hour, ln."""
    rows = reader.columns("taker_volume", TAKERS, instrument, grid.start_ns)
    period = rows.times("period_s")
    shortest = period == period.min(initial=2**31)
    ts, bought, sold = (column[shortest] for column in (rows.times("ts_event"), *map(rows.figures, TAKERS[2:])))
    found.taker += _maker(instrument, grid)(
        ts, weight, lambda: logs_of(_hourly(grid.total(ts, bought), grid.total(ts, sold)))
    )


def _volume(found: Told, instrument: Instrument, reader: SqliteReader, grid: Grid, weight: float) -> None:
    """Volume of each quarter hour, from closed minutes of the last days; ln, base units."""
    since = grid.now_ns - round(RISK_DAYS * 86_400e9)
    candles = reader.columns("candles_1m", ("ts_open", "volume"), instrument, max(since, grid.start_ns))
    ts = candles.times("ts_open") + Interval.M1.ns
    found.volume += _maker(instrument, grid)(ts, weight, lambda: logs_of(grid.total(ts, candles.figures("volume"))))


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
    whole = [span for span in vouching.spans(stream) if span.is_whole]
    if not whole:
        return np.zeros(grid.steps, bool)
    times = np.array([at for span in whole for at in (span.start, span.end)], np.int64) - grid.start_ns
    lengths = np.array([length for span in whole for length in (0, span.end - span.start)], np.int64).cumsum()
    edges = np.arange(grid.steps + 1, dtype=np.int64) * grid.step_ns
    seen: Floats = np.diff(np.interp(edges, times, lengths))
    return seen >= _LEAST_SEEN * grid.step_ns


def _maker(
    instrument: Instrument, grid: Grid
) -> Callable[[NDArray[np.int64], float, Callable[[], Floats]], list[Source]]:
    """Turns rows into one source, or into none where there are no rows."""

    def make(ts: NDArray[np.int64], weight: float, values: Callable[[], Floats]) -> list[Source]:
        if not ts.size:
            return []
        apart = float(np.median(np.diff(ts[-200:]))) / 1e9 if ts.size > 1 else _LEAST_PERIOD_S
        return [
            Source(
                venue=_name(instrument),
                values=values(),
                weight=weight,
                age_s=max(0.0, (grid.now_ns - int(ts[-1])) / 1e9),
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
