"""A sixth exchange that does not exist: written against the ports alone, found by its folder, edited in nowhere else.

Its wire is its own (see `wire`): lots of a hundredth of a coin, best prices never, books whole and then by difference,
liquidations by the side of the position. `stream` decodes, `rest` asks, `symbols` knows the names.
"""

from collections.abc import Mapping, Sequence

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll
from perpscope.ports import Catalogue, Venue

from . import rest, stream, symbols


class Toy:
    """The toy exchange."""

    name = symbols.VENUE
    websocket_url = "wss://feed.toy.example"
    rest_url = "https://toy.example"
    weight_per_minute = 600.0
    channels = stream.CHANNELS
    polled = rest.POLLED
    dialogue = stream.DIALOGUE

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """One socket for everything."""
        return stream.plan(instruments, channels)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> stream.Decoder:
        """A fresh decoder."""
        return stream.Decoder(catalogue)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """Open interest."""
        return rest.polls(instruments, channels)

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """Open interest; raises FrameError."""
        return rest.polled_events(poll, raw, ts_recv, catalogue)

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """Everything on one page."""
        del after
        return HttpRequest(path="/list")

    def instruments(self, raw: bytes) -> Catalogue:
        """Decode the answer to `catalogue_request`; raises FrameError."""
        return rest.instruments(raw)

    def turnover_request(self) -> HttpRequest:
        """The turnover of a day."""
        return HttpRequest(path="/day")

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Decode the answer to `turnover_request`; raises FrameError."""
        return rest.turnover(raw)

    def tier_requests(self, instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """None: its margin tiers are not public."""
        del instruments
        return []

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Nothing is told; raises FrameError."""
        raise FrameError(f"toy tells no tiers of {len(catalogue)}: {raw[:80]!r}", venue=self.name)

    def snapshot_request(self, instrument: Instrument) -> HttpRequest | None:
        """None: joining a book anew brings it whole."""
        del instrument
        return None

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Nothing is told; raises FrameError."""
        raise FrameError(f"toy has no copy of {instrument.id} at {ts_recv}: {raw[:80]!r}", venue=self.name)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its name; None if it is not one."""
        return symbols.instrument_named(symbol)


VENUE: Venue = Toy()
