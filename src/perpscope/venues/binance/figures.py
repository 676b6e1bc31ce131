"""What Binance counts and does not stream: open interest, long and short accounts, what takers bought and sold.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
Each figure has a call for now, or for a while of the last 30 days, and one reading of the reply for both. Rows come
oldest first. Binance stamps open interest and ratios at the *end* of their period and taker volume at its *start*
(`venues` notes of 2026-11); events carry the end. A period that is not over by our clock is passed over.
"""

from typing import TypeAlias

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import AccountRatio, OpenInterest, RatioKind, TakerVolume
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance.reply import read
from perpscope.venues.binance.rest import window
from perpscope.venues.binance.symbols import VENUE
from perpscope.venues.binance.wire import MS, Fraction, Millis, NotNegative

PERIOD_S = 300  #: the shortest there is
#: `/futures/data` weighs nothing, but 1,000 calls in 5 minutes and address are all. 1,920 / 12 = 160 a minute, 800 in
#: 5 minutes, and a full quarter of a minute's weight on top (40) keeps a sixth of them to others.
FIGURES_WEIGHT = 12
MOST_ROWS = 500
PAST_OPEN_INTEREST = "/futures/data/openInterestHist"
TAKERS = "/futures/data/takerlongshortRatio"
RATIOS = {
    RatioKind.ALL_ACCOUNTS: "/futures/data/globalLongShortAccountRatio",
    RatioKind.TOP_ACCOUNTS: "/futures/data/topLongShortAccountRatio",  # top fifth of users by margin balance
    RatioKind.TOP_POSITIONS: "/futures/data/topLongShortPositionRatio",
}
#: What is counted of a period, and stamped with its end.
Figure: TypeAlias = OpenInterest | AccountRatio | TakerVolume
_PERIODS = {300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 7200: "2h", 14_400: "4h", 21_600: "6h", 43_200: "12h"}
_PERIODS |= {86_400: "1d"}
#: Accounts are told to four digits: long and short together are 1 within that.
_ROUNDING = 0.0011


class _OpenInterest(msgspec.Struct):
    symbol: str
    openInterest: NotNegative  #: base units, one side
    time: Millis


class _Past(msgspec.Struct):
    symbol: str
    sumOpenInterest: NotNegative  #: base units, one side
    sumOpenInterestValue: NotNegative  #: quote units
    timestamp: Millis  #: end of the period


class _Ratio(msgspec.Struct):
    symbol: str
    longAccount: Fraction  #: so named also where positions are counted
    shortAccount: Fraction
    timestamp: Millis  #: end of the period

    def __post_init__(self) -> None:
        """Everybody is long or short."""
        if abs(self.longAccount + self.shortAccount - 1.0) > _ROUNDING:
            raise ValueError(f"Expected `longAccount` + `shortAccount` = 1, got {self.longAccount + self.shortAccount}")


class _Takers(msgspec.Struct):
    buyVol: NotNegative  #: base units
    sellVol: NotNegative
    timestamp: Millis  #: start of the period


_open_interest = msgspec.json.Decoder(_OpenInterest, strict=False)
_past = msgspec.json.Decoder(list[_Past], strict=False)
_ratios = msgspec.json.Decoder(list[_Ratio], strict=False)
_takers = msgspec.json.Decoder(list[_Takers], strict=False)


def open_interest_request(symbol: str) -> HttpRequest:
    """Ask for the open interest of an instrument now."""
    return HttpRequest(path="/fapi/v1/openInterest", params=(("symbol", symbol),), weight=1)


def period_request(
    path: str,
    symbol: str,
    *,
    period_s: int = PERIOD_S,
    limit: int = MOST_ROWS,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> HttpRequest:
    """Ask a `/futures/data` path for at most `limit` (500) rows of an instrument, the newest without times (ms UTC)."""
    if period_s not in _PERIODS:
        raise ValueError(f"period {period_s} s must be one of {', '.join(map(str, _PERIODS))}")
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit {limit} must lie in [1, {MOST_ROWS}]")
    params = (("symbol", symbol), ("period", _PERIODS[period_s]), ("limit", str(limit)), *window(start_ms, end_ms))
    return HttpRequest(path=path, params=params, weight=FIGURES_WEIGHT)


def open_interest(raw: bytes, instrument: Instrument, ts_recv: int) -> OpenInterest:
    """Decode an openInterest reply.

    Raises:
        FrameError: a refusal, not the documented shape, or of another instrument.
    """
    row = read(_open_interest, raw)
    _check(row.symbol, instrument)
    return OpenInterest(instrument.id, row.time * MS, ts_recv, row.openInterest, None)


def past_open_interest(raw: bytes, instrument: Instrument, ts_recv: int) -> list[OpenInterest]:
    """Decode a `PAST_OPEN_INTEREST` reply; quote units count as dollars.

    Raises:
        FrameError: a refusal, not the documented shape, or of another instrument.
    """
    rows = read(_past, raw)
    for row in rows:
        _check(row.symbol, instrument)
    return [
        OpenInterest(instrument.id, row.timestamp * MS, ts_recv, row.sumOpenInterest, row.sumOpenInterestValue)
        for row in rows
    ]


def account_ratios(
    raw: bytes, instrument: Instrument, kind: RatioKind, ts_recv: int, *, period_s: int = PERIOD_S
) -> list[AccountRatio]:
    """Decode a reply of one of `RATIOS`. `longShortRatio` is not used: it says the same, rounded.

    Raises:
        FrameError: a refusal, not the documented shape, or of another instrument.
    """
    rows = read(_ratios, raw)
    for row in rows:
        _check(row.symbol, instrument)
    ratios = [AccountRatio(instrument.id, row.timestamp * MS, ts_recv, kind, period_s, row.longAccount) for row in rows]
    return [ratio for ratio in ratios if ratio.ts_event <= ts_recv]


def taker_volumes(raw: bytes, instrument: Instrument, ts_recv: int, *, period_s: int = PERIOD_S) -> list[TakerVolume]:
    """Decode a `TAKERS` reply; its rows do not say whose they are.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    volumes = [
        TakerVolume(
            instrument.id, row.timestamp * MS + period_s * 1_000_000_000, ts_recv, period_s, row.buyVol, row.sellVol
        )
        for row in read(_takers, raw)
    ]
    return [volume for volume in volumes if volume.ts_event <= ts_recv]


def _check(symbol: str, instrument: Instrument) -> None:
    if symbol != instrument.symbol:
        raise FrameError(f"binance sent figures of {symbol[:40]} where {instrument.symbol} was asked", venue=VENUE)
