"""Which sockets to open, what to subscribe to on them, and the messages that do it.

Binance serves L1 and L2 on `/public` and everything else on `/market`; a stream asked for on the wrong route is
acknowledged and stays silent. A socket takes 1,024 streams; we stop at 200. A message names at most 50, so a full
socket needs four of the ten a second that Binance allows, of which it counts pongs too: one every 250 ms is safe.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, TypeVar

import msgspec

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, ConnectionPlan, Stream, Topic
from perpscope.ports import Dialogue
from perpscope.venues.binance.symbols import VENUE

TradeStream: TypeAlias = Literal["aggTrade", "trade"]
Route: TypeAlias = Literal["public", "market"]

STREAMS_PER_SOCKET = 200
STREAMS_PER_REQUEST = 50

_ROUTES: dict[str, Route] = {
    "trade": "public",  # undocumented for USD-M; found here
    "bookTicker": "public",
    "depth@100ms": "public",
    "aggTrade": "market",
    "kline_1m": "market",
    "kline_15m": "market",
    "kline_1h": "market",
    "markPrice@1s": "market",
    "forceOrder": "market",
}
#: What is streamed of one instrument; trades are what `trade_stream` says.
_SUFFIXES = {
    Channel.QUOTES: "bookTicker",
    Channel.BOOK: "depth@100ms",
    Channel.CANDLES_1M: "kline_1m",
    Channel.CANDLES_15M: "kline_15m",
    Channel.CANDLES_1H: "kline_1h",
    Channel.MARK_PRICES: "markPrice@1s",
    Channel.LIQUIDATIONS: "forceOrder",
}
_WHOLE_MARKET_LIQUIDATIONS = "!forceOrder@arr"
_CONTRACTS = "!contractInfo"  #: of the whole market only

_Item = TypeVar("_Item")


def connections(
    instruments: Sequence[Instrument], channels: Sequence[Channel], trade_stream: TradeStream
) -> list[ConnectionPlan]:
    """Sockets for every channel of every instrument, evenly filled, always the same for the same question.

    Contracts come from one stream for the whole market. Without instruments the liquidations of the whole market are
    to be had as well. Channels that Binance does not stream are left out.
    """
    suffixes = _SUFFIXES | {Channel.TRADES: trade_stream}
    routes: dict[Route, dict[str, Stream]] = {"public": {}, "market": {}}
    if Channel.CONTRACTS in channels:
        routes["market"][_CONTRACTS] = Stream(Channel.CONTRACTS, None)
    if not instruments and Channel.LIQUIDATIONS in channels:
        routes["market"][_WHOLE_MARKET_LIQUIDATIONS] = Stream(Channel.LIQUIDATIONS, None)
    for instrument in instruments:
        for channel in channels:
            if suffix := suffixes.get(channel):
                name = f"{instrument.symbol.lower()}@{suffix}"
                routes[_ROUTES[suffix]][name] = Stream(channel, instrument.id)
    return [
        ConnectionPlan(
            f"{VENUE}/{route}/{number}", f"/{route}/stream", tuple(Topic(name, (stream,)) for name, stream in share)
        )
        for route, streams in routes.items()
        for number, share in enumerate(_shares(list(streams.items()), STREAMS_PER_SOCKET))
    ]


def _shares(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    """Cut into as few runs of at most `most` as will do, none longer than another by more than one."""
    runs = -(-len(items) // most)
    for run in range(runs):
        yield items[len(items) * run // runs : len(items) * (run + 1) // runs]


def _message(method: str, names: Sequence[str], request_id: int) -> bytes:
    return msgspec.json.encode({"method": method, "params": list(names), "id": request_id})


#: Pings are the protocol's own frames, sent by Binance; a connection ends after 24 hours.
DIALOGUE = Dialogue(
    subscribe=lambda names, request_id: _message("SUBSCRIBE", names, request_id),
    unsubscribe=lambda names, request_id: _message("UNSUBSCRIBE", names, request_id),
    topics_per_request=STREAMS_PER_REQUEST,
    between_requests_s=0.25,
    lifetime_s=86_400.0,
)
