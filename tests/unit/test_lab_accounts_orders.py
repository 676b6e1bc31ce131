"""Orders on the lab's Binance against a market made by hand: who is filled, by how much, at which price, and when."""

import json
from decimal import Decimal

import pytest
from tests.trading import Customer, HandMarket

from perpscope.model.market import Side


@pytest.fixture
def market() -> HandMarket:
    """50000.0 in the middle, 1 BTC on each of five levels, 0.1 apart."""
    return HandMarket()


@pytest.fixture
def trader(market: HandMarket) -> Customer:
    """Somebody with a million."""
    return Customer(market, "1000000")


def test_market_order_eats_the_book_level_by_level(trader: Customer) -> None:
    """Protects partial fills: each level is a fill of its own at its own price, and the events add up to the order."""
    bought = trader.place("BUY", "2.5")
    assert (bought["status"], bought["executedQty"]) == ("FILLED", "2.500")
    fills = trader.done("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert [(row["price"], row["qty"], row["maker"]) for row in fills] == [
        ("50000.10", "1.000", False),
        ("50000.20", "1.000", False),
        ("50000.30", "0.500", False),
    ]
    partial, filled = ("TRADE", "PARTIALLY_FILLED"), ("TRADE", "FILLED")
    assert trader.turns() == [("NEW", "NEW"), partial, partial, filled]
    assert trader.order(bought["orderId"])["avgPrice"] == "50000.180000"
    cost = Decimal("50000.1") + Decimal("50000.2") + Decimal("0.5") * Decimal("50000.3")
    assert trader.income("COMMISSION") == [-Decimal(row["commission"]) for row in fills], "each fill pays its own fee"
    assert sum(trader.income("COMMISSION")) == -cost * Decimal("0.0005")


def test_what_was_eaten_is_gone_until_the_market_brings_it_back(market: HandMarket, trader: Customer) -> None:
    """Protects against a book without a bottom: the same level cannot be taken twice, unless it changed meanwhile."""
    trader.place("BUY", "1")
    assert trader.place("BUY", "1")["orderId"]
    prices = [row["price"] for row in trader.done("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")]
    assert prices == ["50000.10", "50000.20"]
    market.book(asks=[(50_000.1, 0.4)])
    trader.place("BUY", "0.4")
    assert trader.done("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")[-1]["price"] == "50000.10"


def test_market_order_larger_than_the_book_expires_with_the_rest(trader: Customer) -> None:
    """Protects partial fills then expiry: what is not there is not filled, and the order says so."""
    bought = trader.place("BUY", "6")
    assert (bought["status"], bought["executedQty"]) == ("EXPIRED", "5.000")
    assert trader.turns()[-1] == ("EXPIRED", "EXPIRED")
    assert trader.position()["positionAmt"] == "5.000"


def test_market_order_finds_nobody_far_from_the_mark(market: HandMarket, trader: Customer) -> None:
    """Protects against fills at absurd prices: beyond 5 % of the mark there is no market order (-4131)."""
    market.mark(40_000.0)
    assert trader.code("BUY", "0.1") == -4131


def test_resting_order_waits_for_the_volume_before_it(market: HandMarket, trader: Customer) -> None:
    """Protects queue position: what stood at the price first trades first, then it is filled as maker, in parts."""
    rests = trader.place("BUY", "0.5", "49999.9")["orderId"]
    market.trade(Side.SELL, 49_999.9, 0.7)
    assert trader.order(rests)["status"] == "NEW"
    market.trade(Side.SELL, 49_999.9, 0.5)
    assert trader.order(rests)["executedQty"] == "0.200"
    market.trade(Side.SELL, 49_999.9, 9.0)
    assert trader.order(rests)["status"] == "FILLED"
    fills = trader.events("ORDER_TRADE_UPDATE")[1:]
    assert [(event["o"]["l"], event["o"]["m"]) for event in fills] == [("0.200", True), ("0.300", True)]
    assert fills[0]["o"]["n"] == "1.99999600", "0.02 % of 0.2 at 49999.9"


def test_queue_shrinks_with_its_level(market: HandMarket, trader: Customer) -> None:
    """Protects queue position: who is before leaves too."""
    rests = trader.place("BUY", "0.5", "49999.9")["orderId"]
    market.book(bids=[(49_999.9, 0.1)])
    market.trade(Side.SELL, 49_999.9, 0.2)
    assert trader.order(rests)["executedQty"] == "0.100"


def test_trade_beyond_its_price_fills_a_resting_order(market: HandMarket, trader: Customer) -> None:
    """Protects against orders the market has gone through without filling them: volume bounds them, not the queue."""
    rests = trader.place("BUY", "0.5", "49999.9")["orderId"]
    market.trade(Side.SELL, 49_999.8, 0.3)
    assert trader.order(rests)["executedQty"] == "0.300"
    market.trade(Side.BUY, 49_999.0, 5.0)
    assert trader.order(rests)["executedQty"] == "0.300", "a buyer does not meet a bid"


def test_book_that_crosses_fills_a_resting_order(market: HandMarket, trader: Customer) -> None:
    """Protects against a bid above the best ask: a level that comes to stand there has met it."""
    rests = trader.place("BUY", "0.5", "49999.9")["orderId"]
    market.book(asks=[(49_999.9, 0.4)])
    assert trader.order(rests)["executedQty"] == "0.400"


def test_better_and_older_orders_are_filled_first(market: HandMarket, trader: Customer) -> None:
    """Protects price and time priority among orders the book does not show."""
    later = Customer(market, "1000000", "later")
    low = trader.place("BUY", "0.2", "49990")["orderId"]
    first = trader.place("BUY", "0.2", "49995")["orderId"]
    second = later.place("BUY", "0.2", "49995")["orderId"]
    market.trade(Side.SELL, 49_980.0, 0.3)
    assert trader.order(first)["status"] == "FILLED"
    assert later.order(second)["executedQty"] == "0.100"
    assert trader.order(low)["status"] == "NEW"


@pytest.mark.parametrize(
    ("lasting", "size", "status", "filled"),
    [
        pytest.param("GTC", "1.5", "PARTIALLY_FILLED", "1.000", id="gtc rests with what is left"),
        pytest.param("IOC", "1.5", "EXPIRED", "1.000", id="ioc gives up what is left"),
        pytest.param("FOK", "1.0", "FILLED", "1.000", id="fok takes all of it"),
    ],
)
def test_limit_order_takes_what_it_can(trader: Customer, lasting: str, size: str, status: str, filled: str) -> None:
    """Protects time in force: what happens to what is not filled at once."""
    placed = trader.place("BUY", size, "50000.1", timeInForce=lasting)
    assert (placed["status"], placed["executedQty"]) == (status, filled)


def test_fill_or_kill_and_post_only_leave_no_trace(trader: Customer) -> None:
    """Protects -5021 and -5022: refused orders are in no history, and nobody is told of them."""
    assert trader.code("BUY", "1.5", "50000.1", timeInForce="FOK") == -5021
    assert trader.code("BUY", "1", "50000.1", timeInForce="GTX") == -5022
    assert trader.done("GET", "/fapi/v1/allOrders", symbol="BTCUSDT") == []
    assert trader.events() == []
    assert trader.place("BUY", "1", "50000", timeInForce="GTX")["status"] == "NEW"


def test_order_good_till_a_date_expires_then(market: HandMarket, trader: Customer) -> None:
    """Protects GTD: it lasts ten minutes at least, and no longer than it says."""
    till = market.now_ms + 700_000
    rests = trader.place("BUY", "1", "49000", timeInForce="GTD", goodTillDate=till)["orderId"]
    market.wait(699)
    assert trader.order(rests)["status"] == "NEW"
    market.wait(1)
    assert trader.order(rests)["status"] == "EXPIRED"
    assert trader.turns()[-1] == ("EXPIRED", "EXPIRED")
    assert trader.code("BUY", "1", "49000", timeInForce="GTD", goodTillDate=market.now_ms + 500_000) == -5040


def test_cancelled_order_keeps_its_fills(market: HandMarket, trader: Customer) -> None:
    """Protects partial fill then cancel: what was filled stays, the rest never comes."""
    rests = trader.place("BUY", "2", "50000.1")["orderId"]
    gone = trader.done("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=rests)
    assert (gone["status"], gone["executedQty"]) == ("CANCELED", "1.000")
    market.trade(Side.SELL, 49_000.0, 5.0)
    assert trader.position()["positionAmt"] == "1.000"
    assert trader.refused("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=rests) == -2011
    assert trader.refused("GET", "/fapi/v1/openOrder", symbol="BTCUSDT", orderId=rests) == -2013


def test_order_is_found_by_the_clients_id_which_is_free_again_when_it_is_over(trader: Customer) -> None:
    """Protects idempotent retries: a second order of an open order's id is refused (-4116), and only that one."""
    rests = trader.place("BUY", "1", "49000", newClientOrderId="mine-1")
    assert trader.code("BUY", "1", "48000", newClientOrderId="mine-1") == -4116
    found = trader.done("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mine-1")
    assert found["orderId"] == rests["orderId"]
    trader.done("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mine-1")
    assert trader.place("BUY", "1", "48000", newClientOrderId="mine-1")["orderId"] > rests["orderId"]


def test_amended_order_loses_its_place_unless_only_its_size_falls(market: HandMarket, trader: Customer) -> None:
    """Protects PUT order: price and size change, the queue begins anew, and an amendment is told and kept."""
    rests = trader.place("BUY", "1", "49999.9")["orderId"]
    market.trade(Side.SELL, 49_999.9, 0.9)
    asked = {"symbol": "BTCUSDT", "side": "BUY", "orderId": rests, "price": "49999.9"}
    trader.done("PUT", "/fapi/v1/order", **asked, quantity="0.8")
    market.trade(Side.SELL, 49_999.9, 0.2)
    assert trader.order(rests)["executedQty"] == "0.100"
    trader.done("PUT", "/fapi/v1/order", **asked, quantity="0.9")
    market.trade(Side.SELL, 49_999.9, 0.5)
    assert trader.order(rests)["executedQty"] == "0.100", "behind the whole level again"
    assert trader.refused("PUT", "/fapi/v1/order", **asked, quantity="0.9") == -5027
    assert ("AMENDMENT", "NEW") in trader.turns()
    changes = trader.done("GET", "/fapi/v1/orderAmendment", symbol="BTCUSDT", orderId=rests)
    assert [row["amendment"]["origQty"] for row in changes] == [
        {"before": "0.800", "after": "0.900"},
        {"before": "1.000", "after": "0.800"},
    ]


def test_amended_order_can_become_a_taker_or_end(trader: Customer) -> None:
    """Protects PUT order: at a price that crosses it takes; at a size that is filled already it is over."""
    rests = trader.place("BUY", "2", "49999")["orderId"]
    asked = {"symbol": "BTCUSDT", "side": "BUY", "orderId": rests}
    taken = trader.done("PUT", "/fapi/v1/order", **asked, quantity="2", price="50000.1")
    assert (taken["status"], taken["executedQty"]) == ("PARTIALLY_FILLED", "1.000")
    assert trader.done("PUT", "/fapi/v1/order", **asked, quantity="1", price="50000.1")["status"] == "CANCELED"
    sells = {"symbol": "BTCUSDT", "side": "SELL", "orderId": trader.place("BUY", "1", "49999")["orderId"]}
    assert trader.refused("PUT", "/fapi/v1/order", **sells, quantity="1", price="49998") == -1117
    only_maker = trader.place("BUY", "1", "49999", timeInForce="GTX")["orderId"]
    crossing = {"symbol": "BTCUSDT", "side": "BUY", "orderId": only_maker, "quantity": "1", "price": "50000.2"}
    assert trader.refused("PUT", "/fapi/v1/order", **crossing) == -5022
    assert trader.order(only_maker)["price"] == "49999.00", "refused: nothing has changed"


def test_reduce_only_never_opens_and_never_flips(market: HandMarket, trader: Customer) -> None:
    """Protects exits: refused without a position (-2022), cut to it, and over when there is nothing left to reduce."""
    assert trader.code("SELL", "1", reduceOnly=True) == -2022
    trader.place("BUY", "1")
    assert trader.code("BUY", "1", reduceOnly=True) == -2022
    first = trader.place("SELL", "1", "50001", reduceOnly=True)["orderId"]
    assert trader.code("SELL", "1", "50002", reduceOnly=True) == -4118
    sold = trader.place("SELL", "0.6")
    assert sold["status"] == "FILLED"
    market.trade(Side.BUY, 50_002.0, 9.0)
    reduced = trader.order(first)
    assert (reduced["executedQty"], reduced["status"]) == ("0.400", "EXPIRED")
    assert trader.position()["positionAmt"] == "0.000"


def test_resting_exit_expires_when_its_position_is_gone(trader: Customer) -> None:
    """Protects against orphan exits that would open the other way: they are over with the position."""
    trader.place("BUY", "1")
    rests = trader.place("SELL", "1", "50100", reduceOnly=True)["orderId"]
    trader.place("SELL", "1")
    assert trader.order(rests)["status"] == "EXPIRED"


def test_position_turns_over_in_one_way_mode(trader: Customer) -> None:
    """Protects one-way mode: a larger order against a position closes it and opens the other side at the new price."""
    trader.place("BUY", "1")
    trader.place("SELL", "3")
    position = trader.position()
    assert position["positionAmt"] == "-2.000"
    assert position["entryPrice"] == "49999.750000", "the levels 49999.8 and 49999.7; 49999.9 closed the long"
    assert trader.income("REALIZED_PNL") == [Decimal("-0.2")]


def test_hedge_mode_keeps_both_sides_apart(trader: Customer) -> None:
    """Protects hedge mode: each side has its own size; orders must say which, and a side cannot be sold below zero."""
    trader.done("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    assert trader.code("BUY", "1") == -4061
    trader.place("BUY", "1", positionSide="LONG")
    trader.place("SELL", "0.5", positionSide="SHORT")
    sides = trader.done("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
    assert {row["positionSide"]: row["positionAmt"] for row in sides} == {"LONG": "1.000", "SHORT": "-0.500"}
    assert trader.code("BUY", "1", positionSide="LONG", reduceOnly=True) == -1106
    closed = trader.place("SELL", "2", positionSide="LONG")
    assert (closed["executedQty"], closed["status"]) == ("1.000", "EXPIRED")
    assert trader.code("SELL", "1", positionSide="LONG") == -2022
    assert trader.refused("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false") == -4068


def test_several_orders_at_once_stand_for_themselves(trader: Customer) -> None:
    """Protects batches: one that is refused does not take the others with it; six are too many."""
    good = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "49000"}
    batch = [good | {"quantity": "1"}, good | {"quantity": "0"}, good | {"quantity": 0.5, "reduceOnly": False}]
    placed = trader.done("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch))
    assert [row.get("status", row.get("code")) for row in placed] == ["NEW", -4003, "NEW"]
    ids = [row["orderId"] for row in (placed[0], placed[2])]
    changes = [{"symbol": "BTCUSDT", "side": "BUY", "orderId": one, "quantity": "2", "price": "48000"} for one in ids]
    amended = trader.done("PUT", "/fapi/v1/batchOrders", batchOrders=json.dumps(changes))
    assert [row["origQty"] for row in amended] == ["2.000", "2.000"]
    gone = trader.done("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", orderIdList=json.dumps([*ids, 7]))
    assert [row.get("status", row.get("code")) for row in gone] == ["CANCELED", "CANCELED", -2011]
    assert trader.refused("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch * 2)) == -4082
    assert trader.refused("POST", "/fapi/v1/batchOrders", batchOrders="[") == -1130
    assert trader.refused("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT") == -1102


def test_orders_are_cancelled_together_and_by_a_countdown(market: HandMarket, trader: Customer) -> None:
    """Protects the dead man's switch: it fires unless it is put off, and leaves other contracts alone."""
    for price in ("49000", "48000"):
        trader.place("BUY", "1", price)
    trader.place("BUY", "1", "2400", symbol="ETHUSDT")
    trader.done("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=60_000)
    market.wait(59)
    trader.done("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=60_000)
    market.wait(59)
    assert len(trader.done("GET", "/fapi/v1/openOrders")) == 3
    market.wait(1)
    assert [row["symbol"] for row in trader.done("GET", "/fapi/v1/openOrders")] == ["ETHUSDT"]
    trader.done("POST", "/fapi/v1/countdownCancelAll", symbol="ETHUSDT", countdownTime=60_000)
    trader.done("POST", "/fapi/v1/countdownCancelAll", symbol="ETHUSDT", countdownTime=0)
    market.wait(100)
    assert len(trader.done("GET", "/fapi/v1/openOrders", symbol="ETHUSDT")) == 1
    trader.done("DELETE", "/fapi/v1/allOpenOrders", symbol="ETHUSDT")
    assert trader.done("GET", "/fapi/v1/openOrders") == []


def test_history_reaches_back_a_week_or_from_an_id(market: HandMarket, trader: Customer) -> None:
    """Protects reconciliation: seven days without times, any age by id, and no mixing of the two."""
    old = trader.place("BUY", "1")["orderId"]
    market.wait(8 * 86_400)
    new = trader.place("SELL", "0.5")["orderId"]
    asked = {"symbol": "BTCUSDT"}
    assert [row["orderId"] for row in trader.done("GET", "/fapi/v1/allOrders", **asked)] == [new]
    assert [row["orderId"] for row in trader.done("GET", "/fapi/v1/allOrders", **asked, orderId=old)] == [old, new]
    fills = trader.done("GET", "/fapi/v1/userTrades", **asked, fromId=0)
    assert [row["orderId"] for row in fills] == [old, new]
    assert [row["orderId"] for row in trader.done("GET", "/fapi/v1/userTrades", **asked)] == [new]
    assert [row["id"] for row in trader.done("GET", "/fapi/v1/userTrades", **asked, fromId=0, orderId=old)] == [
        fills[0]["id"]
    ]
    since = market.now_ms - 9 * 86_400_000
    assert trader.refused("GET", "/fapi/v1/userTrades", **asked, fromId=0, startTime=since) == -1128
    assert [row["orderId"] for row in trader.done("GET", "/fapi/v1/userTrades", **asked, startTime=since)] == [old]
    too_long = {"startTime": since, "endTime": market.now_ms}
    assert trader.refused("GET", "/fapi/v1/allOrders", **asked, **too_long) == -4166


def test_old_orders_are_forgotten_when_there_are_too_many(trader: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects memory: of so many finished orders the oldest go, open ones never, and ids in use stay known."""
    monkeypatch.setattr("perpscope.lab.accounts.account.KEPT", 8)
    rests = trader.place("BUY", "0.001", "49000", newClientOrderId="rests")["orderId"]
    for number in range(12):
        trader.place("BUY", "0.001", newClientOrderId=f"taken-{number}")
    known = [row["orderId"] for row in trader.done("GET", "/fapi/v1/allOrders", symbol="BTCUSDT", orderId=0)]
    assert rests in known
    assert len(known) <= 10
    gone = {"symbol": "BTCUSDT", "origClientOrderId": "taken-0"}
    assert trader.refused("GET", "/fapi/v1/order", **gone) == -2013
    assert trader.refused("GET", "/fapi/v1/openOrder", **gone) == -2013
    assert trader.refused("PUT", "/fapi/v1/order", **gone, side="BUY", quantity="1", price="49000") == -2013


def test_too_many_cancels_at_once_are_refused(trader: Customer) -> None:
    """Protects batches: ten ids at most, by either kind of id; nonsense in the list costs its own row only."""
    assert trader.refused("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", orderIdList=json.dumps([*range(11)])) == (
        -4082
    )
    told = trader.done("DELETE", "/fapi/v1/batchOrders", symbol="BTCUSDT", origClientOrderIdList='["a","b"]')
    assert [row["code"] for row in told] == [-2011, -2011]
    assert trader.done("POST", "/fapi/v1/batchOrders", batchOrders="[7]")[0]["code"] == -1102


def test_amending_what_is_over_is_refused(trader: Customer) -> None:
    """Protects PUT order: an order that is filled is not found to be changed."""
    done = trader.place("BUY", "0.1")["orderId"]
    asked = {"symbol": "BTCUSDT", "side": "BUY", "orderId": done, "quantity": "1", "price": "49000"}
    assert trader.refused("PUT", "/fapi/v1/order", **asked) == -2013


def test_whole_new_book_is_met_like_any_change(market: HandMarket, trader: Customer) -> None:
    """Protects venues that tell snapshots: what was eaten is forgotten, and a book that crosses fills who rests."""
    rests = trader.place("BUY", "0.5", "49999.9")["orderId"]
    trader.place("BUY", "1")
    market.snapshot(bids=[(49_990.0, 1.0)], asks=[(49_999.9, 0.2), (50_000.1, 1.0)])
    assert trader.order(rests)["executedQty"] == "0.200"
    trader.place("BUY", "1")
    prices = [row["price"] for row in trader.done("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")]
    assert prices == ["50000.10", "49999.90", "50000.10"], "the level that crossed is used up"
