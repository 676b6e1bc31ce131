"""Which sockets to open, and what is said on them.

Candles are served on `/business`, all else on `/public`; a channel asked for on the wrong path is refused. OKX
recommends fewer than 30 books to a connection and takes 64 KB of subscriptions; we stop at 25 instruments with books
and at 200 topics (14 KB). Mark price, index and funding of an instrument share a socket, as one decoder joins them.
Liquidations and listings are published for all perpetuals at once: one topic, on the first socket.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import msgspec

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.ports import Dialogue
from perpscope.venues.okx.symbols import VENUE
from perpscope.venues.okx.wire import Arg

BOOKS_PER_SOCKET = 25
TOPICS_PER_SOCKET = 200
TOPICS_PER_REQUEST = 100
PUBLIC, BUSINESS = "public", "business"

#: Channels of one instrument: what each takes, by `instId`.
_PUBLIC = {
    Channel.TRADES: ("trades",),
    Channel.QUOTES: ("bbo-tbt",),
    Channel.BOOK: ("books",),
    Channel.MARK_PRICES: ("mark-price", "index-tickers", "funding-rate"),
    Channel.OPEN_INTEREST: ("open-interest",),
}
_BUSINESS = {
    Channel.CANDLES_1M: ("candle1m",),
    Channel.CANDLES_15M: ("candle15m",),
    Channel.CANDLES_1H: ("candle1H",),
}
#: Channels of all perpetuals at once.
_WHOLE_MARKET = {Channel.LIQUIDATIONS: "liquidation-orders", Channel.CONTRACTS: "instruments"}
CHANNELS = frozenset((*_PUBLIC, *_BUSINESS, *_WHOLE_MARKET))

_Item = TypeVar("_Item")
_Args: TypeAlias = Callable[[Sequence[str], int], bytes]


def connections(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
    """Sockets for every channel of every instrument, evenly filled, always the same for the same question.

    Listings come from one stream for the whole market. Without instruments the liquidations of the whole market are to
    be had as well. Channels that OKX does not stream are left out.
    """
    asked = tuple(dict.fromkeys(channels))
    named = list({instrument.id: instrument for instrument in instruments}.values())
    public = _sockets(PUBLIC, named, {channel: _PUBLIC[channel] for channel in asked if channel in _PUBLIC})
    business = _sockets(BUSINESS, named, {channel: _BUSINESS[channel] for channel in asked if channel in _BUSINESS})
    market = _whole_market(named, asked)
    if market and public:
        public[0] = ConnectionPlan(public[0].name, public[0].path, public[0].topics + market)
    elif market:
        public = [_socket(PUBLIC, 0, market)]
    return public + business


def _sockets(
    path: str, instruments: Sequence[Instrument], channels: dict[Channel, tuple[str, ...]]
) -> list[ConnectionPlan]:
    """Sockets of one path; an instrument's topics are never parted."""
    width = sum(map(len, channels.values()))
    if not width:
        return []
    most = (TOPICS_PER_SOCKET - len(_WHOLE_MARKET)) // width
    if Channel.BOOK in channels:
        most = min(most, BOOKS_PER_SOCKET)
    return [
        _socket(path, number, tuple(topic for instrument in share for topic in _topics(instrument, channels)))
        for number, share in enumerate(_shares(instruments, most))
    ]


def _socket(path: str, number: int, topics: tuple[Topic, ...]) -> ConnectionPlan:
    return ConnectionPlan(f"{VENUE}/{path}/{number}", f"/ws/v5/{path}", topics)


def _topics(instrument: Instrument, channels: dict[Channel, tuple[str, ...]]) -> Iterator[Topic]:
    for channel, words in channels.items():
        for word in words:
            # An index is named by the first two parts of its perpetual's name.
            name = instrument.symbol.removesuffix("-SWAP") if word == "index-tickers" else instrument.symbol
            yield Topic(Arg(channel=word, instId=name).topic, (Stream(channel, instrument.id),))


def _whole_market(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> tuple[Topic, ...]:
    """Topics of all perpetuals. Liquidations count as listened to for each instrument asked for, listings for all."""
    topics = []
    for channel in channels:
        if channel in _WHOLE_MARKET:
            whose = [instrument.id for instrument in instruments] if channel is Channel.LIQUIDATIONS else []
            streams = tuple(Stream(channel, instrument) for instrument in whose) or (Stream(channel, None),)
            topics.append(Topic(Arg(channel=_WHOLE_MARKET[channel], instType="SWAP").topic, streams))
    return tuple(topics)


def _shares(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    """Cut into as few runs of at most `most` as will do, none longer than another by more than one."""
    runs = -(-len(items) // most)
    for run in range(runs):
        yield items[len(items) * run // runs : len(items) * (run + 1) // runs]


def _request(operation: str) -> _Args:
    """A message that names topics; OKX repeats its id, a string, in each answer."""

    def encode(topics: Sequence[str], request_id: int) -> bytes:
        args = [msgspec.Raw(name.encode()) for name in topics]
        return msgspec.json.encode({"id": str(request_id), "op": operation, "args": args})

    return encode


#: A connection takes 480 messages of ours an hour. A full socket is subscribed to with two, and each book begun anew
#: costs two more: a feed that lost 230 books an hour, on one socket, would meet the limit.
DIALOGUE = Dialogue(
    subscribe=_request("subscribe"),
    unsubscribe=_request("unsubscribe"),
    topics_per_request=TOPICS_PER_REQUEST,
    between_requests_s=0.5,
    ping=b"ping",
    ping_every_s=20.0,  # the server ends a connection that was idle for 30 s
    between_connects_s=0.4,  # three a second and address
)
