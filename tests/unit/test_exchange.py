"""The simulated exchange on candles: when and where orders are filled, and what liquidates. Keeps B23."""

import math

import pytest
from tests.unit.made_desk import DELAY, LATENCY, MINUTE, enter, fills_of, made, quote, show_candles, working

from perpscope.trading import account, exchange, orders
from perpscope.trading.layout import (
    ENDED,
    ENTRY,
    FILLED,
    FUNDED,
    LEAVE,
    LIMIT,
    LIQUIDATED,
    MARKET,
    NEVER,
    NS,
    PLACED,
    PROFIT,
    PROTECT,
    REFUSED,
    SENT,
    STOP,
    TAKE,
    WORKING,
)
from perpscope.trading.strategy import Record

LATE = LATENCY + DELAY
NOON = 1_000_000 * MINUTE


def candle(d: Record, open_: float, high: float, low: float, close: float, at: int = NOON) -> int:
    """A minute that began then."""
    if exchange.is_passed(d, at + MINUTE, low, high):
        return 0
    return exchange.meet_candle(d, at + MINUTE, at, open_, high, low, close)


def long_of(d: Record, stop: float = 0.0, take: float = 0.0, size: int = 1_000) -> Record:
    """The desk, long since the minute before noon, from 60,000."""
    enter(d, NOON - MINUTE, 1, size, stop, take)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0, NOON - MINUTE)
    return d


def frictionless(deposit: float = 10_000.0) -> Record:
    """A desk whose orders pay neither spread nor fee: prices are easy to read."""
    d = made(deposit, half_spread=0.0)
    d.costs.taker = d.costs.maker = 0
    return d


def test_a_market_order_fills_at_the_open_after_it_arrived() -> None:
    """Decided at the close, it arrives 3 ms into the next minute: open and half the spread, no earlier. Keeps B23."""
    d = made()
    assert enter(d, NOON, 1, 100) == 1
    assert d.due == NOON + LATE
    assert candle(d, 61_000.0, 61_000.0, 61_000.0, 61_000.0, NOON - MINUTE) == 0
    assert candle(d, 60_000.0, 60_500.0, 59_900.0, 60_400.0) == FILLED
    (fill,) = fills_of(d)
    assert (fill.ts, fill.price, fill.size, fill.side, fill.role) == (NOON + LATE, 600_060, 100, 1, ENTRY)
    assert (quote(fill.fee), fill.position, fill.order, fill.why) == (3.0003, 100, 1, 1)
    assert d.due == NEVER
    assert not working(d)


def test_what_arrives_late_in_a_candle_fills_at_its_close() -> None:
    """The open was gone when it arrived: half a minute later the close is the next price there is. Keeps B23."""
    d = frictionless()
    enter(d, NOON + 30 * NS, 1, 100)
    candle(d, 60_000.0, 60_500.0, 59_900.0, 60_400.0)
    (fill,) = fills_of(d)
    assert (fill.price, fill.ts) == (604_000, NOON + MINUTE)


def test_the_entry_candle_counts_for_the_stop() -> None:
    """METHOD 11.2: entered at the open, stopped in the same minute; skipping it made losses a gain. Keeps B23."""
    d = frictionless()
    enter(d, NOON, 1, 100, stop=0.01)
    assert candle(d, 60_000.0, 61_000.0, 59_300.0, 60_900.0) == FILLED | PLACED
    entry, stop = fills_of(d)
    assert (stop.role, stop.price, stop.ts, quote(stop.realised)) == (PROTECT, 594_000, NOON + MINUTE, -60.0)
    assert stop.ts >= stop.placed_at >= entry.ts
    assert (d.account.size, working(d), d.due) == (0, [], NEVER)
    assert (stop.worst, stop.best) == (59_400.0, 60_000.0)


def test_the_adverse_extreme_comes_first() -> None:
    """With stop and take-profit both in reach of one candle, it was the stop. Keeps B23."""
    d = long_of(frictionless(), stop=0.01, take=0.01)
    candle(d, 60_000.0, 61_000.0, 59_000.0, 60_000.0)
    assert [fill.role for fill in fills_of(d)] == [ENTRY, PROTECT]


@pytest.mark.parametrize(
    ("side", "low", "high", "price", "role"),
    [
        pytest.param(1, 59_399.0, 60_100.0, 594_000, PROTECT, id="long stopped"),
        pytest.param(1, 59_401.0, 60_601.0, 606_000, PROFIT, id="long took"),
        pytest.param(-1, 59_401.0, 60_601.0, 606_000, PROTECT, id="short stopped"),
        pytest.param(-1, 59_399.0, 60_599.0, 594_000, PROFIT, id="short took"),
    ],
)
def test_triggers_fill_where_they_stand(side: int, low: float, high: float, price: int, role: int) -> None:
    """Stop and take-profit stand a distance from the entry, on either side of it. Keeps B23."""
    d = frictionless()
    enter(d, NOON - MINUTE, side, 100, stop=0.01, take=0.01)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0, NOON - MINUTE)
    candle(d, 60_000.0, high, low, 60_000.0)
    fill = fills_of(d)[-1]
    assert (fill.role, fill.price, d.account.size) == (role, price, 0)


def test_a_trigger_pays_like_any_market_order() -> None:
    """Filled at market with slippage: half the spread below the stop, rounded against it. Keeps B23."""
    d = long_of(made(), stop=0.01)
    candle(d, 60_000.0, 60_000.0, 59_000.0, 59_000.0)
    stop = round(60_006.0 * 0.99, 1)
    assert fills_of(d)[-1].price == math.floor(stop * 0.9999 * 10)


def test_a_gap_beyond_the_stop_fills_at_the_open() -> None:
    """Nobody traded at the stop: the open is the first price there was. Keeps B23."""
    d = long_of(frictionless(), stop=0.01)
    candle(d, 58_000.0, 59_900.0, 57_900.0, 59_000.0)
    fill = fills_of(d)[-1]
    assert (fill.price, fill.ts, fill.role) == (580_000, NOON, PROTECT)


def test_a_gap_beyond_the_take_profit_fills_at_the_open_too() -> None:
    """The better price is had where the market opened there. Keeps B23."""
    d = long_of(frictionless(), take=0.01)
    candle(d, 61_000.0, 61_900.0, 60_900.0, 61_000.0)
    assert (fills_of(d)[-1].price, fills_of(d)[-1].role) == (610_000, PROFIT)


def test_a_stop_that_slippage_left_above_the_open_fills_at_the_open() -> None:
    """An entry paid 1 % more than the open and its stop stands over it: no better price than there was. Keeps B23."""
    d = frictionless()
    d.costs.half_spread = 0.01
    enter(d, NOON, 1, 100, stop=0.001)
    candle(d, 60_000.0, 60_000.0, 59_990.0, 60_000.0)
    assert fills_of(d)[-1].price == 594_000


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_without_a_stop_the_adverse_extreme_liquidates(side: int) -> None:
    """Where the range reaches the liquidation price, the margin is lost and the cash kept. Keeps B23."""
    d = frictionless()
    enter(d, NOON - MINUTE, side, 1_000)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0, NOON - MINUTE)
    edge = account.liquidation_price(d.account)
    worst = edge - side * 10.0
    assert candle(d, 60_000.0, max(60_000.0, worst), min(60_000.0, worst), 60_000.0) == FILLED
    fill = fills_of(d)[-1]
    assert (fill.role, fill.order, fill.side, fill.size, fill.position) == (LIQUIDATED, 0, -side, 1_000, 0)
    assert math.isnan(fill.mid)
    assert quote(fill.fee) == pytest.approx(0.005 * edge, rel=1e-6)  # all that maintenance left
    assert (quote(d.account.cash), d.account.liquidations) == (4_000.0, 1)


def test_a_stop_nearer_than_the_liquidation_price_acts_first() -> None:
    """The price falls through the stop on its way: nothing is liquidated. Keeps B23."""
    d = long_of(frictionless(), stop=0.05)
    candle(d, 60_000.0, 60_000.0, 50_000.0, 50_000.0)
    assert (fills_of(d)[-1].role, fills_of(d)[-1].price, d.account.liquidations) == (PROTECT, 570_000, 0)


def test_a_stop_beyond_the_liquidation_price_comes_too_late() -> None:
    """METHOD 12.4: on the way to a stop of 20 % on 10× the position is gone. Keeps B23."""
    d = long_of(frictionless(), stop=0.2)
    candle(d, 60_000.0, 60_000.0, 47_000.0, 47_000.0)
    assert fills_of(d)[-1].role == LIQUIDATED
    assert not working(d)


def test_a_gap_beyond_the_liquidation_price_liquidates_before_any_stop() -> None:
    """At the open the margin is gone, whatever stop stood before it. Keeps B23."""
    d = long_of(frictionless(), stop=0.01)
    candle(d, 50_000.0, 60_000.0, 50_000.0, 60_000.0)
    fill = fills_of(d)[-1]
    assert (fill.role, fill.ts, quote(d.account.cash)) == (LIQUIDATED, NOON, 4_000.0)


def test_an_account_that_lost_everything_has_ended() -> None:
    """With all cash in the margin, a liquidation leaves nothing to trade with. Keeps B23."""
    d = long_of(frictionless(deposit=6_000.0))
    assert candle(d, 50_000.0, 50_000.0, 50_000.0, 50_000.0) == FILLED | ENDED


@pytest.mark.parametrize(
    ("low", "is_filled"), [(59_899.9, True), (59_900.0, False)], ids=["traded through", "only touched"]
)
def test_a_limit_fills_when_it_is_traded_through(low: float, is_filled: bool) -> None:
    """METHOD 12.4: a touch serves who came first; a tick beyond serves us, at our price, as maker. Keeps B23."""
    d = made()
    orders.place(d, NOON, LIMIT, ENTRY, 1, 100, 599_000, 1)
    candle(d, 60_000.0, 60_100.0, low, 60_050.0)
    assert [(f.price, f.is_maker, quote(f.fee)) for f in fills_of(d)] == ([(599_000, 1, 1.198)] if is_filled else [])
    assert d.due == (NEVER if is_filled else 0)


def test_a_limit_that_crosses_at_the_open_is_a_taker_s() -> None:
    """It takes what is there, at no worse than its limit. Keeps B23."""
    d = made()
    orders.place(d, NOON, LIMIT, ENTRY, 1, 100, 601_000, 1)
    candle(d, 60_000.0, 60_100.0, 60_000.0, 60_050.0)
    assert [(f.price, f.is_maker) for f in fills_of(d)] == [(600_060, 0)]


def test_a_limit_entered_within_a_candle_is_stopped_by_the_same_low() -> None:
    """The low that filled it goes on to its stop; the high may have been before, and takes no profit. Keeps B23."""
    d = frictionless()
    orders.place(d, NOON, LIMIT, ENTRY, 1, 100, 599_000, 1, 0.01, 0.001)
    candle(d, 60_000.0, 61_000.0, 59_800.0, 60_900.0)
    assert [f.role for f in fills_of(d)] == [ENTRY]
    d = frictionless()
    orders.place(d, NOON, LIMIT, ENTRY, 1, 100, 599_000, 1, 0.01, 0.001)
    candle(d, 60_000.0, 61_000.0, 59_000.0, 60_900.0)
    assert [f.role for f in fills_of(d)] == [ENTRY, PROTECT]


@pytest.mark.parametrize(
    ("kind", "price", "high", "low", "filled"),
    [
        pytest.param(STOP, 601_000, 60_101.0, 59_990.0, 601_000, id="breakout"),
        pytest.param(STOP, 601_000, 60_099.0, 59_990.0, None, id="no breakout"),
        pytest.param(TAKE, 599_000, 60_101.0, 59_890.0, 599_000, id="dip"),
        pytest.param(STOP, 599_000, 60_101.0, 59_990.0, 600_000, id="broke out before the open"),
    ],
)
def test_entries_may_wait_for_a_trigger(kind: int, price: int, high: float, low: float, filled: int | None) -> None:
    """A buy stop waits for a rise, a buy take for a fall. Keeps B23."""
    d = frictionless()
    orders.place(d, NOON, kind, ENTRY, 1, 100, price, 1)
    candle(d, 60_000.0, high, low, 60_000.0)
    assert [f.price for f in fills_of(d)] == ([] if filled is None else [filled])
    if filled is None:
        assert d.due == 0


def test_an_entry_that_arrives_late_meets_only_the_next_candle_s_range() -> None:
    """What the range did before it arrived is not its business. Keeps B23."""
    d = frictionless()
    orders.place(d, NOON + 30 * NS, STOP, ENTRY, 1, 100, 601_000, 1)
    candle(d, 60_000.0, 60_500.0, 60_000.0, 60_000.0)
    assert not fills_of(d)
    candle(d, 60_000.0, 60_500.0, 60_000.0, 60_000.0, NOON + MINUTE)
    assert [f.price for f in fills_of(d)] == [601_000]


def test_a_wild_candle_costs_more() -> None:
    """METHOD 12.4: beyond three σ only 0.3 of the depth is left: 1.8 times the impact. Keeps B23."""
    paid = []
    for close in (60_010.0, 66_000.0):
        d = frictionless()
        d.costs.impact = 1.0
        show_candles(d, [60_000.0, 60_060.0, 60_000.0, 60_060.0, 60_000.0], 10.0)
        enter(d, NOON, 1, 1_000)
        candle(d, 60_000.0, 66_000.0, 60_000.0, close)
        paid.append(fills_of(d)[0].price - 600_000)
    assert paid[1] == pytest.approx(paid[0] / math.sqrt(0.3), abs=2)


def test_reducing_orders_never_open() -> None:
    """A leave for more than is held closes what is held; one for nothing goes away. Keeps B23."""
    d = long_of(frictionless())
    orders.place(d, NOON, MARKET, LEAVE, -1, 5_000, 0, 2)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0)
    assert (d.account.size, fills_of(d)[-1].size, working(d)) == (0, 1_000, [])
    orders.place(d, NOON + MINUTE, MARKET, LEAVE, -1, 5_000, 0, 2)
    assert candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0, NOON + MINUTE) == 0
    assert (len(fills_of(d)), working(d)) == (2, [])


def test_the_stop_grows_with_what_is_added() -> None:
    """Nothing that is held stands without its stop; where it stands does not change any more. Keeps B23."""
    d = long_of(frictionless(), stop=0.01, size=100)
    enter(d, NOON, 1, 50, stop=0.02)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0)
    assert [(o.role, o.size, o.price) for o in working(d)] == [(PROTECT, 150, 594_000)]


def test_an_entry_that_was_never_filled_outlives_a_close() -> None:
    """What has nothing to close goes; a limit that waits to open stays until it is taken back. Keeps B23."""
    d = long_of(frictionless())
    orders.place(d, NOON - NS, LIMIT, ENTRY, 1, 100, 500_000, 1)
    orders.place(d, NOON, MARKET, LEAVE, -1, 1_000, 0, 2)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0)
    assert [o.role for o in working(d)] == [ENTRY]


def test_a_limit_that_reduces_takes_its_profit() -> None:
    """A resting sell is filled by a high that goes through it, after the adverse extreme. Keeps B23."""
    d = long_of(frictionless())
    orders.place(d, NOON, LIMIT, PROFIT, -1, 400, 605_000, 0)
    candle(d, 60_000.0, 60_500.1, 60_000.0, 60_000.0)
    assert (fills_of(d)[-1].price, fills_of(d)[-1].is_maker, d.account.size) == (605_000, 1, 600)


def test_stops_act_in_the_order_the_price_meets_them() -> None:
    """Two stops of half the position each: the nearer first, whatever slot it is in. Keeps B23."""
    d = long_of(frictionless())
    for price in (590_000, 595_000, 585_000):
        orders.place(d, NOON - NS, STOP, PROTECT, -1, 500, price, 0)
    candle(d, 60_000.0, 60_000.0, 58_000.0, 60_000.0)
    assert [f.price for f in fills_of(d)[1:]] == [595_000, 590_000]


def test_an_entry_that_cash_cannot_pay_is_cut() -> None:
    """The exchange opens what free cash pays, margin and fee, and refuses the rest. Keeps B23."""
    d = made(deposit=1_000.0)
    enter(d, NOON, 1, 1_000)
    assert candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0) == FILLED | REFUSED
    assert d.account.size == account.affordable(made(deposit=1_000.0).account, d.costs, 600_060)
    assert 0 <= quote(d.account.cash) < 6.1
    assert not working(d)


def test_an_entry_against_what_is_held_is_refused() -> None:
    """Reversals go through flat. Keeps B23."""
    d = long_of(frictionless())
    enter(d, NOON, -1, 100)
    assert candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0) == REFUSED
    assert d.account.size == 1_000


def test_a_cancel_takes_as_long_as_an_order() -> None:
    """Until it arrives the order may still be filled; afterwards it is gone. Keeps B23."""
    d = made()
    number = orders.place(d, NOON - 2 * MINUTE, LIMIT, ENTRY, 1, 100, 590_000, 1)
    candle(d, 60_000.0, 60_000.0, 59_500.0, 60_000.0, NOON - 2 * MINUTE)
    assert orders.cancel(d, NOON - MINUTE, number)
    assert [o.expires_at for o in working(d)] == [NOON - MINUTE + LATE]
    assert orders.cancel(d, NOON, number)
    assert [o.expires_at for o in working(d)] == [NOON - MINUTE + LATE]
    candle(d, 60_000.0, 60_000.0, 59_500.0, 60_000.0, NOON - MINUTE)
    assert (working(d), d.due) == ([], NEVER)
    assert not orders.cancel(d, NOON, number)


def test_all_orders_of_a_role_are_taken_back_at_once() -> None:
    """Entries go, the stop stays; without a role all go. Keeps B23."""
    d = long_of(frictionless(), stop=0.01)
    enter(d, NOON, 1, 10)
    assert orders.cancel_all(d, NOON, ENTRY) == 1
    assert orders.has_order(d, ENTRY)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0)
    assert not orders.has_order(d, ENTRY)
    assert orders.has_order(d, PROTECT)
    assert orders.cancel_all(d, NOON) == 1


def test_an_entry_leaves_room_for_the_orders_behind_it() -> None:
    """The last two slots are the stop's and the take-profit's; without any slot an order is not sent. Keeps B23."""
    d = made()
    assert [enter(d, NOON, 1, 1) > 0 for _ in range(7)] == [True] * 6 + [False]
    assert [orders.place(d, NOON, MARKET, LEAVE, -1, 1, 0, 0) > 0 for _ in range(3)] == [True, True, False]
    assert orders.slot_of(d, 99) == -1


def test_a_row_with_nothing_to_do_changes_nothing() -> None:
    """Flat, and no order due: no row is looked into. Keeps B23."""
    d = made()
    before = d.tobytes()
    assert candle(d, 60_000.0, 61_000.0, 50_000.0, 60_000.0) == 0
    assert exchange.meet_mark(d, NOON, 60_000.0) == 0
    assert exchange.meet_trade(d, NOON, 60_000.0) == 0
    assert exchange.meet_book(d, NOON) == 0
    assert exchange.meet_funding(d, 0.0001, 60_000.0) == 0
    assert d.tobytes() == before


def test_candles_fill_nothing_where_trades_or_books_are_seen() -> None:
    """They have told what happened in finer rows already. Keeps B23."""
    d = made()
    d.watch.trade_at = 1
    enter(d, NOON, 1, 100)
    assert candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0) == 0
    assert [o.state for o in working(d)] == [SENT]


@pytest.mark.parametrize(
    ("mark", "seen", "last", "paid"),
    [
        pytest.param(60_000.0, math.nan, math.nan, 6.0, id="told"),
        pytest.param(math.nan, 50_000.0, 40_000.0, 5.0, id="the last mark"),
        pytest.param(math.nan, math.nan, 40_000.0, 4.0, id="the last price"),
    ],
)
def test_a_funding_is_settled_at_the_best_known_price(mark: float, seen: float, last: float, paid: float) -> None:
    """The settlement's own mark, else the last mark, else the last price. Keeps B23."""
    d = long_of(frictionless())
    d.watch.mark, d.watch.last = seen, last
    assert exchange.meet_funding(d, 0.0001, mark) == FUNDED
    assert quote(d.account.funding) == paid


def test_slippage_is_what_fills_cost_against_the_decision() -> None:
    """Decided at 60,000 and filled at 60,006: 6 a base unit, told apart from the price. Keeps B23."""
    d = made()
    d.watch.last = 60_000.0
    enter(d, NOON, 1, 100)
    candle(d, 60_000.0, 60_000.0, 60_000.0, 60_000.0)
    assert quote(d.account.slippage) == pytest.approx(0.6)


def test_the_orders_behind_an_entry_wait_for_their_own_arrival() -> None:
    """A stop is sent when the entry is known to be filled; it works once it arrived. Keeps B23."""
    d = long_of(made(), stop=0.01, take=0.02)
    entry = fills_of(d)[0]
    stop, take = sorted(working(d), key=lambda o: int(o.role))
    assert (stop.role, stop.kind, stop.is_reducing, stop.state) == (PROTECT, STOP, 1, WORKING)
    assert (take.role, take.kind, take.side, take.size) == (PROFIT, TAKE, -1, 1_000)
    assert stop.placed_at == entry.ts
    assert stop.arrives_at == entry.ts + LATE
    assert (stop.price, take.price) == (round(60_006 * 9.9), round(60_006 * 10.2))
