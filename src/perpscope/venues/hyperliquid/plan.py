"""Which sockets to open, and what to say on them.

All limits are per address, over all connections: 1,000 subscriptions, 10 accounts followed, 10 connections, 2,000
messages a minute. Four sockets at most, each sending one message every 125 ms, stay below 1,940 a minute with their
pings; a few sockets more than needed, so that subscribing one topic a message does not take minutes.
"""

from collections.abc import Iterator, Sequence

import msgspec

from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.ports import Dialogue
from perpscope.venues.hyperliquid.symbols import VENUE
from perpscope.venues.hyperliquid.wire import Subscription

MOST_TOPICS = 1_000
MOST_SOCKETS = 4
#: Topics on a socket before another is opened, as long as there may be another.
COMFORTABLE = 60
PATH = "/ws"

#: Channel → subscription type, and the interval of a candle.
_TYPES: dict[Channel, tuple[str, str | None]] = {
    Channel.TRADES: ("trades", None),
    Channel.QUOTES: ("bbo", None),
    Channel.BOOK: ("l2Book", None),
    Channel.CANDLES_1M: ("candle", "1m"),
    Channel.CANDLES_15M: ("candle", "15m"),
    Channel.CANDLES_1H: ("candle", "1h"),
    Channel.MARK_PRICES: ("activeAssetCtx", None),
    Channel.OPEN_INTEREST: ("activeAssetCtx", None),
}
STREAMED = frozenset(_TYPES)


def connections(
    instruments: Sequence[Instrument], channels: Sequence[Channel], accounts: Sequence[str]
) -> list[ConnectionPlan]:
    """Sockets for every channel of every instrument, and for the fills of the accounts followed, evenly filled.

    There is no feed of the whole market's liquidations: `LIQUIDATIONS` are those the accounts had a part in, of
    whatever instrument. Their topics come first, and so share a socket.

    Raises:
        ConfigError: more topics than the venue takes from one address.
    """
    topics: dict[str, dict[Stream, None]] = {}
    if Channel.LIQUIDATIONS in channels:
        for account in accounts:
            topics[Subscription("userFills", user=account).name] = {Stream(Channel.LIQUIDATIONS, None): None}
    for instrument in instruments:
        for channel in channels:
            if channel in _TYPES:
                kind, interval = _TYPES[channel]
                name = Subscription(kind, coin=instrument.symbol, interval=interval).name
                topics.setdefault(name, {})[Stream(channel, instrument.id)] = None
    if len(topics) > MOST_TOPICS:
        raise ConfigError(
            "config-value",
            f"{VENUE} takes {MOST_TOPICS:,} subscriptions from one address, and {len(topics):,} would be needed",
            hint="ask for fewer instruments, or fewer channels",
        )
    shares = _shares([Topic(name, tuple(streams)) for name, streams in topics.items()])
    return [ConnectionPlan(f"{VENUE}/ws/{number}", PATH, tuple(share)) for number, share in enumerate(shares)]


def _shares(topics: Sequence[Topic]) -> Iterator[Sequence[Topic]]:
    """Cut into runs, none longer than another by more than one."""
    runs = min(MOST_SOCKETS, -(-len(topics) // COMFORTABLE))
    for run in range(runs):
        yield topics[len(topics) * run // runs : len(topics) * (run + 1) // runs]


def _message(method: str, names: Sequence[str]) -> bytes:
    """One message names one topic; ids are not part of it."""
    (name,) = names
    return msgspec.json.encode({"method": method, "subscription": msgspec.Raw(name.encode())})


def subscribe(names: Sequence[str], _: int) -> bytes:
    """Ask for a topic; the venue answers with the topic, not with an id."""
    return _message("subscribe", names)


def unsubscribe(names: Sequence[str], _: int) -> bytes:
    """Leave a topic."""
    return _message("unsubscribe", names)


#: A connection on which the venue has sent nothing for 60 s is closed by it, unless we ping.
DIALOGUE = Dialogue(
    subscribe=subscribe,
    unsubscribe=unsubscribe,
    topics_per_request=1,
    between_requests_s=0.125,
    ping=b'{"method":"ping"}',
    ping_every_s=30.0,
    between_connects_s=2.0,  # thirty a minute and address
)
