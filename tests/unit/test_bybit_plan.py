"""Which sockets to open on Bybit, and what is said on them: limits, names and messages."""

import json
from itertools import pairwise

import pytest

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, Stream
from perpscope.venues.bybit import VENUE
from perpscope.venues.bybit.symbols import instrument_named

EVERYTHING = sorted(VENUE.channels, key=lambda channel: channel.value)


def named(*symbols: str) -> list[Instrument]:
    """Instruments known by name."""
    return [instrument for symbol in symbols if (instrument := instrument_named(symbol)) is not None]


def many(count: int) -> list[Instrument]:
    """That many instruments."""
    return named(*(f"COIN{number}USDT" for number in range(count)))


@pytest.mark.parametrize(
    ("channel", "topic"),
    [
        (Channel.TRADES, "publicTrade.BTCUSDT"),
        (Channel.QUOTES, "orderbook.1.BTCUSDT"),
        (Channel.BOOK, "orderbook.200.BTCUSDT"),
        (Channel.CANDLES_1M, "kline.1.BTCUSDT"),
        (Channel.CANDLES_15M, "kline.15.BTCUSDT"),
        (Channel.CANDLES_1H, "kline.60.BTCUSDT"),
        (Channel.MARK_PRICES, "tickers.BTCUSDT"),
        (Channel.OPEN_INTEREST, "tickers.BTCUSDT"),
        (Channel.LIQUIDATIONS, "allLiquidation.BTCUSDT"),
    ],
    ids=lambda value: value.value if isinstance(value, Channel) else value,
)
def test_each_channel_has_its_topic(channel: Channel, topic: str) -> None:
    """Retired names are acknowledged by nobody: each channel has the name of 2026."""
    (plan,) = VENUE.plan(named("BTCUSDT"), [channel])
    assert (plan.name, plan.path) == ("bybit/linear/0", "/v5/public/linear")
    (only,) = plan.topics
    assert (only.name, only.streams) == (topic, (Stream(channel, named("BTCUSDT")[0].id),))


def test_a_ticker_carries_mark_price_and_open_interest() -> None:
    """Asked for both, the topic is subscribed once and says what it carries; asked for one, only that."""
    (btc,) = named("BTCUSDT")
    (plan,) = VENUE.plan([btc], [Channel.MARK_PRICES, Channel.OPEN_INTEREST])
    (topic,) = plan.topics
    assert topic.streams == (Stream(Channel.MARK_PRICES, btc.id), Stream(Channel.OPEN_INTEREST, btc.id))
    (plan,) = VENUE.plan([btc], [Channel.OPEN_INTEREST])
    assert plan.streams == (Stream(Channel.OPEN_INTEREST, btc.id),)


def test_there_is_no_topic_for_the_whole_market() -> None:
    """Liquidations are asked for instrument by instrument; what is not streamed is not asked for on a socket."""
    assert VENUE.plan([], [Channel.LIQUIDATIONS]) == []
    assert VENUE.plan(named("BTCUSDT"), [Channel.ACCOUNT_RATIOS, Channel.POSITIONS, Channel.TAKER_VOLUME]) == []


@pytest.mark.parametrize(("instruments", "sockets"), [(1, 1), (37, 1), (38, 2), (75, 2), (76, 3), (600, 16)])
def test_sockets_are_few_and_evenly_filled(instruments: int, sockets: int) -> None:
    """At most 300 topics a socket, no more sockets than that needs, none fuller than another by more than one."""
    plans = VENUE.plan(many(instruments), EVERYTHING)
    sizes = [len(plan.topics) for plan in plans]
    assert [plan.name for plan in plans] == [f"bybit/linear/{number}" for number in range(sockets)]
    assert sum(sizes) == instruments * 8
    assert max(sizes) <= 300
    assert max(sizes) - min(sizes) <= 1


def test_names_of_a_socket_stay_within_21000_characters() -> None:
    """Long names are given more sockets: the venue counts the characters of all arguments together."""
    long = [msg for number in range(300) if (msg := instrument_named(f"{'币安人生' * 4}{number:03}USDT")) is not None]
    plans = VENUE.plan(long, [Channel.BOOK])
    assert len(plans) > 1
    assert sum(len(plan.topics) for plan in plans) == 300
    for plan in plans:
        arguments = json.dumps([topic.name for topic in plan.topics], ensure_ascii=False, separators=(",", ":"))
        assert len(arguments.encode()) <= 21_000


def test_an_instrument_stays_together() -> None:
    """The topics of an instrument are neighbours, so that a lost socket costs few instruments much, not all some."""
    (plan,) = VENUE.plan(many(5), EVERYTHING)
    owners = [topic.name.rpartition(".")[2] for topic in plan.topics]
    assert sum(left != right for left, right in pairwise(owners)) == 4


def test_asking_twice_is_asking_once() -> None:
    """Repeated instruments or channels do not become repeated subscriptions: the venue would refuse the message."""
    (plan,) = VENUE.plan(named("BTCUSDT", "BTCUSDT"), [Channel.QUOTES, Channel.QUOTES])
    assert len(plan.topics) == len(plan.streams) == 1


def test_messages_name_topics_and_carry_their_number() -> None:
    """Subscribing and leaving are spelt as documented, the id as text, symbols in UTF-8 and in their own case."""
    say = VENUE.dialogue
    assert json.loads(say.subscribe(["publicTrade.BTCUSDT", "tickers.BTCUSDT"], 7)) == {
        "req_id": "7",
        "op": "subscribe",
        "args": ["publicTrade.BTCUSDT", "tickers.BTCUSDT"],
    }
    assert json.loads(say.unsubscribe(["tickers.币USDT"], 8)) == {
        "req_id": "8",
        "op": "unsubscribe",
        "args": ["tickers.币USDT"],
    }
    assert "币".encode() in say.subscribe(["tickers.币USDT"], 9)


def test_the_venue_is_pinged_as_it_asks() -> None:
    """A ping of its own every 20 s; sockets have no documented end."""
    say = VENUE.dialogue
    assert say.ping is not None
    assert json.loads(say.ping) == {"op": "ping"}
    assert say.ping_every_s == 20
    assert say.lifetime_s is None
    assert say.topics_per_request == 20


def test_polls_ask_only_where_the_venue_counts() -> None:
    """Account ratios exist for perpetuals in USDT; each is asked for once, every five minutes."""
    asked = named("BTCUSDT", "BTCUSDT", "BTCPERP", "BTCUSDT-25DEC26", "ETHUSDT")
    polls = VENUE.polls(asked, [Channel.ACCOUNT_RATIOS])
    assert [poll.name for poll in polls] == ["bybit/account_ratios/BTCUSDT", "bybit/account_ratios/ETHUSDT"]
    assert {poll.every_s for poll in polls} == {300}
    assert [dict(poll.request.params)["symbol"] for poll in polls] == ["BTCUSDT", "ETHUSDT"]
    assert {dict(poll.request.params)["period"] for poll in polls} == {"5min"}
    assert VENUE.polls(asked, [Channel.TRADES]) == []
