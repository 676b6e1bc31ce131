"""`/api/v1/map-score`: how good the liquidation map is, as it was measured, whichever way it went."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.map_score import read_map_score
from perpscope.app.study.map_score import MapScore
from perpscope.web.endpoint import Endpoint
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources


class MapScoreQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is asked but the result that stands."""


class MapScoreBody(msgspec.Struct, frozen=True, kw_only=True):
    """The map against distance alone: bits per dollar, lift, calibration, each with its interval."""

    told: Annotated[str, About(description="in one line, as beneath every map")]
    verdict: Annotated[str, About(examples=["Not better than distance on the lab: …"])]
    is_better: Annotated[bool, About(description="than distance alone, at every horizon, with 95 % confidence")]
    lab: Annotated[MapScore, About(description="on generated markets, whose truth is known")]
    store: Annotated[MapScore | None, About(description="on what this store holds; null = not measured")]
    meta: Meta


def make(sources: Sources, _: MapScoreQuery) -> MapScoreBody:
    """The results that stand."""
    found = read_map_score(sources.database)
    best = found.store or found.lab
    notes = [found.told]
    if found.store is None:
        notes.append("not measured on this store: perpscope study map-score --source store")
    return MapScoreBody(
        told=found.told,
        verdict=best.verdict,
        is_better=best.is_better,
        lab=found.lab,
        store=found.store,
        meta=meta(sources, kind="model", as_of_ms=best.made_ms, notes=notes),
    )


ENDPOINTS = (
    Endpoint(
        name="map_score",
        paths=("/api/v1/map-score",),
        tag="map",
        summary="How good the liquidation map is: skill beyond distance alone, baselines and intervals",
        query=MapScoreQuery,
        body=MapScoreBody,
        make=make,
        fresh_s=30.0,
    ),
)
