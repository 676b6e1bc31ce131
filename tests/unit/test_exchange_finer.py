"""The simulated exchange on marks, trades and books: triggers, partial fills, limits, liquidation. Keeps B23."""

import math

import pytest
from tests.unit.made_desk import DELAY, LATENCY, enter, fills_of, made, quote, show_book, working

from perpscope.analytics.margin_tiers import TierTable
from perpscope.trading import exchange, orders
from perpscope.trading.layout import (
    ENTRY,
    FILLED,
    FREE,
    LEAVE,
    LIMIT,
    LIQUIDATED,
    MARKET,
    NEVER,
    NS,
    PLACED,
    PROFIT,
    PROTECT,
    STOP,
    TAKE,
    WORKING,
)
from perpscope.trading.strategy import Record

LATE = LATENCY + DELAY
NOON = 60_000_000 * NS
BIDS, ASKS = [(599_990, 300), (599_980, 500)], [(600_010, 300), (600_020, 500)]


def book(
    d: Record, ts: int, bids: list[tuple[int, int]] | None = None, asks: list[tuple[int, int]] | None = None
) -> int:
    """A book as it was told at a time."""
    show_book(d, BIDS if bids is None else bids, ASKS if asks is None else asks, ts)
    return exchange.meet_book(d, ts)


def booked(deposit: float = 10_000.0) -> Record:
    """A desk that has seen a book and a mark."""
    d = made(deposit)
    show_book(d, BIDS, ASKS, NOON - NS)
    d.watch.mark, d.watch.mark_at = 60_000.0, NOON - NS
    return d


def held(d: Record, stop: float = 0.0, take: float = 0.0, size: int = 300) -> Record:
    """The desk, long since a second before noon at 60,001.0."""
    enter(d, NOON - 2 * NS, 1, size, stop, take)
    book(d, NOON - NS)
    return d


def test_a_market_order_walks_the_book_level_by_level() -> None:
    """300 at the best ask and 100 at the next; taker fees on each. Keeps B23."""
    d = booked()
    enter(d, NOON, 1, 400)
    assert book(d, NOON + LATE - 1) == 0
    assert book(d, NOON + LATE) == FILLED
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)] == [(600_010, 300, 0), (600_020, 100, 0)]
    assert quote(d.account.fees) == pytest.approx((300 * 60.001 + 100 * 60.002) * 0.0005)


def test_what_the_book_cannot_fill_waits_for_the_next() -> None:
    """METHOD 12.4, partial fills: 800 are there, the other 200 are filled by the next book. Keeps B23."""
    d = booked()
    enter(d, NOON, 1, 1_000, stop=0.01)
    assert book(d, NOON + NS) == FILLED | PLACED
    assert (d.account.size, d.due) == (800, 0)
    assert book(d, NOON + 2 * NS, asks=[(600_050, 0), (600_060, 900)]) == FILLED
    assert [(f.price, f.size) for f in fills_of(d)][2:] == [(600_060, 200)]
    assert [o.size for o in working(d)] == [1_000]


def test_the_stop_behind_a_walk_stands_off_the_whole_average() -> None:
    """Placed by the first level's fill, it moves with the entry until it is under way no more. Keeps B23."""
    d = booked()
    enter(d, NOON, 1, 800, stop=0.01)
    book(d, NOON + NS)
    (stop,) = working(d)
    assert stop.price == round(float(d.account.entry) * 9.9)
    assert stop.mid == pytest.approx(stop.price * 0.1)


def test_a_rest_of_the_entry_goes_with_the_position() -> None:
    """Stopped while some of the entry still waits: it does not open anew. Keeps B23."""
    d = booked()
    enter(d, NOON, 1, 2_000, stop=0.01)
    book(d, NOON + NS)
    exchange.meet_mark(d, NOON + 2 * NS, 59_000.0)
    book(d, NOON + 3 * NS, bids=[(590_000, 5_000)], asks=[])
    assert (d.account.size, working(d), d.due) == (0, [], NEVER)


def test_without_the_other_side_nothing_is_filled() -> None:
    """An empty side is no price. Keeps B23."""
    d = booked()
    enter(d, NOON, 1, 100)
    orders.place(d, NOON, LIMIT, ENTRY, 1, 100, 600_000, 1)
    assert book(d, NOON + NS, asks=[]) == 0
    assert book(d, NOON + 2 * NS, asks=[]) == 0
    assert len(working(d)) == 2


def test_a_mark_triggers_and_the_next_book_fills() -> None:
    """METHOD 12.4: triggered on the mark, filled at the first book after it, at its price. Keeps B23."""
    d = held(booked(), stop=0.01)
    assert exchange.meet_mark(d, NOON, 59_500.0) == 0
    assert exchange.meet_mark(d, NOON + NS, 59_400.9) == 0
    assert [o.kind for o in working(d)] == [MARKET]
    assert exchange.meet_mark(d, NOON + 2 * NS, 59_700.0) == 0
    assert book(d, NOON + 3 * NS, bids=[(592_000, 500)]) == FILLED
    fill = fills_of(d)[-1]
    assert (fill.price, fill.role, fill.ts) == (592_000, PROTECT, NOON + 3 * NS)
    assert fill.mid == pytest.approx(59_401.0)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_a_take_profit_is_triggered_by_the_mark_too(side: int) -> None:
    """On either side of the entry. Keeps B23."""
    d = booked()
    enter(d, NOON - 2 * NS, side, 300, 0.0, 0.01)
    book(d, NOON - NS)
    exchange.meet_mark(d, NOON, 60_000.0 + side * 599.0)
    assert [o.kind for o in working(d)] == [TAKE]
    exchange.meet_mark(d, NOON, 60_000.0 + side * 601.1)
    book(d, NOON)
    assert (fills_of(d)[-1].role, d.account.size) == (PROFIT, 0)


def test_a_mark_that_is_unknown_does_nothing() -> None:
    """NaN triggers and liquidates nobody. Keeps B23."""
    d = held(booked(), stop=0.01)
    assert exchange.meet_mark(d, NOON, math.nan) == 0
    assert [o.kind for o in working(d)] == [STOP]


def test_a_mark_liquidates() -> None:
    """METHOD 12.4: checked at every mark; the orders go with the position. Keeps B23."""
    d = held(booked(), stop=0.5)
    assert exchange.meet_mark(d, NOON, 54_250.0) == FILLED
    assert (fills_of(d)[-1].role, d.account.size, working(d)) == (LIQUIDATED, 0, [])


def test_a_desk_with_marks_alone_fills_triggers_at_the_mark() -> None:
    """Between candles there is no other price: the mark, half the spread below it. Keeps B23."""
    d = made(half_spread=0.001)
    orders.place(d, NOON - 90 * NS, MARKET, ENTRY, 1, 100, 0, 1, 0.01)
    exchange.meet_candle(d, NOON, NOON - 60 * NS, 60_000.0, 60_000.0, 60_000.0, 60_000.0)
    orders.place(d, NOON, MARKET, LEAVE, -1, 100, 0, 1)
    assert exchange.meet_mark(d, NOON + 20 * NS, 59_000.0) == FILLED
    assert (fills_of(d)[-1].price, fills_of(d)[-1].role) == (589_410, PROTECT)


@pytest.mark.parametrize(
    ("side", "price", "trade", "is_filled"),
    [
        pytest.param(1, 599_900, 59_989.9, True, id="buy through"),
        pytest.param(1, 599_900, 59_990.0, False, id="buy touched"),
        pytest.param(-1, 600_100, 60_010.1, True, id="sell through"),
        pytest.param(-1, 600_100, 60_010.0, False, id="sell touched"),
    ],
)
def test_a_resting_limit_is_filled_by_a_trade_through_it(side: int, price: int, trade: float, is_filled: bool) -> None:
    """METHOD 12.4: one tick beyond, whole, as maker. Keeps B23."""
    d = booked()
    orders.place(d, NOON, LIMIT, ENTRY, side, 100, price, 1)
    assert exchange.meet_trade(d, NOON + LATE, trade) == 0  # it has not met the book yet
    book(d, NOON + NS)
    assert exchange.meet_trade(d, NOON + 2 * NS, trade) == (FILLED if is_filled else 0)
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)] == ([(price, 100, 1)] if is_filled else [])


@pytest.mark.parametrize(
    ("side", "price", "bids", "asks"),
    [
        pytest.param(1, 599_900, [(599_800, 9)], [(599_899, 9)], id="buy"),
        pytest.param(-1, 600_100, [(600_101, 9)], [(600_300, 9)], id="sell"),
    ],
)
def test_a_book_that_moves_through_a_limit_fills_it(
    side: int, price: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    """Where the other side stands beyond the limit, somebody traded through it. Keeps B23."""
    d = booked()
    orders.place(d, NOON, LIMIT, ENTRY, side, 100, price, 1)
    book(d, NOON + NS)
    assert book(d, NOON + NS) == 0
    assert book(d, NOON + 2 * NS, bids, asks) == FILLED
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)] == [(price, 100, 1)]


def test_a_limit_takes_what_crosses_it_and_rests_with_the_remainder() -> None:
    """300 at 60,001 as taker; the level beyond the limit is not touched. Keeps B23."""
    d = booked()
    orders.place(d, NOON, LIMIT, ENTRY, 1, 400, 600_010, 1)
    book(d, NOON + NS)
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)] == [(600_010, 300, 0)]
    (rest,) = working(d)
    assert (rest.filled, rest.is_resting, rest.state) == (300, 1, WORKING)
    exchange.meet_trade(d, NOON + 2 * NS, 60_000.9)
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)][1:] == [(600_010, 100, 1)]


def test_without_a_book_trades_fill() -> None:
    """The trade's price and half the spread; limits cross or rest by the same price. Keeps B23."""
    d = made(half_spread=0.001)
    d.watch.trade_at, d.watch.last, d.watch.mark_at = NOON, 60_000.0, NOON
    enter(d, NOON, 1, 100)
    orders.place(d, NOON, LIMIT, ENTRY, 1, 50, 601_000, 1)
    orders.place(d, NOON, LIMIT, ENTRY, 1, 50, 600_500, 1)
    assert exchange.meet_trade(d, NOON + LATE - 1, 60_000.0) == 0
    assert exchange.meet_trade(d, NOON + LATE, 60_000.0) == FILLED
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)] == [(600_600, 100, 0), (600_600, 50, 0)]
    assert exchange.meet_trade(d, NOON + NS, 60_049.9) == FILLED
    assert [(f.price, f.size, f.is_maker) for f in fills_of(d)][2:] == [(600_500, 50, 1)]


def test_the_first_trade_of_all_has_no_depth_to_compare() -> None:
    """Without a last price the usual depth is assumed. Keeps B23."""
    d = made()
    enter(d, NOON, 1, 100)
    assert exchange.meet_trade(d, NOON + NS, 60_000.0) == FILLED


def test_trades_stand_for_the_mark_where_there_is_none() -> None:
    """They trigger, and the next trade fills; they liquidate. Keeps B23."""
    d = made()
    d.watch.trade_at, d.watch.last = NOON, 60_000.0
    enter(d, NOON, 1, 1_000, stop=0.01)
    exchange.meet_trade(d, NOON + NS, 60_000.0)
    exchange.meet_trade(d, NOON + 2 * NS, 59_000.0)
    assert d.account.size == 1_000
    exchange.meet_trade(d, NOON + 3 * NS, 59_100.0)
    assert (fills_of(d)[-1].role, fills_of(d)[-1].price) == (PROTECT, 590_940)
    enter(d, NOON + 4 * NS, 1, 1_000)
    exchange.meet_trade(d, NOON + 5 * NS, 60_000.0)
    assert exchange.meet_trade(d, NOON + 6 * NS, 50_000.0) == FILLED
    assert fills_of(d)[-1].role == LIQUIDATED


def test_the_middle_of_the_book_stands_for_the_mark_where_nothing_else_does() -> None:
    """With neither marks nor trades; half a book tells no middle. Keeps B23."""
    d = made()
    enter(d, NOON, 1, 300, stop=0.01)
    book(d, NOON + NS)
    book(d, NOON + 2 * NS, bids=[(580_000, 900)], asks=[])
    assert [o.kind for o in working(d)] == [STOP]
    book(d, NOON + 3 * NS, bids=[(590_000, 900)], asks=[(590_020, 900)])
    book(d, NOON + 4 * NS, bids=[(590_100, 900)], asks=[(590_120, 900)])
    assert (fills_of(d)[-1].role, fills_of(d)[-1].price) == (PROTECT, 590_100)


def test_an_order_that_expires_on_its_way_never_works() -> None:
    """Taken back before it arrived, and the cancel was quicker. Keeps B23."""
    d = booked()
    number = enter(d, NOON, 1, 100)
    d.orders[0].expires_at = NOON + 1
    assert number == 1
    assert book(d, NOON + NS) == 0
    assert d.orders[0].state == FREE
    assert d.due == NEVER


def test_orders_that_wait_for_the_mark_alone_do_not_hold_rows_up() -> None:
    """A position with its stop and take-profit has nothing due: trades and books pass."""
    d = held(booked(), stop=0.01, take=0.02)
    exchange.meet_mark(d, NOON, 60_000.0)
    assert [o.state for o in working(d)] == [WORKING, WORKING]
    assert d.due == NEVER
    before = d.tobytes()
    assert exchange.meet_trade(d, NOON + NS, 60_000.0) == 0
    assert exchange.meet_book(d, NOON + NS) == 0
    assert d.tobytes() == before


def test_what_expires_later_is_due_then() -> None:
    """A stop with an end of its own makes that the next thing to look at. Keeps B23."""
    d = held(booked(), stop=0.01)
    d.orders[1].expires_at = d.orders[0].expires_at = NOON + 9 * NS
    orders.await_next(d)
    exchange.meet_mark(d, NOON, 60_000.0)
    assert d.due == NOON + 9 * NS


def test_excursions_are_seen_by_rows_that_are_passed_over() -> None:
    """A mark that triggers nothing costs a comparison, and still counts as the worst there was. Keeps B23."""
    d = held(booked(), stop=0.01, take=0.02)
    for mark in (60_000.0, 59_700.0, 60_500.0):
        assert exchange.meet_mark(d, NOON, mark) == 0
    assert (d.account.worst, d.account.best) == (59_700.0, 60_500.0)
    assert (d.floor, d.ceiling) == pytest.approx((59_401.0, 61_201.0))


def test_a_rise_into_a_dearer_tier_can_liquidate_a_long() -> None:
    """Where maintenance jumps without a deduction, more value asks for more margin than was gained. Keeps B23."""
    table = TierTable((0.0, 18_050.0, 18_100.0), (0.004, 0.005, 0.2), (0.0,) * 3, (100.0, 50.0, 5.0))
    d = made(table=table)
    show_book(d, BIDS, ASKS, NOON - NS)
    d.watch.mark_at = NOON - NS
    d = held(d, take=0.5)
    assert d.ceiling == pytest.approx(18_100.0 / 0.3)
    assert exchange.meet_mark(d, NOON, 60_300.0) == 0
    assert exchange.meet_mark(d, NOON, 60_334.0) == FILLED
    assert fills_of(d)[-1].role == LIQUIDATED
