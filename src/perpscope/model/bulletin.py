"""What the heart tells its faces over a bus: messages, their topics, and what a message of each holds."""

import enum
from typing import TypeAlias

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import Candle, Gap, Liquidation, OpenInterest


class Topic(enum.Enum):
    """A kind of message; its payload is msgpack of what is named here."""

    EVENTS = "events"  #: `list[Event]`, as they happen; no key, none may go lost unnoticed
    MARKET = "market"  #: `MarketLine`, once a second where it changed; key: the instrument's id
    STATUS = "status"  #: JSON of `app.status.Status`, once a second; no other key than "heart"
    MAPS = "maps"  #: `MapNews`, when a map kept current was brought up to date; key: coin or id
    SIGNALS = "signals"  #: `list[model.order.Signal]`, as strategies and models think; no key


#: What happened, that faces show one by one. Only closed candles.
Event: TypeAlias = Liquidation | OpenInterest | Candle | Gap


class MarketLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One instrument as it stands."""

    instrument: InstrumentId
    ts_market: int  #: ns UTC, market time of this line
    mark: float | None = None  #: quote per base
    index: float | None = None
    last: float | None = None  #: of the last trade, quote per base
    funding_rate: float | None = None  #: fraction per interval
    funding_interval_h: float | None = None
    ts_next_funding: int | None = None  #: ns UTC
    open_interest: float | None = None  #: base units, one side
    open_interest_usd: float | None = None
    candle: Candle | None = None  #: of one minute, forming or just closed


class MapNews(msgspec.Struct, frozen=True):
    """A map kept current was brought up to date."""

    name: str  #: coin or id
    ts_market: int  #: ns UTC, the map's as-of


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a heart tells its faces, once."""

    topic: str
    payload: bytes
    seq: int  #: of its publisher, 1, 2, 3 … over all topics; a step beyond 1 on a topic does not mean a loss
    run: str  #: names the publisher's life: a new heart begins anew with seq 1
    key: str | None = None  #: of a state: only the newest of each (topic, key) matters, and late comers are told it
    missed: int = 0  #: messages without a key that went lost for this subscriber right before this one


class BusHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one end of a bus is doing."""

    is_connected: bool
    queued: int = 0  #: messages that wait for the other end
    spilled: int = 0  #: of those, on disk
    dropped: int = 0  #: messages nobody will get, since the start
    dead: int = 0  #: messages set aside because nobody could read them, since the start
    why: str | None = None  #: while it is not connected
