"""Which sockets to open, and what to say on them.

https://bybit-exchange.github.io/docs/v5/ws/connect
The names of all topics of a public socket may be 21,000 characters long together, their quotes and commas included;
their number is not limited, nor how many one message names. We stop at 300 a socket, so that losing one costs a part
of the market only, and name 20 in a message: one bad name costs the whole message. There is no topic for the
liquidations of the whole market.
"""

from collections.abc import Iterator, Sequence

import msgspec

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.ports import Dialogue
from perpscope.venues.bybit.symbols import VENUE

PATH = "/v5/public/linear"
TOPICS_PER_SOCKET = 300
TOPICS_PER_REQUEST = 20
#: Characters (counted as UTF-8 bytes) of all topics of a socket; the venue allows 21,000.
TOPIC_CHARACTERS = 20_000

_PREFIXES = {
    Channel.TRADES: "publicTrade",
    Channel.QUOTES: "orderbook.1",
    Channel.BOOK: "orderbook.200",
    Channel.CANDLES_1M: "kline.1",
    Channel.CANDLES_15M: "kline.15",
    Channel.CANDLES_1H: "kline.60",
    Channel.MARK_PRICES: "tickers",
    Channel.OPEN_INTEREST: "tickers",
    Channel.LIQUIDATIONS: "allLiquidation",
}
CHANNELS = frozenset(_PREFIXES)


def connections(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
    """Sockets for every channel of every instrument, evenly filled, always the same for the same question."""
    carried: dict[str, dict[Stream, None]] = {}
    for instrument in instruments:
        for channel in channels:
            prefix = _PREFIXES.get(channel)
            if prefix is not None:
                streams = carried.setdefault(f"{prefix}.{instrument.symbol}", {})
                streams[Stream(channel, instrument.id)] = None
    topics = [Topic(name, tuple(streams)) for name, streams in carried.items()]
    return [
        ConnectionPlan(f"{VENUE}/linear/{number}", PATH, tuple(share)) for number, share in enumerate(_shares(topics))
    ]


def _shares(topics: Sequence[Topic]) -> Iterator[Sequence[Topic]]:
    """Cut into as few runs as the limits allow, none longer than another by more than one."""
    runs = -(-len(topics) // TOPICS_PER_SOCKET)
    while any(_characters(share) > TOPIC_CHARACTERS for share in _cut(topics, runs)) and runs < len(topics):
        runs += 1
    return _cut(topics, runs)


def _cut(topics: Sequence[Topic], runs: int) -> Iterator[Sequence[Topic]]:
    for run in range(runs):
        yield topics[len(topics) * run // runs : len(topics) * (run + 1) // runs]


def _characters(topics: Sequence[Topic]) -> int:
    return sum(len(topic.name.encode()) + len('"",') for topic in topics)


def _asking(op: str, topics: Sequence[str], request_id: int) -> bytes:
    return msgspec.json.encode({"req_id": str(request_id), "op": op, "args": [*topics]})


def _subscribe(topics: Sequence[str], request_id: int) -> bytes:
    return _asking("subscribe", topics, request_id)


def _unsubscribe(topics: Sequence[str], request_id: int) -> bytes:
    return _asking("unsubscribe", topics, request_id)


#: No rate of messages is documented; 18 at once were not refused (2026-09), and ten a second are enough.
DIALOGUE = Dialogue(
    subscribe=_subscribe,
    unsubscribe=_unsubscribe,
    topics_per_request=TOPICS_PER_REQUEST,
    between_requests_s=0.1,
    ping=b'{"op":"ping"}',
    ping_every_s=20.0,
)
