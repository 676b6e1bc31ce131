"""What the lab's Binance refuses, and with which code: the table a client's error handling is tested against."""

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.trading import Customer, HandMarket


@pytest.fixture
def trader() -> Customer:
    """Somebody with ten thousand, BTC at 50000, leverage 20."""
    return Customer(HandMarket())


_LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
_LIMIT |= {"quantity": "1", "price": "49000"}
_STOP: dict[str, Any] = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}
_STOP |= {"quantity": "1", "triggerPrice": "49000"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"symbol": ""}, -1102, id="no symbol"),
        pytest.param({"symbol": "NOPEUSDT"}, -1121, id="unknown symbol"),
        pytest.param({"side": "UP"}, -1117, id="unknown side"),
        pytest.param({"type": "FOO"}, -1116, id="unknown type"),
        pytest.param({"type": "STOP_MARKET"}, -4120, id="conditional order on the plain route"),
        pytest.param({"timeInForce": ""}, -1102, id="limit without a time in force"),
        pytest.param({"timeInForce": "GTE"}, -1115, id="unknown time in force"),
        pytest.param({"type": "MARKET", "price": ""}, -1106, id="market order with a time in force"),
        pytest.param({"type": "MARKET", "timeInForce": ""}, -1106, id="market order with a price"),
        pytest.param({"price": ""}, -1102, id="limit without a price"),
        pytest.param({"quantity": ""}, -1102, id="no quantity"),
        pytest.param({"quantity": "1e3"}, -1100, id="quantity that is no number"),
        pytest.param({"quantity": "-1"}, -1100, id="quantity below zero"),
        pytest.param({"quantity": "0"}, -4003, id="quantity of zero"),
        pytest.param({"quantity": "0.0001"}, -1111, id="quantity finer than its step"),
        pytest.param({"quantity": "200000000"}, -4005, id="quantity too large"),
        pytest.param({"price": "0"}, -4001, id="price of zero"),
        pytest.param({"price": "49000.001"}, -1111, id="price finer than written"),
        pytest.param({"price": "49000.05"}, -4014, id="price off its tick"),
        pytest.param({"price": "52500.1"}, -4016, id="bid more than 5 % above the mark"),
        pytest.param({"side": "SELL", "price": "47499.9"}, -4024, id="ask more than 5 % below the mark"),
        pytest.param({"price": "20000000"}, -4016, id="price above the contract's largest"),
        pytest.param({"quantity": "0.001", "price": "4000"}, -4164, id="too little value"),
        pytest.param({"positionSide": "LONG"}, -4061, id="side of hedge mode in one-way mode"),
        pytest.param({"positionSide": "UP"}, -4060, id="unknown position side"),
        pytest.param({"reduceOnly": "true"}, -2022, id="reduce-only without a position"),
        pytest.param({"reduceOnly": "maybe"}, -1130, id="flag that is none"),
        pytest.param({"quantity": "5"}, -2019, id="more than the margin allows"),
        pytest.param({"quantity": "2000"}, -2027, id="more than the bracket allows at this leverage"),
        pytest.param({"newClientOrderId": "no spaces"}, -4015, id="client id of other letters"),
        pytest.param({"newClientOrderId": "x" * 37}, -4015, id="client id too long"),
        pytest.param({"priceMatch": "QUEUE", "price": ""}, -5038, id="price match, which the lab has not"),
        pytest.param({"timeInForce": "GTD"}, -5040, id="good till date without one"),
        pytest.param({"goodTillDate": "soon"}, -1130, id="date that is no number"),
    ],
)
def test_order_that_is_refused_leaves_nothing_behind(trader: Customer, change: dict[str, Any], code: int) -> None:
    """Protects a client's error handling: the venue's code for each mistake, and no order, event or money moved."""
    assert trader.refused("POST", "/fapi/v1/order", **(_LIMIT | change)) == code
    assert trader.refused("POST", "/fapi/v1/order/test", **(_LIMIT | change)) == code
    assert trader.events() == []
    assert trader.done("GET", "/fapi/v1/allOrders") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"algoType": "VP"}, -1130, id="another kind of algorithm"),
        pytest.param({"type": "LIMIT", "price": "49000"}, -1116, id="plain order on the conditional route"),
        pytest.param({"triggerPrice": ""}, -1102, id="no trigger"),
        pytest.param({"triggerPrice": "50001"}, -2021, id="stop that would trigger at once"),
        pytest.param({"type": "TAKE_PROFIT_MARKET"}, -2021, id="profit that would be taken at once"),
        pytest.param({"triggerPrice": "49000.05"}, -4014, id="trigger off its tick"),
        pytest.param({"type": "STOP"}, -1102, id="stop limit without a price"),
        pytest.param({"workingType": "INDEX"}, -1130, id="unknown working price"),
        pytest.param({"closePosition": "true"}, -4137, id="whole position with a quantity"),
        pytest.param(
            {"closePosition": "true", "quantity": "", "type": "STOP", "price": "49000"}, -4136, id="whole, at a limit"
        ),
        pytest.param(
            {"closePosition": "true", "quantity": "", "reduceOnly": "true"}, -4136, id="whole position, reduce-only"
        ),
        pytest.param({"type": "TRAILING_STOP_MARKET", "triggerPrice": ""}, -2007, id="trailing without a rate"),
        pytest.param(
            {"type": "TRAILING_STOP_MARKET", "triggerPrice": "", "callbackRate": "20.1"}, -2007, id="rate above 20"
        ),
        pytest.param(
            {"type": "TRAILING_STOP_MARKET", "triggerPrice": "", "callbackRate": "1", "activatePrice": "49999"},
            -2021,
            id="trailing that would begin at once",
        ),
        pytest.param({"clientAlgoId": "ä"}, -4015, id="client id of other letters"),
    ],
)
def test_conditional_order_that_is_refused_leaves_nothing_behind(
    trader: Customer, change: dict[str, Any], code: int
) -> None:
    """Protects protective orders: a stop that is not there is known not to be there."""
    assert trader.refused("POST", "/fapi/v1/algoOrder", **(_STOP | change)) == code
    assert trader.events() == []
    assert trader.done("GET", "/fapi/v1/openAlgoOrders") == []


@pytest.mark.parametrize(
    ("method", "path", "asked", "code"),
    [
        pytest.param("GET", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "7"}, -2013, id="unknown order"),
        pytest.param("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "7"}, -2011, id="cancel unknown"),
        pytest.param("PUT", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "7"}, -2013, id="change unknown"),
        pytest.param("GET", "/fapi/v1/order", {"symbol": "BTCUSDT"}, -1102, id="order without an id"),
        pytest.param("GET", "/fapi/v1/order", {"orderId": "7"}, -1102, id="order without a symbol"),
        pytest.param("GET", "/fapi/v1/order", {"symbol": "X", "orderId": "7"}, -1121, id="order of no symbol"),
        pytest.param("GET", "/fapi/v1/algoOrder", {"algoId": "7"}, -2013, id="unknown conditional order"),
        pytest.param("DELETE", "/fapi/v1/algoOrder", {"clientAlgoId": "x"}, -2011, id="cancel unknown conditional"),
        pytest.param("GET", "/fapi/v1/algoOrder", {}, -1102, id="conditional order without an id"),
        pytest.param("GET", "/fapi/v1/userTrades", {}, -1102, id="fills without a symbol"),
        pytest.param("GET", "/fapi/v1/income", {"startTime": "9", "endTime": "8"}, -1023, id="end before start"),
        pytest.param("GET", "/fapi/v1/income", {"limit": "x"}, -1130, id="limit that is no number"),
        pytest.param("POST", "/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "126"}, -4028, id="leverage"),
        pytest.param("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "X"}, -4049, id="margin"),
        pytest.param("POST", "/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}, -4046, id="same"),
        pytest.param("POST", "/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059, id="same mode"),
        pytest.param("POST", "/fapi/v1/positionSide/dual", {}, -1102, id="no mode"),
        pytest.param("POST", "/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": "false"}, -4059, id="same assets"),
        pytest.param(
            "POST", "/fapi/v1/positionMargin", {"symbol": "BTCUSDT", "amount": "1", "type": "3"}, -1130, id="type"
        ),
        pytest.param(
            "POST", "/fapi/v1/positionMargin", {"symbol": "BTCUSDT", "amount": "1", "type": "1"}, -4046, id="cross"
        ),
        pytest.param("PUT", "/fapi/v1/listenKey", {}, -1125, id="no listen key to extend"),
    ],
)
def test_question_that_makes_no_sense_is_refused(
    trader: Customer, method: str, path: str, asked: dict[str, Any], code: int
) -> None:
    """Protects a client's error handling beyond orders: the venue's code for each mistake."""
    if path.endswith("listenKey"):
        trader.done("DELETE", path)
    assert trader.refused(method, path, **asked) == code


def test_too_many_open_orders_are_refused(trader: Customer) -> None:
    """Protects the venue's counts: ten conditional orders of a contract, and 200 orders, the conditional ones too."""
    stops = [trader.wait_for("SELL", "STOP_MARKET", 40_000 + step) for step in range(10)]
    assert trader.condition_code("SELL", "STOP_MARKET", "39000") == -4045
    for step in range(190):
        trader.place("BUY", "0.001", f"{48_000 + step}")
    assert trader.code("BUY", "0.001", "47000") == -2025
    assert trader.place("BUY", "0.01", "2400", symbol="ETHUSDT")["status"] == "NEW"
    trader.wait_for("SELL", "STOP_MARKET", 2_000, symbol="ETHUSDT")
    trader.done("DELETE", "/fapi/v1/algoOrder", algoId=stops[0]["algoId"])
    assert trader.place("BUY", "0.001", "47000")["status"] == "NEW"


def test_too_many_conditional_orders_over_all_contracts_are_refused(trader: Customer) -> None:
    """Protects the count of the account: 200, whatever each contract would take."""
    for symbol in ("BTCUSDT", "ETHUSDT"):
        trader.market.private.accounts.prices.refilter(symbol, max_conditional=150)
    for step in range(200):
        symbol, trigger = (("BTCUSDT", 40_000 + step), ("ETHUSDT", 2_000 + step))[step % 2]
        trader.wait_for("SELL", "STOP_MARKET", trigger, symbol=symbol)
    assert trader.condition_code("SELL", "STOP_MARKET", "39000") == -4045


def test_orders_beyond_the_venues_rate_are_refused() -> None:
    """Protects order limits: 300 in ten seconds, counted in headers, then 429 and -1015, and free again later."""
    market = HandMarket()
    trader = Customer(market)
    asked = _LIMIT | {"quantity": "0.001"}
    first = market.now_s
    counts, answer = [], trader.ask("GET", "/fapi/v1/openOrders")
    for _ in range(301):
        market.now_s = first
        answer = trader.ask("POST", "/fapi/v1/order", **asked)
        counts.append(answer.headers.get("X-MBX-ORDER-COUNT-10S"))
    assert counts[0] == "1"
    assert counts[299] == "300"
    assert answer.status == 429
    assert b"-1015" in answer.body
    market.now_s = first + 11
    answer = trader.ask("POST", "/fapi/v1/order", **asked)
    assert answer.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert trader.done("GET", "/fapi/v1/rateLimit/order")[0]["limit"] == 300


def test_filters_can_change_while_orders_are_open(trader: Customer) -> None:
    """Protects D14: a new tick and step are in the catalogue, hold at once, and leave resting orders alone."""
    rests = trader.place("BUY", "0.001", "49000.1")["orderId"]
    trader.desk.prices.refilter("BTCUSDT", tick=Decimal("0.5"), step=Decimal("0.002"))
    assert trader.code("BUY", "0.002", "49000.1") == -4014
    assert trader.code("BUY", "0.001", "49000.5") == -1111
    assert trader.place("BUY", "0.002", "49000.5")["status"] == "NEW"
    assert trader.order(rests)["status"] == "NEW"
    listed = json.loads(trader.ask("GET", "/fapi/v1/exchangeInfo").body)["symbols"][0]
    filters = {row["filterType"]: row for row in listed["filters"]}
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.5", "0.002")


def test_contract_that_is_delisted_can_only_be_closed(trader: Customer) -> None:
    """Protects D19: no new positions once it settles, exits as before, and the catalogue says so."""
    trader.place("BUY", "0.1")
    trader.desk.prices.refilter("BTCUSDT", is_trading=False)
    assert trader.code("BUY", "0.1") == -4140
    listed = json.loads(trader.ask("GET", "/fapi/v1/exchangeInfo").body)["symbols"][0]
    assert listed["status"] == "SETTLING"
    assert trader.place("SELL", "0.1", reduceOnly=True)["status"] == "FILLED"
