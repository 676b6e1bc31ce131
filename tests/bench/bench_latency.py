"""From the venue's stamp to the engine, at real speed: what the documents promise to be under 100 ms."""

import asyncio
import statistics
import tempfile
from pathlib import Path

from measure import judge

from perpscope.app.collect import Collector
from perpscope.engine.engine import Engine
from perpscope.lab.run import serve_market
from perpscope.model.market import Candle, Liquidation, MarketEvent, MarkPrice, Quote, Trade
from perpscope.settings import Collect, Settings

_SECONDS = 10.0
_LIMIT_MS = 100.0


def latency() -> bool:
    """Lag of every event of a lab market in real time: sent, received, decoded, in the engine's state."""
    lags = asyncio.run(_collect())
    everything = sorted(lag for kind in lags.values() for lag in kind)
    print(f"\nvenue's stamp → engine's state, {len(everything):,} events in {_SECONDS:g} s of real time, wall ms")
    for kind, values in sorted(lags.items()):
        p50, p99 = statistics.median(values), sorted(values)[int(0.99 * len(values))]
        print(f"  {kind:<44} {p50:>9.2f} p50 {p99:>9.2f} p99")
    return judge("p95 of all, ms", everything[int(0.95 * len(everything))], _LIMIT_MS)


async def _collect() -> dict[str, list[float]]:
    lags: dict[str, list[float]] = {}
    process = Engine.process

    def timed(engine: Engine, event: MarketEvent) -> None:
        process(engine, event)
        if isinstance(event, Trade | Quote | Candle | MarkPrice | Liquidation):
            lags.setdefault(type(event).__name__, []).append((event.ts_recv - event.ts_event) / 1e6)

    with tempfile.TemporaryDirectory() as folder:
        async with await serve_market(7, 1.0) as lab:
            raw: dict[str, object] = {
                "rest_url": lab.rest_url,
                "websocket_url": lab.websocket_url,
                "clock_url": f"{lab.rest_url}/lab/clock",
            }
            settings = Settings(venue={"binance": raw}, collect=Collect(venues=("binance",)))
            Engine.process = timed  # type: ignore[method-assign,assignment]  # the bench stands beside the engine
            try:
                await Collector(settings, database=Path(folder) / "l.db").run(_SECONDS)
            finally:
                Engine.process = process  # type: ignore[method-assign]  # as above
    return lags
