"""Cascades of one coin in the last day, from the minutes a store holds.

In: a reader and instruments. Out: events of `analytics.cascade_events`, on one market made of all venues' minutes.
Forced orders are estimated where a venue publishes a sample, with bounds.
"""

from collections.abc import Sequence

import numpy as np

from perpscope.analytics.cascade_events import Event, Forced, Rule, Steps, detect
from perpscope.analytics.sentiment_scale import Floats, carried
from perpscope.analytics.sentiment_sources import Source, chain
from perpscope.app.sentiment.grid import Grid
from perpscope.app.sentiment.liquidations import Stepped, estimators_of, liquidated, summed
from perpscope.app.sentiment.rows import COUNTS, MARKS, funding_of, logs_of, watched_steps
from perpscope.model.instrument import Instrument
from perpscope.model.market import Interval
from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching
from perpscope.stores.reader import SqliteReader

_MINUTE_S, _MINUTE_NS, _DAY_NS = 60.0, 60_000_000_000, 86_400_000_000_000
#: A week for what is usual, and the day that is asked about.
_STEPS = 8 * 1440


def read_events(reader: SqliteReader, instruments: Sequence[Instrument], now_ns: int) -> list[Event]:
    """Cascades that were noticed in the last 24 h, by both rules, oldest first.

    Raises:
        StoreError: the store cannot be read.
    """
    grid = Grid(now_ns=now_ns - now_ns % _MINUTE_NS, steps=_STEPS, step_s=_MINUTE_S)
    steps = minutes(reader, instruments, grid)
    found = [event for rule in Rule for event in detect(steps, rule) if event.ts_detected > now_ns - _DAY_NS]
    return sorted(found, key=lambda event: (event.ts_detected, event.rule.value))


def minutes(reader: SqliteReader, instruments: Sequence[Instrument], grid: Grid) -> Steps:
    """One market of minutes from all venues: prices and open interest chained, volumes and forced orders summed."""
    ledger = reader.coverage(channel=Channel.LIQUIDATIONS, since_ns=grid.start_ns, until_ns=grid.now_ns)
    vouching = Vouching(ledger, grid.start_ns, grid.now_ns)
    prices: list[Source] = []
    interests: list[Source] = []
    rates: list[Source] = []
    volumes: list[Floats] = []
    turnovers: list[Floats] = []
    sides: tuple[list[Stepped], list[Stepped]] = ([], [])
    estimators = estimators_of(reader, instruments, grid, grid.now_ns - grid.start_ns)  # what is usual, too
    for instrument in instruments:
        marks = reader.columns("premium_index", MARKS, instrument, grid.start_ns)
        counts = reader.columns("open_interest", COUNTS, instrument, grid.start_ns)
        mark, count = marks.figures("mark_price"), counts.figures("open_interest")
        weight = float(count[-1] * mark[-1]) if len(counts) and len(marks) else 0.0
        price = logs_of(grid.last(marks.times("ts_event"), mark))
        held = logs_of(grid.last(counts.times("ts_event"), count))
        prices.append(Source(venue=instrument.id, values=price, weight=weight))
        interests.append(Source(venue=instrument.id, values=held, weight=weight))
        rates += funding_of(instrument, marks, reader, grid, weight)
        candles = reader.columns("candles_1m", ("ts_open", "volume", "close"), instrument, grid.start_ns)
        ends, volume = candles.times("ts_open") + Interval.M1.ns, candles.figures("volume")
        volumes.append(grid.total(ends, volume))
        turnovers.append(grid.total(ends, volume * candles.figures("close")))
        watched = watched_steps(instrument, grid, vouching)
        for told, side in zip(liquidated(instrument, reader, grid, watched, estimators), sides, strict=True):
            side.append(told)
    return Steps(
        ts_first=grid.start_ns + grid.step_ns,
        step_s=grid.step_s,
        close=np.exp(carried(chain(prices), 2)),
        volume=_summed(volumes),
        open_interest=np.exp(carried(chain(interests, 15), 15)),
        f8=_weighted(rates, grid.steps),
        long=_forced(sides[0], grid.steps),
        short=_forced(sides[1], grid.steps),
        turnover=_summed(turnovers),
    )


def _forced(parts: Sequence[Stepped], steps: int) -> Forced:
    of = summed(parts, steps)
    return Forced(usd=of.usd, low=of.low, high=of.high)


def _summed(rows: Sequence[Floats]) -> Floats:
    """Sum of those that are known; a hole where none is."""
    stacked = np.vstack(rows)
    return np.where(np.isfinite(stacked).any(axis=0), np.nansum(stacked, axis=0), np.nan)


def _weighted(sources: Sequence[Source], steps: int) -> Floats:
    """Weighted mean of what each last told."""
    total, weight = np.zeros(steps), np.zeros(steps)
    for source in sources:
        values = carried(source.values, steps)
        known = np.isfinite(values)
        counted = max(source.weight, 1e-12)
        total[known] += counted * values[known]
        weight[known] += counted
    mean: Floats = np.divide(total, weight, out=np.full(steps, np.nan), where=weight > 0.0)
    return mean
