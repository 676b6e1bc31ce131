"""Rows that are made of the market before it is walked: the map's clusters and a model's forecasts, where looked at.

In: a material. Out: the same with `Clusters` in their places, after the candle that completed the map's bar, so that
whoever is asked at that candle has not seen them; and `Forecast`s in theirs, at a second after their candle's close.
"""

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.app.backtest import clusters, forecasts
from perpscope.app.backtest.bars import Bars
from perpscope.app.backtest.forecasts import Forecasting
from perpscope.app.backtest.material import Event, Material, Source, retold
from perpscope.model.market import Candle, OpenInterest
from perpscope.model.order import Clusters, DerivedEvent
from perpscope.settings import Settings
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


def with_derived(
    material: Material, strategy: Strategy, settings: Settings | None = None, store: Path | None = None
) -> Material:
    """The material with everything this strategy looks at that is made of the market itself.

    Args:
        material: the market.
        strategy: whose needs are looked at.
        settings: the model is taken from it; None = defaults.
        store: the store that the material may be of: a model begins with its minutes before the first.

    Raises:
        PerpscopeError: the model of the settings cannot be used.
    """
    looks = strategy.needs & (material.offers | _made_of(material))
    made, notes = list[DerivedEvent](), list[str]()
    forecasting = None
    if Needs.FORECAST in looks:
        own = (settings or Settings()).inference
        forecasting = Forecasting(own, store if material.sources == ["store"] else None)
    if Needs.MAP in looks or (forecasting is not None and forecasting.asks_map and Needs.MAP in material.offers):
        told, said = _map_of(material)
        made, notes = [*told], said
    if forecasting is not None:
        source = Joined(material.source, made)
        forecast = [*forecasting.of(material, source)]
        made = [*heapq.merge(made, forecast, key=lambda event: event.ts_recv)]
        notes.append(forecasts.note(forecasting.manifest, material))
    if not notes:
        return material
    whole = retold(material, Joined(material.source, made), notes)
    return msgspec.structs.replace(whole, offers=material.offers | looks)


def _made_of(material: Material) -> Needs:
    """What is not told and can be made: forecasts, where there are minutes."""
    return Needs.FORECAST if material.interval_ns == _MINUTE or Needs.TRADES in material.offers else Needs(0)


def _map_of(material: Material) -> tuple[list[Clusters], list[str]]:
    """Every state of the map, and what has to be said of them."""
    candles = [*candles_in(material)]
    told = [event for event in material.events() if isinstance(event, OpenInterest)]
    made = [*clusters.clusters(candles, material.instrument, told, material.tiers)]
    return made, [clusters.note(is_told=bool(told)), f"liquidation map: {len(made):,} states of it"]


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
