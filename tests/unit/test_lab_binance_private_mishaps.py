"""What goes wrong between a trader and the lab's Binance: every mishap's words, and whether the order is there."""

import json
import math

import pytest
from tests.trading import Customer, HandMarket

from perpscope.lab.accounts.misfortunes import Misfortune, Mishap

_ASKED = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
_ASKED |= {"price": "49000", "newClientOrderId": "intent-1"}
_QUERY = {"symbol": "BTCUSDT", "origClientOrderId": "intent-1"}


@pytest.fixture
def trader() -> Customer:
    """Somebody with a hundred thousand."""
    return Customer(HandMarket(), "100000")


#: mishap → status, code (None: no JSON), and whether the order exists
_WORDS = [
    pytest.param(Mishap.LOST_REQUEST, 0, None, False, id="request lost"),
    pytest.param(Mishap.LOST_REPLY, 0, None, True, id="reply lost"),
    pytest.param(Mishap.UNKNOWN, 503, 0, True, id="503 unknown, done"),
    pytest.param(Mishap.UNKNOWN_NOT_DONE, 503, 0, False, id="503 unknown, not done"),
    pytest.param(Mishap.TIMEOUT, 408, -1007, True, id="-1007, done"),
    pytest.param(Mishap.TIMEOUT_NOT_DONE, 408, -1007, False, id="-1007, not done"),
    pytest.param(Mishap.UNAVAILABLE, 503, 0, False, id="503 service unavailable"),
    pytest.param(Mishap.INTERNAL, 503, -1001, False, id="503 internal error"),
    pytest.param(Mishap.OVERLOADED, 503, -1008, False, id="503 overloaded"),
    pytest.param(Mishap.OVERLOADED_DONE, 503, -1008, True, id="503 overloaded, done all the same"),
    pytest.param(Mishap.UNREADABLE, 502, None, True, id="a web page"),
    pytest.param(Mishap.REFUSED, 400, -2021, False, id="refused"),
    pytest.param(Mishap.UNSEEN, 200, None, True, id="done, and not seen yet"),
]


@pytest.mark.parametrize(("kind", "status", "code", "is_there"), _WORDS)
def test_mishap_says_what_it_says_and_does_what_it_does(
    trader: Customer, kind: Mishap, status: int, code: int | None, is_there: bool
) -> None:
    """Protects unknown outcomes: the words alone do not tell; the order, its event, and a retry's -4116 do."""
    trader.desk.suffer(Misfortune(kind, code=-2021, message="Order would immediately trigger."))
    answer = trader.ask("POST", "/fapi/v1/order", **_ASKED)
    assert answer.status == status
    if code is not None:
        assert json.loads(answer.body)["code"] == code
    assert bool(trader.events("ORDER_TRADE_UPDATE")) is is_there
    if is_there:
        assert trader.done("GET", "/fapi/v1/order", **_QUERY)["status"] == "NEW"
        assert trader.refused("POST", "/fapi/v1/order", **_ASKED) == -4116
    else:
        assert trader.refused("GET", "/fapi/v1/order", **_QUERY) == -2013
        assert trader.done("POST", "/fapi/v1/order", **_ASKED)["status"] == "NEW"
    assert kind.is_done is is_there
    assert [struck for struck, _ in trader.desk.misfortunes.struck] == [kind]


def test_every_mishap_is_in_the_table() -> None:
    """Protects the list: a new word needs a line above."""
    assert {case.values[0] for case in _WORDS} == set(Mishap)


def test_exits_pass_where_there_is_too_much_to_do(trader: Customer) -> None:
    """Protects D20: -1008 for as long as it lasts, and reduce-only orders and closing stops go through."""
    trader.place("BUY", "1")
    for path in ("order", "algoOrder"):
        trader.desk.suffer(Misfortune(Mishap.OVERLOADED, f"POST /fapi/v1/{path}", math.inf))
    assert trader.ask("POST", "/fapi/v1/order", **_ASKED).status == 503
    stop = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}
    assert trader.ask("POST", "/fapi/v1/algoOrder", **stop, triggerPrice="49000", quantity="1").status == 503
    assert trader.wait_for("SELL", "STOP_MARKET", "49000", closePosition="true")["algoStatus"] == "NEW"
    assert trader.place("SELL", "1", reduceOnly="true")["status"] == "FILLED"
    trader.desk.misfortunes.clear()
    assert trader.place("BUY", "1")["status"] == "FILLED"


def test_order_is_not_seen_for_a_while(trader: Customer) -> None:
    """Protects D3: placed and told by its event, while questions say -2013 and lists leave it out; then it is there."""
    trader.desk.suffer(Misfortune(Mishap.UNSEEN, for_ms=3000))
    trader.done("POST", "/fapi/v1/order", **_ASKED)
    assert trader.turns() == [("NEW", "NEW")]
    for _ in range(2):
        assert trader.refused("GET", "/fapi/v1/order", **_QUERY) == -2013
        assert trader.refused("GET", "/fapi/v1/openOrder", **_QUERY) == -2013
        assert trader.done("GET", "/fapi/v1/openOrders") == []
        assert trader.done("GET", "/fapi/v1/allOrders", symbol="BTCUSDT") == []
        trader.market.wait(1.4)
    trader.market.wait(0.2)
    assert trader.done("GET", "/fapi/v1/order", **_QUERY)["status"] == "NEW"
    assert len(trader.done("GET", "/fapi/v1/openOrders")) == 1


def test_conditional_order_is_not_seen_for_a_while(trader: Customer) -> None:
    """Protects D3 for stops: they can be invisible for long, and wait all the same."""
    trader.desk.suffer(Misfortune(Mishap.UNSEEN, "POST /fapi/v1/algoOrder", for_ms=60_000))
    algo = trader.wait_for("SELL", "STOP_MARKET", "49000")["algoId"]
    assert trader.refused("GET", "/fapi/v1/algoOrder", algoId=algo) == -2013
    assert trader.done("GET", "/fapi/v1/openAlgoOrders") == []
    assert trader.done("GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT") == []
    trader.market.move(49_000.0)
    assert trader.algo_turns()[-1] == "FINISHED"
    trader.market.wait(60)
    assert trader.algo(algo)["algoStatus"] == "FINISHED"


def test_cancel_can_go_wrong_like_any_request(trader: Customer) -> None:
    """Protects D17 and D12: a cancel refused though the order is open, one whose reply is lost, one that never came."""
    order = trader.done("POST", "/fapi/v1/order", **_ASKED)["orderId"]
    asked = {"symbol": "BTCUSDT", "orderId": order}
    cancel = "DELETE /fapi/v1/order"
    trader.desk.suffer(Misfortune(Mishap.REFUSED, cancel, code=-2011, message="Unknown order sent."))
    assert trader.refused("DELETE", "/fapi/v1/order", **asked) == -2011
    assert trader.order(order)["status"] == "NEW"
    trader.desk.suffer(Misfortune(Mishap.LOST_REQUEST, cancel))
    assert trader.ask("DELETE", "/fapi/v1/order", **asked).status == 0
    assert trader.order(order)["status"] == "NEW"
    trader.desk.suffer(Misfortune(Mishap.LOST_REPLY, "DELETE /fapi/*"))
    assert trader.ask("DELETE", "/fapi/v1/order", **asked).status == 0
    assert trader.order(order)["status"] == "CANCELED"


def test_mishap_is_about_its_own_account_and_so_many_requests(trader: Customer) -> None:
    """Protects scripts: others are not hit, and it is over after its count."""
    other = Customer(trader.market, "100000", "other")
    trader.desk.suffer(Misfortune(Mishap.UNAVAILABLE, "* /fapi/v1/order", 2, key="other"))
    assert trader.place("BUY", "0.1")["status"] == "FILLED"
    statuses = [other.ask("POST", "/fapi/v1/order", **_ASKED).status for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_refusal_is_told_even_where_the_reply_would_have_been_spoilt(trader: Customer) -> None:
    """Protects against inventing orders: what the venue refuses is not there, and only a lost reply hides that."""
    trader.desk.suffer(Misfortune(Mishap.TIMEOUT))
    assert trader.code("BUY", "0") == -4003
    trader.desk.suffer(Misfortune(Mishap.LOST_REPLY))
    assert trader.ask("POST", "/fapi/v1/order", **(_ASKED | {"quantity": "0"})).status == 0
    assert trader.done("GET", "/fapi/v1/allOrders") == []
