"""Binance's WebSocket API in the lab: the same answers as REST, signed its own way, with the limits beside them."""

import json
from typing import Any

import pytest
from tests.trading import Customer, HandMarket, signature, written

from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.wire.binance.dialogue import dialogue
from perpscope.lab.wire.binance.ws_api import WsApi

_LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "49000"}


class Speaker:
    """A connection of one customer."""

    def __init__(self, market: HandMarket, trader: Customer) -> None:
        opened = dialogue("/ws-fapi/v1?returnRateLimits=true", market)
        assert isinstance(opened, WsApi)
        self.connection = opened
        self.market = market
        self.trader = trader

    def send(self, message: object) -> Any:  # noqa: ANN401 (decoded)
        """Say something, whatever it is; None if nothing is answered."""
        self.market.now_s += 1.0
        heard = self.connection.hear(message if isinstance(message, bytes) else json.dumps(message).encode(), 0.0)
        return json.loads(heard.frames[0].payload) if heard.frames else None

    def ask(self, method: str, **params: Any) -> Any:  # noqa: ANN401 (of a request)
        """A signed request: parameters sorted by name."""
        own = {"apiKey": self.trader.account.key, "timestamp": self.market.now_ms} | params
        text = "&".join(f"{name}={written(own[name])}" for name in sorted(own) if name != "returnRateLimits")
        own["signature"] = signature(self.trader.account.secret, text)
        return self.send({"id": "an-id", "method": method, "params": own})


@pytest.fixture
def speaker() -> Speaker:
    """A connection to a market with one customer."""
    market = HandMarket()
    return Speaker(market, Customer(market))


def test_orders_go_the_same_way_as_by_rest(speaker: Speaker) -> None:
    """Protects the second door: place, ask, change, cancel; numbers and booleans as JSON has them; REST agrees."""
    placed = speaker.ask("order.place", **_LIMIT, quantity=0.5, reduceOnly=False)
    assert (placed["id"], placed["status"], placed["result"]["status"]) == ("an-id", 200, "NEW")
    order = placed["result"]["orderId"]
    asked = {"symbol": "BTCUSDT", "orderId": order}
    assert speaker.ask("order.status", **asked)["result"] == speaker.trader.order(order)
    changed = speaker.ask("order.modify", **asked, side="BUY", quantity=0.4, price=48_000.0)
    assert (changed["result"]["origQty"], changed["result"]["price"]) == ("0.400", "48000.00")
    assert speaker.ask("order.cancel", **asked)["result"]["status"] == "CANCELED"
    again = speaker.ask("order.cancel", **asked)
    assert (again["status"], again["error"]["code"]) == (400, -2011)
    stop = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "BUY", "type": "STOP_MARKET"}
    waits = speaker.ask("algoOrder.place", **stop, quantity=1, triggerPrice=51_000)["result"]
    assert speaker.ask("algoOrder.cancel", algoId=waits["algoId"])["result"]["code"] == "200"


def test_account_and_listen_key_are_asked_there_too(speaker: Speaker) -> None:
    """Protects the second door: both versions of balance, status and position; and the listen key's whole life."""
    for name, path in (
        ("account.balance", "/fapi/v2/balance"),
        ("v2/account.balance", "/fapi/v3/balance"),
        ("account.status", "/fapi/v2/account"),
        ("v2/account.status", "/fapi/v3/account"),
        ("account.position", "/fapi/v2/positionRisk"),
        ("v2/account.position", "/fapi/v3/positionRisk"),
    ):
        assert speaker.ask(name)["result"] == speaker.trader.done("GET", path), name
    key = {"apiKey": "customer"}
    started = speaker.send({"id": 1, "method": "userDataStream.start", "params": key})
    assert started["result"]["listenKey"] == speaker.trader.listen_key
    assert speaker.send({"id": 2, "method": "userDataStream.ping", "params": key})["status"] == 200
    assert speaker.send({"id": 3, "method": "userDataStream.stop", "params": key})["result"] == {}
    assert speaker.send({"id": 4, "method": "userDataStream.ping", "params": key})["error"]["code"] == -1125


def test_limits_come_with_the_answer_unless_unwanted(speaker: Speaker) -> None:
    """Protects budgets: weight always, order counts with orders."""
    told = speaker.ask("order.place", **_LIMIT, quantity=0.5)["rateLimits"]
    assert [(row["rateLimitType"], row["interval"], row["intervalNum"]) for row in told] == [
        ("REQUEST_WEIGHT", "MINUTE", 1),
        ("ORDERS", "SECOND", 10),
        ("ORDERS", "MINUTE", 1),
    ]
    assert [row["count"] for row in told[1:]] == [1, 1]
    assert len(speaker.ask("account.balance")["rateLimits"]) == 1
    assert "rateLimits" not in speaker.ask("account.balance", returnRateLimits=False)


def test_requests_that_are_none_are_told_so(speaker: Speaker) -> None:
    """Protects against silence: nonsense, an unknown method, a wrong signature; the id comes back if there is one."""
    assert speaker.send(b"{")["error"]["code"] == -1135
    assert speaker.send({"id": 7, "method": "order.steal"}) == {
        "id": 7,
        "status": 400,
        "error": {"code": -1001, "msg": "Unknown method."},
    }
    own = {"apiKey": "customer", "timestamp": speaker.market.now_ms, "signature": "00"}
    assert speaker.send({"id": 8, "method": "account.balance", "params": own})["error"]["code"] == -1022
    assert speaker.send({"id": 9, "method": "account.balance"})["error"]["code"] == -2014
    assert speaker.send({"id": 10, "method": "ping"})["result"] == {}
    assert speaker.send({"id": 11, "method": "time"})["result"] == {"serverTime": speaker.market.now_ms}
    book = speaker.send({"id": 12, "method": "depth", "params": {"symbol": "BTCUSDT", "limit": 5}})["result"]
    assert book["bids"][0] == ["49999.90", "1.000"]


def test_session_needs_an_ed25519_key(speaker: Speaker) -> None:
    """Protects -4056: a HMAC signature logs nobody on, an unknown one is refused, and the session says who it is."""
    refused = speaker.ask("session.logon")
    assert (refused["status"], refused["error"]["code"]) == (400, -4056)
    own = {"apiKey": "customer", "timestamp": speaker.market.now_ms, "signature": "AA=="}
    assert speaker.send({"id": 1, "method": "session.logon", "params": own})["error"]["code"] == -1022
    status = speaker.send({"id": 2, "method": "session.status"})["result"]
    assert (status["apiKey"], status["authorizedSince"]) == (None, None)
    assert speaker.send({"id": 3, "method": "session.logout"})["status"] == 200


def test_session_that_is_logged_on_needs_no_signature(speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects sessions: after a logon neither key nor signature are asked for, until the logout; times still are."""
    monkeypatch.setattr(
        "perpscope.lab.wire.binance.private_security.is_signed", lambda _, __, signed: signed == "good=="
    )
    own = {"apiKey": "customer", "timestamp": speaker.market.now_ms, "signature": "good=="}
    assert speaker.send({"id": 1, "method": "session.logon", "params": own})["result"]["apiKey"] == "customer"
    now = {"timestamp": speaker.market.now_ms}
    assert speaker.send({"id": 2, "method": "account.balance", "params": now})["status"] == 200
    late = {"timestamp": speaker.market.now_ms - 9_000}
    assert speaker.send({"id": 3, "method": "account.balance", "params": late})["error"]["code"] == -1021
    speaker.send({"id": 4, "method": "session.logout"})
    assert speaker.send({"id": 5, "method": "account.balance", "params": now})["error"]["code"] == -2014


def test_lost_reply_is_no_frame_and_an_unreadable_one_is_said(speaker: Speaker) -> None:
    """Protects D1 at the second door: the order is there and nobody was told; a web page becomes -1006."""
    desk = speaker.market.private.accounts
    desk.suffer(Misfortune(Mishap.LOST_REPLY))
    assert speaker.ask("order.place", **_LIMIT, quantity=0.5, newClientOrderId="lost") is None
    assert "lost" in desk.by_key["customer"].by_client
    desk.suffer(Misfortune(Mishap.UNREADABLE))
    told = speaker.ask("order.place", **_LIMIT, quantity=0.5)
    assert (told["status"], told["error"]["code"]) == (502, -1006)


def test_connection_carries_no_streams(speaker: Speaker) -> None:
    """Protects against events in the wrong place: futures tell theirs on /private alone."""
    connection = speaker.connection
    assert not connection.carries(f"{speaker.trader.listen_key}@ORDER_TRADE_UPDATE")
    assert (connection.wrapped("x", b"y"), connection.notice(), connection.topics) == (b"y", None, {})
    assert connection.goodbye("no-pong").code == 1008
    assert dialogue("/ws-fapi/v2", speaker.market) is None
