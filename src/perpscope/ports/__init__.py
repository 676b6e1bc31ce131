"""Every extension point, on one page. Whoever needs an effect takes one of these as an argument.

The pure rooms below (`engine`, `venues`, `strategies`) see only these shapes; `app` constructs what stands behind
them. Nothing here does anything.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import ModuleType
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from perpscope.model.bulletin import BusHealth, Message
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent, RatioKind
from perpscope.model.order import Arrival
from perpscope.model.stream import Channel, ConnectionPlan, Control, HttpRequest, Ignored, Poll

#: A list of events, an answer to a control message, or the reason to pass the frame over.
Decoded: TypeAlias = list[MarketEvent] | Control | Ignored


class Clock(Protocol):
    """Market time. Only `feeds.clock` implements it; everyone else is handed one."""

    def now_ns(self) -> int:
        """Market time, ns UTC; never goes back."""
        ...


class Decoder(Protocol):
    """Turns one connection's frames into events. Lives exactly as long as the connection."""

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Decode one frame received at `ts_recv` (ns UTC).

        Raises:
            FrameError: the frame is not what the venue documents.
        """
        ...

    @property
    def named(self) -> Mapping[str, Instrument]:
        """Instruments known so far by their symbol alone; a catalogue's are not among them."""
        ...


class Dialogue(msgspec.Struct, frozen=True, kw_only=True):
    """What is said on a venue's connections besides data, and how long they last. Seconds are real ones."""

    subscribe: Callable[[Sequence[str], int], bytes]  #: (topic names, request id) → message
    unsubscribe: Callable[[Sequence[str], int], bytes]
    topics_per_request: int  #: most topics one message names
    between_requests_s: float  #: between two of our messages, to stay within the venue's rate
    ping: bytes | None = None  #: to be sent every `ping_every_s`; None where pings are the protocol's own frames
    ping_every_s: float = 0.0
    lifetime_s: float | None = None  #: the venue ends a connection so long after it was opened
    between_connects_s: float = 0.0  #: between two connections of one address, to stay within the venue's rate


class Catalogue(msgspec.Struct, frozen=True):
    """One page of what a venue lists."""

    instruments: list[Instrument]
    after: str | None = None  #: what to ask the next page with; None for the last


class Venue(Protocol):
    """An exchange's dialect: what to send, and what came. No I/O, no clock.

    Found by name: the package `perpscope.venues.<name>` exposes one as `VENUE`. Every method that reads a reply
    raises FrameError where the reply is not what the venue documents, or is a refusal.
    """

    @property
    def name(self) -> str:
        """Lower case, e.g. "binance"."""
        ...

    @property
    def websocket_url(self) -> str:
        """Default base URL of the sockets, without a path."""
        ...

    @property
    def rest_url(self) -> str:
        """Default base URL of REST, without a path."""
        ...

    @property
    def weight_per_minute(self) -> float:
        """Request weight that may be spent in a minute, in the venue's own units, with a fifth left to others."""
        ...

    @property
    def channels(self) -> frozenset[Channel]:
        """What this venue streams."""
        ...

    @property
    def polled(self) -> frozenset[Channel]:
        """What has to be asked for by REST, again and again."""
        ...

    @property
    def dialogue(self) -> Dialogue:
        """How to subscribe, ping and leave."""
        ...

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open, within the venue's limits, for these channels of these instruments."""
        ...

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder. `catalogue` maps the venue's symbols to instruments; empty = known by name only."""
        ...

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """REST calls to repeat for these channels of these instruments."""
        ...

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """What a reply to the poll of that name tells; `catalogue` as for `decoder`."""
        ...

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """The REST call that lists instruments, or the next page of them."""
        ...

    def instruments(self, raw: bytes) -> Catalogue:
        """Decode the answer to `catalogue_request`."""
        ...

    def turnover_request(self) -> HttpRequest:
        """The REST call that tells what every instrument turned over in 24 hours."""
        ...

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Decode the answer to `turnover_request`: symbol → quote units traded in 24 hours."""
        ...

    def tier_requests(self, instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """REST calls that tell the margin tiers of these instruments; none where they are not public."""
        ...

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Decode the answer to one of `tier_requests`: symbol → tiers, lowest first."""
        ...

    def snapshot_request(self, instrument: Instrument) -> HttpRequest | None:
        """The REST call for the whole book of an instrument; None where subscribing anew brings one."""
        ...

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `snapshot_request`."""
        ...

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol alone, where no catalogue is at hand; None if it is not one of ours."""
        ...


@runtime_checkable
class FundingTold(Protocol):
    """A venue whose catalogue does not tell how often a contract pays funding, and that tells it elsewhere."""

    def funding_request(self) -> HttpRequest:
        """The REST call that tells."""
        ...

    def with_funding(self, instruments: Sequence[Instrument], raw: bytes) -> list[Instrument]:
        """The instruments with `funding_interval_h`, by the answer to `funding_request`.

        Raises:
            FrameError: the answer is not what the venue documents.
        """
        ...


class Series(msgspec.Struct, frozen=True):
    """One kind of past data of an instrument."""

    channel: Channel
    kind: RatioKind | None = None  #: of `Channel.ACCOUNT_RATIOS`


class Stretch(msgspec.Struct, frozen=True):
    """A stretch of the past that is still to be asked for."""

    ts_from: int  #: ns UTC
    ts_to: int  #: ns UTC, not included
    after: str | None = None  #: where the last reply left off, in the venue's own terms


class Past(msgspec.Struct, frozen=True):
    """What a reply tells of the past: all that the venue still has of one stretch."""

    events: list[MarketEvent]  #: of this stretch only, oldest first
    ts_from: int  #: ns UTC, start of the stretch that is now whole
    ts_to: int  #: ns UTC, its end, not included
    rest: Stretch | None  #: what of the stretch asked about is still missing


@runtime_checkable
class Historic(Protocol):
    """A venue that can be asked for some of its past. Newest first: each request is about the newest part."""

    @property
    def series(self) -> Mapping[Series, float | None]:
        """What can be asked for, and how many seconds back; None = since the contract was listed."""
        ...

    def past_request(self, series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
        """The REST call for as much of a stretch as one reply holds; with `Urgency.PAST`."""
        ...

    def past(self, series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
        """What the reply to `past_request` for the same stretch tells.

        Raises:
            FrameError: the reply is not what the venue documents.
        """
        ...


@runtime_checkable
class Metered(Protocol):
    """A venue that says how much of its limit an address has used, or refuses in words of its own."""

    def used_weight(self, headers: Mapping[str, str]) -> float | None:
        """Weight used in the current minute by this address, as a reply's headers (names in lower case) tell it."""
        ...

    def refused_for_s(self, status: int, headers: Mapping[str, str], body: bytes) -> float | None:
        """Real seconds to send nothing, where a reply says that too much was asked; None for any other reply."""
        ...


@runtime_checkable
class TellsTops(Protocol):
    """A venue whose REST copies cost less of its limits the fewer levels they have."""

    def top_request(self, instrument: Instrument) -> HttpRequest:
        """Ask for the best levels of a book alone."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A venue that tells its clock."""

    def time_request(self) -> HttpRequest:
        """The REST call that tells."""
        ...

    def server_time(self, raw: bytes) -> int:
        """Decode the answer to `time_request`: ns UTC.

        Raises:
            FrameError: the answer is not what the venue documents.
        """
        ...


@runtime_checkable
class Watching(Protocol):
    """A venue where anybody may look at an account, and that can be told whose to follow."""

    def watching(self, accounts: Sequence[str]) -> Venue:
        """The same venue, following these accounts' fills and positions.

        Raises:
            ConfigError: too many, or not an account's name.
        """
        ...


class Feed(Protocol):
    """Where events come from. Live, playback and replay have the same shape."""

    def batches(self) -> AsyncIterator[list[Arrival]]:
        """Events in the order they were received, a few at a time; ends when the feed is over."""
        ...


class Socket(Protocol):
    """An open WebSocket."""

    def send(self, payload: bytes) -> None:
        """Send one text message."""
        ...

    def close(self) -> None:
        """Give the connection up at once."""
        ...

    async def wait_closed(self) -> None:
        """Return when the connection is gone, whoever ended it."""
        ...


#: Called for each text message with its payload, valid only during the call, and the market time it was received at.
OnFrame: TypeAlias = Callable[[bytes | memoryview, int], None]


class Connector(Protocol):
    """Opens sockets. The transport stands behind this, so that another can take its place."""

    async def __call__(self, url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        """Connect; `on_burst` is called after the last frame of each read.

        Raises:
            OSError: no connection, or no WebSocket at the other end.
            TimeoutError: neither in time.
        """
        ...


class Http(Protocol):
    """Makes REST calls for one venue, within its limits."""

    async def get(self, request: HttpRequest) -> bytes:
        """The body of a 200 answer.

        Raises:
            VenueUnreachable: no connection, no answer in time, or a refusal.
            RateLimited: the venue asked us to wait.
            FrameError: any other status.
        """
        ...


class Sink(Protocol):
    """Where events go. Never blocks: it queues by a stated policy, or counts what it could not take."""

    def accept(self, event: MarketEvent) -> None:
        """Take one event; called on the event loop, in order."""


class Publisher(Protocol):
    """The heart's end of a bus."""

    def publish(self, topic: str, payload: bytes, *, key: str | None = None) -> None:
        """Take one message; with `key` it replaces an older one. Neither blocks nor raises: spills, or counts."""
        ...

    def health(self) -> BusHealth:
        """How it is doing."""
        ...

    async def aclose(self) -> None:
        """Deliver what can be delivered at once."""
        ...


class Subscriber(Protocol):
    """A face's end of a bus. Connects by itself, again and again."""

    def messages(self) -> AsyncIterator[list[Message]]:
        """First the newest of each state, then everything as it comes, in order; a publisher that is gone is awaited.

        In a group each message goes to one member, and again to another until it is acknowledged.
        """
        ...

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """In a group: these are done with. Harmless without a group."""
        ...

    def health(self) -> BusHealth:
        """How it is doing."""
        ...

    async def aclose(self) -> None:
        """Let go."""
        ...


class Cache(Protocol):
    """Answers that several faces share. What is lost from it can be made again."""

    async def get(self, key: str) -> bytes | None:
        """The newest value, or None: there is none, it is too old, or the cache cannot be reached."""
        ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so many real seconds; silently not, where the cache cannot be reached."""
        ...

    async def aclose(self) -> None:
        """Let go."""
        ...


def venue_of(module: ModuleType) -> Venue:
    """The `VENUE` a venue package exposes."""
    venue: Venue = module.VENUE
    return venue
