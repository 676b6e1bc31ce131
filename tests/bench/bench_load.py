"""A whole collection of five venues at real speed: events a second, share of a core, memory, venue's stamp → state.

The lab sends from a process of its own. `LOAD_S` sets the seconds measured (600 for the memory slope).
"""

import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from measure import judge

from perpscope.app.collect import Collector
from perpscope.engine.engine import Engine
from perpscope.feeds.clock import MarketClock
from perpscope.model.market import Candle, Liquidation, MarketEvent, MarkPrice, Quote, Trade
from perpscope.settings import Backfill, Collect, Settings, Table

_FOUR = ("binance", "bybit", "okx", "bitget")
#: Venues, symbols on each, and moments a second at which something happens in each. Hyperliquid takes 1,000
#: subscriptions from one address, which are 140 symbols of seven streams. Of several venues the lab tells all but the
#: first in lots of a second, which their lag shows: the load of one venue is the one that is judged.
_LOADS = ((("binance",), 30, 60.0), ((*_FOUR, "hyperliquid"), 30, 60.0), (_FOUR, 600, 3.0))
_SECONDS = float(os.environ.get("LOAD_S", "20"))
_WARM_UP_S = 10.0
_STAMPED = Trade | Quote | Candle | MarkPrice | Liquidation
_EVERY = 8  #: one event in so many is timed
_KEPT = 200_000  #: lags at most, the latest; held from the start, so that the meter's own memory does not grow
_LIMIT_MS = 100.0


class Measured(msgspec.Struct):
    """What one load cost."""

    symbols: int
    events_per_s: float
    core_share: float
    lags_ms: list[float]  #: sorted
    rss_mb: list[tuple[float, float]]  #: (seconds since the start, resident memory)
    lab_share: float = 0.0
    lab_frames: int = 0

    def lag_ms(self, share: float) -> float:
        """A quantile of the lag."""
        return self.lags_ms[min(len(self.lags_ms) - 1, int(share * len(self.lags_ms)))]

    @property
    def slope_mb_per_h(self) -> float:
        """Growth of memory over the second half, least squares; a whole soak needs ten minutes to mean something."""
        late = [point for point in self.rss_mb if point[0] >= self.rss_mb[-1][0] / 2]
        seconds, megabytes = [point[0] for point in late], [point[1] for point in late]
        return statistics.linear_regression(seconds, megabytes).slope * 3600 if len(late) > 2 else float("nan")


def load() -> bool:
    """Each load in turn; the first decides: thirty symbols under 100 ms."""
    met = True
    for venues, symbols, activity in _LOADS:
        done = _under(venues, symbols, activity)
        print(
            f"\n{symbols} symbols on each of {len(venues)} venue(s), {_SECONDS:g} s at real speed "
            f"(lab {done.lab_share:.0%} of a core)"
        )
        print(f"  {'events a second':<44} {done.events_per_s:>12,.0f}")
        print(f"  {'share of a core':<44} {done.core_share:>12.0%}")
        print(f"  {'events a second at one whole core, if linear':<44} {done.events_per_s / done.core_share:>12,.0f}")
        lags = "  ".join(
            f"{name} {done.lag_ms(share):,.1f}" for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        )
        print(f"  venue's stamp → state, ms                    {lags}")
        print(
            f"  memory {done.rss_mb[0][1]:,.0f} → {done.rss_mb[-1][1]:,.0f} MB, slope {done.slope_mb_per_h:+,.1f} MB/h"
        )
        if len(venues) == 1:
            met = judge("p95 at 30 symbols, ms", done.lag_ms(0.95), _LIMIT_MS)
    return met


def _under(venues: Sequence[str], symbols: int, activity: float) -> Measured:
    script = Path(__file__).with_name("load_lab.py")
    lab = subprocess.Popen(
        [sys.executable, str(script), str(symbols), str(activity), *venues],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if lab.stdout is None or lab.stdin is None:
        raise OSError("no pipes to the lab")
    urls = json.loads(lab.stdout.readline())
    done = asyncio.run(_collect(symbols, urls))
    lab.stdin.close()
    told = json.loads(lab.stdout.readline())
    lab.wait()
    done.lab_share, done.lab_frames = told["core_share"], told["frames"]
    return done


async def _collect(symbols: int, urls: dict[str, tuple[str, str]]) -> Measured:
    tables: dict[str, Table] = {
        venue: {
            "rest_url": rest,
            "websocket_url": websocket,
            "clock_url": f"{rest}/lab/clock",
            "weight_per_minute": 1e6,
        }
        for venue, (rest, websocket) in urls.items()
    }
    settings = Settings(
        venue=tables, collect=Collect(venues=tuple(tables), symbols=("all",)), backfill=Backfill(days=0)
    )
    clock = MarketClock()
    meter = _Meter(clock)
    with tempfile.TemporaryDirectory() as folder:
        restore = meter.stand_beside_the_engine()
        try:
            collector = Collector(settings, database=Path(folder) / "l.db", clock=clock)
            await collector.run(_WARM_UP_S + _SECONDS, on_tick=meter.tick)
        finally:
            restore()
            gc.unfreeze()
    return meter.measured(symbols)


class _Meter:
    """Counts every event after the warm-up, and times one in a few."""

    def __init__(self, clock: MarketClock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._counted_from: tuple[float, float] | None = None  # real and CPU seconds
        self._counted_to = (0.0, 0.0)
        self._events = self._timed = 0
        self._lags = array("d", [0.0]) * _KEPT
        self._memory: list[tuple[float, float]] = []

    def stand_beside_the_engine(self) -> Callable[[], None]:
        """Count what the engine takes; returns how to end that."""
        process = Engine.process

        def counted(engine: Engine, event: MarketEvent) -> None:
            process(engine, event)
            if self._counted_from is not None:
                self._events += 1
                if self._events % _EVERY == 0 and isinstance(event, _STAMPED):
                    self._lags[self._timed % _KEPT] = (self._clock.now_ns() - event.ts_event) / 1e6
                    self._timed += 1

        Engine.process = counted  # type: ignore[method-assign,assignment]  # the bench stands beside the engine

        def restore() -> None:
            Engine.process = process  # type: ignore[method-assign]  # as above

        return restore

    def tick(self, _: Collector) -> None:
        """At each Tick: begin when it is warm, note memory."""
        now = (time.monotonic(), time.process_time())
        self._began = self._began or now[0]
        if self._counted_from is None and now[0] - self._began >= _WARM_UP_S:
            self._counted_from = now
        if self._counted_from is not None:
            self._counted_to = now
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            self._memory.append((now[0] - self._counted_from[0], pages * resource.getpagesize() / 1e6))

    def measured(self, symbols: int) -> Measured:
        """The figures."""
        if self._counted_from is None:
            raise OSError("nothing came")
        real_s, busy_s = (to - since for to, since in zip(self._counted_to, self._counted_from, strict=True))
        lags = sorted(self._lags[: self._timed])
        return Measured(symbols, self._events / real_s, busy_s / real_s, lags, self._memory)
