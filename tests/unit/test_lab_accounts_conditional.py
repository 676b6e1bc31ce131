"""Conditional orders on the lab's Binance: what triggers them, what becomes of them, and what is told on the way."""

import pytest
from tests.trading import Customer, HandMarket

from perpscope.model.market import Side


@pytest.fixture
def market() -> HandMarket:
    """50000.0 in the middle."""
    market = HandMarket()
    market.trade(Side.BUY, 50_000.0, 0.001)
    return market


@pytest.fixture
def trader(market: HandMarket) -> Customer:
    """Somebody with a long position of 1 BTC, whose stream begins after it."""
    trader = Customer(market, "1000000")
    trader.place("BUY", "1")
    market.heard.clear()
    return trader


def test_stop_becomes_an_order_and_says_so_at_each_turn(market: HandMarket, trader: Customer) -> None:
    """Protects stops: NEW, TRIGGERING, TRIGGERED with the order's id, the order's own events, FINISHED."""
    stop = trader.wait_for("SELL", "STOP_MARKET", "49900", quantity="1", reduceOnly=True, clientAlgoId="stop-1")
    assert stop["algoStatus"] == "NEW"
    assert trader.done("GET", "/fapi/v1/openOrders") == [], "plain routes do not see it"
    market.move(49_900.0)
    assert trader.algo_turns() == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
    told = trader.events("ALGO_UPDATE")
    became = int(told[2]["o"]["ai"])
    assert told[0]["o"]["ai"] == ""
    order = trader.order(became)
    assert (order["status"], order["type"], order["origType"]) == ("FILLED", "MARKET", "STOP_MARKET")
    assert (order["reduceOnly"], order["stopPrice"]) == (True, "49900.00")
    kinds = [event["e"] for event in trader.events()]
    assert kinds[:4] == ["ALGO_UPDATE"] * 3 + ["ORDER_TRADE_UPDATE"], "triggered before its order does anything"
    done = trader.algo(stop["algoId"])
    assert (done["algoStatus"], done["actualOrderId"], done["actualQty"]) == ("FINISHED", str(became), "1.000")
    assert trader.refused("DELETE", "/fapi/v1/algoOrder", algoId=stop["algoId"]) == -2011
    assert trader.position()["positionAmt"] == "0.000"


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "short_of", "there"),
    [
        pytest.param("SELL", "STOP_MARKET", 49_900, 49_900.1, 49_900.0, id="stop below"),
        pytest.param("BUY", "STOP_MARKET", 50_100, 50_099.9, 50_100.0, id="stop above"),
        pytest.param("SELL", "TAKE_PROFIT_MARKET", 50_100, 50_099.9, 50_100.0, id="profit above"),
        pytest.param("BUY", "TAKE_PROFIT_MARKET", 49_900, 49_900.1, 49_900.0, id="profit below"),
    ],
)
def test_trigger_is_met_from_its_own_side(
    market: HandMarket, trader: Customer, side: str, kind: str, trigger: int, short_of: float, there: float
) -> None:
    """Protects against stops on the wrong side of the price: not a tick early, and at the price itself."""
    algo = trader.wait_for(side, kind, trigger)["algoId"]
    market.move(short_of)
    assert trader.algo(algo)["algoStatus"] == "NEW"
    market.move(there)
    assert trader.algo(algo)["algoStatus"] == "FINISHED"


def test_working_price_is_the_one_chosen(market: HandMarket, trader: Customer) -> None:
    """Protects against triggers by the wrong price: the mark moves one, the last trade the other."""
    by_mark = trader.wait_for("SELL", "STOP_MARKET", "49900", workingType="MARK_PRICE")["algoId"]
    by_last = trader.wait_for("SELL", "STOP_MARKET", "49900")["algoId"]
    market.trade(Side.SELL, 49_899.9, 0.001)
    assert trader.algo(by_last)["algoStatus"] == "FINISHED"
    assert trader.algo(by_mark)["algoStatus"] == "NEW"
    market.mark(49_900.0)
    assert trader.algo(by_mark)["algoStatus"] == "FINISHED"


def test_protected_stop_waits_while_the_prices_are_apart(market: HandMarket, trader: Customer) -> None:
    """Protects price protection: a wick of trades alone does not set it off; when the mark follows, it goes."""
    algo = trader.wait_for("SELL", "STOP_MARKET", "49000", priceProtect="TRUE")["algoId"]
    market.trade(Side.SELL, 47_000.0, 0.001)
    assert trader.algo(algo)["algoStatus"] == "NEW"
    market.mark(47_500.0)
    market.trade(Side.SELL, 47_000.0, 0.001)
    assert trader.algo(algo)["algoStatus"] in ("TRIGGERED", "FINISHED")


def test_stop_limit_rests_once_it_has_triggered(market: HandMarket, trader: Customer) -> None:
    """Protects STOP and TAKE_PROFIT: they become limit orders, which may rest, and end with them."""
    algo = trader.wait_for("SELL", "STOP", "49900", price="49950", quantity="1")["algoId"]
    market.move(49_900.0)
    triggered = trader.algo(algo)
    assert triggered["algoStatus"] == "TRIGGERED"
    order = int(triggered["actualOrderId"])
    assert trader.order(order)["status"] == "NEW"
    trader.done("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=order)
    assert trader.algo(algo)["algoStatus"] == "FINISHED"


def test_closing_order_closes_whatever_there_is(market: HandMarket, trader: Customer) -> None:
    """Protects closePosition: the whole position at that time, one a direction at most, nothing if it is gone."""
    algo = trader.wait_for("SELL", "STOP_MARKET", "49900", closePosition="true")["algoId"]
    assert trader.condition_code("SELL", "STOP_MARKET", "49800", closePosition="true") == -4130
    gain = trader.wait_for("SELL", "TAKE_PROFIT_MARKET", "51000", closePosition="true")["algoId"]
    trader.place("BUY", "0.5")
    market.move(49_900.0)
    assert trader.algo(algo)["actualQty"] == "1.500"
    assert trader.position()["positionAmt"] == "0.000"
    market.move(51_000.0)
    expired = trader.algo(gain)
    assert expired["algoStatus"] == "EXPIRED"
    assert trader.events("ALGO_UPDATE")[-1]["o"]["rm"] == "no position to close"


def test_order_as_long_as_its_position_goes_with_it(market: HandMarket, trader: Customer) -> None:
    """Protects against orphan stops: GTE_GTC ends with the position, plain GTC stays until it is cancelled."""
    stays = trader.wait_for("SELL", "STOP_MARKET", "49900", closePosition="true")["algoId"]
    goes = trader.wait_for("SELL", "TAKE_PROFIT_MARKET", "51000", closePosition="true", timeInForce="GTE_GTC")["algoId"]
    trader.place("SELL", "1")
    assert trader.algo(goes)["algoStatus"] == "EXPIRED"
    assert [row["algoId"] for row in trader.done("GET", "/fapi/v1/openAlgoOrders")] == [stays]
    assert trader.done("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")["code"] == 200
    assert trader.algo(stays)["algoStatus"] == "CANCELED"
    assert market.private.accounts.by_key["customer"].waiting == {}


def test_order_refused_at_its_trigger_is_rejected_with_the_reason(market: HandMarket, trader: Customer) -> None:
    """Protects against stops believed in: reduce-only without a position left is REJECTED, and tells why."""
    algo = trader.wait_for("SELL", "STOP_MARKET", "49900", quantity="1", reduceOnly=True)["algoId"]
    trader.place("SELL", "1")
    market.move(49_900.0)
    assert trader.algo(algo)["algoStatus"] == "REJECTED"
    assert trader.events("ALGO_UPDATE")[-1]["o"]["rm"] == "REDUCE_ONLY"
    assert trader.algo(algo)["actualOrderId"] == ""


@pytest.mark.parametrize(
    ("side", "prices", "is_done"),
    [
        pytest.param("SELL", (50_500.0, 49_996.0), False, id="sell, not yet 1 % under its highest"),
        pytest.param("SELL", (50_500.0, 49_995.0), True, id="sell, 1 % under its highest"),
        pytest.param("BUY", (49_500.0, 49_994.9), False, id="buy, not yet 1 % over its lowest"),
        pytest.param("BUY", (49_500.0, 49_995.0), True, id="buy, 1 % over its lowest"),
    ],
)
def test_trailing_stop_follows_and_turns(
    market: HandMarket, trader: Customer, side: str, prices: tuple[float, ...], is_done: bool
) -> None:
    """Protects trailing stops: they keep the best price since they follow, and go when it is lost by their rate."""
    algo = trader.wait_for(side, "TRAILING_STOP_MARKET", None, callbackRate="1")["algoId"]
    for price in prices:
        market.move(price)
    assert (trader.algo(algo)["algoStatus"] == "FINISHED") is is_done


def test_trailing_stop_begins_at_its_activation_price(market: HandMarket, trader: Customer) -> None:
    """Protects trailing stops: before it they do not follow; that they do is told as NEW once more."""
    asked = {"callbackRate": "1", "activatePrice": "50500"}
    algo = trader.wait_for("SELL", "TRAILING_STOP_MARKET", None, **asked)["algoId"]
    market.move(49_000.0)
    assert trader.algo(algo)["algoStatus"] == "NEW"
    market.move(50_500.0)
    assert [event["o"]["ia"] for event in trader.events("ALGO_UPDATE")] == [False, True]
    assert (trader.algo(algo)["activatePrice"], trader.algo(algo)["callbackRate"]) == ("50500.00", "1")
    market.move(49_995.0)
    assert trader.algo(algo)["algoStatus"] == "FINISHED"


def test_conditional_order_good_till_a_date_expires_then(market: HandMarket, trader: Customer) -> None:
    """Protects GTD: one that never triggered is over at its time."""
    till = market.now_ms + 700_000
    algo = trader.wait_for("SELL", "STOP", "49900", price="49900", timeInForce="GTD", goodTillDate=till)["algoId"]
    market.wait(700)
    assert trader.algo(algo)["algoStatus"] == "EXPIRED"


def test_conditional_orders_are_listed_by_id_symbol_and_time(market: HandMarket, trader: Customer) -> None:
    """Protects reconciliation of the second book: open ones, one by its client's id, and those of the past."""
    first = trader.wait_for("SELL", "STOP_MARKET", "49900", clientAlgoId="mine")["algoId"]
    assert trader.condition_code("SELL", "STOP_MARKET", "49800", clientAlgoId="mine") == -4116
    market.wait(8 * 86_400)
    second = trader.wait_for("SELL", "STOP_MARKET", "49800")["algoId"]
    path = "/fapi/v1/allAlgoOrders"
    assert [row["algoId"] for row in trader.done("GET", path, symbol="BTCUSDT")] == [second]
    assert [row["algoId"] for row in trader.done("GET", path, symbol="BTCUSDT", algoId=first)] == [first, second]
    assert trader.done("GET", "/fapi/v1/algoOrder", clientAlgoId="mine")["algoId"] == first
    assert [row["algoId"] for row in trader.done("GET", "/fapi/v1/openAlgoOrders", algoId=second)] == [second]
    gone = trader.done("DELETE", "/fapi/v1/algoOrder", clientAlgoId="mine")
    assert (gone["code"], gone["msg"]) == ("200", "success")


def test_hedged_stop_closes_its_own_side_only(market: HandMarket) -> None:
    """Protects hedge mode: closePosition needs the side it closes, and leaves the other alone."""
    trader = Customer(market, "1000000", "hedger")
    trader.done("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    trader.place("BUY", "1", positionSide="LONG")
    trader.place("SELL", "1", positionSide="SHORT")
    closes = {"closePosition": "true", "positionSide": "LONG"}
    assert trader.condition_code("BUY", "STOP_MARKET", "50100", **closes) == -2022
    trader.wait_for("SELL", "STOP_MARKET", "49900", **closes)
    market.move(49_900.0)
    sides = trader.done("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
    assert {row["positionSide"]: row["positionAmt"] for row in sides} == {"LONG": "0.000", "SHORT": "-1.000"}


def test_old_conditional_orders_are_forgotten(trader: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects memory: beyond so many the oldest that is over goes; those that wait stay."""
    monkeypatch.setattr("perpscope.lab.accounts.account.KEPT", 2)
    ids = [trader.wait_for("SELL", "STOP_MARKET", 49_000 - step)["algoId"] for step in range(3)]
    assert [row["algoId"] for row in trader.done("GET", "/fapi/v1/openAlgoOrders")] == ids
    trader.done("DELETE", "/fapi/v1/algoOrder", algoId=ids[1])
    trader.wait_for("SELL", "STOP_MARKET", "48000")
    assert trader.refused("GET", "/fapi/v1/algoOrder", algoId=ids[1]) == -2013
    assert trader.algo(ids[0])["algoStatus"] == "NEW"
