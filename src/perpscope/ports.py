"""Every extension point, on one page. Whoever needs an effect takes one of these as an argument.

The pure rooms below (`engine`, `venues`, `strategies`) see only these shapes; `app` constructs what stands behind
them. Nothing here does anything.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import ModuleType
from typing import Protocol, TypeAlias

from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, Control, HttpRequest, Ignored

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


class Venue(Protocol):
    """An exchange's dialect: what to send, and what came. No I/O, no clock.

    Found by name: the package `perpscope.venues.<name>` exposes one as `VENUE`.
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
    def channels(self) -> frozenset[Channel]:
        """What this venue publishes."""
        ...

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open, within the venue's limits, for these channels of these instruments."""
        ...

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder. `catalogue` maps the venue's symbols to instruments; empty = known by name only."""
        ...

    def catalogue_request(self) -> HttpRequest:
        """The REST call that lists every instrument."""
        ...

    def instruments(self, raw: bytes) -> list[Instrument]:
        """Decode the answer to `catalogue_request`.

        Raises:
            FrameError: the answer is not what the venue documents.
        """
        ...

    def snapshot_request(self, instrument: Instrument) -> HttpRequest:
        """The REST call for the whole book of an instrument."""
        ...

    def snapshot(self, raw: bytes, instrument: InstrumentId, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `snapshot_request`.

        Raises:
            FrameError: the answer is not what the venue documents.
        """
        ...

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol alone, where no catalogue is at hand; None if it is not one of ours."""
        ...


class Feed(Protocol):
    """Where events come from. Live, playback and replay have the same shape."""

    def batches(self) -> AsyncIterator[list[MarketEvent]]:
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
        ...


def venue_of(module: ModuleType) -> Venue:
    """The `VENUE` a venue package exposes."""
    venue: Venue = module.VENUE
    return venue
