"""What is collected: every contract of a store with the newest that is known of it, coin by coin.

In: a store. Out: coins in the order of their names, a page at a time; each contract with its price, open interest and
liquidations, null where nothing is stored.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.known import meant, missing_venues
from perpscope.app.coverage import PUBLISHED
from perpscope.app.status import market_now
from perpscope.model.instrument import Contract, Instrument
from perpscope.model.market import Completeness
from perpscope.settings import Settings
from perpscope.stores.extents import Extent, extents
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000


class ContractTold(msgspec.Struct, frozen=True, kw_only=True):
    """One contract of one venue."""

    venue: str
    id: str
    symbol: str
    base: str
    quote: str
    contract: Contract
    expiry: str | None  #: YYMMDD; null for a perpetual
    is_trading: bool
    funding_interval_h: float | None
    max_leverage: float | None
    mark: float | None  #: quote per base
    index: float | None
    funding_rate: float | None  #: fraction per interval
    price_age_ms: int | None  #: market time
    open_interest: float | None  #: base units
    open_interest_usd: float | None
    open_interest_age_ms: int | None
    liquidations: int  #: stored
    newest_liquidation_ms: int | None
    oldest_liquidation_ms: int | None
    completeness: Completeness | None  #: of the liquidations its venue publishes; null where it publishes none


class Coin(msgspec.Struct, frozen=True, kw_only=True):
    """Every contract of a coin."""

    coin: str
    contracts: list[ContractTold]


class Symbols(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is collected."""

    data: StoreKind
    at_ms: int  #: market time
    coins: list[Coin]
    after: str | None  #: the coin this page ended with; None = it was the last


def read_symbols(
    path: Path,
    settings: Settings,
    *,
    names: Sequence[str] = (),
    venue: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Symbols:
    """Coins in the order of their names.

    Args:
        path: the store.
        settings: what is collected.
        names: coins, symbols or ids; none = all.
        venue: of one venue; None = all.
        limit: coins at most.
        after: the coin the page before ended with.

    Raises:
        ConfigError: nobody knows one of the names, or the venue.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        missing_venues(reader.instruments(), settings, [] if venue is None else [venue])
        listed = reader.instruments(venue)
        if names:
            wanted = {i.id for name in names for i in meant(listed, settings, name)}
            listed = [i for i in listed if i.id in wanted]
        coins = [(coin, [*of]) for coin, of in groupby(sorted(listed, key=_order), key=lambda i: i.asset)]
        rest = [pair for pair in coins if after is None or pair[0] > after]
        stored = {extent.instrument: extent for extent in extents(path)} if rest else {}
        shown = [
            Coin(coin=coin, contracts=[_told(reader, i, stored.get(i.id), now) for i in of])
            for coin, of in rest[:limit]
        ]
    after = rest[limit - 1][0] if len(rest) > limit else None
    return Symbols(data=kind, at_ms=now // _MS_NS, coins=shown, after=after)


def _order(instrument: Instrument) -> tuple[str, bool, str]:
    return instrument.asset, not instrument.is_perpetual, instrument.id


def _told(reader: SqliteReader, of: Instrument, extent: Extent | None, now: int) -> ContractTold:
    mark = next(iter(reader.marks(of.id, limit=1)), None)
    held = next(iter(reader.open_interest(of.venue, of.symbol, limit=1)), None)
    usd = None if held is None else held.open_interest_usd
    if usd is None and held is not None and mark is not None and of.contract is Contract.LINEAR:
        usd = held.open_interest * mark.mark
    return ContractTold(
        venue=of.venue,
        id=of.id,
        symbol=of.symbol,
        base=of.base,
        quote=of.quote,
        contract=of.contract,
        expiry=of.expiry,
        is_trading=of.is_trading,
        funding_interval_h=of.funding_interval_h,
        max_leverage=of.max_leverage,
        mark=None if mark is None else mark.mark,
        index=None if mark is None else mark.index,
        funding_rate=None if mark is None else mark.funding_rate,
        price_age_ms=None if mark is None else max(0, now - mark.ts_event) // _MS_NS,
        open_interest=None if held is None else held.open_interest,
        open_interest_usd=usd,
        open_interest_age_ms=None if held is None else max(0, now - held.ts_event) // _MS_NS,
        liquidations=0 if extent is None else extent.events,
        newest_liquidation_ms=None if extent is None else extent.ts_last // _MS_NS,
        oldest_liquidation_ms=None if extent is None else extent.ts_first // _MS_NS,
        completeness=PUBLISHED.get(of.venue),
    )
