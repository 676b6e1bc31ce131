"""Which sockets to open, and what to say on them.

https://www.bitget.com/api-doc/uta/websocket/intro
A socket takes 1,000 topics, but fewer than 50 are recommended; 100 sockets may be open per address, 10 messages a
second be sent on each, and 240 subscriptions an hour. The venue wants the text "ping" every 30 s, closes after two
minutes without, and ends every connection after 24 hours. One ticker topic carries both mark price and open interest,
and one liquidation topic the whole market.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.ports import Dialogue
from perpscope.venues.bitget.answers import topic_name
from perpscope.venues.bitget.symbols import VENUE
from perpscope.venues.bitget.wire import USDT_FUTURES, Arg

PATH = "/v3/ws/public"
TOPICS_PER_SOCKET = 48
TOPICS_PER_REQUEST = 20  #: a request of 25 was seen to cost the connection; earlier APIs took no message above 4 kB

#: Channel → topic and interval.
_TOPICS = {
    Channel.TRADES: ("publicTrade", ""),
    Channel.QUOTES: ("books1", ""),
    Channel.BOOK: ("books", ""),
    Channel.CANDLES_1M: ("kline", "1m"),
    Channel.CANDLES_15M: ("kline", "15m"),
    Channel.CANDLES_1H: ("kline", "1H"),
    Channel.MARK_PRICES: ("ticker", ""),
    Channel.OPEN_INTEREST: ("ticker", ""),
}
CHANNELS = frozenset({*_TOPICS, Channel.LIQUIDATIONS})
_LIQUIDATIONS = topic_name(Arg(USDT_FUTURES, "liquidation"))

_Item = TypeVar("_Item")


def connections(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
    """Sockets for every channel of every instrument, evenly filled, always the same for the same question.

    Without instruments there is one stream to be had: the liquidations of the whole market, if they are asked for.
    """
    streams: dict[str, list[Stream]] = {}
    if Channel.LIQUIDATIONS in channels:
        whose: list[InstrumentId | None] = [instrument.id for instrument in instruments]
        streams[_LIQUIDATIONS] = [Stream(Channel.LIQUIDATIONS, instrument) for instrument in whose or [None]]
    for instrument in instruments:
        for channel in channels:
            if channel in _TOPICS:
                topic, interval = _TOPICS[channel]
                name = topic_name(Arg(USDT_FUTURES, topic, instrument.symbol, interval))
                streams.setdefault(name, []).append(Stream(channel, instrument.id))
    topics = [Topic(name, tuple(dict.fromkeys(carried))) for name, carried in streams.items()]
    return [
        ConnectionPlan(f"{VENUE}/public/{number}", PATH, tuple(share))
        for number, share in enumerate(_shares(topics, TOPICS_PER_SOCKET))
    ]


def _message(op: str, names: Sequence[str]) -> bytes:
    args = [msgspec.Raw(name.encode()) for name in names]
    return msgspec.json.encode({"op": op, "args": args})


def subscribe(names: Sequence[str], _request_id: int) -> bytes:
    """Ask for topics; the venue knows no request ids."""
    return _message("subscribe", names)


def unsubscribe(names: Sequence[str], _request_id: int) -> bytes:
    """Leave topics."""
    return _message("unsubscribe", names)


DIALOGUE = Dialogue(
    subscribe=subscribe,
    unsubscribe=unsubscribe,
    topics_per_request=TOPICS_PER_REQUEST,
    between_requests_s=0.25,
    ping=b"ping",
    ping_every_s=25.0,
    lifetime_s=86_400.0,
)


def _shares(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    """Cut into as few runs of at most `most` as will do, none longer than another by more than one."""
    runs = -(-len(items) // most)
    for run in range(runs):
        yield items[len(items) * run // runs : len(items) * (run + 1) // runs]
