"""What the heart thinks while it collects: forecasts and decisions, kept in the store and told on the bus.

A sink of the engine, and told of each closed one-minute candle. The work is done in lanes of its own (`inference`,
`deciding`); what they made is taken up at a Tick, in order: forecasts first, since decisions may rest on them.
"""

from collections.abc import Callable, Sequence
from typing import Final

from perpscope.app.deciding import Deciding
from perpscope.app.inference.service import Inference
from perpscope.app.inference.told import Told
from perpscope.engine.state import MarketState
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Candle, MarketEvent, PositionSide
from perpscope.model.order import Clusters, DerivedEvent, Edge, Signal
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore

#: By which a model's own word goes among the signals.
FORECAST: Final = "forecast"


class Signalling:
    """See above; everything is called on the event loop, and never waits.

    Args:
        settings: the whole tree.
        store: keeps the signals.
        tell: tells them on.
        announce: told what a person should know, one line at a time.

    Raises:
        ConfigError: a setting of a strategy is not what it should be.
    """

    def __init__(
        self,
        settings: Settings,
        store: SqliteStore,
        tell: Callable[[Sequence[Signal]], None] = lambda _: None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.inference = Inference(settings.inference, store.path, announce)
        self.deciding = Deciding(settings, store.path, announce)
        self._store = store
        self._tell = tell

    @property
    def is_idle(self) -> bool:
        """Whether nothing is thought about just now."""
        return self.inference.is_idle and self.deciding.is_idle

    def know(self, instruments: Sequence[Instrument]) -> None:
        """Learn of contracts that are listened to."""
        self.inference.know(instruments)
        self.deciding.know(instruments)

    @property
    def instruments(self) -> set[InstrumentId]:
        """Those that are thought about: whoever keeps maps tells what is near on theirs."""
        return {*self.inference.instruments, *self.deciding.instruments}

    def accept(self, event: MarketEvent | Clusters) -> None:
        """Take one event."""
        self.inference.accept(event)
        self.deciding.accept(event)

    def closed(self, candle: Candle) -> None:
        """A one-minute candle has closed."""
        self.inference.closed(candle)

    def tick(self, now: int, market: MarketState, near: Sequence[Clusters] = ()) -> list[DerivedEvent]:
        """At each Tick (ns UTC, market time), with what the maps say by then.

        Returns:
            That, and what was forecast since the last Tick: it goes to the front door, for whoever trades on it.
        """
        for found in near:
            self.accept(found)
        told = self.inference.tick(now, market)
        for one in told:
            self.deciding.accept(one.forecast)
        signals = [signal_of(one) for one in told] + self.deciding.tick(now, market)
        if signals:
            self._store.keep_signals(signals)
            self._tell(signals)
        return [*near, *(one.forecast for one in told)]

    def close(self) -> None:
        """Let go of the lanes."""
        self.inference.close()
        self.deciding.close()


def signal_of(told: Told) -> Signal:
    """A forecast as an opinion: FLAT unless its model has shown an edge and expects a gain."""
    forecast = told.forecast
    side = PositionSide.LONG if told.values["is_long"] else PositionSide.SHORT
    return Signal(
        instrument=forecast.instrument,
        ts_event=forecast.ts_event,
        ts_recv=forecast.ts_recv,
        strategy=FORECAST,
        side=side if told.is_wanted else None,
        why=told.why,
        p_up=forecast.p_up,
        p_down=forecast.p_down,
        edge_bps=1e4 * forecast.edge,
        confidence=forecast.confidence,
        edge=Edge.PROMOTED if forecast.is_promoted else Edge.NONE,
        values=told.values,
    )
