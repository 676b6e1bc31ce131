"""What holds of the simulated exchange whatever the market does: METHOD 12.7. Keeps B23."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.made_desk import MINUTE, fills_of, made, show_book, show_candles

from perpscope.analytics.margin_tiers import TierTable
from perpscope.trading import account, exchange, fills, orders
from perpscope.trading.layout import (
    ENTRY,
    FLATTEN,
    FREE,
    LEAVE,
    LIMIT,
    LIQUIDATED,
    MARKET,
    MONEY,
    NS,
    PROFIT,
    SENT,
    STOP,
    TAKE,
)
from perpscope.trading.strategy import Record


class Market:
    """A random walk told as candles, as trades, or as books with trades and marks; one of a few hundred rows."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.price, self.ts = kind, 60_000.0, 1_000 * MINUTE
        self.random = np.random.default_rng(seed)

    def row(self, d: Record) -> None:
        """Let time pass and show what the market did; then the watch knows it too."""
        w, random = d.watch, self.random
        before, self.price = self.price, self.price * math.exp(random.normal(0.0, 0.004))
        if self.kind == "candles":
            high, low = max(before, self.price) * 1.002, min(before, self.price) * 0.998
            exchange.meet_candle(d, self.ts + MINUTE, self.ts, before, high, low, self.price)
            self.ts += MINUTE
            show_candles(d, [self.price], 50.0)
            return
        self.ts += int(random.integers(1, 5 * NS))
        shown = random.choice(["trade", "mark", "book"]) if self.kind == "books" else "trade"
        if shown == "book":
            mid = round(self.price * 10)
            sizes = random.integers(1, 300, (2, 3))
            bids = [(mid - 1 - level, int(sizes[0, level])) for level in range(3)]
            show_book(d, bids, [(mid + 1 + level, int(sizes[1, level])) for level in range(3)], self.ts)
            exchange.meet_book(d, self.ts)
        elif shown == "mark":
            exchange.meet_mark(d, self.ts, self.price)
            w.mark, w.mark_at = self.price, self.ts
        else:
            exchange.meet_trade(d, self.ts, self.price)
            w.last, w.trade_at = self.price, self.ts


def act(d: Record, market: Market) -> None:
    """What a rule and risk may do at a moment: enter, leave, wait with a limit or a trigger, take back, or nothing."""
    random, side = market.random, int(market.random.choice([1, -1]))
    size, ticks = int(random.integers(1, 900)), round(market.price * 10 * math.exp(random.normal(0.0, 0.003)))
    stop, take = float(random.choice([0.0, 0.004, 0.3])), float(random.choice([0.0, 0.006]))
    match int(random.integers(0, 20)):
        case 0 | 1:
            orders.place(d, market.ts, MARKET, ENTRY, side, size, 0, 1, stop, take)
        case 2:
            orders.place(d, market.ts, LIMIT, ENTRY, side, size, ticks, 1, stop, take)
        case 3:
            orders.place(d, market.ts, int(random.choice([STOP, TAKE])), ENTRY, side, size, ticks, 1, stop, take)
        case 4:
            orders.place(d, market.ts, MARKET, int(random.choice([LEAVE, FLATTEN])), side, size, 0, 2)
        case 5:
            orders.place(d, market.ts, LIMIT, PROFIT, side, size, ticks, 2)
        case 6:
            orders.cancel_all(d, market.ts, int(random.choice([-1, ENTRY])))
        case 7:
            exchange.meet_funding(d, float(random.normal(0.0, 0.001)), market.price)


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", ["candles", "trades", "books"])
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_market_and_no_order_breaks_the_exchange(kind: str, seed: int) -> None:
    """No fill before decision + latency; positions are sums of fills; money is whole; risk only shrinks. Keeps B23."""
    d, market = made(leverage=20.0, deposit=5_000.0), Market(kind, seed)
    c = d.costs
    c.impact, c.latency_median, c.latency_p99, c.latency_tail, c.seed = 1.0, 60_000_000, 400_000_000, 0.05, seed
    held, told, earned = 0, 0, 0
    for _ in range(60):
        market.row(d)
        for fill in fills_of(d)[told - d.fills :] if d.fills > told else []:
            late = 0 if fill.role == LIQUIDATED else c.data_delay + fills.latency(c, int(fill.order))
            assert fill.ts >= fill.placed_at + late
            if fill.role != ENTRY:
                assert held * fill.side < 0
                assert fill.size <= abs(held)
            else:
                assert held * fill.side >= 0
            held += int(fill.side * fill.size)
            earned += int(fill.realised - fill.fee)
            assert fill.position == held
            assert fill.size > 0
            assert fill.price > 0
        told = int(d.fills)
        assert d.account.size == held
        assert account.is_sound(d.account)
        assert d.account.cash >= 0 or d.account.realised < 0
        waiting = [o for o in d.orders if o.state != FREE]
        assert all(d.due <= o.arrives_at for o in waiting if o.state == SENT)
        act(d, market)
    if held == 0:  # Σ cash flows = ΔE
        assert account.equity(d.account, math.nan) - d.account.deposit == earned - d.account.funding


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", ["candles", "trades", "books"])
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 600.0]))
def test_a_row_that_is_passed_over_would_have_changed_nothing(kind: str, seed: int, edge: float) -> None:
    """Looked into or not, each row leaves the same desk; maintenance that jumps among them. Keeps B23."""
    table = TierTable((0.0, 3_000.0 + edge), (0.004, 0.06), (0.0, 0.0), (100.0, 20.0))
    quick, slow = ((made(leverage=20.0, table=table), Market(kind, seed)) for _ in range(2))
    for _ in range(60):
        for d, market in (quick, slow):
            market.row(d)
            act(d, market)
        slow[0].due, slow[0].floor = min(slow[0].due, slow[1].ts), math.inf
        assert quick[0].account.tobytes() == slow[0].account.tobytes()
        assert quick[0].orders.tobytes() == slow[0].orders.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1]))
def test_a_larger_order_never_costs_less(seed: int, side: int) -> None:
    """METHOD 12.7: price and cost grow with the size, by the book and by the model. Keeps B23."""
    random = np.random.default_rng(seed)
    steps = random.integers(1, 400, (2, 20))
    gaps = random.integers(1, 9, (2, 20)).cumsum(axis=1)
    by_book, by_model = made(), made(half_spread=0.0003)
    bids, asks = (
        [(600_000 + sign * int(g), int(n)) for g, n in zip(gaps[i], steps[i], strict=True)]
        for i, sign in enumerate((-1, 1))
    )
    show_book(by_book, bids, asks)
    show_candles(by_model, [60_000.0 * math.exp(x) for x in random.normal(0.0, 0.002, 40).cumsum()], 30.0)
    by_model.costs.impact = float(random.uniform(0.1, 3.0))
    sizes = sorted(int(n) for n in random.integers(1, 9_000, 12))
    for d in (by_book, by_model):
        costs = [fills.slippage(d, side, size) for size in sizes]
        assert all(costs[i] <= costs[i + 1] * (1.0 + 1e-12) for i in range(len(costs) - 1))
        assert costs[0] > 0.0
    paid = [side * fills.market_price(by_model, side, size, 60_000.0, 1.0) for size in sizes]
    assert paid == sorted(paid)
    depth = [fills.depth_within(d, side, u) for d in (by_book, by_model) for u in (0.0, 0.0001, 0.001, 0.01)]
    assert depth[:4] == sorted(depth[:4])
    assert depth[4:] == sorted(depth[4:])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3_000), st.sampled_from([1, -1]))
def test_a_walk_pays_what_the_book_said_it_would(seed: int, size: int, side: int) -> None:
    """What risk is told before an order is what its fills come to, as far as the book reaches. Keeps B23."""
    random = np.random.default_rng(seed)
    d = made(deposit=1e7)
    steps = random.integers(1, 400, (2, 20))
    show_book(
        d,
        [(599_990 - level, int(n)) for level, n in enumerate(steps[0])],
        [(600_010 + level, int(n)) for level, n in enumerate(steps[1])],
    )
    size = min(size, int(steps[1 if side > 0 else 0].sum()))
    told = fills.slippage(d, side, size)
    orders.place(d, 1, MARKET, ENTRY, side, size, 0, 1)
    exchange.meet_book(d, NS)
    paid = sum(int(f.price) * int(f.size) for f in fills_of(d)) / size
    assert side * (paid / 600_000 - 1.0) == pytest.approx(told, abs=1e-12)
    assert d.account.size == side * size


@pytest.mark.unmeasured
def test_entries_at_random_lose_what_they_cost() -> None:
    """METHOD 12.7: on white noise the mean net result is -cost a trade, within two standard errors. Keeps B23, B25."""
    random = np.random.default_rng(11)
    d, ts, price, net = made(deposit=1e6, half_spread=0.0002), MINUTE, 60_000.0, []
    for _ in range(400):
        side, before = int(random.choice([1, -1])), account.equity(d.account, math.nan)
        for role, way in ((ENTRY, side), (LEAVE, -side)):
            orders.place(d, ts, MARKET, role, way, 100, 0, 0)
            close = price * math.exp(random.normal(-0.5 * 0.0008**2, 0.0008))
            exchange.meet_candle(d, ts + MINUTE, ts, price, max(price, close), min(price, close), close)
            ts, price = ts + MINUTE, close
        assert d.account.size == 0
        net.append((account.equity(d.account, math.nan) - before) / MONEY / (0.1 * price))
    error = float(np.std(net)) / math.sqrt(len(net))
    assert np.mean(net) == pytest.approx(-2 * (0.0002 + 0.0005), abs=2 * error)
    assert np.mean(net) < -5 * error
