"""Forecasts as they would have been told while a material was heard: the live service, replayed.

In: a source's events, and the model of the settings. Out: `Forecast`s in the order they could have been used. The same
`Inference`, `Watch` and `Brain` that run beside a live feed take the events in their order: a closed candle of a minute
is handed over at the first Tick after it, and what is thought of it may be used from the next Tick on. What comes
later cannot change what was told. Where no candles come, minutes are made of the trades received by that Tick.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics.features.raw import FEATURES
from perpscope.app.backtest.material import Event, Kind, Material, Source
from perpscope.app.backtest.told import SECOND_NS
from perpscope.app.inference.manifest import Manifest
from perpscope.app.inference.service import Inference
from perpscope.app.inference.thinking import Thinking
from perpscope.app.inference.told import Told
from perpscope.app.lane import InTurn
from perpscope.engine.engine import Engine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Interval, Side, Tick, Trade
from perpscope.model.order import Clusters, Forecast
from perpscope.settings import Inference as InferenceSettings

_MINUTE: Final = 60 * SECOND_NS
#: Seconds of a minute that have to pass where nobody looks at a book: at the close, when a forecast is there, and
#: before the next close, so that what was told within the minute has been seen.
_LOOKS: Final = (0, 1, 59)


class Forecasting:
    """What forecasts are made by.

    Args:
        settings: `[inference]`; which model, and how much of the past.
        store: whose minutes before the first come with the material; None = nothing is known of the past.

    Raises:
        PerpscopeError: the model cannot be used.
    """

    def __init__(self, settings: InferenceSettings, store: Path | None) -> None:
        self._settings = settings
        self._thinking = Thinking(settings, store)

    @property
    def manifest(self) -> Manifest:
        """What the model is."""
        return self._thinking.manifest

    @property
    def asks_map(self) -> bool:
        """Whether the model is asked with what the liquidation map tells."""
        return any(FEATURES.get(name) == "map" for name in self.manifest.features)

    def of(self, material: Material, source: Source) -> Iterator[Forecast]:
        """Forecasts of a material's minutes.

        Args:
            material: with candles of a minute, or trades.
            source: its events, and clusters, where the model is asked with them.
        """
        instrument = material.instrument
        settings = msgspec.structs.replace(self._settings, enabled=True, symbols=(instrument.id,))
        lane: InTurn[Told | str | None] = InTurn()
        service = Inference(settings, Path(), make=lambda: self._thinking, lane=lane)
        service.know([instrument])
        engine = Engine(sinks=[service], instruments=[instrument.id], on_1m_candle_close=service.closed)
        minutes = None if material.interval_ns else _Minutes(instrument.id)
        events = source.events()
        for event in _looked_at(events) if material.kind is Kind.CANDLES else events:
            if isinstance(event, Clusters):
                service.accept(event)
                continue
            if isinstance(event, Forecast):
                continue
            if minutes is not None:
                for candle in minutes.take(event):
                    engine.process(candle)
            engine.process(event)
            if isinstance(event, Tick):
                yield from (told.forecast for told in service.tick(event.ts_recv, engine.market))


def note(manifest: Manifest, material: Material) -> str:
    """What a run on forecasts has to say of them."""
    if not manifest.is_promoted:
        return f"forecasts: of {manifest.id}, which was not promoted: its edge is none, and nothing is done on it"
    end = manifest.trained_ms[1] * 1_000_000
    seen = max(min(end, material.to_ns) - material.from_ns, 0) / max(material.to_ns - material.from_ns, 1)
    what = f"forecasts: of {manifest.id}, as of each minute"
    return f"{what}; {seen:.0%} of this time is not later than what it learnt from" if seen > 0.0 else what


def _looked_at(events: Iterator[Event]) -> Iterator[Event]:
    """The same events with the Ticks that matter, each after what belongs before it."""
    due = 0
    for event in events:
        due = due or _after(event.ts_recv - 1)
        while event.ts_recv > due:
            yield Tick(due)
            due = max(_after(due), _after(event.ts_recv - 2 * _MINUTE))
        yield event


def _after(ts: int) -> int:
    """The first such second later than a moment, ns UTC."""
    minute = ts // _MINUTE * _MINUTE
    found = (start + second * SECOND_NS for start in (minute, minute + _MINUTE) for second in _LOOKS)
    return next(at for at in found if at > ts)


class _Minutes:
    """Candles of a minute of the trades received; a trade that came after its minute's close belongs to the next."""

    def __init__(self, instrument: InstrumentId) -> None:
        self._instrument = instrument
        self._start = 0  # ns UTC; 0 = no trade has come
        self._open = self._high = self._low = self._last = self._volume = self._bought = 0.0

    def take(self, event: Event) -> Iterator[Candle]:
        """Add a trade; the minutes that are over by this event, those without a trade at the last price."""
        is_trade = isinstance(event, Trade) and event.instrument == self._instrument
        if is_trade or isinstance(event, Tick):
            moment = event.ts_event if isinstance(event, Trade) else event.ts_recv
            while self._start and moment >= self._start + _MINUTE:
                yield self._closed(event.ts_recv)
        if isinstance(event, Trade) and is_trade:
            self._add(event)

    def _add(self, trade: Trade) -> None:
        if not self._start:
            self._start, self._last = trade.ts_event // _MINUTE * _MINUTE, trade.price
            self._clear()
        if not self._volume:
            self._open = self._high = self._low = trade.price
        self._high, self._low, self._last = max(self._high, trade.price), min(self._low, trade.price), trade.price
        self._volume += trade.size
        self._bought += trade.size if trade.side is Side.BUY else 0.0

    def _clear(self) -> None:
        self._open = self._high = self._low = self._last
        self._volume = self._bought = 0.0

    def _closed(self, now: int) -> Candle:
        prices = (self._open, self._high, self._low, self._last)
        made = Candle(
            *(self._instrument, self._start + _MINUTE, now, Interval.M1, self._start),
            *(*prices, self._volume),
            *(None, None, self._bought, None, True),
        )
        self._start += _MINUTE
        self._clear()
        return made
