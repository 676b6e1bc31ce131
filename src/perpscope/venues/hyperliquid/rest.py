"""REST calls to make, and what their replies mean: instruments, turnover, margin tiers, the book.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals
Everything is asked of one path, `POST /info`, by a JSON body. An address may spend 1,200 weight a minute: 2 for a book
or an account's state, 20 for what we ask else. What is not as documented, a refusal in words included, is a FrameError
that repeats the beginning of it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, MarginTier, instrument_id
from perpscope.model.market import BookSnapshot
from perpscope.model.stream import HttpRequest
from perpscope.venues.hyperliquid.symbols import FUNDING_INTERVAL_H, QUOTE, VENUE, coins_in, is_of_others
from perpscope.venues.hyperliquid.wire import MS, UNREADABLE, Book, Millis, NotNegative

#: Of the 1,200 a minute, a fifth is left to others.
WEIGHT_PER_MINUTE = 960.0
LIGHT, HEAVY = 2, 20  #: weights

#: "Prices can have up to 5 significant figures, but no more than MAX_DECIMALS - szDecimals decimal places where
#: MAX_DECIMALS is 6 for perps": the finest step there is; at most prices the figures allow only a coarser one.
_MOST_DECIMALS = 6
#: The venue refuses smaller orders; it is in none of its replies (public clients, 2026).
_MIN_NOTIONAL = Decimal(10)
_USDC = (0, None)  #: `collateralToken` of contracts margined in USDC
#: "For IDs less than 50, there is a single tier with max leverage equal to the ID": such tables are not listed.
_LISTED_TABLES_FROM = 50
_SHOWN = 120  #: bytes of a reply that go into a message
_EXPLAINED = 300

_Leverage = Annotated[float, msgspec.Meta(ge=1, le=1000)]

Reply = TypeVar("Reply")


class _Asset(msgspec.Struct):
    name: str
    szDecimals: Annotated[int, msgspec.Meta(ge=0, le=_MOST_DECIMALS)]
    maxLeverage: _Leverage
    marginTableId: int | None = None  #: absent in replies before 2025
    isDelisted: bool | None = None


class _Tier(msgspec.Struct):
    lowerBound: NotNegative
    maxLeverage: _Leverage


class _Table(msgspec.Struct):
    marginTiers: list[_Tier]

    def __post_init__(self) -> None:
        """Tiers follow each other from nothing upwards."""
        bounds = [tier.lowerBound for tier in self.marginTiers]
        if bounds[:1] != [0.0] or bounds != sorted(set(bounds)):
            raise ValueError("Expected `lowerBound` rising from 0")


class _Meta(msgspec.Struct):
    universe: list[_Asset]
    marginTables: list[tuple[int, _Table]] = []
    collateralToken: int | None = 0

    @property
    def assets(self) -> list[_Asset]:
        """The contracts that are ours: of the venue's own exchange, margined in USDC."""
        if self.collateralToken not in _USDC:
            return []
        return [asset for asset in self.universe if not is_of_others(asset.name)]


class _Day(msgspec.Struct):
    dayNtlVlm: NotNegative


class _Status(msgspec.Struct):
    time: Millis


_read_meta = msgspec.json.Decoder(_Meta, strict=False)
_read_days = msgspec.json.Decoder(tuple[_Meta, list[_Day]], strict=False)
_read_book = msgspec.json.Decoder(Book, strict=False)
_read_status = msgspec.json.Decoder(_Status)


def read_reply(decoder: msgspec.json.Decoder[Reply], raw: bytes) -> Reply:
    """Decode a reply.

    Raises:
        FrameError: not the documented shape; a refusal is words, or null.
    """
    try:
        return decoder.decode(raw)
    except UNREADABLE as error:
        raise reply_error(str(error), raw) from error


def reply_error(reason: str, raw: bytes) -> FrameError:
    """What to say of a reply that is not as it should be."""
    words = f"hyperliquid sent a reply we cannot read: {reason[:_EXPLAINED]}; it begins {raw[:_SHOWN]!r}"
    return FrameError(words, venue=VENUE)


def info(weight: int, **body: str) -> HttpRequest:
    """Ask the one path there is."""
    return HttpRequest(method="POST", path="/info", body=msgspec.json.encode(body), weight=weight)


def catalogue_request() -> HttpRequest:
    """List every contract of the venue's own exchange, with its margin table."""
    return info(HEAVY, type="meta")


def instruments(raw: bytes) -> list[Instrument]:
    """Contracts of a `meta` reply, delisted ones included. The venue does not say which of them are not on coins.

    Raises:
        FrameError: not the documented shape.
    """
    return [_instrument(asset) for asset in read_reply(_read_meta, raw).assets]


def _instrument(asset: _Asset) -> Instrument:
    coin, multiplier = coins_in(asset.name)
    return Instrument(
        id=instrument_id(VENUE, asset.name, QUOTE),
        venue=VENUE,
        symbol=asset.name,
        base=asset.name,
        quote=QUOTE,
        tick_size=Decimal(1).scaleb(asset.szDecimals - _MOST_DECIMALS),
        step_size=Decimal(1).scaleb(-asset.szDecimals),
        min_notional=_MIN_NOTIONAL,
        coin=coin,
        multiplier=multiplier,
        funding_interval_h=FUNDING_INTERVAL_H,
        max_leverage=asset.maxLeverage,
        is_trading=not asset.isDelisted,
    )


def turnover_request() -> HttpRequest:
    """Ask for every contract's day."""
    return info(HEAVY, type="metaAndAssetCtxs")


def turnover(raw: bytes) -> dict[str, float]:
    """Coin → USDC traded in 24 hours. The reply's second list is in the order of the first.

    Raises:
        FrameError: not the documented shape.
    """
    meta, days = read_reply(_read_days, raw)
    if len(meta.universe) != len(days):
        raise reply_error(f"{len(days)} contexts for {len(meta.universe)} contracts", raw)
    traded = {asset.name: day.dayNtlVlm for asset, day in zip(meta.universe, days, strict=True)}
    return {asset.name: traded[asset.name] for asset in meta.assets}


def tier_requests(instruments: Sequence[Instrument]) -> list[HttpRequest]:
    """Ask for the margin tables, which come with the listing, of all contracts at once."""
    return [catalogue_request()] if instruments else []


def tiers(raw: bytes, catalogue: Mapping[str, Instrument]) -> dict[str, tuple[MarginTier, ...]]:
    """Coin → margin tiers, lowest first. A contract whose table is neither listed nor implied has none.

    Raises:
        FrameError: not the documented shape.
    """
    meta = read_reply(_read_meta, raw)
    tables = {number: table.marginTiers for number, table in meta.marginTables}
    told = {}
    for asset in meta.assets:
        rows = tables.get(-1 if asset.marginTableId is None else asset.marginTableId) or _implied(asset)
        if rows and (not catalogue or asset.name in catalogue):
            told[asset.name] = _tiers(rows)
    return told


def _implied(asset: _Asset) -> list[_Tier]:
    """The one tier of a table that is not listed; none if the table should have been."""
    number = asset.marginTableId
    if number is None:
        return [_Tier(0.0, asset.maxLeverage)]
    return [_Tier(0.0, float(number))] if 0 < number < _LISTED_TABLES_FROM else []


def _tiers(rows: Sequence[_Tier]) -> tuple[MarginTier, ...]:
    """Maintenance is half the initial margin at a tier's highest leverage; the deduction makes it continuous.

    https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margin-tiers
    """
    steps: list[MarginTier] = []
    caps = [*(row.lowerBound for row in rows[1:]), None]
    for row, cap in zip(rows, caps, strict=True):
        mmr = 1.0 / (2.0 * row.maxLeverage)
        last = steps[-1] if steps else None
        deduction = last.deduction + row.lowerBound * (mmr - last.mmr) if last is not None else 0.0
        steps.append(MarginTier(row.lowerBound, cap, mmr, row.maxLeverage, deduction))
    return tuple(steps)


def book_request(coin: str) -> HttpRequest:
    """Ask for the best 20 levels of each side: what every frame of the stream brings anyway."""
    return info(LIGHT, type="l2Book", coin=coin)


def snapshot(raw: bytes, instrument: Instrument, ts_recv: int) -> BookSnapshot:
    """Decode the answer to `book_request`; its id is its time in ms, like that of a streamed book.

    Raises:
        FrameError: not the documented shape, or another contract's book.
    """
    book = read_reply(_read_book, raw)
    if book.coin != instrument.symbol:
        raise reply_error(f"the book of {book.coin:.20} where {instrument.symbol} was asked", raw)
    return BookSnapshot(instrument.id, book.time * MS, ts_recv, book.time, book.bids, book.asks)


def time_request() -> HttpRequest:
    """Ask for the venue's state, which has its time in it: of the documents that name it, none shows its shape."""
    return info(LIGHT, type="exchangeStatus")


def server_time(raw: bytes) -> int:
    """Decode the answer to `time_request`: ns UTC, in whole milliseconds.

    Raises:
        FrameError: not the shape that the venue's clients know.
    """
    return read_reply(_read_status, raw).time * MS
