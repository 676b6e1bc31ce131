"""The floor of Binance: a tagged union by `e`."""

from typing import Literal

from floors import Frame, Handle, Ids, Level, Message, Tell, reader


class _Trade(Message, tag_field="e", tag="aggTrade"):
    s: str
    a: int
    p: float
    q: float
    T: int
    m: bool


class _Top(Message, tag_field="e", tag="bookTicker"):
    s: str
    u: int
    b: float
    B: float
    a: float
    A: float
    T: int


class _Book(Message, tag_field="e", tag="depthUpdate"):
    s: str
    T: int
    U: int
    u: int
    pu: int
    b: list[Level]
    a: list[Level]


class _Bar(Message):
    t: int
    i: str
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the venue's own name
    v: float
    n: int
    x: bool
    q: float
    V: float
    Q: float


class _Kline(Message, tag_field="e", tag="kline"):
    s: str
    E: int
    k: _Bar


class _Mark(Message, tag_field="e", tag="markPriceUpdate"):
    s: str
    E: int
    p: float
    T: int
    i: float
    r: float


class _Order(Message):
    s: str
    S: Literal["BUY", "SELL"]
    q: float
    z: float
    p: float
    ap: float
    X: str
    T: int


class _Force(Message, tag_field="e", tag="forceOrder"):
    o: _Order

    @property
    def s(self) -> str:
        return self.o.s


class _Frame(Message):
    data: _Trade | _Top | _Book | _Kline | _Mark | _Force


def floor(ids: Ids, tell: Tell) -> Handle:
    """Decode, look the instrument up, hand both on."""
    read = reader(_Frame)

    def handle(raw: Frame) -> None:
        message = read(raw).data
        tell[type(message)](message, ids[message.s])

    return handle
