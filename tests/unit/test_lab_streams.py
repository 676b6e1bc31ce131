"""Stream names, paths and control messages as the lab's Binance understands them."""

import msgspec
import pytest

from perpscope.lab.wire.binance.streams import (
    Opening,
    Refusal,
    Request,
    Route,
    answer,
    enveloped,
    is_carried,
    opening,
    read_request,
    refusal,
    route_of,
)


@pytest.mark.parametrize(
    ("stream", "route"),
    [
        ("btcusdt@bookTicker", Route.PUBLIC),
        ("!bookTicker", Route.PUBLIC),
        ("btcusdt@depth", Route.PUBLIC),
        ("btcusdt@depth@100ms", Route.PUBLIC),
        ("btcusdt@depth20@500ms", Route.PUBLIC),
        ("btcusdt@rpiDepth@500ms", Route.PUBLIC),
        ("btcusdt@trade", Route.PUBLIC),
        ("btcusdt@aggTrade", Route.MARKET),
        ("btcusdt@markPrice", Route.MARKET),
        ("btcusdt@markPrice@1s", Route.MARKET),
        ("!markPrice@arr@1s", Route.MARKET),
        ("btcusdt@kline_15m", Route.MARKET),
        ("btcusdt_perpetual@continuousKline_1m", Route.MARKET),
        ("btcusdt@forceOrder", Route.MARKET),
        ("!forceOrder@arr", Route.MARKET),
        ("!contractInfo", Route.MARKET),
        ("tradingSession", Route.MARKET),
        ("币安人生usdt@aggTrade", Route.MARKET),
        ("BTCUSDT@aggTrade", None),
        ("btcusdt@kline_7m", None),
        ("btcusdt@liquidation", None),
        ("!forceOrder", None),
        ("", None),
    ],
)
def test_each_stream_has_its_route(stream: str, route: Route | None) -> None:
    """Protects the routes of 2026: depth and best prices on /public, the rest on /market, unknown ones nowhere."""
    assert route_of(stream) is route


def test_unrouted_sockets_carry_public_streams_only() -> None:
    """Protects the retirement of the un-routed sockets: market streams are silent there."""
    assert is_carried("btcusdt@bookTicker", Route.UNROUTED)
    assert not is_carried("btcusdt@aggTrade", Route.UNROUTED)
    assert not is_carried("btcusdt@aggTrade", Route.PUBLIC)
    assert is_carried("btcusdt@aggTrade", Route.MARKET)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/market/ws/btcusdt@aggTrade", Opening(Route.MARKET, False, ("btcusdt@aggTrade",))),
        ("/market/ws/a@aggTrade/b@aggTrade", Opening(Route.MARKET, False, ("a@aggTrade", "b@aggTrade"))),
        ("/public/stream?streams=a@depth/b@depth", Opening(Route.PUBLIC, True, ("a@depth", "b@depth"))),
        ("/market/stream", Opening(Route.MARKET, True, ())),
        ("/private/ws", Opening(Route.PRIVATE, False, ())),
        ("/ws", Opening(Route.UNROUTED, False, ())),
        ("/stream?streams=x@trade", Opening(Route.UNROUTED, True, ("x@trade",))),
        (
            "/market/ws/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@aggTrade",
            Opening(Route.MARKET, False, ("币安人生usdt@aggTrade",)),
        ),
        (
            "/market/stream?streams=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@aggTrade",
            Opening(Route.MARKET, True, ("币安人生usdt@aggTrade",)),
        ),
        ("/", None),
        ("/market", None),
        ("/market/stream/extra", None),
        ("/elsewhere/ws", None),
    ],
)
def test_paths_say_route_form_and_streams(target: str, expected: Opening | None) -> None:
    """Protects every URL form of the venue, percent-encoded symbols included."""
    assert opening(target) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"method":"SUBSCRIBE","params":["a@trade"],"id":1}', Request("SUBSCRIBE", 1, ("a@trade",))),
        (b'{"method":"UNSUBSCRIBE","params":["a@trade"],"id":"x-1"}', Request("UNSUBSCRIBE", "x-1", ("a@trade",))),
        (b'{"method":"LIST_SUBSCRIPTIONS","id":3}', Request("LIST_SUBSCRIPTIONS", 3)),
        (b'{"method":"GET_PROPERTY","params":["combined"],"id":4}', Request("GET_PROPERTY", 4)),
        (
            b'{"method":"SET_PROPERTY","params":["combined",true],"id":5}',
            Request("SET_PROPERTY", 5, is_combined=True),
        ),
    ],
)
def test_control_messages_are_understood(raw: bytes, expected: Request) -> None:
    """Protects the five methods, with integer and string ids."""
    assert read_request(raw) == expected


@pytest.mark.parametrize(
    ("raw", "code", "request_id"),
    [
        (b"not json", 3, None),
        (b'{"method":"SUBSCRIBE"', 3, None),
        (b"\xff\xfe", 3, None),
        (b"[]", 2, None),
        (b'{"method":"SUBSCRIBE","params":["a@trade"]}', 2, None),
        (b'{"method":"SUBSCRIBE","params":["a@trade"],"id":-1}', 2, None),
        (b'{"method":"SUBSCRIBE","params":["a@trade"],"id":1.5}', 2, None),
        (b'{"method":"SUBSCRIBE","params":[],"id":1}', 2, 1),
        (b'{"method":"SUBSCRIBE","params":["a@trade",true],"id":1}', 2, 1),
        (b'{"method":"DANCE","id":"q"}', 2, "q"),
        (b'{"method":"GET_PROPERTY","id":1}', 2, 1),
        (b'{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0, 1),
        (b'{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1, 1),
        (b'{"method":"SET_PROPERTY","params":["combined"],"id":1}', 1, 1),
    ],
)
def test_malformed_requests_are_told_why(raw: bytes, code: int, request_id: int | str | None) -> None:
    """Protects the venue's error codes: 0 unknown property, 1 wrong value, 2 wrong request, 3 no JSON."""
    refused = read_request(raw)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.id) == (code, request_id)
    body = msgspec.json.decode(refusal(refused))
    assert body["code"] == code
    assert body.get("id") == request_id
    assert body["msg"]


def test_answers_and_envelopes_are_byte_exact() -> None:
    """Protects the two frames every client parses first."""
    assert answer(None, 1) == b'{"result":null,"id":1}'
    assert answer(["a@trade"], "u-1") == b'{"result":["a@trade"],"id":"u-1"}'
    assert enveloped("btcusdt@trade", b'{"e":1}') == b'{"stream":"btcusdt@trade","data":{"e":1}}'
