"""What can be listened to, and what a frame turned out to be besides events."""

import enum

import msgspec

from perpscope.model.instrument import InstrumentId


class Channel(enum.Enum):
    """A kind of feed, named alike for every venue."""

    TRADES = "trades"
    QUOTES = "quotes"
    BOOK = "book"
    CANDLES_1M = "candles_1m"
    CANDLES_15M = "candles_15m"
    CANDLES_1H = "candles_1h"
    MARK_PRICES = "mark_prices"
    LIQUIDATIONS = "liquidations"


class Stream(msgspec.Struct, frozen=True, gc=False):
    """One channel of one instrument, or of every instrument where `instrument` is None."""

    channel: Channel
    instrument: InstrumentId | None


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A REST call to be made by somebody who has a socket."""

    method: str = "GET"
    path: str  #: e.g. "/fapi/v1/depth"
    params: tuple[tuple[str, str], ...] = ()
    weight: int = 1  #: in the venue's own request-weight units


class SubscribeRequest(msgspec.Struct, frozen=True):
    """One control message that subscribes, and what it subscribes to."""

    id: int
    payload: bytes
    streams: tuple[Stream, ...]


class ConnectionPlan(msgspec.Struct, frozen=True):
    """One socket to open: where, and what to send when it is open."""

    name: str  #: unique and stable: "binance/market/0"
    path: str  #: joined to the venue's WebSocket base URL: "/market/stream"
    requests: tuple[SubscribeRequest, ...]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream this connection carries."""
        return tuple(stream for request in self.requests for stream in request.streams)


class Control(msgspec.Struct, frozen=True):
    """An answer to one of our control messages."""

    request_id: int | str | None
    error: str | None  #: None for an acknowledgement


class Ignored(msgspec.Struct, frozen=True):
    """A well-formed frame that is none of our business, and why."""

    reason: str  #: kebab-case: "coin-m", "unlisted-channel", "unknown-symbol", "insurance-fund", "retired-api"
