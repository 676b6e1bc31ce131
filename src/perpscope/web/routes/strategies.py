"""`/api/v1/strategies`: what can be run, what can be set and within which bounds, and what it shipped with."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.strategies_told import NotFound, StrategyTold
from perpscope.web.endpoint import Endpoint
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources


class StrategiesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is asked: there are few."""


class StrategiesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every strategy."""

    strategies: list[StrategyTold]
    faults: Annotated[list[NotFound], About(description="strategies of the configuration that cannot be used")]
    meta: Meta


def make(sources: Sources, _: StrategiesQuery) -> StrategiesBody:
    """What a process beside this face found."""
    found = sources.backtests().catalogue()
    notes = [fault.message for fault in found.faults]
    told = meta(sources, kind="model", as_of_ms=sources.stand().now_ms, notes=notes, venues=())
    return StrategiesBody(strategies=found.strategies, faults=found.faults, meta=told)


ENDPOINTS = (
    Endpoint(
        name="strategies",
        paths=("/api/v1/strategies",),
        tag="backtest",
        summary="Strategies with their parameters, bounds and shipped verdicts",
        query=StrategiesQuery,
        body=StrategiesBody,
        make=make,
        fresh_s=60.0,
        cost=2.0,
    ),
)
