"""A collector in the test's own process, against a lab on which a fault script happens: where fault tests play."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from perpscope.app.collect import Collector, _Parts
from perpscope.app.signalling import Signalling
from perpscope.engine.engine import Engine
from perpscope.feeds.connection import Connection
from perpscope.lab.faults import FaultScript
from perpscope.lab.proxy import FaultProxy
from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.lab.wire.hyperliquid.accounts import MAKERS
from perpscope.model.market import Trade
from perpscope.model.order import Arrival
from perpscope.ports import Sink
from perpscope.settings import Backfill, Collect, Feed, Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import FeedStatus

from .checking import Verdict, judge, judged

START = 1_790_000_040_000_000_000
#: Market seconds per real second.
RATE = 20.0
#: Impatient: half open and silent sockets are given up after 30 market seconds.
QUICK = Feed(
    ack_timeout_s=1.0,
    refused_retry_s=0.5,
    silent_after_s=1.5,
    backoff_first_s=0.05,
    backoff_max_s=0.2,
    healthy_after_s=0.0,
)
#: Real seconds without a new connection after which all is well again; and at most, beside the script.
_CALM_S, _DEADLINE_S = 2.0, 90.0
_SETTLED_S = 0.4
_COINS = ("BTC", "ETH")


#: What each wire calls its full books, and the trades of ETH, as targets of faults.
BOOKS = {
    "binance": "topic:*@depth@100ms",
    "bybit": "topic:orderbook.200.*",
    "okx": "topic:books:*",
    "bitget": "topic:v3:books:*",
    "hyperliquid": "topic:l2Book:*",
}
TRADES = {
    "binance": "topic:ethusdt@aggTrade",
    "bybit": "topic:publicTrade.ETHUSDT",
    "okx": "topic:trades:ETH-USDT-SWAP",
    "bitget": "topic:v3:publicTrade:ETHUSDT",
    "hyperliquid": "topic:trades:ETH",
}


class Watched(Collector):
    """A `Collector` that also keeps every trade that comes in."""

    engine: Engine
    trades: list[Trade]
    unreadable_at_end: list[str]  #: books that could not be read when all was over
    _listening: Sequence[Connection] = ()

    def _feeds(self, now_ns: int, parts: _Parts) -> list[FeedStatus]:
        self._listening = parts.feed.connections
        return super()._feeds(now_ns, parts)

    def _engine(self, store: SqliteStore, *sinks: Sink, signalling: Signalling) -> Engine:
        self.engine = super()._engine(store, *sinks, signalling=signalling)
        self.trades = []
        process = self.engine.process

        def tapped(event: Arrival) -> None:
            if type(event) is Trade:
                self.trades.append(event)
            process(event)

        self.engine.process = tapped  # type: ignore[method-assign]  # a tap, on this object alone
        return self.engine

    @property
    def is_settled(self) -> bool:
        """Every topic of every connection has been answered about."""
        return bool(self._listening) and all(one.is_settled for one in self._listening)

    @property
    def unreadable(self) -> list[str]:
        """Books that cannot be read."""
        return [state.instrument for state in self.engine.market if not state.book.is_readable]


def settings(lab: Lab, feed: Feed = QUICK, websocket_url: str | None = None) -> Settings:
    """Every channel of two coins, from this lab, or through what stands before it."""
    venue = lab.server.venue
    table: dict[str, object] = {
        "rest_url": lab.rest_url,
        "websocket_url": websocket_url or lab.websocket_url,
        "clock_url": f"{lab.rest_url}/lab/clock",
        "weight_per_minute": 1e6,
    }
    if venue == "hyperliquid":
        table["watchlist"] = [str(account) for account in MAKERS]
    return Settings(
        venue={venue: table},
        collect=Collect(venues=(venue,), symbols=_COINS),
        feed=feed,
        backfill=Backfill(days=0.0, gaps=False),
    )


async def suffer(
    venue: str,
    script: FaultScript,
    folder: Path,
    *,
    seed: int = 1,
    rate: float = RATE,
    feed: Feed = QUICK,
    activity: float = 3.0,
    line: Callable[[FaultProxy], Awaitable[None]] | None = None,
) -> tuple[Verdict, Watched]:
    """Collect while a script happens, and judge what was kept.

    Args:
        venue: whose lab.
        script: begun when everything is subscribed.
        folder: for the store.
        seed: of the market.
        rate: market seconds per real second.
        feed: timeouts.
        activity: moments a second in each symbol.
        line: done to the TCP line between the two when everything is subscribed.
    """
    database = folder / f"{venue}-{seed}.db"
    deadline_s = _DEADLINE_S + script.ends_s / rate
    lab = await serve_market(seed, rate, venue=venue, symbols=_COINS, ts_start=START, activity=activity, is_held=True)
    async with lab, FaultProxy(int(lab.websocket_url.rpartition(":")[2])) as proxy:
        lab.ledger.keep_truth = judged(venue)
        lab.start()
        through = None if line is None else f"ws://127.0.0.1:{proxy.port}"
        collector = Watched(settings(lab, feed, through), database=database)
        running = asyncio.create_task(collector.run())
        suffering = asyncio.create_task(_suffered(lab, collector, script, None if line is None else line(proxy)))
        try:
            await asyncio.wait([running, suffering], return_when=asyncio.FIRST_COMPLETED, timeout=deadline_s)
        finally:
            suffering.cancel()
            collector.stop()
            await running
        try:
            await suffering
        except asyncio.CancelledError:
            raise AssertionError(f"{venue}: not well again after {deadline_s:.0f} s: {collector.unreadable}") from None
        return judge(venue, lab.ledger, database, collector.trades), collector


async def _suffered(lab: Lab, collector: Watched, script: FaultScript, line: Awaitable[None] | None) -> None:
    """Begin the script when all is heard; over when all is well again after it."""
    await settled(lab)
    while not collector.is_settled:
        await asyncio.sleep(0.01)
    if line is not None:
        await line
    await lab.suffer(script).is_over.wait()
    await recovered(lab, collector)
    collector.unreadable_at_end = collector.unreadable


async def settled(lab: Lab) -> None:
    """Wait until nothing more is subscribed, and trades have been told."""
    subscribed, since = 0, time.monotonic()
    while subscribed == 0 or time.monotonic() - since < _SETTLED_S or len(lab.ledger.truth) < 10:
        if subscribed != lab.server.subscribed:
            subscribed, since = lab.server.subscribed, time.monotonic()
        await asyncio.sleep(0.01)


async def recovered(lab: Lab, collector: Watched) -> None:
    """Wait until the books can be read and nothing has been connected for some time."""
    since = time.monotonic()
    opened = len(lab.ledger.marks)
    while time.monotonic() - since < _CALM_S:
        if opened != len(lab.ledger.marks) or collector.unreadable:
            opened, since = len(lab.ledger.marks), time.monotonic()
        await asyncio.sleep(0.01)
