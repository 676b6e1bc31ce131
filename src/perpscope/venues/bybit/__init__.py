"""Bybit linear perpetuals (margined in USDT or USDC) and their dated sisters: topics out, events in.

`stream` turns frames into events by way of the message shapes in `wire`; `ticker` puts together what comes in pieces
and `answers` reads replies to what `plan` has us say. `rest` and `polls` build calls and read replies (`replies`),
`symbols` reads an instrument off its name. Liquidations are complete (`allLiquidation`), which no other venue's are.
"""

from collections.abc import Mapping, Sequence

from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll
from perpscope.ports import Catalogue, Past, Series, Stretch, Venue
from perpscope.venues.bybit import history, limits, plan, polls, rest, symbols
from perpscope.venues.bybit.stream import Decoder

__all__ = ["VENUE", "Bybit", "Decoder"]


class Bybit:
    """Bybit's linear contracts."""

    name = symbols.VENUE
    websocket_url = "wss://stream.bybit.com"
    rest_url = "https://api.bybit.com"
    weight_per_minute = rest.WEIGHT_PER_MINUTE
    channels = plan.CHANNELS
    polled = polls.POLLED
    dialogue = plan.DIALOGUE
    connects = limits.CONNECTS

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open for these channels; none without instruments, as no topic carries the whole market."""
        return plan.connections(instruments, channels)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder for one connection; an empty catalogue = every symbol that can be read by name."""
        return Decoder(catalogue)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """Account ratios of the perpetuals in USDT, every five minutes."""
        return polls.polls(instruments, channels)

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """Decode a reply to one of `polls`; raises FrameError."""
        return polls.polled_events(poll, raw, ts_recv, catalogue)

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """List the instruments that trade, or the next thousand of them."""
        return rest.catalogue_request(after)

    def instruments(self, raw: bytes) -> Catalogue:
        """Decode the answer to `catalogue_request`; raises FrameError."""
        return rest.instruments(raw)

    def turnover_request(self) -> HttpRequest:
        """Ask what every instrument turned over in 24 hours."""
        return rest.turnover_request()

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Decode the answer to `turnover_request`; raises FrameError."""
        return rest.turnover(raw)

    def tier_requests(self, instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """Ask for the margin tiers of each instrument."""
        return rest.tier_requests(instruments)

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Decode the answer to one of `tier_requests`; raises FrameError."""
        return rest.tiers(raw, catalogue)

    @property
    def series(self) -> Mapping[Series, float | None]:
        """What can be asked for, and how many seconds back."""
        return history.SERIES

    def past_request(self, series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
        """Ask for as much of a stretch as one reply holds, the newest first."""
        return history.past_request(series, instrument, stretch)

    def past(self, series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
        """What the reply to `past_request` for the same stretch tells; raises FrameError."""
        return history.past(series, raw, instrument, stretch, ts_recv)

    def time_request(self) -> HttpRequest:
        """Ask for the venue's clock."""
        return rest.time_request()

    def server_time(self, raw: bytes) -> int:
        """Decode the answer to `time_request`: ns UTC; raises FrameError."""
        return rest.server_time(raw)

    def snapshot_request(self, instrument: Instrument) -> HttpRequest | None:  # noqa: ARG002 - the port's shape
        """None: subscribing anew brings a book in its place among the updates."""
        return None

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `rest.depth_request`, a copy to compare with; raises FrameError."""
        return rest.snapshot(raw, instrument, ts_recv)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol; None if it is not a linear one."""
        return symbols.instrument_named(symbol)

    def used_weight(self, headers: Mapping[str, str]) -> float | None:
        """Weight used in the current minute by this address, where a reply tells."""
        return limits.used_weight(headers)

    def refused_for_s(self, status: int, headers: Mapping[str, str], body: bytes) -> float | None:
        """Real seconds to send nothing, where a reply says so in the venue's own words."""
        return limits.refused_for_s(status, headers, body)


VENUE: Venue = Bybit()
