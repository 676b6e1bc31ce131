"""Each kind of row takes its steps in their order, and what a rule wishes comes about only as risk lets it."""

import math
from collections.abc import Callable, Iterable

import msgspec
import numpy as np
import pytest
from tests.unit.desk_histories import BTC, COIN, START, UNITS, Coin, by_run, candle_events, desk_of

from perpscope.model.market import Candle
from perpscope.settings import Costs
from perpscope.trading import orders, refusals, running, steps
from perpscope.trading.asking import asked
from perpscope.trading.deciding import point
from perpscope.trading.desk import Desk
from perpscope.trading.kernel import Kernel, kernel
from perpscope.trading.layout import (
    DECIDED,
    ENTRY,
    EXIT,
    FILLED,
    FLATTEN,
    FUNDED,
    HALF,
    KEPT_POINTS,
    LEAVE,
    LONG,
    MARKET,
    NOTE_EDGE,
    NOTE_FAILED,
    NOTE_OWN,
    NOTE_SIDE,
    NOTE_STOP,
    NS,
    PLACED,
    PROTECT,
    REFUSED,
    SENT,
    SHORT,
    STAY,
)
from perpscope.trading.strategy import Numbers, Record, Rule
from perpscope.trading.tape import MARK, TapeWriter, tape_of_candles

MINUTE = 60 * NS
FREE_COSTS = Costs(taker=0.0, maker=0.0, spread_bps=0.0, impact=0.0, latency_ms=0.0, data_delay_ms=0.0)


def scripted(answers: Iterable[int], stop: float = 0.01) -> Rule:
    """A rule that answers one thing after the other, then stays."""
    rest = iter(answers)

    def rule(_w: Record, _account: Record, _parameters: Numbers, notes: Numbers) -> int:
        notes[NOTE_STOP] = stop
        return next(rest, STAY)

    return rule


def candle(k: Kernel, desk: Desk, minute: int, price: float = 60_000.0, close: float | None = None) -> int:
    """A closed candle, told at its end."""
    ts, last = START + (minute + 1) * MINUTE, price if close is None else close
    high, low = max(price, last), min(price, last)
    return steps.candle(k.asked, desk, ts, ts, ts - MINUTE, price, high, low, last, 1_000.0, math.nan)


def test_a_wish_becomes_an_order_and_a_later_row_fills_it() -> None:
    """Nothing is filled by the row it was decided on, nor before it arrived."""
    k, desk = kernel(scripted([STAY, LONG])), desk_of()
    d = desk[0]
    assert candle(k, desk, 0) == 0
    assert candle(k, desk, 1) == DECIDED | PLACED
    order = d.orders[0]
    assert (order.role, order.side, order.state, order.placed_at) == (ENTRY, LONG, SENT, d.watch.now)
    assert (d.kept_decisions[0].order, d.kept_decisions[0].refusal, d.decisions) == (1, 0, 1)
    assert candle(k, desk, 2) == FILLED | PLACED
    assert d.kept_fills[0].ts >= order.arrives_at > d.kept_decisions[0].ts
    assert d.account.size > 0
    roles = [int(o.role) for o in d.orders if o.state != 0]
    assert roles == [PROTECT]
    assert candle(k, desk, 3, 60_000.0, 50_000.0) & FILLED
    assert d.account.size == 0


def test_who_observes_orders_nothing() -> None:
    """In mode observe every entry is refused by name, and the refusal is written down. Keeps S2-62."""
    k, desk = kernel(scripted([LONG])), desk_of(mode=0)
    assert candle(k, desk, 0) == DECIDED | REFUSED
    assert desk[0].kept_decisions[0].refusal == refusals.OBSERVING
    assert desk[0].orders_made == 0


def test_a_near_miss_is_an_entry_that_failed_in_one_rule_alone() -> None:
    """Two failed rules are no near miss; one is, with its rule and side."""
    masks = iter([3, 4, 0])

    def rule(_w: Record, _account: Record, _parameters: Numbers, notes: Numbers) -> int:
        notes[NOTE_FAILED], notes[NOTE_SIDE] = next(masks), SHORT
        return STAY

    k, desk = kernel(rule), desk_of()
    assert [candle(k, desk, minute) for minute in range(3)] == [0, DECIDED, 0]
    row = desk[0].kept_decisions[0]
    assert (row.answer, row.failed, row.side, desk[0].decisions) == (STAY, 4, SHORT, 1)


def test_the_other_side_is_reached_through_flat() -> None:
    """While long, short means out; the same side again, or out while flat, means nothing."""
    answers = [EXIT, LONG, LONG, LONG, SHORT, SHORT, SHORT]
    k, desk = kernel(scripted(answers)), desk_of(costs=FREE_COSTS)
    said = [candle(k, desk, minute) for minute in range(8)]
    d = desk[0]
    roles = [int(d.kept_fills[n].role) for n in range(d.fills)]
    assert roles == [ENTRY, LEAVE, ENTRY]
    assert [int(row.answer) for row in d.kept_decisions[: d.decisions]] == [LONG, EXIT, SHORT]
    assert said[0] == said[3] == 0
    assert d.account.size < 0


def test_what_is_on_its_way_is_not_sent_twice() -> None:
    """Orders take minutes here: as long as one is under way the same wish adds nothing."""
    slow = Costs(latency_ms=60_000.0, latency_p99_ms=60_000.0, latency_tail=0.0, data_delay_ms=60_000.0)
    k, desk = kernel(scripted([LONG, LONG, STAY, EXIT, EXIT])), desk_of(costs=slow)
    for minute in range(5):
        candle(k, desk, minute)
    d = desk[0]
    assert [int(row.answer) for row in d.kept_decisions[: d.decisions]] == [LONG, EXIT]


def test_a_standing_limit_closes_what_is_held() -> None:
    """Data that is too old flattens once, with its reason, and the rule is not asked."""
    k, desk = kernel(scripted([LONG])), desk_of(costs=FREE_COSTS)
    candle(k, desk, 0)
    candle(k, desk, 1)
    d = desk[0]
    assert d.account.size > 0
    steps.gap(desk, d.watch.now, 1)
    steps.gap(desk, d.watch.now + 1, 1)
    assert (
        steps.second(k.asked, desk, d.watch.now + 40 * NS) == DECIDED | PLACED | REFUSED
        or d.kept_decisions[1].answer == EXIT
    )
    row = d.kept_decisions[1]
    assert (row.answer, row.refusal) == (EXIT, refusals.DATA_OLD)
    assert [int(o.role) for o in d.orders if o.state == SENT and o.role == FLATTEN] == [FLATTEN]
    before = d.decisions
    assert steps.second(k.asked, desk, d.watch.now + NS) == 0
    assert d.decisions == before
    steps.gap(desk, d.watch.now, 0)
    assert d.watch.gap_at == 0


def test_a_candle_asks_nobody_while_a_limit_stands() -> None:
    """At a moment too the limits come first: what is held is closed, and the rule is not asked."""
    k, desk = kernel(scripted([LONG, STAY, SHORT])), desk_of(costs=FREE_COSTS)
    candle(k, desk, 0)
    candle(k, desk, 1)
    d = desk[0]
    steps.gap(desk, d.watch.now, 1)
    assert candle(k, desk, 2) & DECIDED
    assert (d.kept_decisions[1].answer, d.kept_decisions[1].refusal) == (EXIT, refusals.DATA_OLD)


def test_a_mark_triggers_the_stop() -> None:
    """Where neither trades nor books are told, the mark alone fills what it triggers. METHOD 12.4."""
    k, desk = kernel(scripted([LONG])), desk_of(costs=FREE_COSTS)
    candle(k, desk, 0)
    candle(k, desk, 1)
    d = desk[0]
    now = int(d.watch.now) + NS
    assert steps.mark(desk, now, now, 59_000.0, math.nan, math.nan, 0) & FILLED
    assert (d.account.size, d.kept_fills[1].role) == (0, PROTECT)
    assert d.risk.stops == 1


def test_a_standing_limit_takes_entries_back() -> None:
    """An entry that waits is taken back once, and counts as news for whoever sends orders."""
    slow = Costs(latency_ms=60_000.0, latency_p99_ms=60_000.0, latency_tail=0.0)
    k, desk = kernel(scripted([LONG])), desk_of(costs=slow)
    candle(k, desk, 0)
    d = desk[0]
    steps.gap(desk, d.watch.now, 1)
    assert steps.second(k.asked, desk, d.watch.now + 40 * NS) == PLACED
    assert d.orders[0].expires_at > 0
    assert steps.second(k.asked, desk, d.watch.now + NS) == 0


def test_a_rule_is_asked_when_its_moment_comes() -> None:
    """At closed candles, at a forecast, and each second only where it wants that; notes are clean each time."""
    asked_at: list[tuple[int, int, bool]] = []

    def rule(w: Record, _account: Record, _parameters: Numbers, notes: Numbers) -> int:
        asked_at.append((int(w.now - START), int(w.is_bar), notes[0] == 0.0 and math.isnan(notes[NOTE_EDGE])))
        notes[:NOTE_OWN] = 5.0
        notes[NOTE_FAILED] = 0.0
        notes[NOTE_OWN] += 1.0
        return STAY

    k, desk = kernel(rule), desk_of()
    candle(k, desk, 0)
    steps.second(k.asked, desk, START + 61 * NS)
    steps.forecast(k.asked, desk, START + 62 * NS, START + 60 * NS, 0.6, 0.3, 0.001, 1)
    desk["is_asked_each_second"] = 1
    steps.second(k.asked, desk, START + 63 * NS)
    assert asked_at == [(60 * NS, 1, True), (62 * NS, 0, True), (63 * NS, 0, True)]
    assert desk[0].notes[NOTE_OWN] == 3.0
    w = desk[0].watch
    assert (w.forecast_for, w.p_up, w.p_down, w.edge, w.is_promoted) == (START + 60 * NS, 0.6, 0.3, 0.001, 1)


def test_a_candle_that_came_again_is_passed_over() -> None:
    """The rule is asked once for each minute, whatever is told twice. METHOD 11."""
    k, desk = kernel(scripted([LONG])), desk_of()
    assert candle(k, desk, 3) == DECIDED | PLACED
    assert candle(k, desk, 3) == 0
    assert candle(k, desk, 2) == 0
    assert desk[0].watch.bars == 1


def test_where_candles_are_made_of_trades_none_are_taken() -> None:
    """One source of candles a desk; a trade of the next minute, or a second, closes the last."""
    k, desk = kernel(scripted([LONG])), desk_of(has_candles=False)
    assert candle(k, desk, 0) == 0
    d = desk[0]
    assert steps.trade(k.asked, desk, START, START, 60_000.0, 1.0, 1) == 0
    assert steps.trade(k.asked, desk, START + MINUTE, START + MINUTE, 60_001.0, 1.0, -1) & DECIDED
    assert (d.watch.bars, d.watch.bar_at) == (1, START + MINUTE)
    steps.second(k.asked, desk, START + 2 * MINUTE)
    assert d.watch.bars == 2


def test_the_curve_has_a_point_for_each_candle_and_fill() -> None:
    """And says when half of what is kept is new, so that nothing is lost."""
    k, desk = kernel(scripted([LONG])), desk_of(costs=FREE_COSTS)
    for minute in range(3):
        candle(k, desk, minute)
    d = desk[0]
    assert d.points == 4  # the fill's among them
    assert [int(row.ts - START) for row in d.kept_points[:4]] == [60 * NS, 60 * NS, 120 * NS, 180 * NS]
    said = [point(d, START, 5) for _ in range(2 * KEPT_POINTS)]
    assert [n for n, bit in enumerate(said) if bit == HALF][:2] == [KEPT_POINTS // 2 - 5, KEPT_POINTS - 5]


def test_what_is_told_stands_in_the_watch() -> None:
    """Marks, fundings, liquidations, open interest and clusters are where rules look for them."""
    desk = desk_of()
    w = desk[0].watch
    steps.mark(desk, START, START + 1, 100.0, 101.0, 0.0001, START + 5)
    assert (w.mark, w.index, w.funding_rate, w.next_funding, w.mark_at) == (100.0, 101.0, 0.0001, START + 5, START + 1)
    steps.liquidation(desk, START, START + 2, LONG, 5.0)
    assert w.liquidated_long.sum() == 5.0
    steps.open_interest(desk, START + 3, 7.0)
    assert w.open_interest == 7.0
    steps.clusters(desk, START + 4, 110.0, 1.0, 90.0, 2.0, -0.5)
    assert (w.above_price, w.above_usd, w.below_price, w.below_usd, w.pull) == (110.0, 1.0, 90.0, 2.0, -0.5)
    assert (w.map_at, w.now) == (START + 4, START + 4)
    assert steps.funding(desk, START, START + 5, 0.0001, 100.0) == 0  # nothing is held


def test_funding_is_charged_to_whoever_holds_at_the_moment() -> None:
    """A long pays where the rate is above zero; the bit says that there is something to tell. METHOD 12.4."""
    k, desk = kernel(scripted([LONG])), desk_of(costs=FREE_COSTS)
    candle(k, desk, 0)
    candle(k, desk, 1)
    d = desk[0]
    assert steps.funding(desk, START, d.watch.now, 0.0001, 60_000.0) == FUNDED
    assert d.account.funding == round(int(d.account.size) * 0.001 * 60_000.0 * 0.0001 * 10**8)


def test_a_book_is_seen_and_can_be_lost() -> None:
    """Best prices follow its best levels; without levels they are unknown, and so is the book."""
    desk = desk_of(has_candles=False)
    ticks, sizes = np.array([599_999, 599_990]), np.array([5, 6])
    steps.book(desk, START, START + 1, ticks, sizes, np.array([600_001]), np.array([7]))
    d = desk[0]
    assert (d.watch.bid, d.watch.ask) == (pytest.approx(59_999.9), pytest.approx(60_000.1))
    assert (d.book.bids, d.book.asks, d.book.at) == (2, 1, START)
    d.book.bids = d.book.asks = 0
    steps.booked(desk, START + 2, START + 3)
    assert d.book.at == 0
    assert math.isnan(d.watch.bid)


def test_a_desk_without_its_own_exchange_fills_nothing() -> None:
    """Orders wait until their fills come from elsewhere; those of orders that are gone are passed over."""
    k, desk = kernel(scripted([LONG])), desk_of(is_simulated=False)
    candle(k, desk, 0)
    d = desk[0]
    for minute in range(1, 4):
        candle(k, desk, minute)
    steps.mark(desk, START, d.watch.now, 60_000.0, math.nan, math.nan, 0)
    steps.book(desk, START, d.watch.now, np.array([1]), np.array([1]), np.array([2]), np.array([1]))
    steps.trade(k.asked, desk, START, d.watch.now, 60_000.0, 1.0, 1)
    assert steps.funding(desk, START, d.watch.now, 0.1, 60_000.0) == 0
    assert d.fills == 0
    size = int(d.orders[0].size)
    told = (ENTRY, 1, size, 600_000, 10, 1)
    assert steps.fill(desk, START, d.watch.now, 1, *told) & (FILLED | PLACED) == FILLED | PLACED
    assert d.account.size == size
    assert steps.charged(desk, d.watch.now, 5) == FUNDED
    assert d.account.funding == 5
    steps.closed(desk, d.watch.now, 2, 1)
    assert [int(o.role) for o in d.orders if o.state != 0][:1] == [PROTECT]
    assert d.risk.rejected == 1
    steps.closed(desk, d.watch.now, 2, 0)
    assert d.risk.rejected == 0


def test_a_trade_fills_where_nothing_else_is_told() -> None:
    """Without candles and books a trade is the market: the order that has arrived takes its price. METHOD 12.4."""
    k, desk = kernel(scripted([LONG])), desk_of(has_candles=False, costs=FREE_COSTS)
    steps.trade(k.asked, desk, START, START, 60_000.0, 1.0, 1)
    assert steps.trade(k.asked, desk, START + MINUTE, START + MINUTE, 60_000.0, 1.0, 1) == DECIDED | PLACED
    now = START + MINUTE + NS
    assert steps.trade(k.asked, desk, now, now, 60_010.0, 1.0, 1) & FILLED
    assert (desk[0].kept_fills[0].price, desk[0].points) == (600_100, 2)


def test_a_mark_has_the_book_read_when_an_order_is_due() -> None:
    """Nobody looked at the delta when it came; at the mark an order has arrived, and somebody does."""
    desk = desk_of(has_candles=False)
    d = desk[0]
    orders.place(d, START, MARKET, ENTRY, 1, 4, 0, 1, 0.0, 0.0)
    writer = TapeWriter()
    writer.levels(START + 1, START + 1, [(599_999, 50)], [(600_001, 50)])
    ts = START + 20 * NS
    writer.row(MARK, ts, ts, marks=(60_000.0, math.nan, math.nan), next_fundings=(0,))
    kernel(scripted([])).run(desk, writer.tape())
    assert d.watch.bid == pytest.approx(59_999.9)
    assert d.book.at == START + 1
    assert d.fills == 0


@pytest.mark.parametrize("has_candles_alone", [False, True], ids=["mixed", "candles"])
def test_a_run_goes_on_where_a_log_was_full(monkeypatch: pytest.MonkeyPatch, *, has_candles_alone: bool) -> None:
    """Logs that fill up many times hold the same rows, once, as logs that never do."""
    events = [event for event in candle_events(3, 300) if isinstance(event, Candle) or not has_candles_alone]
    whole = by_run(desk_of(parameters=Coin(2.0)), events)
    monkeypatch.setattr(running, "ROOM", KEPT_POINTS + 4)
    monkeypatch.setattr(running, "MOST", 0)
    pieces = by_run(desk_of(parameters=Coin(2.0)), events)
    assert len(whole.fills) > 10
    for one, other in zip(
        (whole.fills, whole.decisions, whole.points), (pieces.fills, pieces.decisions, pieces.points), strict=True
    ):
        assert one.tobytes() == other.tobytes()


def test_an_empty_tape_is_a_run_too() -> None:
    """Nothing comes of nothing."""
    tape = tape_of_candles(np.zeros(0, np.int64), np.zeros((0, 6)), MINUTE)
    logs = kernel(COIN.rule).run(desk_of(), tape)
    assert [len(logs.fills), len(logs.decisions), len(logs.points)] == [0, 0, 0]


def test_the_same_run_twice_is_the_same() -> None:
    """Two desks over one tape come to the same bytes; one with another seed does not. Keeps B23."""
    events = candle_events(4, 200)
    one, other = desk_of(), desk_of()
    assert by_run(one, events).fills.tobytes() == by_run(other, events).fills.tobytes()
    assert one.tobytes() == other.tobytes()
    third = desk_of()
    third["costs"]["seed"] = 8
    by_run(third, events)
    assert third.tobytes() != one.tobytes()


def test_without_signals_nothing_is_earned_or_lost() -> None:
    """Zero signals, zero profit, to the last unit. METHOD 12.7."""
    desk = desk_of(msgspec.structs.replace(COIN, rule=scripted([])))
    logs = kernel(scripted([])).run(desk, tape_of_candles(*noise(1, 500), MINUTE))
    assert len(logs.fills) == 0
    assert set(logs.points["equity"].tolist()) == {10_000 * 10**8}


def noise(number: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Candles of a driftless walk: opens where it closed, extremes as a walk of sixty steps has them."""
    rng = np.random.default_rng(number)
    steps_ = rng.normal(0.0, 0.0002, (count, 60))
    paths = 60_000.0 * np.exp(np.cumsum(steps_).reshape(count, 60))
    opens = np.concatenate([[60_000.0], paths[:-1, -1]])
    highs, lows = np.maximum(opens, paths.max(axis=1)), np.minimum(opens, paths.min(axis=1))
    bars = np.column_stack([opens, highs, lows, paths[:, -1], np.full(count, 1e4), np.full(count, np.nan)])
    return START + np.arange(count) * MINUTE, bars


def lost_on_noise(number: int, count: int) -> tuple[np.ndarray, float]:
    """Net result of each trade of a coin on white noise, and what a round trip costs: fractions of notional."""
    costs = Costs(taker=0.0005, spread_bps=2.0, impact=0.0)
    desk = desk_of(parameters=Coin(7.0, 0.0, 0.0), costs=costs, is_strict=False, deposit=1_000_000)
    logs = kernel(COIN.rule).run(desk, tape_of_candles(*noise(number, count), MINUTE))
    assert desk[0].account.cash + desk[0].account.margin == (
        desk[0].account.deposit + desk[0].account.realised - desk[0].account.fees - desk[0].account.funding
    )
    closes = np.flatnonzero(logs.fills["role"] != ENTRY)
    opens = closes - 1
    fees = logs.fills["fee"][opens] + logs.fills["fee"][closes]
    worth = logs.fills["size"][opens] * logs.fills["price"][opens] * UNITS.worth
    return (logs.fills["realised"][closes] - fees) / worth, 2 * (0.0005 + 0.0001)


def check_noise(number: int, count: int) -> None:
    """Lost on average what it costs, within two standard errors, and certainly lost."""
    net, cost = lost_on_noise(number, count)
    assert len(net) > count / 20
    error = net.std(ddof=1) / math.sqrt(len(net))
    assert abs(net.mean() + cost) < 2.0 * error
    assert net.mean() < 0.0


@pytest.mark.unmeasured
def test_white_noise_loses_its_costs() -> None:
    """On prices that know nothing a trade loses fees and spread, ±2 SE. METHOD 12.7."""
    check_noise(5, 4_000)


@pytest.mark.soak
def test_white_noise_loses_its_costs_many_times() -> None:
    """The same over a year's worth of other prices."""
    check_noise(6, 60_000)


def test_a_rule_is_handed_on_as_it_is() -> None:
    """In plain Python a rule needs no compiler; kernels of one rule are made once."""
    rule: Callable[..., int] = scripted([])
    assert asked(rule) is rule
    assert kernel(rule) is kernel(rule)
    assert BTC.id == "BTC-USDT-PERP.BINANCE"
