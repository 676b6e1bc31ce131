"""The floor of OKX: the channel's first letters."""

from typing import Literal

from floors import Frame, Handle, Ids, Message, Tell, reader


class _Arg(Message):
    channel: str
    instId: str = ""


class _Trade(Message):
    tradeId: int
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: int


class _Trades(Message):
    arg: _Arg
    data: list[_Trade]


class _Level(Message, array_like=True):
    price: float
    size: float


class _Levels(Message):
    asks: list[_Level]
    bids: list[_Level]
    ts: int
    seqId: int
    prevSeqId: int = 0


class _Book(Message):
    arg: _Arg
    data: list[_Levels]


class _Bars(Message):
    arg: _Arg
    data: list[tuple[int, float, float, float, float, float, float, float, int]]


class _Row(Message):
    instId: str
    ts: int
    markPx: float = 0.0
    idxPx: float = 0.0
    fundingRate: float = 0.0
    fundingTime: int = 0
    nextFundingTime: int = 0
    oiCcy: float = 0.0
    oiUsd: float = 0.0


class _Rows(Message):
    arg: _Arg
    data: list[_Row]


class _Detail(Message):
    bkPx: float
    sz: float
    posSide: str
    side: Literal["buy", "sell"]
    ts: int


class _Forced(Message):
    instId: str
    details: list[_Detail]


class _Liquidations(Message):
    arg: _Arg
    data: list[_Forced]


def floor(ids: Ids, tell: Tell) -> Handle:
    """Decode, look the instrument up, hand both on."""
    shapes = {"trades": _Trades, "bbo-tbt": _Book, "books": _Book, "candle1m": _Bars}
    shapes |= dict.fromkeys(("mark-price", "index-tickers", "funding-rate", "open-interest"), _Rows)
    shapes |= {"liquidation-orders": _Liquidations}
    readers = {name[:5].encode(): reader(shape) for name, shape in shapes.items()}
    known = {**ids, **{symbol.removesuffix("-SWAP"): instrument for symbol, instrument in ids.items()}, "": None}

    def handle(raw: Frame) -> None:
        message = readers[bytes(raw[19:24])](raw)
        tell[type(message)](message, known[message.arg.instId])

    return handle
