"""What can be listened to, and what a frame turned out to be besides events."""

import enum
import string

import msgspec

from perpscope.model.instrument import InstrumentId

#: Parameters that people never get to see.
_SECRET_PARAMS = frozenset({"signature", "apiKey", "listenKey"})
_HIDDEN = "***"
#: Bytes that stand for themselves in a URL (RFC 3986, 2.3), and how each byte stands there.
_UNRESERVED = frozenset((string.ascii_letters + string.digits + "-._~").encode())
_IN_URL = tuple(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256))


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
    OPEN_INTEREST = "open_interest"
    ACCOUNT_RATIOS = "account_ratios"  #: long and short accounts, top accounts, top positions
    TAKER_VOLUME = "taker_volume"
    POSITIONS = "positions"  #: of accounts anybody may look at
    CONTRACTS = "contracts"  #: listings, delistings, margin tiers
    FUNDING = "funding"  #: what was paid; what is due comes with mark prices


class Urgency(enum.Enum):
    """Who goes first where a venue's limit makes somebody wait."""

    ORDER = "order"  #: orders, cancels and what protects a position
    DATA = "data"  #: what is happening now
    PAST = "past"  #: what can be asked for later as well


class Stream(msgspec.Struct, frozen=True, gc=False):
    """One channel of one instrument, or of every instrument where `instrument` is None."""

    channel: Channel
    instrument: InstrumentId | None


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A REST call to be made by somebody who has a socket."""

    method: str = "GET"
    path: str  #: e.g. "/fapi/v1/depth"
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None  #: JSON, of a POST
    weight: int = 1  #: in the venue's own request-weight units
    urgency: Urgency = Urgency.DATA
    headers: tuple[tuple[str, str], ...] = ()  #: besides the usual ones; never shown
    site: str = ""  #: base URL, where the venue answers this call elsewhere than all others

    @property
    def query(self) -> str:
        """The parameters as they are sent, and signed: percent-encoded, in their order."""
        return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in self.params)

    def __repr__(self) -> str:
        """Without what proves who we are: headers, signatures and listen keys."""
        params = tuple((name, _HIDDEN if name in _SECRET_PARAMS else value) for name, value in self.params)
        headers = tuple((name, _HIDDEN) for name, _ in self.headers)
        return f"HttpRequest({self.method} {self.path}, params={params}, headers={headers}, body={self.body!r})"


def _encoded(text: str) -> str:
    """Percent-encoded."""
    return "".join(map(_IN_URL.__getitem__, text.encode()))


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A REST call to be made again and again, and what its replies are about."""

    name: str  #: unique and stable: "binance/open_interest/BTCUSDT"; recordings keep a reply under it
    request: HttpRequest
    streams: tuple[Stream, ...]
    every_s: float  #: seconds of market time between two calls


class Topic(msgspec.Struct, frozen=True):
    """One thing to subscribe to, and what it carries.

    A topic may carry several streams (a ticker: mark price and open interest), and a stream may need several topics of
    the same connection (mark, index and funding): it is listened to when all of them are acknowledged.
    """

    name: str  #: as the venue's messages and acknowledgements name it; canonical JSON where that is an object
    streams: tuple[Stream, ...]


class ConnectionPlan(msgspec.Struct, frozen=True):
    """One socket to open: where, and what to subscribe to when it is open."""

    name: str  #: unique and stable: "binance/market/0"
    path: str  #: joined to the venue's WebSocket base URL: "/market/stream"
    topics: tuple[Topic, ...]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream this connection carries, once."""
        return tuple(dict.fromkeys(stream for topic in self.topics for stream in topic.streams))


class Control(msgspec.Struct, frozen=True):
    """An answer to one of our messages, or a word about the connection itself."""

    request_id: int | str | None  #: of the message answered, where the venue repeats it
    error: str | None  #: None for an acknowledgement
    topic: str | None = None  #: name of the `Topic` answered about, where the venue repeats that
    is_closing: bool = False  #: the venue is about to end the connection


class Ignored(msgspec.Struct, frozen=True):
    """A well-formed frame that is none of our business, and why."""

    reason: str  #: kebab-case: "coin-m", "unlisted-channel", "unknown-symbol", "insurance-fund", "retired-api"
