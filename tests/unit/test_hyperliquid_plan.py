"""Which sockets to open on Hyperliquid, what is said on them, and what its answers name."""

import json
from typing import TypeAlias

import pytest

from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, Control, Stream, Topic
from perpscope.ports import Watching
from perpscope.venues.hyperliquid import MOST_ACCOUNTS, VENUE, Hyperliquid
from perpscope.venues.hyperliquid.symbols import instrument_named

Json: TypeAlias = dict[str, object]

STREAMED = [
    Channel.TRADES,
    Channel.QUOTES,
    Channel.BOOK,
    Channel.CANDLES_1M,
    Channel.CANDLES_15M,
    Channel.CANDLES_1H,
    Channel.MARK_PRICES,
    Channel.OPEN_INTEREST,
]
ACCOUNTS = [f"0x{number:040x}" for number in range(1, 11)]


def named(*symbols: str) -> list[Instrument]:
    """Instruments known by name."""
    return [instrument for symbol in symbols if (instrument := instrument_named(symbol)) is not None]


def many(count: int) -> list[Instrument]:
    """That many instruments."""
    return named(*(f"C{number}" for number in range(count)))


def answer(raw: Json) -> Control:
    """What a frame of the venue answers."""
    decoded = VENUE.decoder({}).decode(json.dumps(raw).encode(), 1_800_000_000_000_000_000)
    assert isinstance(decoded, Control)
    return decoded


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        (Channel.TRADES, '{"type":"trades","coin":"BTC"}'),
        (Channel.QUOTES, '{"type":"bbo","coin":"BTC"}'),
        (Channel.BOOK, '{"type":"l2Book","coin":"BTC"}'),
        (Channel.CANDLES_1M, '{"type":"candle","coin":"BTC","interval":"1m"}'),
        (Channel.CANDLES_15M, '{"type":"candle","coin":"BTC","interval":"15m"}'),
        (Channel.CANDLES_1H, '{"type":"candle","coin":"BTC","interval":"1h"}'),
        (Channel.MARK_PRICES, '{"type":"activeAssetCtx","coin":"BTC"}'),
        (Channel.OPEN_INTEREST, '{"type":"activeAssetCtx","coin":"BTC"}'),
    ],
)
def test_each_channel_has_its_subscription(channel: Channel, name: str) -> None:
    """A topic is called by its subscription's JSON, and sent as such."""
    (plan,) = VENUE.plan(named("BTC"), [channel])
    assert (plan.name, plan.path) == ("hyperliquid/ws/0", "/ws")
    assert plan.topics == (Topic(name, (Stream(channel, named("BTC")[0].id),)),)
    sent = json.loads(VENUE.dialogue.subscribe([name], 7))
    assert sent == {"method": "subscribe", "subscription": json.loads(name)}
    assert json.loads(VENUE.dialogue.unsubscribe([name], 8)) == sent | {"method": "unsubscribe"}


def test_mark_price_and_open_interest_are_one_topic() -> None:
    """Both come with the asset's context: one subscription of the thousand, two streams."""
    (plan,) = VENUE.plan(named("BTC"), STREAMED)
    assert len(plan.topics) == 7
    assert {stream.channel for stream in plan.topics[-1].streams} == {Channel.MARK_PRICES, Channel.OPEN_INTEREST}
    assert len(plan.streams) == 8


def test_what_is_not_streamed_is_not_asked_for() -> None:
    """Without accounts there are no liquidations to be had, nor ratios or contracts ever. Keeps S4-33."""
    assert VENUE.channels == frozenset(STREAMED)
    assert VENUE.polled == frozenset()
    assert VENUE.plan(named("BTC"), [Channel.LIQUIDATIONS, Channel.ACCOUNT_RATIOS, Channel.CONTRACTS]) == []
    assert VENUE.plan([], [Channel.LIQUIDATIONS, Channel.QUOTES]) == []
    assert VENUE.polls(named("BTC"), [*Channel]) == []


@pytest.mark.parametrize(
    ("instruments", "sockets"),
    [(1, 1), (8, 1), (9, 2), (17, 2), (18, 3), (30, 4), (142, 4)],
    ids=["one", "comfortable", "over", "two", "three", "default", "all"],
)
def test_sockets_are_few_and_evenly_filled(instruments: int, sockets: int) -> None:
    """At most four of the venue's ten connections, so that two sets fit while one replaces the other. Keeps S2-15."""
    plans = VENUE.plan(many(instruments), STREAMED)
    sizes = [len(plan.topics) for plan in plans]
    assert [plan.name for plan in plans] == [f"hyperliquid/ws/{number}" for number in range(sockets)]
    assert sum(sizes) == instruments * 7
    assert max(sizes) - min(sizes) <= 1


def test_more_than_the_venue_takes_is_refused_at_once() -> None:
    """A thousand subscriptions for an address: the next would be refused on the wire, some instruments at random."""
    assert sum(len(plan.topics) for plan in VENUE.plan(many(250), STREAMED[:4])) == 1_000
    with pytest.raises(ConfigError, match=r"1,000 subscriptions .* 1,004 would be needed"):
        VENUE.plan(many(251), STREAMED[:4])


def test_the_pace_stays_below_the_venues() -> None:
    """Four sockets that never stop talking, pings included, send less than 2,000 messages a minute."""
    dialogue = VENUE.dialogue
    assert dialogue.topics_per_request == 1
    assert 4 * 60 / dialogue.between_requests_s + 4 * 60 / dialogue.ping_every_s < 2_000
    assert json.loads(dialogue.ping or b"") == {"method": "ping"}
    assert dialogue.ping_every_s < 60
    assert dialogue.lifetime_s is None


def test_asking_twice_is_asking_once() -> None:
    """Repeated instruments or channels do not become repeated subscriptions."""
    (plan,) = VENUE.plan(named("BTC", "BTC"), [Channel.QUOTES, Channel.QUOTES])
    assert len(plan.topics) == len(plan.streams) == 1


# --- accounts ---


def test_accounts_bring_liquidations_and_positions() -> None:
    """Following accounts adds a fills topic for each, one stream for all, and a poll a minute for each."""
    assert isinstance(VENUE, Watching)
    venue = Hyperliquid().watching(ACCOUNTS)
    assert venue.channels == VENUE.channels | {Channel.LIQUIDATIONS}
    assert venue.polled == {Channel.POSITIONS}
    (plan,) = venue.plan([], [Channel.LIQUIDATIONS])
    assert plan.streams == (Stream(Channel.LIQUIDATIONS, None),)
    assert [topic.name for topic in plan.topics] == [f'{{"type":"userFills","user":"{one}"}}' for one in ACCOUNTS]
    polls = venue.polls([], [Channel.POSITIONS])
    assert [poll.name for poll in polls] == [f"hyperliquid/positions/{one}" for one in ACCOUNTS]
    assert {poll.streams for poll in polls} == {(Stream(Channel.POSITIONS, None),)}
    assert {(poll.every_s, poll.request.weight) for poll in polls} == {(60.0, 2)}
    assert venue.polls([], [Channel.LIQUIDATIONS]) == []


def test_all_accounts_share_a_socket() -> None:
    """The stream of liquidations is carried by one connection, however many sockets there are."""
    plans = Hyperliquid().watching(ACCOUNTS).plan(many(60), [*STREAMED, Channel.LIQUIDATIONS])
    carrying = [plan.name for plan in plans if Stream(Channel.LIQUIDATIONS, None) in plan.streams]
    assert carrying == ["hyperliquid/ws/0"]
    streams = [stream for plan in plans for stream in plan.streams]
    assert len(streams) == len(set(streams))


def test_a_poll_asks_for_the_account() -> None:
    """The call is a POST with the account in its body, like every call to the venue."""
    (poll,) = Hyperliquid().watching(ACCOUNTS[:1]).polls([], [Channel.POSITIONS])
    assert (poll.request.method, poll.request.path, poll.request.params) == ("POST", "/info", ())
    assert json.loads(poll.request.body or b"") == {"type": "clearinghouseState", "user": ACCOUNTS[0]}


def test_an_account_is_one_in_whatever_case() -> None:
    """Addresses are compared without case, and named once."""
    mixed = "0x" + "aB" * 20
    assert Hyperliquid().watching([mixed, mixed.lower()]).accounts == (mixed.lower(),)


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        (["0x12"], "'0x12' is no account"),
        (["0x" + "g" * 40], "is no account"),
        (["1x" + "a" * 40], "is no account"),
        (["0x" + "a" * 41], "is no account"),
        (["0x" + "a" * 40 + "\n"], "is no account"),
        ([*ACCOUNTS, "0x" + "f" * 40], f"follow {MOST_ACCOUNTS} accounts, was asked for 11"),
    ],
    ids=["short", "letters", "prefix", "long", "newline", "eleven"],
)
def test_accounts_are_checked(accounts: list[str], words: str) -> None:
    """What is no account, or one too many, is said before anything is started."""
    with pytest.raises(ConfigError, match=words) as caught:
        Hyperliquid().watching(accounts)
    assert caught.value.code == "config-value"


# --- answers ---


@pytest.mark.parametrize(
    ("echo", "topic"),
    [
        ({"type": "trades", "coin": "BTC"}, '{"type":"trades","coin":"BTC"}'),
        ({"coin": "BTC", "type": "l2Book", "nSigFigs": None, "mantissa": None}, '{"type":"l2Book","coin":"BTC"}'),
        (
            {"type": "candle", "interval": "1m", "coin": "BTC"},
            '{"type":"candle","coin":"BTC","interval":"1m"}',
        ),
        (
            {"type": "userFills", "user": ACCOUNTS[9].upper().replace("X", "x"), "aggregateByTime": False},
            f'{{"type":"userFills","user":"{ACCOUNTS[9]}"}}',
        ),
    ],
    ids=["plain", "nulls", "order", "account"],
)
def test_an_acknowledgement_names_the_topic_as_the_plan_does(echo: Json, topic: str) -> None:
    """The venue repeats a subscription in its own order, with its defaults: the name is the same."""
    raw: Json = {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": echo}}
    assert answer(raw) == Control(None, None, topic=topic)
    plans = Hyperliquid().watching(ACCOUNTS).plan(named("BTC"), [*STREAMED, Channel.LIQUIDATIONS])
    assert topic in {one.name for plan in plans for one in plan.topics}


def test_a_finer_book_is_another_topic() -> None:
    """An aggregated book is not the one we asked for."""
    echo = {"type": "l2Book", "coin": "BTC", "nSigFigs": 3, "mantissa": None}
    raw: Json = {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": echo}}
    assert answer(raw).topic == '{"type":"l2Book","coin":"BTC","nSigFigs":3}'


@pytest.mark.parametrize(
    ("words", "topic"),
    [
        ('Invalid subscription: {"type":"trades","coin":"NOPE"}', '{"type":"trades","coin":"NOPE"}'),
        (
            'Error parsing JSON into valid websocket request: {"method":"subscribe","subscription":'
            '{"type":"candle","interval":"1m","coin":"BTC"}}',
            '{"type":"candle","coin":"BTC","interval":"1m"}',
        ),
        ("Cannot subscribe to more than 1000 channels.", None),
        ("Cannot track more than 10 total users.", None),
        ("{not json}", None),
        ("} backwards {", None),
        ('{"type":7}', None),
    ],
    ids=["subscription", "whole-message", "channels", "users", "no-json", "backwards", "no-type"],
)
def test_a_refusal_names_its_topic_where_it_shows_one(words: str, topic: str | None) -> None:
    """The venue refuses in words; the subscription stands in them, or nothing tells which it was."""
    assert answer({"channel": "error", "data": words}) == Control(None, words[:120], topic=topic)


def test_long_words_are_cut() -> None:
    """A refusal that repeats a long message is told by its first 120 characters."""
    assert answer({"channel": "error", "data": "x" * 5_000}).error == "x" * 120


def test_subscribing_twice_is_no_refusal() -> None:
    """`Already subscribed` says that a topic is listened to, `Already unsubscribed` is about nothing we have."""
    words = 'Already subscribed: {"type":"candle","interval":"1m","coin":"BTC"}'
    topic = '{"type":"candle","coin":"BTC","interval":"1m"}'
    assert answer({"channel": "error", "data": words}) == Control(None, None, topic=topic)
    left = 'Already unsubscribed: {"type":"trades","coin":"BTC"}'
    assert answer({"channel": "error", "data": left}) == Control(None, None)


def test_leaving_acknowledges_no_topic() -> None:
    """An answer to an unsubscription is not taken for one to the subscription that follows it."""
    data = {"method": "unsubscribe", "subscription": {"type": "trades", "coin": "BTC"}}
    assert answer({"channel": "subscriptionResponse", "data": data}) == Control(None, None)


def test_pongs_and_greetings_are_heard() -> None:
    """The answer to a ping, and the words a connection may begin with, are neither data nor errors."""
    assert answer({"channel": "pong"}) == Control(None, None)
    decoded = VENUE.decoder({}).decode(b"Websocket connection established.", 1)
    assert decoded == Control(None, None)
