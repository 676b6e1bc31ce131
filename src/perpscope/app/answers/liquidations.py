"""Liquidations as they were published, page by page, and the largest of a stretch of time.

In: a store and what is wanted of it. Out: `Print`s, each saying whether its venue publishes all there were.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.known import meant, missing_venues
from perpscope.app.status import market_now
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness, PositionSide, Sampling
from perpscope.settings import Settings
from perpscope.stores import pages
from perpscope.stores.pages import Position, Wanted
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000


class Print(msgspec.Struct, frozen=True, kw_only=True):
    """One liquidation as its venue published it."""

    time_ms: int  #: the venue's
    received_ms: int
    venue: str
    symbol: str  #: the venue's own
    instrument: str
    side: PositionSide  #: whose position was closed: LONG = forced selling
    size: float  #: base units
    price: float  #: quote per base: of the fills, else of bankruptcy
    price_is: str  #: "fill" or "bankruptcy"
    usd: float
    lpi: float | None  #: 0–100, among those of the week before; null where there is nothing to compare with
    completeness: Completeness  #: complete: the venue publishes every one; sampled: some; watchlist: of some accounts
    sampling: Sampling  #: how a sampled feed chooses


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which liquidations, as people ask."""

    name: str | None = None  #: coin, symbol or id; None = all
    venues: Sequence[str] = ()
    side: PositionSide | None = None
    min_usd: float = 0.0
    from_ms: int | None = None
    to_ms: int | None = None  #: not included; None = up to the newest


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of them, and where the next begin."""

    data: StoreKind
    at_ms: int  #: market time
    prints: list[Print]
    after: Position | None  #: None = these were the last
    missing: list[str]  #: venues that were asked for and are not stored


def read_page(path: Path, settings: Settings, asked: Asked, limit: int, after: Position | None = None) -> Page:
    """The newest liquidations that are wanted, newest first.

    Args:
        path: the store.
        settings: what is collected.
        asked: which.
        limit: rows at most, above 0.
        after: where the page before ended.

    Raises:
        ConfigError: nobody knows the name or venue, or the time ends before it begins.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        instruments = reader.instruments()
    wanted, missing = wanted_of(instruments, settings, asked)
    rows = pages.liquidations(path, wanted, limit + 1, after)
    return Page(
        data=kind,
        at_ms=now // _MS_NS,
        prints=[told(row) for row in rows[:limit]],
        after=rows[limit - 1].position if len(rows) > limit else None,
        missing=missing,
    )


def read_largest(path: Path, settings: Settings, asked: Asked, limit: int) -> list[Print]:
    """The largest liquidations that are wanted, by dollars. Raises as `read_page`."""
    with SqliteReader.open(path) as reader:
        wanted, _ = wanted_of(reader.instruments(), settings, asked)
    return [told(row) for row in pages.largest(path, wanted, limit)]


def wanted_of(instruments: Sequence[Instrument], settings: Settings, asked: Asked) -> tuple[Wanted, list[str]]:
    """What is asked for in a store's own words, and the venues it does not hold.

    Raises:
        ConfigError: as `read_page`.
    """
    names = None if asked.name is None else [(i.symbol, i.id) for i in meant(instruments, settings, asked.name)]
    missing = missing_venues(instruments, settings, asked.venues)
    start, end = asked.from_ms or 0, asked.to_ms
    if end is not None and end <= start:
        raise ConfigError("option-value", f"the time asked about ends at {end} ms, before it begins at {start} ms")
    wanted = Wanted(
        names=names,
        venues=[name.lower() for name in asked.venues],
        side=asked.side,
        min_usd=asked.min_usd,
        from_ns=start * _MS_NS,
        to_ns=2**62 if end is None else end * _MS_NS,
    )
    return wanted, missing


def told(row: pages.Row) -> Print:
    """A stored liquidation, as it is told."""
    event = row.event
    return Print(
        time_ms=event.ts_event // _MS_NS,
        received_ms=event.ts_recv // _MS_NS,
        venue=row.venue,
        symbol=row.symbol,
        instrument=event.instrument,
        side=event.position_side,
        size=event.size,
        price=event.price,
        price_is="fill" if event.fill_price is not None else "bankruptcy",
        usd=event.notional_usd,
        lpi=None if event.lpi is None else event.lpi.value,
        completeness=event.completeness,
        sampling=event.sampling,
    )
