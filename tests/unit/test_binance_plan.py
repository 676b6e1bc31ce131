"""Which sockets to open on Binance: routes, limits, names and messages."""

import json
from itertools import pairwise

import pytest

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.venues.binance import VENUE, Binance
from perpscope.venues.binance.symbols import instrument_named

_POLLED = sorted(VENUE.polled, key=lambda channel: channel.value)
SEED = [Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H, Channel.MARK_PRICES, Channel.QUOTES]


def named(*symbols: str) -> list[Instrument]:
    """Instruments known by name."""
    return [instrument for symbol in symbols if (instrument := instrument_named(symbol)) is not None]


def many(count: int) -> list[Instrument]:
    """That many instruments."""
    return named(*(f"COIN{number}USDT" for number in range(count)))


def names(plan: ConnectionPlan) -> list[str]:
    """Streams a connection subscribes to."""
    return [topic.name for topic in plan.topics]


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
    assert plan.path == f"/{route}/stream"
    assert plan.topics == (Topic(stream, (Stream(channel, named("BTCUSDT")[0].id),)),)


def test_raw_trades_go_to_the_public_route() -> None:
    """`trade_stream="trade"` asks for every fill, where it was found."""
    (plan,) = Binance("trade").plan(named("BTCUSDT"), [Channel.TRADES])
    assert plan.path == "/public/stream"
    assert names(plan) == ["btcusdt@trade"]


def test_without_instruments_the_whole_market_liquidations_are_asked_for() -> None:
    """`!forceOrder@arr` on the route where it lives; other channels need instruments. Keeps S0-20."""
    (plan,) = VENUE.plan([], [Channel.LIQUIDATIONS, Channel.QUOTES])
    assert plan.path == "/market/stream"
    assert names(plan) == ["!forceOrder@arr"]
    assert plan.streams == (Stream(Channel.LIQUIDATIONS, None),)
    assert VENUE.plan([], [Channel.QUOTES]) == []


def test_contracts_come_from_one_stream_of_the_whole_market() -> None:
    """`!contractInfo` is asked for once, whoever is listened to: there is none of a single instrument."""
    contracts = Topic("!contractInfo", (Stream(Channel.CONTRACTS, None),))
    for instruments in ([], named("BTCUSDT", "ETHUSDT")):
        (plan,) = VENUE.plan(instruments, [Channel.CONTRACTS])
        assert (plan.path, plan.topics) == ("/market/stream", (contracts,))


@pytest.mark.parametrize("channel", _POLLED, ids=[channel.value for channel in _POLLED])
def test_what_is_polled_is_not_subscribed_to(channel: Channel) -> None:
    """There is no stream of open interest, ratios or taker volume: no name is made up for one."""
    assert VENUE.plan(named("BTCUSDT"), [channel]) == []


@pytest.mark.parametrize(("instruments", "sockets"), [(1, 1), (40, 1), (41, 2), (80, 2), (81, 3), (500, 13)])
def test_sockets_stay_within_their_limit_and_are_evenly_filled(instruments: int, sockets: int) -> None:
    """At most 200 streams a socket, no more sockets than that needs, none much fuller than another. Keeps S2-15."""
    five = [*SEED[:2], Channel.MARK_PRICES, Channel.TRADES, Channel.LIQUIDATIONS]
    plans = VENUE.plan(many(instruments), five)
    sizes = [len(plan.streams) for plan in plans]
    assert [plan.name for plan in plans] == [f"binance/market/{number}" for number in range(sockets)]
    assert sum(sizes) == instruments * 5
    assert max(sizes) <= 200
    assert max(sizes) - min(sizes) <= 1


def test_messages_join_and_leave_by_name() -> None:
    """SUBSCRIBE and UNSUBSCRIBE name the streams as they are and carry the number they will be answered with."""
    for method, message in (("SUBSCRIBE", VENUE.dialogue.subscribe), ("UNSUBSCRIBE", VENUE.dialogue.unsubscribe)):
        said = json.loads(message(["btcusdt@aggTrade", "!contractInfo"], 7))
        assert said == {"method": method, "params": ["btcusdt@aggTrade", "!contractInfo"], "id": 7}


def test_messages_are_few_enough() -> None:
    """A full socket is asked for in four messages, four a second at most where Binance takes ten; it lasts a day."""
    dialogue = VENUE.dialogue
    fullest = max(len(plan.topics) for plan in VENUE.plan(many(500), SEED))
    assert -(-fullest // dialogue.topics_per_request) <= 4
    assert 1 / dialogue.between_requests_s <= 5
    assert (dialogue.ping, dialogue.lifetime_s) == (None, 24 * 3600)


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
    assert "币安人生usdt@bookTicker".encode() in VENUE.dialogue.subscribe(names(plan), 1)
