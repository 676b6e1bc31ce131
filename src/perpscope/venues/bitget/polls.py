"""What Bitget does not stream and has to be asked for: long and short ratios, and what takers bought and sold.

https://www.bitget.com/api-doc/uta/public/trading-data
Each endpoint takes one symbol and one call a second, and answers with the last 30 periods or so, always the whole list.
A row is stamped with the *start* of its period: in a capture of 2026-09 buys and sells add up to the volume of the
candle of the same stamp, in base units. The newest row of taker volume is still filling and is left out; ratios arrive
a period later. Lists were seen oldest first; the order is not relied on. `longShort…Ratio` is not a quotient of the two
fractions beside it, and is not read.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, MarketEvent, RatioKind, TakerVolume
from perpscope.model.stream import Channel, HttpRequest, Poll, Stream
from perpscope.venues.bitget.rest import WEIGHT_1_PER_S, read
from perpscope.venues.bitget.symbols import VENUE, instrument_named
from perpscope.venues.bitget.wire import MS, Millis, NotNegative

POLLED = frozenset({Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME})
PERIOD_S = 300
_PERIOD_NS = PERIOD_S * 1_000_000_000
_ACCOUNTS, _POSITIONS, _TAKERS = "account_ratio", "position_ratio", "taker_volume"
#: What is asked → (channel, path).
_ENDPOINTS = {
    _ACCOUNTS: (Channel.ACCOUNT_RATIOS, "/api/v3/market/futures-account-long-short"),
    _POSITIONS: (Channel.ACCOUNT_RATIOS, "/api/v3/market/futures-position-long-short"),
    _TAKERS: (Channel.TAKER_VOLUME, "/api/v3/market/futures-active-buy-sell"),
}
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Accounts(msgspec.Struct, rename={"long": "longAccountRatio", "short": "shortAccountRatio"}):
    """Fractions of accounts."""

    ts: Millis
    long: Share
    short: Share

    def __post_init__(self) -> None:
        """Somebody holds something."""
        if not self.long + self.short:
            raise ValueError("Expected a long or a short ratio > 0")


class _Positions(msgspec.Struct, rename={"long": "longPositionRatio", "short": "shortPositionRatio"}):
    """Fractions of position size."""

    ts: Millis
    long: Share
    short: Share

    def __post_init__(self) -> None:
        """Somebody holds something."""
        if not self.long + self.short:
            raise ValueError("Expected a long or a short ratio > 0")


class _Takers(msgspec.Struct):
    ts: Millis
    buyVolume: NotNegative  #: base units
    sellVolume: NotNegative


class _AccountsReply(msgspec.Struct):
    code: Literal["00000"]
    data: list[_Accounts]


class _PositionsReply(msgspec.Struct):
    code: Literal["00000"]
    data: list[_Positions]


class _TakersReply(msgspec.Struct):
    code: Literal["00000"]
    data: list[_Takers]


_read_accounts = msgspec.json.Decoder(_AccountsReply, strict=False)
_read_positions = msgspec.json.Decoder(_PositionsReply, strict=False)
_read_takers = msgspec.json.Decoder(_TakersReply, strict=False)


def polls(instruments: Sequence[Instrument], channels: Sequence[Channel]) -> list[Poll]:
    """Calls to repeat, instrument by instrument, so that one endpoint is not asked twice running."""
    return [
        Poll(
            name=f"{VENUE}/{what}/{instrument.symbol}",
            request=HttpRequest(
                path=path, params=(("symbol", instrument.symbol), ("period", "5m")), weight=WEIGHT_1_PER_S
            ),
            streams=(Stream(channel, instrument.id),),
            every_s=PERIOD_S,
        )
        for instrument in instruments
        for what, (channel, path) in _ENDPOINTS.items()
        if channel in channels
    ]


def polled_events(poll: str, raw: bytes, ts_recv: int, catalogue: Mapping[str, Instrument]) -> list[MarketEvent]:
    """Every period of a reply that is over by `ts_recv` (ns UTC), oldest first; an unknown instrument tells nothing.

    Raises:
        FrameError: a refusal, not the documented shape, or no poll of that name.
    """
    _, _, rest = poll.partition("/")
    what, _, symbol = rest.partition("/")
    instrument = catalogue.get(symbol) if catalogue else instrument_named(symbol)
    match what:
        case "account_ratio":
            rows = read(_read_accounts, raw).data
            return [] if instrument is None else _ratios(rows, instrument, RatioKind.ALL_ACCOUNTS, ts_recv)
        case "position_ratio":
            held = read(_read_positions, raw).data
            return [] if instrument is None else _ratios(held, instrument, RatioKind.ALL_POSITIONS, ts_recv)
        case "taker_volume":
            takers = read(_read_takers, raw).data
            return [] if instrument is None else _volumes(takers, instrument, ts_recv)
        case _:
            raise FrameError(f"bitget has no poll {poll[:60]!r}", venue=VENUE)


def _ratios(
    rows: Sequence[_Accounts | _Positions], instrument: Instrument, kind: RatioKind, ts_recv: int
) -> list[MarketEvent]:
    return [
        AccountRatio(instrument.id, ts_end, ts_recv, kind, PERIOD_S, row.long / (row.long + row.short))
        for row in sorted(rows, key=lambda row: row.ts)
        if (ts_end := row.ts * MS + _PERIOD_NS) <= ts_recv
    ]


def _volumes(rows: Sequence[_Takers], instrument: Instrument, ts_recv: int) -> list[MarketEvent]:
    return [
        TakerVolume(instrument.id, ts_end, ts_recv, PERIOD_S, row.buyVolume, row.sellVolume)
        for row in sorted(rows, key=lambda row: row.ts)
        if (ts_end := row.ts * MS + _PERIOD_NS) <= ts_recv
    ]
