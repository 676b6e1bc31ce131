"""The floor of Bybit: the topic's first letter."""

from typing import Literal

from floors import Frame, Handle, Ids, Level, Message, Tell, reader


class _Fill(Message):
    T: int
    S: Literal["Buy", "Sell"]
    v: float
    p: float
    i: str
    BT: bool


class _Trades(Message):
    topic: str
    data: list[_Fill]


class _Levels(Message):
    b: list[Level]
    a: list[Level]
    u: int


class _Book(Message):
    topic: str
    type: Literal["snapshot", "delta"]
    cts: int
    data: _Levels


class _Tick(Message):
    markPrice: float = 0.0
    indexPrice: float = 0.0
    fundingRate: float = 0.0
    nextFundingTime: int = 0
    fundingIntervalHour: float = 0.0
    openInterest: float = 0.0
    openInterestValue: float = 0.0
    singleOpenInterest: float = 0.0
    singleOpenInterestValue: float = 0.0


class _Ticker(Message):
    topic: str
    type: Literal["snapshot", "delta"]
    ts: int
    data: _Tick


class _Bar(Message):
    start: int
    open: float
    close: float
    high: float
    low: float
    volume: float
    turnover: float
    confirm: bool


class _Bars(Message):
    topic: str
    ts: int
    data: list[_Bar]


class _Forced(Message):
    T: int
    s: str
    S: Literal["Buy", "Sell"]
    v: float
    p: float


class _Liquidations(Message):
    topic: str
    data: list[_Forced]


def floor(ids: Ids, tell: Tell) -> Handle:
    """Decode, look the instrument up, hand both on."""
    shapes = {"o": _Book, "p": _Trades, "t": _Ticker, "k": _Bars, "a": _Liquidations}
    readers = {ord(letter): reader(shape) for letter, shape in shapes.items()}
    kinds = ("orderbook.1.", "orderbook.200.", "publicTrade.", "tickers.", "kline.1.", "allLiquidation.")
    topics = {kind + symbol: instrument for symbol, instrument in ids.items() for kind in kinds}

    def handle(raw: Frame) -> None:
        message = readers[raw[10]](raw)
        tell[type(message)](message, topics[message.topic])

    return handle
