"""REST calls to make, and what their replies mean: instruments, turnover, margin tiers, the book.

https://www.okx.com/docs-v5/en/#public-data-rest-api and …/#order-book-trading-market-data
A reply is `{"code": "0", "data": […], "msg": ""}`; any other code is a refusal, with HTTP 200 as often as not, and
raises `FrameError` with OKX's words.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Generic, TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, MarginTier, TierBasis, instrument_id
from perpscope.model.market import BookSnapshot
from perpscope.model.stream import HttpRequest
from perpscope.venues.okx.symbols import VENUE, pair_of
from perpscope.venues.okx.trading_data import WireLevel, levels
from perpscope.venues.okx.wire import MS, Count, Measure, Millis, NotNegative, Positive

#: OKX limits each path for itself, n calls in any 2 s. This budget is made up to stay within all of them: a feed may
#: spend a quarter of it at once and gets it back evenly, thus at most 60 + 8 units in 2 s. With a fifth left to
#: others, a call that is allowed n times therefore weighs 68 / 0.8 n, rounded up.
WEIGHT_PER_MINUTE = 240.0
WEIGHTS = {5: 17, 10: 9, 20: 5, 40: 3}  #: calls allowed in 2 s → weight of one
FAMILIES_PER_TIER_CALL = 5
BOOK_LEVELS = 400
_SHOWN = 120  #: bytes of a reply that go into a message
#: What msgspec raises on hostile input besides its own errors.
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

Row = TypeVar("Row")


class Reply(msgspec.Struct, Generic[Row]):
    """What every reply looks like."""

    code: str
    data: list[Row]


class _Refusal(msgspec.Struct):
    code: str
    msg: str = ""


class _Listed(msgspec.Struct):
    """A row of the catalogue. Numbers are empty while a listing is prepared."""

    instId: str
    ctType: str  #: "linear", "inverse"; empty for spot
    settleCcy: str
    ctVal: str
    ctMult: str
    ctValCcy: str
    tickSz: str
    lotSz: str
    state: str  #: "live", "suspend", "preopen", …
    lever: str = ""
    instCategory: str = "1"  #: 1 = crypto; absent until 2025, when there was nothing else


class _Ticker(msgspec.Struct):
    instId: str
    last: str  #: empty before the first trade
    volCcy24h: str  #: base units


class _Tier(msgspec.Struct):
    instFamily: str
    minSz: NotNegative  #: contracts
    maxSz: Positive
    mmr: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    maxLever: Annotated[float, msgspec.Meta(ge=1, lt=1e4)]


class _Book(msgspec.Struct):
    asks: list[WireLevel]
    bids: list[WireLevel]
    ts: Millis
    seqId: Count

    def __post_init__(self) -> None:
        """Best levels come first."""
        bids, asks = [row.price for row in self.bids], [row.price for row in self.asks]
        if bids != sorted(bids, reverse=True) or asks != sorted(asks):
            raise ValueError("Expected `bids` falling and `asks` rising")


class _Clock(msgspec.Struct):
    ts: Millis


_read_refusal = msgspec.json.Decoder(_Refusal)
_read_listed = msgspec.json.Decoder(Reply[_Listed], strict=False)
_read_tickers = msgspec.json.Decoder(Reply[_Ticker], strict=False)
_read_tiers = msgspec.json.Decoder(Reply[_Tier], strict=False)
_read_books = msgspec.json.Decoder(Reply[_Book], strict=False)
_read_clocks = msgspec.json.Decoder(Reply[_Clock], strict=False)


def read(decoder: msgspec.json.Decoder[Reply[Row]], raw: bytes) -> list[Row]:
    """The rows of a reply; a refusal and a malformed one are FrameErrors."""
    try:
        refusal = _read_refusal.decode(raw)
        if refusal.code == "0":
            return decoder.decode(raw).data
    except _UNREADABLE as error:
        reason = f"sent a reply we cannot read: {error}; it begins {raw[:_SHOWN]!r}"
        raise FrameError(f"okx {reason}", venue=VENUE) from error
    raise FrameError(f"okx refused: {refusal.msg[:_SHOWN]} (code {refusal.code[:_SHOWN]})", venue=VENUE)


def catalogue_request() -> HttpRequest:
    """List every perpetual."""
    return HttpRequest(path="/api/v5/public/instruments", params=(("instType", "SWAP"),), weight=WEIGHTS[20])


def instruments(raw: bytes) -> list[Instrument]:
    """Linear perpetuals quoted in dollars. Inverse contracts and listings still without figures are left out.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    return [known for row in read(_read_listed, raw) if (known := _instrument(row)) is not None]


def _instrument(row: _Listed) -> Instrument | None:
    pair = pair_of(row.instId)
    if pair is None or row.ctType != "linear" or (row.ctValCcy, row.settleCcy) != pair:
        return None
    if not (row.ctVal and row.ctMult and row.tickSz and row.lotSz):
        return None
    base, quote = pair
    contract_size = _decimal(row.instId, "ctVal", row.ctVal) * _decimal(row.instId, "ctMult", row.ctMult)
    return Instrument(
        id=instrument_id(VENUE, base, quote),
        venue=VENUE,
        symbol=row.instId,
        base=base,
        quote=quote,
        contract_size=contract_size,
        tick_size=_decimal(row.instId, "tickSz", row.tickSz),
        step_size=_decimal(row.instId, "lotSz", row.lotSz) * contract_size,
        max_leverage=float(_decimal(row.instId, "lever", row.lever)) if row.lever else None,
        is_trading=row.state == "live",
        is_crypto=row.instCategory == "1",
    )


def _decimal(symbol: str, name: str, text: str) -> Decimal:
    """A number of the catalogue, above zero and of no absurd size."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and Decimal("1e-15") <= number < Decimal("1e15")):
        raise FrameError(f"okx lists {symbol[:_SHOWN]} with `{name}` {text[:_SHOWN]!r}: not a size", venue=VENUE)
    return number


def turnover_request() -> HttpRequest:
    """Ask what every perpetual turned over in 24 hours."""
    return HttpRequest(path="/api/v5/market/tickers", params=(("instType", "SWAP"),), weight=WEIGHTS[20])


def turnover(raw: bytes) -> dict[str, float]:
    """Symbol → quote units in 24 hours: base units traded × last price, since OKX tells no turnover in dollars.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    rows = [row for row in read(_read_tickers, raw) if pair_of(row.instId) is not None]
    return {row.instId: _number(row, row.volCcy24h) * _number(row, row.last) for row in rows}


def _number(row: _Ticker, text: str) -> float:
    """A figure of a ticker; none yet is 0."""
    try:
        number = float(text or 0)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e18:
        raise FrameError(f"okx sent a ticker of {row.instId[:_SHOWN]} with {text[:_SHOWN]!r}: no figure", venue=VENUE)
    return number


def tier_requests(instruments: Sequence[Instrument]) -> list[HttpRequest]:
    """Ask for the isolated-margin tiers of these instruments, five at a time."""
    families = [instrument.symbol.removesuffix("-SWAP") for instrument in instruments]
    return [
        HttpRequest(
            path="/api/v5/public/position-tiers",
            params=(
                ("instType", "SWAP"),
                ("tdMode", "isolated"),
                ("instFamily", ",".join(families[start : start + FAMILIES_PER_TIER_CALL])),
            ),
            weight=WEIGHTS[10],
        )
        for start in range(0, len(families), FAMILIES_PER_TIER_CALL)
    ]


def tiers(raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
    """Decode an answer to one of `tier_requests`: bounds in base units, families not in `catalogue` passed over.

    OKX's bounds are both included and in contracts (1 to 500, 501 to 1,000): a tier is taken to begin where the one
    below it ends. A position's whole size is margined at its tier's rate; there is nothing to deduct.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    families: dict[str, list[_Tier]] = {}
    for row in read(_read_tiers, raw):
        families.setdefault(f"{row.instFamily}-SWAP", []).append(row)
    return {symbol: _tiers(rows, catalogue[symbol]) for symbol, rows in families.items() if symbol in catalogue}


def _tiers(rows: list[_Tier], instrument: Instrument) -> tuple[MarginTier, ...]:
    measure = Measure.of(instrument)
    rows = sorted(rows, key=lambda row: row.maxSz)
    floors = [measure.base(size) for size in (rows[0].minSz, *(row.maxSz for row in rows[:-1]))]
    caps = [*floors[1:], None]
    return tuple(
        MarginTier(floor, cap, row.mmr, row.maxLever, basis=TierBasis.SIZE)
        for floor, cap, row in zip(floors, caps, rows, strict=True)
    )


def book_request(symbol: str) -> HttpRequest:
    """Ask for 400 levels of a side, to compare with the streamed book; it is never needed to begin one."""
    params = (("instId", symbol), ("sz", str(BOOK_LEVELS)))
    return HttpRequest(path="/api/v5/market/books", params=params, weight=WEIGHTS[40])


def snapshot(raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
    """Decode an answer to `book_request`; its ids are those of the stream.

    Raises:
        FrameError: a refusal, or not the documented shape; `seqId` is among what is needed.
    """
    rows = read(_read_books, raw)
    if len(rows) != 1:
        raise FrameError(f"okx sent {len(rows)} books where one was asked", venue=VENUE)
    (book,), measure = rows, Measure.of(instrument)
    bids, asks = levels(book.bids, measure), levels(book.asks, measure)
    return BookSnapshot(instrument.id, book.ts * MS, ts_recv, book.seqId, bids, asks)


def time_request() -> HttpRequest:
    """Ask what time it is."""
    return HttpRequest(path="/api/v5/public/time", weight=WEIGHTS[10])


def server_time(raw: bytes) -> int:
    """Decode the answer to `time_request`: ns UTC, in whole milliseconds.

    Raises:
        FrameError: a refusal, or not the documented shape.
    """
    rows = read(_read_clocks, raw)
    if len(rows) != 1:
        raise FrameError(f"okx told {len(rows)} times where one was asked", venue=VENUE)
    return rows[0].ts * MS
