"""`/api/v1/liquidation-map/why`: what a level of the map is made of; all but what is measured is an estimate."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.known import Waiting, missing_venues, read_or_wait, stored
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.why import Rest, WhyAnswer, WhyPart, read_why
from perpscope.stores.status import StoreKind
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Profile, Symbol, Venues, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources

_MOST_PRICE = 1e12


class WhyQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which level of which map."""

    symbol: Symbol = "BTC"
    price: Annotated[
        Annotated[float, About(gt=0, le=_MOST_PRICE)] | None,
        About(description="the level with this price, quote per base; none = the largest level"),
    ] = None
    side: Annotated[
        Literal["long", "short"] | None,
        About(description="whose positions; none = longs below the price, shorts above"),
    ] = None
    profile: Profile = "calibrated"
    exchanges: Venues = ()
    top: Annotated[int, About(ge=1, le=200, description="parts told one by one")] = 20


class WhyVenue(msgspec.Struct, frozen=True):
    """All parts of one venue."""

    venue: str
    usd: float
    gross_usd: float


class WhyBody(msgspec.Struct, frozen=True, kw_only=True):
    """A level and what it is made of: the parts, with `others`, sum to `usd` and `gross_usd`."""

    symbol: str
    data: StoreKind | None
    basis: Annotated[str, About(description="estimated: only what is measured is seen")]
    at_ms: Annotated[int | None, About(description="of the map, epoch ms")]
    mark: Annotated[float | None, About(description="quote per base")]
    side: Annotated[str | None, About(description="LONG or SHORT: whose positions")]
    low: Annotated[float | None, About(description="of the level, quote per base")]
    high: float | None
    distance_pct: Annotated[float | None, About(description="of its middle from the mark, signed")]
    usd: Annotated[float | None, About(description="expected to be closed by force if the price gets there")]
    gross_usd: Annotated[float | None, About(description="held there")]
    was_usd: Annotated[float | None, About(description="held there before the price took some, fading")]
    remaining_pct: float | None
    status: Annotated[str | None, About(description="ACTIVE, PARTIAL, CLEARED or EMPTY")]
    measured_usd: Annotated[float | None, About(description="of gross_usd, in positions a venue shows")]
    venues: list[WhyVenue]
    parts: Annotated[list[WhyPart], About(description="largest first")]
    others: Annotated[Rest | None, About(description="the parts that are not told one by one")]
    meta: Meta


def make(sources: Sources, asked: WhyQuery) -> WhyBody:
    """What a level is made of."""
    path = sources.store()
    if asked.exchanges:
        missing_venues(stored(path), sources.settings, asked.exchanges)
    question = Question(
        name=asked.symbol,
        profile=asked.profile,
        venues=tuple(dict.fromkeys(name.lower() for name in asked.exchanges)),
    )
    is_long = None if asked.side is None else asked.side == "long"
    found = read_or_wait(
        path,
        sources.settings,
        asked.symbol,
        lambda where: read_why(where, question, asked.price, is_long=is_long, top=asked.top),
    )
    if isinstance(found, Waiting):
        return _waiting(asked, waiting(sources, "model", found))
    return _told(sources, asked, found)


def _told(sources: Sources, asked: WhyQuery, found: WhyAnswer) -> WhyBody:
    own = {name: getattr(found, name) for name in WhyBody.__struct_fields__ if name not in {"symbol", "venues", "meta"}}
    pairs = zip(found.venue_names, found.venues, strict=True)
    return WhyBody(
        symbol=asked.symbol,
        venues=[WhyVenue(name, total.usd, total.gross_usd) for name, total in pairs],
        meta=meta(
            sources,
            kind="model",
            as_of_ms=found.at_ms,
            data=found.data.value,
            notes=found.notes,
            venues=found.venue_names,
        ),
        **own,
    )


def _waiting(asked: WhyQuery, told: Meta) -> WhyBody:
    known: dict[str, object] = {"symbol": asked.symbol, "basis": "estimated", "venues": [], "parts": [], "meta": told}
    return WhyBody(**{name: known.get(name) for name in WhyBody.__struct_fields__})  # type: ignore[arg-type]


ENDPOINTS = (
    Endpoint(
        name="liquidation_map_why",
        paths=("/api/v1/liquidation-map/why",),
        tag="map",
        summary="Why a level of the map is there: venue by venue, leverage by leverage, by entry price",
        description=(
            "Parts of kind `positions` are inferred and have a class and a range of entry prices; `distance` is what a"
            " level so far away usually yields, whoever holds it; `measured` are positions a venue shows; `borrowed`"
            " is another venue's shape. They sum to the level."
        ),
        query=WhyQuery,
        body=WhyBody,
        make=make,
        fresh_s=5.0,
        cost=4.0,
    ),
)
