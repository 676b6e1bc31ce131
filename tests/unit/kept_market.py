"""A made-up market of two venues that tells its minutes one after the other to a store, as a heart would."""

from pathlib import Path

import numpy as np
from tests.contract.store_events import NOON, SECOND, heart

from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Sampling,
    Tick,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

MINUTE = 60 * SECOND
HELD = {"binance": 60_000.0, "bybit": 30_000.0}


def contract(venue: str, base: str = "BTC") -> Instrument:
    """A perpetual, funded each eight hours."""
    name = instrument_id(venue, base, "USDT")
    return Instrument(id=name, venue=venue, symbol=f"{base}USDT", base=base, quote="USDT", funding_interval_h=8.0)


class Market:
    """Minutes from noon on, each told when asked for.

    Args:
        path: the store's file.
        minutes: that there are at most.
        coins: whose contracts are traded.
        wide: how far prices move, times the usual.
    """

    def __init__(self, path: Path, minutes: int = 600, coins: tuple[str, ...] = ("BTC",), wide: float = 1.0) -> None:
        self.path = path
        self.told = 0
        self.contracts = [contract(venue, coin) for coin in coins for venue in HELD]
        rng = np.random.default_rng(5)
        self._closes = 60_000.0 * np.exp(np.cumsum(0.0008 * wide * rng.standard_normal(minutes + 1)))
        self.store = SqliteStore.open(path, kind=StoreKind.DEMO)
        self.store.register(self.contracts)

    @property
    def now(self) -> int:
        """Ns UTC, end of the last minute that was told."""
        return NOON + self.told * MINUTE

    def go_on(self, minutes: int) -> None:
        """Tell some minutes; they are on disk when this returns."""
        for _ in range(minutes):
            for of in self.contracts:
                self._minute(of, self.told)
            self.told += 1
        for of in self.contracts:
            streams = (Stream(Channel.LIQUIDATIONS, of.id),)
            link = f"{of.venue}/0"
            self.store.sink().accept(Covered(of.venue, link, streams, NOON, self.now, is_open=True, ts_recv=self.now))
        self.store.report([], heart(self.told * 60))
        self.store.sink().accept(Tick(self.now))
        self.store.flush()

    def skip(self, minutes: int) -> None:
        """Let time pass of which nothing is told."""
        self.told += minutes

    def close(self) -> None:
        """End the heart."""
        self.store.close()

    def _minute(self, of: Instrument, at: int) -> None:
        sink = self.store.sink()
        ts_open = NOON + at * MINUTE
        ts = ts_open + MINUTE - SECOND
        first, last = (float(self._closes[place % self._closes.size]) for place in (at, at + 1))
        prices = (first, max(first, last) * 1.0004, min(first, last) * 0.9996, last)
        sink.accept(
            Candle(of.id, ts, ts, Interval.M1, ts_open, *prices, 20.0, 20.0 * last, None, None, None, is_closed=True)
        )
        sink.accept(MarkPrice(of.id, ts, ts, last * 1.0001, last, 1e-4, ts))
        sink.accept(OpenInterest(of.id, ts, ts, HELD[of.venue] * (1.0 + 0.01 * float(np.sin(at / 17.0))), None))
        if at % 3 == 0:
            side = PositionSide.LONG if at % 2 else PositionSide.SHORT
            kind = (Completeness.COMPLETE, Sampling.NONE)
            if of.venue == "binance":
                kind = (Completeness.SAMPLED, Sampling.LARGEST_1S)
            size = 0.5 + at % 5
            sink.accept(Liquidation(of.id, ts, ts, side, size, None, last, *kind, venue_id=f"{of.id}{at}"))
