"""The floor of Bitget: the bytes where the topic stands."""

from typing import Literal

from floors import Frame, Handle, Ids, Level, Message, Tell, reader


class _Arg(Message):
    instType: str
    topic: str
    symbol: str = ""
    interval: str = ""


class _Trade(Message):
    i: str
    p: float
    v: float
    S: Literal["buy", "sell"]
    T: int


class _Trades(Message):
    action: Literal["snapshot", "update"]
    arg: _Arg
    data: list[_Trade]


class _Levels(Message):
    a: list[Level]
    b: list[Level]
    seq: int
    pseq: int
    ts: int


class _Book(Message):
    action: Literal["snapshot", "update"]
    arg: _Arg
    data: tuple[_Levels]


class _Bar(Message):
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float


class _Bars(Message):
    arg: _Arg
    data: list[_Bar]
    ts: int


class _Tick(Message):
    markPrice: float
    indexPrice: float
    fundingRate: float
    nextFundingTime: int
    openInterest: float


class _Ticker(Message):
    arg: _Arg
    data: tuple[_Tick]
    ts: int


class _Forced(Message):
    symbol: str
    side: Literal["buy", "sell"]
    price: float
    amount: float
    ts: int


class _Liquidations(Message):
    arg: _Arg
    data: list[_Forced]


def floor(ids: Ids, tell: Tell) -> Handle:
    """Decode, look the instrument up, hand both on."""
    shapes = {"publicTrade": _Trades, "books": _Book, "books1": _Book, "kline": _Bars}
    shapes |= {"ticker": _Ticker, "liquidation": _Liquidations}
    begins = '{{"action":"{}","arg":{{"instType":"usdt-futures","topic":"{}","symbol":"'
    readers = {
        begins.format(action, topic).encode()[58:70]: reader(shape)
        for action in ("snapshot", "update")
        for topic, shape in shapes.items()
    }
    known = {**ids, "": None}

    def handle(raw: Frame) -> None:
        message = readers[bytes(raw[58:70])](raw)
        tell[type(message)](message, known[message.arg.symbol])

    return handle
