"""`/api/v1/cascades`: forced orders that fed on each other, lately noticed, and what a shock would set off now."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.cascades import MOST_HOURS, CascadeEvent, read_cascades
from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.sentiment.cascade import CascadeAnswer, Shock
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Symbol, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources

#: A smaller move than this is no shock: it is within a tick of many a price.
_LEAST_PCT = 0.01
Move = Annotated[float, About(gt=-90, le=100)]
Depth = Annotated[
    float, About(ge=1000, le=1e13, description="the market takes so much within 1 %; none = by what is traded")
]


class CascadesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose cascades, and which shock."""

    symbol: Symbol = "BTC"
    hours: Annotated[float, About(gt=0, le=MOST_HOURS, description="of events")] = 24.0
    simulate: Annotated[bool, About(description="push a shock through the map and the book, too")] = True
    shocks_pct: Annotated[
        tuple[Move, ...],
        About(min_length=1, max_length=8, description="moves of the price, per cent, 0.01 or more up or down"),
    ] = (-1.0, 1.0)
    depth_usd: Depth | None = None

    def __post_init__(self) -> None:
        if min(map(abs, self.shocks_pct)) < _LEAST_PCT:
            raise ValueError(f"shocks_pct must be {_LEAST_PCT:g} or more, up or down")


class CascadesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Events that were noticed, and an estimate of what would happen."""

    symbol: str
    events: Annotated[list[CascadeEvent], About(description="newest first")]
    simulation: Annotated[
        CascadeAnswer | None,
        About(description="stop, amplification, R(price) and liquidation at risk; null with too little stored"),
    ]
    meta: Meta


def make(sources: Sources, asked: CascadesQuery) -> CascadesBody:
    """Events and the simulation."""
    shock = Shock(moves=tuple(move / 100.0 for move in asked.shocks_pct), depth_usd=asked.depth_usd)
    found = read_or_wait(
        sources.store(),
        sources.settings,
        asked.symbol,
        lambda path: read_cascades(path, asked.symbol, asked.hours, shock if asked.simulate else None),
    )
    if isinstance(found, Waiting):
        told = waiting(sources, "model", found)
        return CascadesBody(symbol=asked.symbol, events=[], simulation=None, meta=told)
    return CascadesBody(
        symbol=asked.symbol,
        events=found.events,
        simulation=found.simulation,
        meta=meta(
            sources,
            kind="model",
            as_of_ms=found.at_ms,
            data=found.data.value,
            warming_up=asked.simulate and found.simulation is None,
            notes=found.notes,
        ),
    )


ENDPOINTS = (
    Endpoint(
        name="cascades",
        paths=("/api/v1/cascades",),
        tag="sentiment",
        summary="Cascades of the last day, and what a shock would set off now",
        query=CascadesQuery,
        body=CascadesBody,
        make=make,
        fresh_s=30.0,
        cost=10.0,
    ),
)
