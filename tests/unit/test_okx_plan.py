"""Which sockets to open on OKX, what they carry, and what is said on them."""

import json

import pytest

from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.stream import Channel, ConnectionPlan, Stream
from perpscope.venues.okx import VENUE

STREAMED = sorted(VENUE.channels, key=lambda channel: channel.value)


def listed(base: str) -> Instrument:
    """A perpetual of that base."""
    symbol = f"{base}-USDT-SWAP"
    return Instrument(id=instrument_id("okx", base, "USDT"), venue="okx", symbol=symbol, base=base, quote="USDT")


def many(count: int) -> list[Instrument]:
    """That many instruments."""
    return [listed(f"COIN{number}") for number in range(count)]


def args(plan: ConnectionPlan) -> list[dict[str, str]]:
    """What a connection subscribes to, read back."""
    return [json.loads(topic.name) for topic in plan.topics]


@pytest.mark.parametrize(
    ("channel", "path", "subscribed"),
    [
        (Channel.TRADES, "public", [{"channel": "trades", "instId": "BTC-USDT-SWAP"}]),
        (Channel.QUOTES, "public", [{"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}]),
        (Channel.BOOK, "public", [{"channel": "books", "instId": "BTC-USDT-SWAP"}]),
        (
            Channel.MARK_PRICES,
            "public",
            [
                {"channel": "mark-price", "instId": "BTC-USDT-SWAP"},
                {"channel": "index-tickers", "instId": "BTC-USDT"},
                {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"},
            ],
        ),
        (Channel.OPEN_INTEREST, "public", [{"channel": "open-interest", "instId": "BTC-USDT-SWAP"}]),
        (Channel.LIQUIDATIONS, "public", [{"channel": "liquidation-orders", "instType": "SWAP"}]),
        (Channel.CONTRACTS, "public", [{"channel": "instruments", "instType": "SWAP"}]),
        (Channel.CANDLES_1M, "business", [{"channel": "candle1m", "instId": "BTC-USDT-SWAP"}]),
        (Channel.CANDLES_15M, "business", [{"channel": "candle15m", "instId": "BTC-USDT-SWAP"}]),
        (Channel.CANDLES_1H, "business", [{"channel": "candle1H", "instId": "BTC-USDT-SWAP"}]),
    ],
    ids=lambda value: value.value if isinstance(value, Channel) else None,
)
def test_each_channel_has_its_path_and_words(channel: Channel, path: str, subscribed: list[dict[str, str]]) -> None:
    """A channel on the wrong path is refused; liquidations take no instrument in their argument."""
    (plan,) = VENUE.plan([listed("BTC")], [channel])
    assert (plan.name, plan.path) == (f"okx/{path}/0", f"/ws/v5/{path}")
    assert args(plan) == subscribed
    whose = None if channel is Channel.CONTRACTS else "BTC-USDT-PERP.OKX"
    assert {(stream.channel, stream.instrument) for stream in plan.streams} == {(channel, whose)}


def test_all_there_is_of_thirty_instruments_fits_three_sockets() -> None:
    """Fewer than 30 books to a connection, as recommended; evenly spread; candles on a path of their own."""
    plans = VENUE.plan(many(30), STREAMED)
    assert [(plan.name, len(plan.topics)) for plan in plans] == [
        ("okx/public/0", 15 * 7 + 2),
        ("okx/public/1", 15 * 7),
        ("okx/business/0", 30 * 3),
    ]


@pytest.mark.parametrize("count", [1, 25, 26, 300, 500])
@pytest.mark.parametrize("channels", [STREAMED, [Channel.TRADES], [Channel.BOOK, Channel.LIQUIDATIONS]], ids=len)
def test_sockets_stay_within_the_limits(count: int, channels: list[Channel]) -> None:
    """64 KB of arguments and fewer than 30 books a connection; every stream once; an instrument's topics together."""
    plans = VENUE.plan(many(count), channels)
    streams = [stream for plan in plans for stream in plan.streams]
    contracts = Channel.CONTRACTS in channels
    assert len(streams) == len(set(streams)) == count * (len(channels) - contracts) + contracts
    for plan in plans:
        assert len(plan.topics) <= 200
        assert sum(len(topic.name) for topic in plan.topics) < 64_000 / 2
        assert sum(arg["channel"] == "books" for arg in args(plan)) < 30
    sizes = [len(plan.topics) for plan in plans if plan.path.endswith("public")]
    assert max(sizes) - min(sizes) <= 9  # an instrument's seven, and the two of the whole market


def test_the_whole_market_is_one_topic() -> None:
    """Liquidations of the asked instruments are one subscription; without instruments, it is of all of them."""
    (some,) = VENUE.plan(many(3), [Channel.LIQUIDATIONS])
    (whole,) = VENUE.plan([], [Channel.LIQUIDATIONS])
    assert len(some.topics) == len(whole.topics) == 1
    assert some.topics[0].name == whole.topics[0].name
    assert some.streams == tuple(Stream(Channel.LIQUIDATIONS, one.id) for one in many(3))
    assert whole.streams == (Stream(Channel.LIQUIDATIONS, None),)


def test_what_is_not_streamed_is_not_planned() -> None:
    """Polled channels open no socket, nor does nothing; asking twice for the same is asking once."""
    assert VENUE.plan(many(2), sorted(VENUE.polled, key=lambda channel: channel.value)) == []
    assert VENUE.plan([], [Channel.TRADES, Channel.CANDLES_1M]) == []
    once = VENUE.plan(many(2), [Channel.TRADES])
    assert VENUE.plan(many(2) * 2, [Channel.TRADES] * 2) == once


def test_messages_name_topics_as_the_plan_does() -> None:
    """A message's arguments are the topics' own names, and an acknowledgement leads back to them."""
    (plan,) = VENUE.plan([listed("BTC")], [Channel.MARK_PRICES, Channel.LIQUIDATIONS])
    names = [topic.name for topic in plan.topics]
    message = json.loads(VENUE.dialogue.subscribe(names, 41))
    assert (message["op"], message["id"], message["args"]) == ("subscribe", "41", args(plan))
    assert json.loads(VENUE.dialogue.unsubscribe(names[:1], 42))["op"] == "unsubscribe"
    for arg, name in zip(message["args"], names, strict=True):
        backwards = dict(reversed(arg.items()))
        ack = json.dumps({"id": "41", "event": "subscribe", "arg": backwards, "connId": "x"}).encode()
        control = VENUE.decoder({}).decode(ack, 0)
        assert (getattr(control, "request_id", None), getattr(control, "topic", None)) == (41, name)


def test_an_idle_connection_is_kept_open() -> None:
    """OKX closes after 30 s without a word: a text "ping" goes out well before; connections have no set lifetime."""
    assert (VENUE.dialogue.ping, VENUE.dialogue.lifetime_s) == (b"ping", None)
    assert 0 < VENUE.dialogue.ping_every_s < 30
    assert VENUE.dialogue.topics_per_request * 80 < 64_000


def test_the_hosts_are_those_of_november_2026() -> None:
    """Port 8443 was closed on 2026-10-31."""
    assert VENUE.websocket_url == "wss://ws.okx.com"
    assert VENUE.rest_url == "https://openapi.okx.com"
