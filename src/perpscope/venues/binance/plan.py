"""Which sockets to open, and what to send on them.

Binance serves L1 and L2 on `/public` and everything else on `/market`; a stream asked for on the wrong route is
acknowledged and stays silent. A socket takes 1,024 streams; we stop at 200. A SUBSCRIBE names at most 50, so a full
socket needs four messages of the ten a second that Binance allows: a feed that sends one every 150 ms is safe.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, TypeVar

import msgspec

from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel, ConnectionPlan, Stream, SubscribeRequest
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

_Item = TypeVar("_Item")


def connections(
    instruments: Sequence[Instrument], channels: Sequence[Channel], trade_stream: TradeStream
) -> list[ConnectionPlan]:
    """Sockets for every channel of every instrument, evenly filled, always the same for the same question.

    Without instruments there is one stream to be had: the liquidations of the whole market, if they are asked for.
    """
    routes: dict[Route, dict[str, Stream]] = {"public": {}, "market": {}}
    if not instruments and Channel.LIQUIDATIONS in channels:
        routes["market"][_WHOLE_MARKET_LIQUIDATIONS] = Stream(Channel.LIQUIDATIONS, None)
    for instrument in instruments:
        for channel in channels:
            suffix = _SUFFIXES.get(channel, trade_stream)
            name = f"{instrument.symbol.lower()}@{suffix}"
            routes[_ROUTES[suffix]][name] = Stream(channel, instrument.id)
    return [
        ConnectionPlan(f"{VENUE}/{route}/{number}", f"/{route}/stream", _requests(share))
        for route, streams in routes.items()
        for number, share in enumerate(_shares(list(streams.items()), STREAMS_PER_SOCKET))
    ]


def _requests(streams: Sequence[tuple[str, Stream]]) -> tuple[SubscribeRequest, ...]:
    """SUBSCRIBE messages; ids count from 1 on each connection."""
    return tuple(
        SubscribeRequest(
            number,
            msgspec.json.encode({"method": "SUBSCRIBE", "params": [name for name, _ in share], "id": number}),
            tuple(stream for _, stream in share),
        )
        for number, share in enumerate(_shares(streams, STREAMS_PER_REQUEST), start=1)
    )


def _shares(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    """Cut into as few runs of at most `most` as will do, none longer than another by more than one."""
    runs = -(-len(items) // most)
    for run in range(runs):
        yield items[len(items) * run // runs : len(items) * (run + 1) // runs]
