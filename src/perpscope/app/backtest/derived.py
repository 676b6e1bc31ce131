"""Rows that are made of the market before it is walked: the liquidation map's clusters, where a strategy looks at them.

In: a material. Out: the same with `Clusters` in their places: after the candle that completed the map's bar, so that
whoever is asked at that candle has not seen them.
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.backtest import clusters
from perpscope.app.backtest.bars import Bars
from perpscope.app.backtest.material import Event, Material, Source, retold
from perpscope.model.market import Candle, OpenInterest
from perpscope.model.order import DerivedEvent
from perpscope.trading.strategy import Needs, Strategy
from perpscope.trading.tape import TRADE, Tape

_MINUTE: Final = 60_000_000_000


class Joined(msgspec.Struct, frozen=True):
    """A source, and what was made of it."""

    source: Source
    more: Sequence[DerivedEvent]  #: in the order of receipt

    def events(self) -> Iterator[Event]:
        """Both in the order of receipt; of one moment what was made comes last."""
        return heapq.merge(self.source.events(), iter(self.more), key=lambda event: event.ts_recv)


def with_derived(material: Material, strategy: Strategy) -> Material:
    """The material with everything this strategy looks at that is made of the market itself."""
    if Needs.MAP not in strategy.needs or Needs.MAP not in material.offers:
        return material
    candles = [*candles_in(material)]
    told = [event for event in material.events() if isinstance(event, OpenInterest)]
    made = [*clusters.clusters(candles, material.instrument, told, material.tiers)]
    note = clusters.note(is_told=bool(told))
    return retold(material, Joined(material.source, made), [note, f"liquidation map: {len(made):,} states of it"])


def candles_in(material: Material) -> Iterator[Candle]:
    """Its closed candles; of a minute and made of its trades where none come."""
    if not material.interval_ns:
        yield from minutes_of(material.tape).candles(material.instrument.id)
        return
    for event in material.events():
        if isinstance(event, Candle) and event.is_closed and event.interval is material.candles:
            yield event


def minutes_of(tape: Tape) -> Bars:
    """Candles of a minute of a tape's trades; a minute without a trade has none."""
    ts = tape.ts_event[tape.kind == TRADE]
    order = np.argsort(ts // _MINUTE, kind="stable")
    ts, (price, signed) = ts[order], tape.tables.trades[order].T
    minutes, first = np.unique(ts // _MINUTE, return_index=True)
    size = np.abs(signed)
    bought = np.where(signed > 0.0, size, 0.0)

    def of_each(function: np.ufunc, values: Floats) -> Floats:
        found: Floats = function.reduceat(values, first) if first.size else np.zeros(0)
        return found

    return Bars(
        ts_open=minutes * _MINUTE,
        open=price[first],
        high=of_each(np.maximum, price),
        low=of_each(np.minimum, price),
        close=price[np.append(first[1:], ts.size)[: first.size] - 1],
        volume=of_each(np.add, size),
        taker_buy=of_each(np.add, bought),
        interval_ns=_MINUTE,
    )
