"""An exchange as ccxt tells of it, with the shape of a `Venue`: nothing is streamed, three things are polled.

In: instruments and channels, and ccxt's answers as JSON. Out: calls for `ccxt_calls` to make, and events. Its name is
`ccxt-<exchange>`, so that whatever comes this way says so in every table: `BTC-USDT-PERP.CCXT-GATE`. Sides are never
taken through ccxt: neither trades nor liquidations.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from perpscope.errors import FrameError
from perpscope.feeds import ccxt_answers
from perpscope.feeds.ccxt_units import UNITS, Units
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.market import BookSnapshot, Interval, MarketEvent
from perpscope.model.stream import Channel, ConnectionPlan, HttpRequest, Poll, Stream
from perpscope.ports import Catalogue, Decoded, Decoder, Dialogue

PREFIX: Final = "ccxt-"
#: Paths of the calls: ccxt's own methods, as `ccxt_calls` makes them.
MARKETS, OPEN_INTEREST, FUNDING, CANDLES = "/markets", "/open_interest", "/funding", "/candles"

INTERVALS: Final = {
    Channel.CANDLES_1M: Interval.M1,
    Channel.CANDLES_15M: Interval.M15,
    Channel.CANDLES_1H: Interval.H1,
}
#: Everything that may be taken through ccxt.
OFFERED: Final = frozenset({Channel.OPEN_INTEREST, Channel.MARK_PRICES, *INTERVALS})
#: Seconds between two calls about candles: once in each, and oftener where one would be long overdue (by hand).
_CANDLES_EVERY_S: Final = {Channel.CANDLES_1M: 60.0, Channel.CANDLES_15M: 300.0, Channel.CANDLES_1H: 900.0}
#: Rows asked for: the forming one and four before it, so that missed calls leave no hole.
_ROWS = 5


class CcxtVenue:
    """The `Venue` of one exchange beyond the five.

    Args:
        exchange: its name in ccxt, e.g. "gate".
        has: what ccxt can ask of it.
        units: how it counts, where a person says so; None = by `ccxt_units`.
        every_s: market seconds between two calls about open interest or funding.
    """

    def __init__(
        self,
        exchange: str,
        *,
        has: frozenset[Channel] = OFFERED,
        units: Units | None = None,
        every_s: float = 60.0,
    ) -> None:
        self.exchange = exchange
        self._has = has
        self._units = units or UNITS.get(exchange, Units())
        self._every_s = every_s

    @property
    def name(self) -> str:
        """Labelled: "ccxt-gate"."""
        return f"{PREFIX}{self.exchange}"

    @property
    def websocket_url(self) -> str:
        """None: nothing is streamed."""
        return ""

    @property
    def rest_url(self) -> str:
        """None of ours: ccxt knows where the exchange is."""
        return ""

    @property
    def weight_per_minute(self) -> float:
        """No bound of ours: ccxt keeps the exchange's limits itself."""
        return float("inf")

    @property
    def channels(self) -> frozenset[Channel]:
        """Nothing is streamed."""
        return frozenset()

    @property
    def polled(self) -> frozenset[Channel]:
        """What ccxt can ask, less what cannot be brought into base units."""
        return self._has - self.unit_unknown

    @property
    def unit_unknown(self) -> frozenset[Channel]:
        """What ccxt can ask, but not say the unit of; `[ccxt.options.<exchange>]` can."""
        unknown: set[Channel] = set()
        if self._units.open_interest is None:
            unknown.add(Channel.OPEN_INTEREST)
        if self._units.candles is None:
            unknown.update(INTERVALS)
        return self._has & unknown

    @property
    def dialogue(self) -> Dialogue:
        """Nothing is ever said on a socket."""
        return Dialogue(
            subscribe=lambda _, __: b"", unsubscribe=lambda _, __: b"", topics_per_request=1, between_requests_s=0.0
        )

    def plan(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[ConnectionPlan]:
        """No sockets."""
        del instruments, channels
        return []

    def decoder(self, catalogue: Mapping[str, Instrument]) -> Decoder:
        """A decoder that refuses every frame: there are none."""
        del catalogue
        return _NoFrames(self.name)

    def polls(self, instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
        """One call for each of these channels of each instrument."""
        return [
            Poll(
                name=f"{self.name}/{channel.value}/{instrument.symbol}",
                request=_request(channel, instrument.symbol),
                streams=(Stream(channel, instrument.id),),
                every_s=max(self._every_s, _CANDLES_EVERY_S.get(channel, 0.0)),
            )
            for instrument in instruments
            for channel in channels
            if channel in self.polled
        ]

    def polled_events(
        self, poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]
    ) -> list[MarketEvent]:
        """What ccxt answered; nothing without a catalogue, which alone knows the contract size.

        Raises:
            FrameError: no poll of ours, or not ccxt's structure.
        """
        channel, _, symbol = poll.removeprefix(f"{self.name}/").partition("/")
        asked = {one.value: one for one in self.polled}.get(channel)
        if asked is None:
            raise FrameError(f"{self.name} has no poll {poll!r}", venue=self.name)
        instrument = catalogue.get(symbol)
        if instrument is None:
            return []
        if asked is Channel.MARK_PRICES:
            return [ccxt_answers.mark_price(raw, ts_recv, instrument)]
        units = self._units
        if asked is Channel.OPEN_INTEREST and units.open_interest is not None:
            return [ccxt_answers.open_interest(raw, ts_recv, instrument, units.open_interest)]
        if asked in INTERVALS and units.candles is not None:
            return [*ccxt_answers.candles(raw, ts_recv, instrument, INTERVALS[asked], units.candles)]
        return []

    def catalogue_request(self, after: str | None = None) -> HttpRequest:
        """All of ccxt's markets, on one page."""
        del after
        return HttpRequest(path=MARKETS)

    def instruments(self, raw: bytes) -> Catalogue:
        """Linear perpetuals, as `ccxt_calls` picks them.

        Raises:
            FrameError: not what `ccxt_calls` makes of ccxt's markets.
        """
        return Catalogue(ccxt_answers.instruments(self.name, raw))

    def turnover_request(self) -> HttpRequest:
        """A call that is refused: what ccxt calls a turnover is not the same at two exchanges."""
        return HttpRequest(path="/turnover")

    def turnover(self, raw: bytes) -> dict[str, float]:
        """Nothing is told.

        Raises:
            FrameError: always.
        """
        raise FrameError(f"{self.name} tells no turnover: {raw[:80]!r}", venue=self.name)

    def tier_requests(self, instruments: Sequence[Instrument]) -> list[HttpRequest]:
        """None: margin is not asked through ccxt."""
        del instruments
        return []

    def tiers(self, raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
        """Nothing is told.

        Raises:
            FrameError: always.
        """
        raise FrameError(f"{self.name} tells no tiers of {len(catalogue)}: {raw[:80]!r}", venue=self.name)

    def snapshot_request(self, instrument: Instrument) -> HttpRequest | None:
        """None: no books."""
        del instrument
        return None

    def snapshot(self, raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
        """Nothing is told.

        Raises:
            FrameError: always.
        """
        raise FrameError(f"{self.name} has no book of {instrument.id} at {ts_recv}: {raw[:80]!r}", venue=self.name)

    def instrument_named(self, symbol: str) -> Instrument | None:
        """None: a name does not tell the contract size, and without it nothing is known in base units."""
        del symbol
        return None


class _NoFrames:
    """Decodes nothing."""

    def __init__(self, venue: str) -> None:
        self._venue = venue

    @property
    def named(self) -> Mapping[str, Instrument]:
        """None."""
        return {}

    def decode(self, raw: bytes | memoryview, ts_recv: int) -> Decoded:
        """Refuse.

        Raises:
            FrameError: always.
        """
        raise FrameError(f"{self._venue} streams nothing: {len(raw)} bytes at {ts_recv}", venue=self._venue)


def _request(channel: Channel, symbol: str) -> HttpRequest:
    if channel is Channel.OPEN_INTEREST:
        return HttpRequest(path=OPEN_INTEREST, params=(("symbol", symbol),))
    if channel is Channel.MARK_PRICES:
        return HttpRequest(path=FUNDING, params=(("symbol", symbol),))
    params = (("symbol", symbol), ("timeframe", INTERVALS[channel].value), ("limit", str(_ROWS)))
    return HttpRequest(path=CANDLES, params=params)


def exchange_of(venue: str) -> str | None:
    """The exchange a venue's name says; None if it is not one reached through ccxt.

    >>> exchange_of("ccxt-gate"), exchange_of("bybit")
    ('gate', None)
    """
    return venue.removeprefix(PREFIX) if venue.startswith(PREFIX) else None
