"""REST calls to make, and what their replies mean: instruments, turnover, margin tiers, the whole book.

https://www.bitget.com/api-doc/uta/public (v3; public market data, whatever the account)
Replies are `{"code": "00000", "msg": "success", "data": …}`. A refusal has another code; it and a reply that is not as
documented both raise `FrameError`.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, MarginTier, instrument_id
from perpscope.model.market import BookSnapshot
from perpscope.model.stream import HttpRequest
from perpscope.ports import Catalogue
from perpscope.venues.bitget.symbols import VENUE, coin_and_multiplier
from perpscope.venues.bitget.wire import MS, Millis, NotNegative, Positive, WireLevel

# Limits are per endpoint and address, and 6,000 requests a minute over all. One budget has to keep them all: of 4,800 a
# minute, a request that may be made 20 times a second weighs 4, and one that may be made once a second weighs 80, so
# that even if nothing else is asked for, no endpoint is asked more often in a minute than it allows.
WEIGHT_PER_MINUTE = 4_800.0  #: of 6,000, a fifth left to others
WEIGHT_20_PER_S = 4
WEIGHT_10_PER_S = 8
WEIGHT_1_PER_S = 80

CATEGORY = ("category", "USDT-FUTURES")
BOOK_LEVELS = 200
_SHOWN = 120  #: bytes of a reply, or characters of the venue's words, that go into a message
_ONLY_LETTERS = re.compile(r"[^\W_]+")

Reply = TypeVar("Reply")


class _Refusal(msgspec.Struct):
    code: str
    msg: str


class _Listed(msgspec.Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    type: str  #: "perpetual" or "delivery"
    status: str  #: "online" is trading; "listed", "limit_open", "limit_close", "offline", "restrictedAPI" are not
    priceMultiplier: Decimal  #: the tick; `pricePrecision` is not
    quantityMultiplier: Decimal
    minOrderAmount: NotNegative | Literal[""] = ""  #: quote units
    maxLeverage: NotNegative | Literal[""] = ""
    fundInterval: NotNegative | Literal[""] = ""  #: hours
    symbolType: str = "crypto"  #: "metal", "stock", "commodity"
    isRwa: str = "NO"

    def __post_init__(self) -> None:
        """Steps are above zero, and names are names."""
        steps = (self.priceMultiplier, self.quantityMultiplier)
        if not all(step.is_finite() and step > 0 for step in steps):
            raise ValueError("Expected `priceMultiplier` and `quantityMultiplier` > 0")
        if not (_ONLY_LETTERS.fullmatch(self.baseCoin) and _ONLY_LETTERS.fullmatch(self.quoteCoin)):
            raise ValueError(f"Expected `baseCoin` and `quoteCoin` of letters and digits, got {self.baseCoin!r}")


class _Listing(msgspec.Struct):
    code: Literal["00000"]
    data: list[_Listed]


class _TurnedOver(msgspec.Struct):
    symbol: str
    turnover24h: NotNegative  #: quote units


class _Turnover(msgspec.Struct):
    code: Literal["00000"]
    data: list[_TurnedOver]


class _TierRow(msgspec.Struct):
    tier: int
    minTierValue: NotNegative  #: quote units
    maxTierValue: NotNegative
    leverage: Positive
    mmr: Annotated[float, msgspec.Meta(gt=0, lt=1)]


class _Tiers(msgspec.Struct):
    code: Literal["00000"]
    data: list[_TierRow]


class _Depth(msgspec.Struct):
    a: list[WireLevel]
    b: list[WireLevel]
    ts: Millis

    def __post_init__(self) -> None:
        """Best levels come first."""
        bids, asks = [price for price, _ in self.b], [price for price, _ in self.a]
        if bids != sorted(bids, reverse=True) or asks != sorted(asks):
            raise ValueError("Expected `b` falling and `a` rising")


class _Book(msgspec.Struct):
    code: Literal["00000"]
    data: _Depth


class _Clock(msgspec.Struct):
    serverTime: Millis


class _Time(msgspec.Struct):
    code: Literal["00000"]
    data: _Clock


_read_refusal = msgspec.json.Decoder(_Refusal, strict=False)
_read_listing = msgspec.json.Decoder(_Listing, strict=False)
_read_turnover = msgspec.json.Decoder(_Turnover, strict=False)
_read_tiers = msgspec.json.Decoder(_Tiers, strict=False)
_read_book = msgspec.json.Decoder(_Book, strict=False)
_read_time = msgspec.json.Decoder(_Time, strict=False)


def read(decoder: msgspec.json.Decoder[Reply], raw: bytes) -> Reply:
    """Decode a reply; a refusal and a malformed one are FrameErrors."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, ArithmeticError) as error:
        try:
            refusal = _read_refusal.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError):
            refusal = _Refusal("00000", "")
        if refusal.code == "00000":
            reason = f"sent a reply we cannot read: {error}; it begins {raw[:_SHOWN]!r}"
        else:
            reason = f"refused: {refusal.msg[:_SHOWN]} (code {refusal.code[:_SHOWN]})"
        raise FrameError(f"bitget {reason}", venue=VENUE) from error


def catalogue_request() -> HttpRequest:
    """List every USDT-margined contract, on one page."""
    return HttpRequest(path="/api/v3/market/instruments", params=(CATEGORY,), weight=WEIGHT_20_PER_S)


def instruments(raw: bytes) -> Catalogue:
    """Perpetual contracts of a listing; dated ones are left out.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return Catalogue([_instrument(row) for row in read(_read_listing, raw).data if row.type == "perpetual"])


def _instrument(row: _Listed) -> Instrument:
    coin, multiplier = coin_and_multiplier(row.baseCoin)
    return Instrument(
        id=instrument_id(VENUE, row.baseCoin, row.quoteCoin),
        venue=VENUE,
        symbol=row.symbol,
        base=row.baseCoin,
        quote=row.quoteCoin,
        tick_size=row.priceMultiplier,
        step_size=row.quantityMultiplier,
        min_notional=Decimal(repr(row.minOrderAmount)) if row.minOrderAmount else None,
        coin=coin,
        multiplier=multiplier,
        funding_interval_h=row.fundInterval or None,
        max_leverage=row.maxLeverage or None,
        is_trading=row.status == "online",
        is_crypto=row.symbolType == "crypto" and row.isRwa.upper() != "YES",
    )


def turnover_request() -> HttpRequest:
    """Ask for the tickers of every contract."""
    return HttpRequest(path="/api/v3/market/tickers", params=(CATEGORY,), weight=WEIGHT_20_PER_S)


def turnover(raw: bytes) -> dict[str, float]:
    """Symbol → quote units traded in 24 hours.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return {row.symbol: row.turnover24h for row in read(_read_turnover, raw).data}


def tier_requests(instruments: Sequence[Instrument]) -> list[HttpRequest]:
    """Ask for margin tiers: one call per instrument, in their order."""
    return [
        HttpRequest(
            path="/api/v3/market/position-tier", params=(CATEGORY, ("symbol", one.symbol)), weight=WEIGHT_20_PER_S
        )
        for one in instruments
    ]


def tiers(raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
    """Margin tiers, lowest first. The reply does not say whose: the catalogue must hold that one instrument alone.

    The venue publishes no deduction, so there is none in them: `mmr` applies to the whole position.

    Raises:
        FrameError: a refusal, not the documented shape, tiers that overlap, or a catalogue of none or several.
    """
    rows = sorted(read(_read_tiers, raw).data, key=lambda row: row.tier)
    if len(catalogue) != 1:
        reason = f"does not say whose margin tiers it sent, and the catalogue holds {len(catalogue)} instruments"
        raise FrameError(f"bitget {reason}", venue=VENUE)
    if any(row.minTierValue < before.maxTierValue for before, row in pairwise(rows)):
        raise FrameError(f"bitget sent margin tiers that overlap; the reply begins {raw[:_SHOWN]!r}", venue=VENUE)
    caps = [*(row.minTierValue for row in rows[1:]), None]
    steps = (MarginTier(row.minTierValue, cap, row.mmr, row.leverage) for row, cap in zip(rows, caps, strict=False))
    return {symbol: tuple(steps) for symbol in catalogue}


def book_request(symbol: str) -> HttpRequest:
    """Ask for the best 200 levels of each side, to compare a book with."""
    params = (CATEGORY, ("symbol", symbol), ("limit", str(BOOK_LEVELS)))
    return HttpRequest(path="/api/v3/market/orderbook", params=params, weight=WEIGHT_20_PER_S)


def snapshot(raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
    """Decode a book. It carries no `seq`: its id is its time in ms, and cannot be bridged to the stream.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    depth = read(_read_book, raw).data
    return BookSnapshot(instrument.id, depth.ts * MS, ts_recv, depth.ts, [*depth.b], [*depth.a])


def time_request() -> HttpRequest:
    """Ask what time it is: of v2, as v3's pages name no such call."""
    return HttpRequest(path="/api/v2/public/time", weight=WEIGHT_20_PER_S)


def server_time(raw: bytes) -> int:
    """Decode the answer to `time_request`: ns UTC, in whole milliseconds.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return read(_read_time, raw).data.serverTime * MS
