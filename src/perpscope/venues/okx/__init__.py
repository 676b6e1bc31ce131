"""OKX v5 perpetuals: topics and paths out, events in.

`stream` turns frames into events by way of the message shapes in `trading_data` and `public_data`; `marks` joins mark
price, index and funding; `plan` says which sockets to open, `rest` and `polls` build calls and read replies, `history`
those about the past (`matches` about its trades), `symbols` reads names. OKX counts in contracts: sizes leave here in
base units or not at all. Inverse and dated contracts, options and spot are recognised and passed over.
"""

from collections.abc import Mapping, Sequence

from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll
from perpscope.ports import Catalogue, Past, Series, Stretch, Venue
from perpscope.venues.okx import history, limits, plan, polls, rest, symbols
from perpscope.venues.okx.stream import Decoder

__all__ = ["VENUE", "Decoder", "Okx"]


class Okx:
    """OKX v5, linear perpetuals in USDT and USDC."""

    name = symbols.VENUE
    websocket_url = "wss://ws.okx.com"  # port 443: 8443 was closed on 2026-10-31
    rest_url = "https://openapi.okx.com"
    weight_per_minute = rest.WEIGHT_PER_MINUTE
    channels = plan.CHANNELS
    polled = polls.CHANNELS
    dialogue = plan.DIALOGUE
    connects = limits.CONNECTS
    series = history.SERIES

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open for these channels; no instruments = liquidations of the whole market, if asked for."""
        return plan.connections(instruments, channels)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder for one connection; an empty catalogue = what has a known contract size without one."""
        return Decoder(catalogue)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """Ratios and taker volumes to ask for every 5 minutes."""
        return polls.polls(instruments, channels)

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """Decode the answer to the poll of that name; raises FrameError."""
        return polls.events(poll, raw, ts_recv, catalogue)

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """List every perpetual; there is one page."""
        if after is not None:
            raise ValueError(f"okx's catalogue has one page, {after!r} was asked for")
        return rest.catalogue_request()

    def instruments(self, raw: bytes) -> Catalogue:
        """Decode the answer to `catalogue_request`; raises FrameError."""
        return Catalogue(rest.instruments(raw))

    def turnover_request(self) -> HttpRequest:
        """Ask what every perpetual turned over in 24 hours."""
        return rest.turnover_request()

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Decode the answer to `turnover_request`; raises FrameError."""
        return rest.turnover(raw)

    def tier_requests(self, instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """Ask for margin tiers, five instruments at a time."""
        return rest.tier_requests(instruments)

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Decode the answer to one of `tier_requests`; raises FrameError."""
        return rest.tiers(raw, catalogue)

    def snapshot_request(self, _instrument: Instrument) -> HttpRequest | None:
        """None: a subscription begins with the whole book."""
        return None

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `rest.book_request`, for comparison with the stream; raises FrameError."""
        return rest.snapshot(raw, instrument, ts_recv)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol; None if it is not ours, or its contract size is not known."""
        return symbols.instrument_named(symbol)

    def used_weight(self, headers: Mapping[str, str]) -> float | None:
        """Weight used in the current minute by this address, where a reply tells."""
        return limits.used_weight(headers)

    def refused_for_s(self, status: int, headers: Mapping[str, str], body: bytes) -> float | None:
        """Real seconds to send nothing, where a reply says so in the venue's own words."""
        return limits.refused_for_s(status, headers, body)

    def own_limit(self, request: HttpRequest) -> tuple[str, int, float, float] | None:
        """The limit of a path that is counted apart: name, calls, in so many seconds, weight besides."""
        return limits.own_limit(request)

    def past_request(self, series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
        """Ask for the newest part of a stretch of the past."""
        return history.past_request(series, instrument, stretch)

    def past(self, series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
        """Decode the answer to `past_request` for the same stretch; raises FrameError."""
        return history.past(series, raw, instrument, stretch, ts_recv)

    def time_request(self) -> HttpRequest:
        """Ask what time it is."""
        return rest.time_request()

    def server_time(self, raw: bytes) -> int:
        """Decode the answer to `time_request`: ns UTC; raises FrameError."""
        return rest.server_time(raw)


VENUE: Venue = Okx()
