"""A desk for tests: a contract with a tick of 0.1 and a step of 0.001, a deposit, and costs chosen to be seen."""

from decimal import Decimal

import numpy as np

from perpscope.analytics.margin_tiers import TierTable, flat_table
from perpscope.trading import orders, watch
from perpscope.trading.compiling import blank
from perpscope.trading.layout import DESK, ENTRY, KEPT_FILLS, MARKET, MONEY, NS
from perpscope.trading.strategy import Record
from perpscope.trading.units import Units, write_tiers

UNITS = Units(Decimal("0.1"), Decimal("0.001"), 10_000, 0)
MINUTE = 60 * NS
#: Orders take 2 ms and 1 ms to be heard of; always.
LATENCY, DELAY = 2_000_000, 1_000_000


def made(
    deposit: float = 10_000.0,
    leverage: float = 10.0,
    *,
    table: TierTable | None = None,
    closing_fee: float = 0.0,
    half_spread: float = 0.0001,
) -> Record:
    """The record of a new desk: taker 0.05 %, maker 0.02 %, liquidation 1 %."""
    d: Record = blank(DESK)[0]
    UNITS.fill(d.account)
    write_tiers(d.account, table or flat_table(0.005), closing_fee)
    d.account.deposit = d.account.cash = round(deposit * MONEY)
    d.account.leverage = leverage
    d.account.entry = np.nan
    d.watch.bid = d.watch.ask = d.watch.last = d.watch.mark = np.nan
    d.watch.bar_ns = MINUTE
    c = d.costs
    c.taker, c.maker, c.liquidation = 50_000, 20_000, 1_000_000
    c.half_spread, c.impact = half_spread, 0.0
    c.latency_median = c.latency_p99 = LATENCY
    c.data_delay = DELAY
    d.is_simulated = 1
    orders.await_next(d)
    return d


def enter(d: Record, ts: int, side: int, size: int, stop: float = 0.0, take: float = 0.0) -> int:
    """A market entry decided at a time."""
    return orders.place(d, ts, MARKET, ENTRY, side, size, 0, 1, stop, take)


def fills_of(d: Record) -> list[Record]:
    """Fills so far, oldest first; no more than are kept."""
    return [d.kept_fills[at % KEPT_FILLS] for at in range(max(0, d.fills - KEPT_FILLS), d.fills)]


def working(d: Record) -> list[Record]:
    """Orders that are on their way or work."""
    return [o for o in d.orders if o.state]


def quote(money: int) -> float:
    """Money as quote units."""
    return int(money) / MONEY


def show_book(d: Record, bids: list[tuple[int, int]], asks: list[tuple[int, int]], ts: int = 1) -> None:
    """Put levels (ticks, steps), best first, into the desk's book, as its watch has them too."""
    b, w = d.book, d.watch
    b.bids, b.asks, b.at = len(bids), len(asks), ts
    for at, (ticks, steps) in enumerate(bids):
        b.bid_ticks[at], b.bid_steps[at] = ticks, steps
    for at, (ticks, steps) in enumerate(asks):
        b.ask_ticks[at], b.ask_steps[at] = ticks, steps
    w.book_at = ts
    w.bid = bids[0][0] * d.account.tick if bids else np.nan
    w.ask = asks[0][0] * d.account.tick if asks else np.nan


def show_candles(d: Record, closes: list[float], volume: float) -> None:
    """Closed one-minute candles, each of so many base units."""
    for close in closes:
        watch.push(d.watch, int(d.watch.bar_at) + MINUTE, (close, close, close, close, volume, np.nan))
