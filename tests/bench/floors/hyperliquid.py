"""The floor of Hyperliquid: a tagged union by `channel`."""

from typing import Literal

from floors import Frame, Handle, Ids, Message, Tell, reader


class _Trade(Message):
    coin: str
    side: Literal["B", "A"]
    px: float
    sz: float
    time: int
    tid: int


class _Trades(Message, tag_field="channel", tag="trades"):
    data: list[_Trade]


class _Level(Message):
    px: float
    sz: float


class _Levels(Message):
    coin: str
    time: int
    levels: tuple[list[_Level], list[_Level]]


class _Book(Message, tag_field="channel", tag="l2Book"):
    data: _Levels


class _Offers(Message):
    coin: str
    time: int
    bbo: tuple[_Level | None, _Level | None]


class _Top(Message, tag_field="channel", tag="bbo"):
    data: _Offers


class _Bar(Message):
    t: int
    T: int
    s: str
    i: str
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the venue's own name
    v: float
    n: int

    @property
    def coin(self) -> str:
        return self.s


class _Candle(Message, tag_field="channel", tag="candle"):
    data: _Bar


class _Ctx(Message):
    funding: float
    openInterest: float
    oraclePx: float
    markPx: float


class _Coin(Message):
    coin: str
    ctx: _Ctx


class _Ticker(Message, tag_field="channel", tag="activeAssetCtx"):
    data: _Coin


def floor(ids: Ids, tell: Tell) -> Handle:
    """Decode, look the instrument up, hand both on."""
    read = reader(_Trades | _Book | _Top | _Candle | _Ticker)

    def handle(raw: Frame) -> None:
        message = read(raw)
        data = message.data
        tell[type(message)](message, ids[data[0].coin if type(data) is list else data.coin])

    return handle
