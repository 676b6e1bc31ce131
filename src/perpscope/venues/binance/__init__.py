"""Binance USD-M futures: stream names and routes out, events in.

`stream` turns frames into events by way of the message shapes in `wire`, `plan` says which sockets to open and what
to say on them, `rest` builds calls and reads replies (`polls` those that repeat, of the figures in `figures`; `history`
those that fill a hole), `symbols` reads an instrument off its name. COIN-M contracts, which share Binance's all-market
streams, are recognised and passed over: their sizes are contracts, not base units.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll
from perpscope.ports import Catalogue, Past, Series, Stretch, Venue
from perpscope.venues.binance import history, limits, plan, polls, rest, symbols
from perpscope.venues.binance.plan import TradeStream
from perpscope.venues.binance.stream import Decoder

__all__ = ["TESTNETS", "VENUE", "Binance", "Decoder", "TradeStream"]

#: Hosts of its two exchanges with play money, testnet and demo, by REST and by stream.
TESTNETS: Final = frozenset(
    {
        *("testnet.binancefuture.com", "stream.binancefuture.com", "fstream.binancefuture.com"),
        *("demo-fapi.binance.com", "demo-fstream.binance.com"),
    }
)

_TRADES = Series(Channel.TRADES)


class Binance:
    """Binance USD-M futures.

    Args:
        trade_stream: what `Channel.TRADES` means: "aggTrade" (documented: fills of one taker order at one price as
            one event, ids contiguous), or "trade" (every fill, ids contiguous, not documented for USD-M).
    """

    name = symbols.VENUE
    websocket_url = "wss://fstream.binance.com"
    rest_url = "https://fapi.binance.com"
    weight_per_minute = rest.WEIGHT_PER_MINUTE
    channels = frozenset(
        {
            Channel.TRADES,
            Channel.QUOTES,
            Channel.BOOK,
            Channel.CANDLES_1M,
            Channel.CANDLES_15M,
            Channel.CANDLES_1H,
            Channel.MARK_PRICES,
            Channel.LIQUIDATIONS,
            Channel.CONTRACTS,
        }
    )
    polled = polls.POLLED
    dialogue = plan.DIALOGUE
    connects = limits.CONNECTS

    def __init__(self, trade_stream: TradeStream = "aggTrade") -> None:
        self.trade_stream: TradeStream = trade_stream

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open for these channels; no instruments = liquidations of the whole market, if asked for."""
        return plan.connections(instruments, channels, self.trade_stream)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder for one connection; an empty catalogue = every symbol that can be read by name."""
        return Decoder(catalogue)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """Open interest each minute, ratios and taker volume each five, of each instrument."""
        return polls.polls(instruments, channels)

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """What a reply to the poll of that name tells; raises FrameError."""
        return polls.polled_events(poll, raw, ts_recv, catalogue)

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """List every instrument; there is one page."""
        if after is not None:
            raise ValueError(f"binance's catalogue has one page, {after!r} was asked for")
        return rest.catalogue_request()

    def instruments(self, raw: bytes) -> Catalogue:
        """Decode the answer to `catalogue_request`; raises FrameError. Funding intervals come with `with_funding`."""
        return Catalogue(rest.instruments(raw))

    def funding_request(self) -> HttpRequest:
        """Ask for the funding intervals, which the catalogue does not tell."""
        return rest.funding_request()

    def with_funding(self, instruments: Sequence[Instrument], raw: bytes) -> list[Instrument]:
        """The same instruments with their funding intervals, by the answer to `funding_request`; raises FrameError."""
        return rest.with_funding(instruments, raw)

    def turnover_request(self) -> HttpRequest:
        """Ask what every instrument turned over in 24 hours."""
        return rest.turnover_request()

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Decode the answer to `turnover_request`: symbol → quote units; raises FrameError."""
        return rest.turnover(raw)

    def tier_requests(self, _instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """None: Binance tells margin tiers to its customers, and to others only as they change (`CONTRACTS`)."""
        return []

    def tiers(self, raw: bytes, _catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Nothing was asked, so whatever came is a FrameError."""
        raise FrameError(f"binance was asked for no margin tiers, but {raw[:60]!r} came", venue=self.name)

    @property
    def series(self) -> Mapping[Series, float | None]:
        """What can be asked for, and how many seconds back; single fills, if those are listened to, only by key."""
        is_listed = self.trade_stream == "aggTrade"
        return history.SERIES if is_listed else {one: history.SERIES[one] for one in history.SERIES if one != _TRADES}

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

    def snapshot_request(self, instrument: Instrument) -> HttpRequest:
        """Ask for 1,000 levels of an instrument's book."""
        return rest.depth_request(instrument.symbol)

    def top_request(self, instrument: Instrument) -> HttpRequest:
        """Ask for the best 100 levels, at a quarter of the weight."""
        return rest.depth_request(instrument.symbol, rest.TOP_LEVELS)

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `snapshot_request` or `top_request`; raises FrameError."""
        return rest.snapshot(raw, instrument.id, ts_recv)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its symbol; None if it is not a USD-M one."""
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


VENUE: Venue = Binance()
