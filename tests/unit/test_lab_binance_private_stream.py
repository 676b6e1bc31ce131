"""Binance's user data streams in the lab: listen keys and their hour, which connection hears which events."""

import json
from typing import Any

import pytest
from tests.trading import Customer, HandMarket

from perpscope.lab.dialect import Dialogue
from perpscope.lab.wire.binance.dialogue import dialogue
from perpscope.lab.wire.binance.user_data import EVENTS


@pytest.fixture
def market() -> HandMarket:
    """BTC at 50000."""
    return HandMarket()


@pytest.fixture
def trader(market: HandMarket) -> Customer:
    """Somebody with a listen key."""
    return Customer(market)


def _opened(market: HandMarket, target: str) -> Dialogue:
    opened = dialogue(target, market)
    assert opened is not None
    return opened


def _told(market: HandMarket, opened: Dialogue) -> list[str]:
    """The events a connection hears, of all that was published."""
    return [
        json.loads(payload)["e"] for topic, payload in market.heard if topic in opened.topics and opened.carries(topic)
    ]


def test_listen_key_is_one_an_account_and_lasts_an_hour(market: HandMarket, trader: Customer) -> None:
    """Protects keep-alives: asked again it is the same and lasts longer; after its hour it is told and gone (-1125)."""
    path = "/fapi/v1/listenKey"
    market.wait(3000)
    assert trader.done("POST", path)["listenKey"] == trader.listen_key
    market.wait(3000)
    assert trader.done("PUT", path)["listenKey"] == trader.listen_key
    market.wait(3599)
    assert trader.events("listenKeyExpired") == []
    market.wait(1)
    told = trader.events("listenKeyExpired")[0]
    assert told == {"e": "listenKeyExpired", "E": market.now_ms, "listenKey": trader.listen_key}
    assert trader.refused("PUT", path) == -1125
    trader.place("BUY", "0.1")
    assert len(trader.events()) == 1, "an expired key hears nothing"
    assert trader.done("POST", path)["listenKey"] != trader.listen_key


def test_listen_key_that_anybody_deletes_is_gone_for_all(market: HandMarket, trader: Customer) -> None:
    """Protects C6: the other client's stream goes silent without a word, and so does the first's."""
    trader.done("DELETE", "/fapi/v1/listenKey")
    trader.place("BUY", "0.1")
    assert trader.events() == []
    market.private.listen_keys.expire(trader.account)
    assert trader.events() == [], "nothing to expire"


def test_listen_key_can_be_taken_by_the_exchange(market: HandMarket, trader: Customer) -> None:
    """Protects C6: a key that ends before its hour is told like any other."""
    market.private.listen_keys.expire(trader.account)
    assert [event["e"] for event in trader.events()] == ["listenKeyExpired"]


@pytest.mark.parametrize(
    ("target", "events"),
    [
        pytest.param("/private/ws?listenKey={key}", EVENTS, id="key in the query"),
        pytest.param("/private/ws/{key}", EVENTS, id="key in the path"),
        pytest.param("/private/stream?listenKey={key}", EVENTS, id="combined, key in the query"),
        pytest.param("/private/stream?streams={key}", EVENTS, id="combined, key as a stream"),
        pytest.param(
            "/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE",
            ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"),
            id="some events",
        ),
        pytest.param("/private/ws?listenKey={key}&events=ALGO_ORDER_UPDATE", (), id="an event that does not exist"),
        pytest.param("/private/ws?listenKey=another", (), id="somebody else's key"),
        pytest.param("/public/ws/{key}", (), id="wrong route"),
        pytest.param("/ws/{key}", (), id="no route"),
    ],
)
def test_connection_hears_the_events_it_asked_for(
    market: HandMarket, trader: Customer, target: str, events: tuple[str, ...]
) -> None:
    """Protects the private route: every form of the address, all events or some, and silence everywhere else."""
    opened = _opened(market, target.format(key=trader.listen_key))
    trader.place("BUY", "0.1")
    trader.wait_for("SELL", "STOP_MARKET", "49000")
    published = ["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE", "ORDER_TRADE_UPDATE", "ALGO_UPDATE"]
    assert _told(market, opened) == [event for event in published if event in events]


def test_keys_are_subscribed_and_listed_on_a_connection(market: HandMarket, trader: Customer) -> None:
    """Protects the SDK's way: SUBSCRIBE with the key itself, listed as such, enveloped under it, and left again."""
    opened = _opened(market, "/private/stream")

    def say(**message: Any) -> Any:  # noqa: ANN401 (decoded)
        heard = opened.hear(json.dumps(message).encode(), 0.0)
        opened.topics.update(dict.fromkeys(heard.subscribed))
        for topic in heard.unsubscribed:
            opened.topics.pop(topic)
        return json.loads(heard.frames[0].payload)

    key = trader.listen_key
    assert say(method="SUBSCRIBE", params=[key], id="a-uuid") == {"result": None, "id": "a-uuid"}
    assert say(method="LIST_SUBSCRIPTIONS", id=2)["result"] == [key]
    assert say(method="GET_PROPERTY", params=["combined"], id=3)["result"] is True
    wrapped = json.loads(opened.wrapped(f"{key}@ORDER_TRADE_UPDATE", b'{"e":"x"}'))
    assert wrapped == {"stream": key, "data": {"e": "x"}}
    say(method="SET_PROPERTY", params=["combined", False], id=4)
    assert opened.form == ""
    say(method="UNSUBSCRIBE", params=[key], id=5)
    assert opened.topics == {}
    market.refused_topics.add("other@ORDER_TRADE_UPDATE")
    assert say(method="SUBSCRIBE", params=["other"], id=6)["code"] == 2
    assert say(method="SHOUT", id=7)["code"] == 2
    assert opened.notice() is None
    assert opened.goodbye("no-pong").code == 1008
    assert opened.goodbye("lifetime").code == 1001
