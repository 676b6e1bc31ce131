"""What the toy exchange answers when it is asked: its list, its day, and what is held of a contract."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent, OpenInterest
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.ports import Catalogue

from .stream import MS
from .symbols import LOT, VENUE, instrument_named
from .wire import Amount, Millis

T = TypeVar("T")

POLLED = frozenset({Channel.OPEN_INTEREST})
_EVERY_S = 5.0
_HELD = f"{VENUE}/{Channel.OPEN_INTEREST.value}/"


class _Contract(msgspec.Struct):
    name: str
    tick: Decimal
    live: bool


class _List(msgspec.Struct):
    contracts: list[_Contract]


class _Day(msgspec.Struct):
    day: dict[str, Amount]  #: dollars


class _Held(msgspec.Struct):
    name: str
    t: Millis
    lots: Amount


_list = msgspec.json.Decoder(_List)
_day = msgspec.json.Decoder(_Day)
_held = msgspec.json.Decoder(_Held)


def instruments(raw: bytes) -> Catalogue:
    """The list; raises FrameError."""
    found = [(row, instrument_named(row.name)) for row in _read(_list, raw).contracts]
    return Catalogue(
        [
            replace(known, tick_size=row.tick, step_size=LOT, is_trading=row.live)
            for row, known in found
            if known is not None
        ]
    )


def turnover(raw: bytes) -> dict[str, float]:
    """Dollars traded in a day; raises FrameError."""
    return _read(_day, raw).day


def polls(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
    """Open interest of each."""
    return [
        Poll(
            name=_HELD + instrument.symbol,
            request=HttpRequest(path="/held", params=(("name", instrument.symbol),)),
            streams=(Stream(Channel.OPEN_INTEREST, instrument.id),),
            every_s=_EVERY_S,
        )
        for instrument in instruments
        if Channel.OPEN_INTEREST in channels
    ]


def polled_events(poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]) -> list[MarketEvent]:
    """Open interest; raises FrameError."""
    held = _read(_held, raw)
    if poll != _HELD + held.name:
        raise FrameError(f"toy told what is held of {held.name} to {poll}", venue=VENUE)
    instrument = catalogue.get(held.name) if catalogue else instrument_named(held.name)
    if instrument is None:
        return []
    return [OpenInterest(instrument.id, held.t * MS, ts_recv, held.lots * float(LOT), None)]


def _read(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"toy: {error}: {raw[:80]!r}", venue=VENUE) from error
