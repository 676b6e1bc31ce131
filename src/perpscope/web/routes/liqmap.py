"""`/api/liquidation-map`: where open positions would be closed by force. Every figure of it is an estimate.

The names an older public API of such maps uses come first (`summary`, `direction`, `bins`, `timestamp`); ours follow.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta as About

from perpscope.analytics.liqmap.curves import Cluster, WhatIf
from perpscope.app.answers.known import Waiting, missing_venues, read_or_wait, stored
from perpscope.app.liqmap.answer import Bin, Direction, MapAnswer, RawLiquidation, Summary
from perpscope.app.liqmap.borrowed import BorrowedTold
from perpscope.app.liqmap.measured import MeasuredTold
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.liqmap.venues import VenueTold
from perpscope.app.study.map_kept import measured
from perpscope.stores.status import StoreKind
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Bins, Profile, Symbol, Venues, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources

Price = Annotated[float, About(gt=0, le=1e12)]
Move = Annotated[float, About(gt=-100, le=1000)]
Prices = Annotated[tuple[Price, ...], About(max_length=20, description="what if the price goes there; with commas")]
Moves = Annotated[tuple[Move, ...], About(max_length=20, description="what if it moves by so many per cent")]
Top = Annotated[int, About(ge=1, le=50, description="clusters")]
Raw = Annotated[bool, About(description="the levels that bins are summed from, too")]
Horizon = Annotated[float, About(ge=0, le=1440, description="minutes the blend with distance is for; 0 = none")]


class MapQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The map as it is kept."""

    symbol: Symbol = "BTC"
    top: Top = 5
    prices: Prices = ()
    moves_pct: Moves = (-3.0, 3.0)
    raw: Raw = False


class CustomQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A map of one's own."""

    ticker: Symbol = "BTC"
    lookback_days: Annotated[float, About(ge=0.5, le=30, description="positions are followed from so long ago")] = 3.0
    exchanges: Venues = ()
    profile: Profile = "calibrated"
    bins: Bins | None = None
    horizon: Horizon = 60.0
    formula: Annotated[
        Literal["method", "seed", "public"], About(description="method; or a baseline to compare with: seed, public")
    ] = "method"
    top: Top = 5
    prices: Prices = ()
    moves_pct: Moves = (-3.0, 3.0)
    raw: Raw = False


class MapBody(msgspec.Struct, frozen=True, kw_only=True):
    """A map: what `perpscope map --json` prints, with `timestamp`, the score and `meta` beside it."""

    summary: Summary | None
    direction: Direction | None
    bins: Annotated[list[Bin], About(description="by price, each side apart; what is empty and faint is left out")]
    raw_liquidations: Annotated[list[RawLiquidation] | None, About(description="where `raw` asked for them")]
    timestamp: Annotated[int | None, About(description="the same as at_ms, epoch ms")]
    name: str
    data: StoreKind | None
    basis: Annotated[str, About(description="estimated: none of it is observed")]
    formula: str | None
    profile: str | None
    at_ms: int | None
    from_ms: Annotated[int | None, About(description="positions are followed from there")]
    horizon_min: float | None
    direction_is: Annotated[str, About(description="descriptive: nothing is claimed about where the price goes")]
    clusters: list[Cluster]
    what_if: list[WhatIf]
    beyond_usd: Annotated[list[float] | None, About(description="held out of the bins or of reach: longs, shorts")]
    venues: Annotated[list[VenueTold], About(description="what each venue's part rests on")]
    measured: Annotated[list[MeasuredTold], About(description="venues that show positions")]
    borrowed: Annotated[list[BorrowedTold], About(description="venues whose part has another's shape")]
    notes: list[str]
    score: Annotated[str, About(description="how good such maps are, as it was measured")]
    meta: Meta


def make(sources: Sources, asked: MapQuery) -> MapBody:
    """The map of one coin or contract."""
    question = Question(
        name=asked.symbol,
        top=asked.top,
        prices=asked.prices,
        moves=tuple(move / 100.0 for move in asked.moves_pct),
        is_raw=asked.raw,
    )
    return _made(sources, question)


def make_custom(sources: Sources, asked: CustomQuery) -> MapBody:
    """A map of one's own."""
    path = sources.store()
    if asked.exchanges:
        missing_venues(stored(path), sources.settings, asked.exchanges)
    question = Question(
        name=asked.ticker,
        profile=asked.profile,
        lookback_h=asked.lookback_days * 24.0,
        horizon_min=asked.horizon,
        bins=asked.bins,
        venues=tuple(dict.fromkeys(name.lower() for name in asked.exchanges)),
        formula=asked.formula,
        top=asked.top,
        prices=asked.prices,
        moves=tuple(move / 100.0 for move in asked.moves_pct),
        is_raw=asked.raw,
    )
    return _made(sources, question)


def _made(sources: Sources, question: Question) -> MapBody:
    path = sources.store()
    found = read_or_wait(path, sources.settings, question.name, lambda where: read_map(where, question))
    score = measured(path)
    return _waiting(sources, question, found, score) if isinstance(found, Waiting) else _told(sources, found, score)


def _told(sources: Sources, found: MapAnswer, score: str) -> MapBody:
    venues = [told.venue for told in found.venues]
    seen = [told.liquidations_share for told in found.venues]
    own = {name: getattr(found, name) for name in MapAnswer.__struct_fields__ if name != "explanation"}
    return MapBody(
        **own,
        timestamp=found.at_ms,
        score=score,
        meta=meta(
            sources,
            kind="model",
            as_of_ms=found.at_ms,
            data=found.data.value,
            coverage=sum(seen) / len(seen) if seen else None,
            warming_up=any(note.startswith("warm-up") for note in found.notes),
            notes=found.notes,
            venues=venues,
        ),
    )


def _waiting(sources: Sources, question: Question, found: Waiting, score: str) -> MapBody:
    return MapBody(
        summary=None,
        direction=None,
        bins=[],
        raw_liquidations=None,
        timestamp=None,
        name=question.name,
        data=sources.stand().data,
        basis="estimated",
        formula=question.formula,
        profile=question.profile,
        at_ms=None,
        from_ms=None,
        horizon_min=question.horizon_min,
        direction_is="descriptive",
        clusters=[],
        what_if=[],
        beyond_usd=None,
        venues=[],
        measured=[],
        borrowed=[],
        notes=[found.why],
        score=score,
        meta=waiting(sources, "model", found),
    )


_DESCRIPTION = (
    "An estimate: sizes by leverage are inferred from open interest, prices and liquidations. `score` says how such"
    " maps were found to do; `direction` describes the map and forecasts nothing."
)
ENDPOINTS = (
    Endpoint(
        name="liquidation_map",
        paths=("/api/liquidation-map", "/api/v1/liquidation-map"),
        tag="map",
        summary="Where open positions would be closed by force, in dollars by price",
        description=_DESCRIPTION,
        query=MapQuery,
        body=MapBody,
        make=make,
        fresh_s=5.0,
        cost=4.0,
    ),
    Endpoint(
        name="liquidation_map_custom",
        paths=("/api/liquidation-map/custom", "/api/v1/liquidation-map/custom"),
        tag="map",
        summary="The map by one's own lookback, venues, leverage profile and bins",
        description=_DESCRIPTION,
        query=CustomQuery,
        body=MapBody,
        make=make_custom,
        fresh_s=10.0,
        cost=10.0,
    ),
)
