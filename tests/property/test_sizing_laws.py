"""Laws of sizing and risk: no stop costs more than was said, more of anything never means less, halted is halted."""

from math import nan

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.settings import Risk
from perpscope.trading import halting, risk, sizing, watch
from perpscope.trading.compiling import blank
from perpscope.trading.layout import DESK, LIQUIDATED, LONG, MONEY, NOTE_EDGE, NS, PROTECT, SHORT
from perpscope.trading.refusals import DRAWDOWN, KILL_SWITCH, REFUSALS
from perpscope.trading.strategy import Record

NOW = 1_782_000_000 * NS


class Case(msgspec.Struct, frozen=True):
    """An account, a market and a wish."""

    equity: float
    price: float
    stop: float
    per_trade: float
    leverage: float
    half_spread: float
    impact: float
    fee: int
    side: int
    has_book: bool
    depth: int


CASES = st.builds(
    Case,
    equity=st.floats(50.0, 1e7),
    price=st.floats(0.5, 150_000.0),
    stop=st.floats(0.001, 0.2),
    per_trade=st.floats(0.0005, 0.05),
    leverage=st.floats(1.0, 125.0),
    half_spread=st.one_of(st.just(0.0), st.floats(1e-6, 0.002)),
    impact=st.one_of(st.just(0.0), st.floats(0.01, 3.0)),
    fee=st.integers(0, 100_000),
    side=st.sampled_from((LONG, SHORT)),
    has_book=st.booleans(),
    depth=st.integers(1, 1_000_000),
)


def desk(case: Case) -> Record:
    """A record as the case has it, tick 0.1 and step 0.001, no minimum."""
    made = blank(DESK)
    risk.limited(made, msgspec.structs.replace(Risk(), per_trade=case.per_trade, leverage=case.leverage))
    d = made[0]
    a, w = d.account, d.watch
    a.deposit = a.cash = round(case.equity * MONEY)
    a.tick, a.step, a.worth = 0.1, 0.001, MONEY // 10_000
    a.tiers = 1
    d.costs.taker, d.costs.half_spread, d.costs.impact = case.fee, case.half_spread, case.impact
    w.now = w.mark_at = w.book_at = w.bar_at = NOW
    w.mark = w.last = case.price
    w.bid = w.ask = w.spread_ewma = w.funding_rate = d.notes[NOTE_EDGE] = nan
    w.bar_ns = 60 * NS
    for k in range(4):
        close = case.price * (1.0 + 0.001 * (k % 2))
        watch.push(w, NOW, (close, close, close, close, 1e5 / close, nan))
    w.last = case.price
    if case.has_book:
        ticks = max(2, round(case.price / 0.1))
        d.book.at, d.book.bids, d.book.asks = NOW, 20, 20
        for k in range(20):
            d.book.bid_ticks[k], d.book.ask_ticks[k] = max(1, ticks - k), ticks + 1 + k
            d.book.bid_steps[k] = d.book.ask_steps[k] = case.depth
    return d


@settings(max_examples=50, deadline=None)
@given(CASES)
def test_a_stop_never_costs_more_than_was_said(case: Case) -> None:
    """The loss at the stop, fees, spread and impact of both ways included, is within r·E; of one step more it is not.

    Where it was risk that bound. Keeps S4-13, S4-74, B20.
    """
    d = desk(case)
    size = sizing.size_of(d, case.side, case.stop, nan)
    budget = case.per_trade * (d.account.cash / MONEY)
    price, root = sizing.taking_price(d, case.side), sizing.impact_rate(d)
    if size > 0:
        assert sizing.loss_at_stop(d, case.side, size, case.stop, price, root) <= budget
        assert sizing.cost_to_open(d, case.side, size, price, root) <= d.account.cash / MONEY
        refusal = REFUSALS[risk.review(d, case.side, size, case.stop)]
        assert refusal in {"", "liquidation-near"}
    if sizing.BOUNDS[d.risk.bound] == "risk":
        assert sizing.loss_at_stop(d, case.side, size + 1, case.stop, price, root) > budget * (1.0 - 1e-12)


@settings(max_examples=50, deadline=None)
@given(CASES, st.floats(1.0, 10.0))
def test_sizes_are_monotone(case: Case, times: float) -> None:
    """More equity, risk or leverage never means fewer steps; a wider stop or higher costs never more."""

    def steps(changed: Case) -> int:
        return sizing.size_of(desk(changed), case.side, changed.stop, nan)

    change = msgspec.structs.replace
    size = steps(case)
    assert steps(change(case, equity=case.equity * times)) >= size
    assert steps(change(case, per_trade=min(1.0, case.per_trade * times))) >= size
    assert steps(change(case, leverage=min(200.0, case.leverage * times))) >= size
    assert steps(change(case, stop=min(1.0, case.stop * times))) <= size
    assert steps(change(case, fee=round(case.fee * times))) <= size
    assert steps(change(case, half_spread=case.half_spread * times)) <= size


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 6 * 3600), st.floats(-0.2, 0.25), st.sampled_from((PROTECT, LIQUIDATED, 1, 3)), st.booleans()
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.sampled_from((KILL_SWITCH, DRAWDOWN)), st.integers(0, 29))
def test_after_halted_nothing_opens(events: list[tuple[int, float, int, bool]], why: int, halts_at: int) -> None:
    """Whatever equity, time, fills and settings do after a halt, no entry passes until somebody resets it.

    Keeps S4-74, S2-62.
    """
    d = desk(Case(10_000.0, 50_000.0, 0.01, 0.01, 10.0, 0.0, 0.0, 50_000, LONG, False, 1))
    is_halted = False
    for k, (seconds, move, role, writes) in enumerate(events):
        d.watch.now = d.watch.mark_at = d.watch.bar_at = d.watch.now + seconds * NS
        d.account.cash = max(1, round(d.account.cash * (1.0 + move)))
        risk.noted(d, role, -1 if move < 0 else 1)
        if k == halts_at:
            halting.halt(d, why)
        if writes:
            d.risk.mode = 2
        demanded = halting.standing(d)
        is_halted = is_halted or d.risk.halted > 0
        answer = risk.review(d, LONG, sizing.size_of(d, LONG, 0.01, nan), 0.01)
        if is_halted:
            assert answer == d.risk.halted == demanded
        if demanded:
            assert answer > 0


@settings(max_examples=30, deadline=None)
@given(CASES)
def test_observing_never_orders(case: Case) -> None:
    """In mode observe every wish is refused, whatever it is. Keeps S2-62."""
    d = desk(case)
    d.risk.mode = 0
    assert REFUSALS[risk.review(d, case.side, sizing.size_of(d, case.side, case.stop, nan), case.stop)] == "observing"
