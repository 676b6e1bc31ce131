"""Hyperliquid's own perpetuals: subscriptions out, events in.

`stream` turns frames into events by way of the message shapes in `wire`, `plan` says which sockets to open and what to
say on them, `rest` builds calls and reads replies, `polls` asks for positions, `history` for the past, `symbols` reads
an instrument off its name. The venue publishes no liquidations of the whole market: `watching` some accounts shows
those they had a part in.
"""

import re
from collections.abc import Mapping, Sequence

from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll
from perpscope.ports import Catalogue, Past, Series, Stretch, Venue
from perpscope.venues.hyperliquid import history, limits, plan, polls, rest, symbols
from perpscope.venues.hyperliquid.stream import Decoder

__all__ = ["MOST_ACCOUNTS", "VENUE", "Decoder", "Hyperliquid"]

#: "Cannot track more than 10 total users": per address, over all connections.
MOST_ACCOUNTS = 10
_ACCOUNT = re.compile(r"0x[0-9a-f]{40}")


class Hyperliquid:
    """Hyperliquid's own perpetuals.

    Args:
        accounts: whose fills and positions to follow; checked by `watching`.
    """

    name = symbols.VENUE
    websocket_url = "wss://api.hyperliquid.xyz"
    rest_url = "https://api.hyperliquid.xyz"
    weight_per_minute = rest.WEIGHT_PER_MINUTE
    dialogue = plan.DIALOGUE
    connects = limits.CONNECTS
    series = history.SERIES

    def __init__(self, accounts: Sequence[str] = ()) -> None:
        self.accounts = tuple(accounts)

    @property
    def channels(self) -> frozenset[Channel]:
        """What is streamed; liquidations only of accounts followed."""
        return plan.STREAMED | {Channel.LIQUIDATIONS} if self.accounts else plan.STREAMED

    @property
    def polled(self) -> frozenset[Channel]:
        """Positions of accounts followed."""
        return frozenset({Channel.POSITIONS}) if self.accounts else frozenset()

    def watching(self, accounts: Sequence[str]) -> "Hyperliquid":
        """The same venue, following these accounts; an account is 0x and 40 hexadecimal digits, in whatever case.

        Raises:
            ConfigError: more than the venue lets one address follow, or no account's name.
        """
        followed = tuple(dict.fromkeys(account.lower() for account in accounts))
        for account in followed:
            if _ACCOUNT.fullmatch(account) is None:
                raise ConfigError(
                    "config-value",
                    f"{account[:60]!r} is no account of {self.name}",
                    hint="an account is 0x and 40 hexadecimal digits",
                )
        if len(followed) > MOST_ACCOUNTS:
            raise ConfigError(
                "config-value",
                f"{self.name} lets one address follow {MOST_ACCOUNTS} accounts, was asked for {len(followed)}",
                hint=f"name at most {MOST_ACCOUNTS}",
            )
        return Hyperliquid(followed)

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """Sockets to open for these channels; liquidations need accounts, not instruments. Raises ConfigError."""
        return plan.connections(instruments, channels, self.accounts)

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A fresh decoder for one connection; an empty catalogue = every coin that can be read by name."""
        return Decoder(catalogue)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:  # noqa: ARG002 - accounts hold what they hold
        """Positions of each account followed, every minute."""
        return polls.polls(channels, self.accounts)

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """Positions of the account a poll is named after; raises FrameError."""
        return polls.polled_events(poll, raw, ts_recv, catalogue)

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """List every instrument; there is one page."""
        if after is not None:
            raise ValueError(f"{self.name}'s catalogue has one page, {after!r} was asked for")
        return rest.catalogue_request()

    def instruments(self, raw: bytes) -> Catalogue:
        """Decode the answer to `catalogue_request`; raises FrameError."""
        return Catalogue(rest.instruments(raw))

    def turnover_request(self) -> HttpRequest:
        """Ask what every instrument turned over in 24 hours."""
        return rest.turnover_request()

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Decode the answer to `turnover_request`; raises FrameError."""
        return rest.turnover(raw)

    def tier_requests(self, instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """Ask for the margin tiers of all instruments at once."""
        return rest.tier_requests(instruments)

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Decode the answer to `tier_requests`; raises FrameError."""
        return rest.tiers(raw, catalogue)

    def snapshot_request(self, instrument: Instrument) -> HttpRequest | None:  # noqa: ARG002 - alike for all
        """None: each book of the stream is whole."""
        return None

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Decode the answer to `rest.book_request`; raises FrameError."""
        return rest.snapshot(raw, instrument, ts_recv)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """Read an instrument off its coin; None if it is not one of the venue's own exchange."""
        return symbols.instrument_named(symbol)

    def used_weight(self, headers: Mapping[str, str]) -> float | None:
        """Weight used in the current minute by this address, where a reply tells."""
        return limits.used_weight(headers)

    def refused_for_s(self, status: int, headers: Mapping[str, str], body: bytes) -> float | None:
        """Real seconds to send nothing, where a reply says so in the venue's own words."""
        return limits.refused_for_s(status, headers, body)

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


VENUE: Venue = Hyperliquid()
