"""What the toy exchange sends: one object a frame, its kind in `k`, the contract in `m`, milliseconds in `t`."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0, lt=1e12)]
Amount = Annotated[float, Meta(ge=0, lt=1e12)]
Rate = Annotated[float, Meta(gt=-1, lt=1)]
Millis = Annotated[int, Meta(gt=10**12, lt=10**13)]
Number = Annotated[int, Meta(ge=1, lt=2**53)]


class Told(msgspec.Struct, tag_field="k"):
    """What every message says."""

    channel: ClassVar[str]
    m: str
    t: Millis


class Trades(Told, tag="t"):
    """Rows of id, taker (b or s), price, lots."""

    channel: ClassVar[str] = "trades"
    x: Annotated[list[tuple[str, Literal["b", "s"], Positive, Positive]], Meta(min_length=1)]


class Book(Told, tag="b"):
    """Levels of price and lots; `whole`, or what differs from number `n` - 1."""

    channel: ClassVar[str] = "book"
    n: Number
    whole: bool
    bid: list[tuple[Positive, Amount]]
    ask: list[tuple[Positive, Amount]]


class Mark(Told, tag="m"):
    """Mark and index price, and the funding that is due at `due`, every so many hours."""

    channel: ClassVar[str] = "mark"
    mark: Positive
    index: Positive
    fund: Rate
    due: Millis
    hours: Annotated[float, Meta(gt=0, le=24)]


class Liquidated(Told, tag="l"):
    """A position of the side `pos` was taken over, at its bankruptcy price; every one is published."""

    channel: ClassVar[str] = "liquidations"
    id: str
    pos: Literal["long", "short"]
    lots: Positive
    at: Positive


class Bar(Told, tag="c"):
    """The minute from `since`, `over` or forming."""

    channel: ClassVar[str] = "minutes"
    since: Millis
    o: Positive
    h: Positive
    l: Positive  # noqa: E741  # the wire's name
    c: Positive
    lots: Amount
    over: bool

    def __post_init__(self) -> None:
        """Low, then open and close, then high, from a whole minute on."""
        if not self.l <= min(self.o, self.c) <= max(self.o, self.c) <= self.h:
            raise ValueError("prices out of order")
        if self.since % 60_000:
            raise ValueError("not a whole minute")


class Advert(msgspec.Struct, tag_field="k", tag="ad"):
    """Not market data."""


class Answer(msgspec.Struct, tag_field="k", tag="re"):
    """To one of our messages, about one topic."""

    no: int
    ok: bool
    what: str
    why: str = ""


Message = Trades | Book | Mark | Liquidated | Bar | Advert | Answer
read = msgspec.json.Decoder(Message).decode
