"""Which sockets to open on Binance: routes, limits, names and messages."""

import json
from itertools import pairwise

import pytest

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, Stream
from perpscope.venues.binance import VENUE, Binance
from perpscope.venues.binance.symbols import instrument_named

SEED = [Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H, Channel.MARK_PRICES, Channel.QUOTES]


def named(*symbols: str) -> list[Instrument]:
    """Instruments known by name."""
    return [instrument for symbol in symbols if (instrument := instrument_named(symbol)) is not None]


def many(count: int) -> list[Instrument]:
    """That many instruments."""
    return named(*(f"COIN{number}USDT" for number in range(count)))


def names(payload: bytes) -> list[str]:
    """Streams a SUBSCRIBE names."""
    params: list[str] = json.loads(payload)["params"]
    return params


def test_thirty_instruments_of_five_streams_are_150_on_two_sockets() -> None:
    """The documents' 150 streams fit two sockets, one a route. Keeps S2-06, S2-07, S2-15."""
    public, market = VENUE.plan(many(30), SEED)
    assert (public.name, public.path, len(public.streams)) == ("binance/public/0", "/public/stream", 30)
    assert (market.name, market.path, len(market.streams)) == ("binance/market/0", "/market/stream", 120)
    assert {stream.channel for stream in public.streams} == {Channel.QUOTES}


@pytest.mark.parametrize(
    ("channel", "route", "stream"),
    [
        (Channel.TRADES, "market", "btcusdt@aggTrade"),
        (Channel.QUOTES, "public", "btcusdt@bookTicker"),
        (Channel.BOOK, "public", "btcusdt@depth@100ms"),
        (Channel.CANDLES_1M, "market", "btcusdt@kline_1m"),
        (Channel.CANDLES_15M, "market", "btcusdt@kline_15m"),
        (Channel.CANDLES_1H, "market", "btcusdt@kline_1h"),
        (Channel.MARK_PRICES, "market", "btcusdt@markPrice@1s"),
        (Channel.LIQUIDATIONS, "market", "btcusdt@forceOrder"),
    ],
)
def test_each_channel_has_its_route_and_name(channel: Channel, route: str, stream: str) -> None:
    """On the wrong route a stream is acknowledged and silent, so each has its own."""
    (plan,) = VENUE.plan(named("BTCUSDT"), [channel])
    (request,) = plan.requests
    assert plan.path == f"/{route}/stream"
    assert json.loads(request.payload) == {"method": "SUBSCRIBE", "params": [stream], "id": 1}
    assert request.streams == (Stream(channel, named("BTCUSDT")[0].id),)


def test_raw_trades_go_to_the_public_route() -> None:
    """`trade_stream="trade"` asks for every fill, where it was found."""
    (plan,) = Binance("trade").plan(named("BTCUSDT"), [Channel.TRADES])
    assert plan.path == "/public/stream"
    assert names(plan.requests[0].payload) == ["btcusdt@trade"]


def test_without_instruments_the_whole_market_liquidations_are_asked_for() -> None:
    """`!forceOrder@arr` on the route where it lives; other channels need instruments. Keeps S0-20."""
    (plan,) = VENUE.plan([], [Channel.LIQUIDATIONS, Channel.QUOTES])
    assert plan.path == "/market/stream"
    assert names(plan.requests[0].payload) == ["!forceOrder@arr"]
    assert plan.streams == (Stream(Channel.LIQUIDATIONS, None),)
    assert VENUE.plan([], [Channel.QUOTES]) == []


@pytest.mark.parametrize(("instruments", "sockets"), [(1, 1), (40, 1), (41, 2), (80, 2), (81, 3), (500, 13)])
def test_sockets_stay_within_their_limit_and_are_evenly_filled(instruments: int, sockets: int) -> None:
    """At most 200 streams a socket, no more sockets than that needs, none much fuller than another. Keeps S2-15."""
    channels = [channel for channel in Channel if channel not in (Channel.QUOTES, Channel.BOOK, Channel.CANDLES_1H)]
    plans = VENUE.plan(many(instruments), channels)
    sizes = [len(plan.streams) for plan in plans]
    assert [plan.name for plan in plans] == [f"binance/market/{number}" for number in range(sockets)]
    assert sum(sizes) == instruments * 5
    assert max(sizes) <= 200
    assert max(sizes) - min(sizes) <= 1


def test_requests_are_few_and_numbered_from_one() -> None:
    """A SUBSCRIBE names at most 50 streams, ids are 1, 2, 3 … on each connection, and names what it says it names."""
    for plan in VENUE.plan(many(120), SEED):
        assert [request.id for request in plan.requests] == [*range(1, len(plan.requests) + 1)]
        assert len(plan.requests) <= 4
        for request in plan.requests:
            assert len(names(request.payload)) == len(request.streams) <= 50
            assert json.loads(request.payload)["id"] == request.id


def test_an_instrument_stays_together() -> None:
    """The streams of an instrument are neighbours, so that a lost socket costs few instruments much, not all some."""
    (plan,) = VENUE.plan(many(3), [Channel.CANDLES_1M, Channel.MARK_PRICES, Channel.LIQUIDATIONS])
    owners = [stream.instrument for stream in plan.streams]
    assert sum(left != right for left, right in pairwise(owners)) == 2


def test_asking_twice_is_asking_once() -> None:
    """Repeated instruments or channels do not become repeated subscriptions."""
    (plan,) = VENUE.plan(named("BTCUSDT", "BTCUSDT"), [Channel.QUOTES, Channel.QUOTES])
    assert len(plan.streams) == 1


def test_unicode_symbols_are_sent_as_they_are() -> None:
    """A symbol in Chinese goes out in UTF-8; only its Latin letters have a lower case."""
    (plan,) = VENUE.plan(named("币安人生USDT"), [Channel.QUOTES])
    assert "币安人生usdt@bookTicker".encode() in plan.requests[0].payload
