"""Which sockets Bitget gets, what is subscribed to on them, and in what words."""

import json

import pytest

from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.stream import Channel, Stream
from perpscope.venues.bitget import VENUE
from perpscope.venues.bitget.plan import TOPICS_PER_SOCKET

EVERY = sorted(VENUE.channels, key=lambda channel: channel.value)
BTC, ETH = InstrumentId("BTC-USDT-PERP.BITGET"), InstrumentId("ETH-USDT-PERP.BITGET")
WHOLE_MARKET = '{"instType":"usdt-futures","topic":"liquidation"}'


def named(*symbols: str) -> list[Instrument]:
    """Instruments known by name."""
    found = [VENUE.instrument_named(symbol) for symbol in symbols]
    return [instrument for instrument in found if instrument is not None]


def topic(name: str, symbol: str, interval: str = "") -> str:
    """An `arg` in the venue's order of keys."""
    last = f',"interval":"{interval}"' if interval else ""
    return f'{{"instType":"usdt-futures","topic":"{name}","symbol":"{symbol}"{last}}}'


def test_each_channel_has_its_topic() -> None:
    """What is asked for is what Bitget calls it; mark price and open interest share a topic."""
    (plan,) = VENUE.plan(named("BTCUSDT"), EVERY)
    assert (plan.name, plan.path) == ("bitget/public/0", "/v3/ws/public")
    assert {one.name: set(one.streams) for one in plan.topics} == {
        WHOLE_MARKET: {Stream(Channel.LIQUIDATIONS, BTC)},
        topic("publicTrade", "BTCUSDT"): {Stream(Channel.TRADES, BTC)},
        topic("books1", "BTCUSDT"): {Stream(Channel.QUOTES, BTC)},
        topic("books", "BTCUSDT"): {Stream(Channel.BOOK, BTC)},
        topic("kline", "BTCUSDT", "1m"): {Stream(Channel.CANDLES_1M, BTC)},
        topic("kline", "BTCUSDT", "15m"): {Stream(Channel.CANDLES_15M, BTC)},
        topic("kline", "BTCUSDT", "1H"): {Stream(Channel.CANDLES_1H, BTC)},
        topic("ticker", "BTCUSDT"): {Stream(Channel.MARK_PRICES, BTC), Stream(Channel.OPEN_INTEREST, BTC)},
    }


def test_one_topic_carries_the_liquidations_of_everybody_asked_for() -> None:
    """Two instruments are one subscription and two streams; none are the whole market."""
    (plan,) = VENUE.plan(named("BTCUSDT", "ETHUSDT"), [Channel.LIQUIDATIONS])
    (only,) = plan.topics
    assert only.name == WHOLE_MARKET
    assert only.streams == (Stream(Channel.LIQUIDATIONS, BTC), Stream(Channel.LIQUIDATIONS, ETH))
    (plan,) = VENUE.plan([], [Channel.LIQUIDATIONS])
    assert plan.streams == (Stream(Channel.LIQUIDATIONS, None),)


def test_what_is_not_streamed_is_not_planned() -> None:
    """Ratios are polled; asking the plan for them opens nothing."""
    assert VENUE.plan(named("BTCUSDT"), [Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME]) == []
    assert VENUE.plan([], EVERY[:0]) == []
    assert VENUE.plan([], [Channel.TRADES]) == []


def test_sockets_stay_below_fifty_topics_and_are_filled_evenly() -> None:
    """A hundred instruments keep the recommended number of channels per socket, well below a hundred sockets."""
    plans = VENUE.plan(named(*(f"C{number}USDT" for number in range(100))), EVERY)
    sizes = [len(plan.topics) for plan in plans]
    assert sum(sizes) == 100 * 7 + 1
    assert max(sizes) <= TOPICS_PER_SOCKET < 50
    assert max(sizes) - min(sizes) <= 1
    assert len(plans) == 15
    names = [one.name for plan in plans for one in plan.topics]
    assert len(set(names)) == len(names)


def test_the_same_instrument_twice_is_asked_for_once() -> None:
    """A question that repeats itself opens no more."""
    assert VENUE.plan(named("BTCUSDT", "BTCUSDT"), EVERY) == VENUE.plan(named("BTCUSDT"), EVERY)


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_messages_are_the_venues(op: str) -> None:
    """A subscription is an `op` and the topics' own JSON, without an id; a full one stays below 4 kB."""
    (plan, *_) = VENUE.plan(named(*(f"LONGNAME{number:04d}USDT" for number in range(9))), EVERY)
    names = [one.name for one in plan.topics][: VENUE.dialogue.topics_per_request]
    message = getattr(VENUE.dialogue, op)(names, 7)
    assert json.loads(message) == {"op": op, "args": [json.loads(name) for name in names]}
    assert len(message) < 4096


def test_the_dialogue_keeps_the_venues_pace() -> None:
    """Text pings more often than every 30 s, at most ten messages a second, a day's life."""
    dialogue = VENUE.dialogue
    assert dialogue.ping == b"ping"
    assert dialogue.ping_every_s < 30
    assert dialogue.between_requests_s > 0.1
    assert dialogue.lifetime_s == 86_400
