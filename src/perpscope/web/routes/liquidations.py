"""Liquidations: totals of 24 hours with what they are a sample of, and every published one page by page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta as About

from perpscope.analytics.totals.amounts import summed
from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.answers.liquidations import Asked, Page, Print, read_largest, read_page
from perpscope.app.totals.reading import CoinTotals, FeedTotals, HourTotals, Sides, TotalsReport, described, read_totals
from perpscope.model.market import Completeness, PositionSide
from perpscope.settings import Settings
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Limit, Symbol, Venues, moment_ms, next_page, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Cursor, Moment, cursor_decode, cursor_encode
from perpscope.web.sources import Sources

_EVERYTHING = "ALL"


class TotalsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose totals."""

    symbol: Annotated[Symbol, About(description="coin, symbol or id; ALL = everything that is collected")] = "BTC"
    hours: Annotated[float, About(gt=0, le=168, description="length of the window, cut to the data")] = 24.0
    largest: Annotated[int, About(ge=0, le=100, description="how many of the largest liquidations to list")] = 10


class VenueTotals(msgspec.Struct, frozen=True, kw_only=True):
    """All of one venue's feeds that are summed."""

    venue: str
    completeness: Completeness  #: the least of its feeds
    sides: Sides


class TotalsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What was liquidated: observed, which is a floor, and estimated with its 5–95 % interval. null = not known."""

    symbol: str
    from_ms: int | None
    to_ms: int | None
    hours: float | None
    total: Annotated[Sides | None, About(description="longs, shorts and both, all feeds that are summed")]
    by_venue: list[VenueTotals]
    by_hour: list[HourTotals]
    coins: list[CoinTotals]
    feeds: Annotated[list[FeedTotals], About(description="each venue's symbol, and how its amount came about")]
    largest: Annotated[list[Print], About(description="of the window, by dollars")]
    told: Annotated[str | None, About(description="in one sentence")]
    meta: Meta


class RowsQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Which liquidations."""

    symbol: Annotated[Symbol | None, About(description="coin, symbol or id; none = all")] = None
    venue: Venues = ()
    side: Annotated[
        Literal["LONG", "SHORT", "long", "short"] | None, About(description="whose position was closed")
    ] = None
    min_usd: Annotated[float, About(ge=0, le=1e12, description="dollars at least")] = 0.0
    since: Moment | None = None
    until: Moment | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class RowsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidations as they were published, newest first."""

    liquidations: list[Print]
    next: Annotated[str | None, About(description="`cursor` of the next page; null = these were the last")]
    meta: Meta


def make_totals(sources: Sources, asked: TotalsQuery) -> TotalsBody:
    """Totals of the last hours."""
    name = None if asked.symbol.upper() == _EVERYTHING else asked.symbol
    path, settings = sources.store(), sources.settings
    found = read_or_wait(path, settings, name, lambda where: read_totals(where, symbol=name, hours=asked.hours, last=0))
    if isinstance(found, Waiting):
        return TotalsBody(
            symbol=asked.symbol,
            from_ms=None,
            to_ms=None,
            hours=None,
            total=None,
            by_venue=[],
            by_hour=[],
            coins=[],
            feeds=[],
            largest=[],
            told=None,
            meta=waiting(sources, "model", found),
        )
    wanted = Asked(name=name, from_ms=found.from_ms, to_ms=found.to_ms)
    return TotalsBody(
        symbol=asked.symbol,
        from_ms=found.from_ms,
        to_ms=found.to_ms,
        hours=found.hours,
        total=found.total,
        by_venue=_by_venue(found.feeds),
        by_hour=found.by_hour,
        coins=found.coins,
        feeds=found.feeds,
        largest=read_largest(path, settings, wanted, asked.largest) if asked.largest else [],
        told=described(found),
        meta=_totals_meta(sources, found),
    )


def _totals_meta(sources: Sources, found: TotalsReport) -> Meta:
    return meta(
        sources,
        kind="model",
        as_of_ms=found.to_ms,
        data=found.data.value,
        coverage=found.total.both.covered,
        notes=found.notes,
        venues=list(dict.fromkeys(feed.venue for feed in found.feeds)),
    )


def _by_venue(feeds: Sequence[FeedTotals]) -> list[VenueTotals]:
    counted = [feed for feed in feeds if feed.is_summed]
    found = []
    for venue in dict.fromkeys(feed.venue for feed in counted):
        own = [feed for feed in counted if feed.venue == venue]
        covered = min((feed.sides.both.covered for feed in own if feed.sides.both.covered is not None), default=None)
        sides = [summed([getattr(feed.sides, name) for feed in own], covered) for name in Sides.__struct_fields__]
        least = (
            Completeness.SAMPLED if any(f.completeness is Completeness.SAMPLED for f in own) else own[0].completeness
        )
        found.append(VenueTotals(venue=venue, completeness=least, sides=Sides(*sides)))
    return found


def make_rows(sources: Sources, asked: RowsQuery) -> RowsBody:
    """A page of liquidations."""
    after = None if asked.cursor is None else cursor_decode(asked.cursor, tuple[int, int])
    wanted = Asked(
        name=asked.symbol,
        venues=asked.venue,
        side=None if asked.side is None else PositionSide(asked.side.upper()),
        min_usd=asked.min_usd,
        from_ms=moment_ms(sources, asked.since),
        to_ms=moment_ms(sources, asked.until),
    )
    path, settings = sources.store(), sources.settings
    found = read_or_wait(
        path, settings, asked.symbol, lambda where: read_page(where, settings, wanted, asked.limit, after)
    )
    if isinstance(found, Waiting):
        return RowsBody(liquidations=[], next=None, meta=waiting(sources, "observed", found))
    is_known = bool(found.prints) or after is not None or _has_any(path, settings, asked.symbol)
    return RowsBody(
        liquidations=found.prints,
        next=None if found.after is None else cursor_encode(found.after),
        meta=_rows_meta(sources, found, is_known=is_known),
    )


def _has_any(path: Path, settings: Settings, name: str | None) -> bool:
    """Whether anything is stored of a name, or of anything."""
    return bool(read_page(path, settings, Asked(name=name), 1).prints)


def _rows_meta(sources: Sources, found: Page, *, is_known: bool) -> Meta:
    notes = [f"{venue}: nothing of it is stored" for venue in found.missing]
    if not is_known:
        notes.append("no liquidation of this is stored yet")
    return meta(
        sources,
        kind="observed",
        as_of_ms=found.at_ms,
        data=found.data.value,
        warming_up=not is_known,
        truncated=found.after is not None,
        notes=notes,
    )


ENDPOINTS = (
    Endpoint(
        name="liquidations_24h",
        paths=("/api/liquidations/24h", "/api/v1/liquidations/24h"),
        tag="liquidations",
        summary="What was liquidated in 24 hours: observed, estimated, interval and coverage",
        description=(
            "Venues publish one liquidation a second at most, or none. What they published is a floor; what it is a"
            " sample of is estimated, with a 5–95 % interval, and told beside it."
        ),
        query=TotalsQuery,
        body=TotalsBody,
        make=make_totals,
        fresh_s=5.0,
        cost=2.0,
    ),
    Endpoint(
        name="liquidations",
        paths=("/api/v1/liquidations",),
        tag="liquidations",
        summary="Liquidations as they were published, newest first, page by page",
        description="Each says whether its venue publishes all there are (`completeness`) and how it chooses.",
        query=RowsQuery,
        body=RowsBody,
        make=make_rows,
        cost=2.0,
        headers=next_page("/api/v1/liquidations"),
    ),
)
