"""Bitget USDT-M futures: topics out, events in (v3 API; messages of v1 and v2 are recognised and passed over).

`stream` turns frames into events by way of the message shapes in `wire` and what `answers` says of acknowledgements,
`amount` finds out what liquidations count in, `plan` says which sockets to open, `rest` builds calls and reads replies,
`polls` names those to be repeated, `history` asks for the past (`fills` for its trades), and `symbols` reads an
instrument off its name.
"""

from collections.abc import Mapping, Sequence

from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll
from perpscope.ports import Catalogue, Past, Series, Stretch, Venue
from perpscope.venues.bitget import history, limits, plan, polls, rest, symbols
from perpscope.venues.bitget.amount import DOCUMENTED, AmountUnit
from perpscope.venues.bitget.stream import Decoder

__all__ = ["VENUE", "AmountUnit", "Bitget", "Decoder"]


class Bitget:
    """Bitget USDT-M futures.

    Args:
        assumed_unit: what a liquidation's `amount` is taken to count until the rows of a connection have told
            (`Decoder.amount_unit` says what is read now, `Decoder.is_amount_unit_proven` whether they have).
    """

    name = symbols.VENUE
    websocket_url = "wss://ws.bitget.com"
    rest_url = "https://api.bitget.com"
    weight_per_minute = rest.WEIGHT_PER_MINUTE
    channels = plan.CHANNELS
    polled = polls.POLLED
    dialogue = plan.DIALOGUE
    connects = limits.CONNECTS
    series = history.SERIES

    def __init__(self, assumed_unit: AmountUnit = DOCUMENTED) -> None:
        self.assumed_unit = assumed_unit

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open for these channels; no instruments = liquidations of the whole market, if asked for."""
        return plan.connections(instruments, channels)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder for one connection; an empty catalogue = every symbol that can be read by name."""
        return Decoder(catalogue, self.assumed_unit)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """Ratios and taker volume, every five minutes."""
        return polls.polls(instruments, channels)

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """What a reply to the poll of that name tells; raises FrameError."""
        return polls.polled_events(poll, raw, ts_recv, catalogue)

    def catalogue_request(self, after: str | None = None) -> HttpRequest:  # noqa: ARG002 - there is one page
        """List every instrument, on one page."""
        return rest.catalogue_request()

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
        """Ask for margin tiers, one call per instrument, in their order."""
        return rest.tier_requests(instruments)

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Decode the answer to one of `tier_requests`, given the one instrument it was about; raises FrameError."""
        return rest.tiers(raw, catalogue)

    def snapshot_request(self, instrument: Instrument) -> HttpRequest | None:  # noqa: ARG002 - none for any
        """None: subscribing anew brings a whole book."""
        return None

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Decode a REST book (`rest.book_request`), for comparison; raises FrameError."""
        return rest.snapshot(raw, instrument, ts_recv)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol; None if it is not a USDT-margined perpetual."""
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


VENUE: Venue = Bitget()
