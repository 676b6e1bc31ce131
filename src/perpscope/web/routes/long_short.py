"""`/api/long-short/{symbol}`: who is long and who is short, by venue and by kind, and what of it holds up together."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.answers.long_short import Line, Pooled, VenueRatios, read_long_short
from perpscope.model.market import RatioKind
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import MOST_HOURS, Symbol, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources


class LongShortQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose ratios, and how much of their past."""

    symbol: Symbol = "BTC"
    hours: Annotated[float, About(ge=0, le=MOST_HOURS, description="hours of history; 0 = none")] = 0.0


class LongShortBody(msgspec.Struct, frozen=True, kw_only=True):
    """Long/short ratios. The first three are of all accounts, of the venues that are believed together."""

    symbol: str
    long_share: Annotated[float | None, About(description="in [0, 1]")]
    short_share: float | None
    ratio: Annotated[float | None, About(description="longs ÷ shorts")]
    pooled: Annotated[list[Pooled], About(description="each kind, weighed by open interest, of believed venues")]
    venues: Annotated[list[VenueRatios], About(description="what each venue told last")]
    history: Annotated[list[Line], About(description="at most 500 points each")]
    meta: Meta


def make(sources: Sources, asked: LongShortQuery) -> LongShortBody:
    """The ratios of one coin or contract."""
    found = read_or_wait(
        sources.store(),
        sources.settings,
        asked.symbol,
        lambda path: read_long_short(path, sources.settings, asked.symbol, hours=asked.hours),
    )
    if isinstance(found, Waiting):
        told = waiting(sources, "observed", found)
        nothing: list[Line] = []
        return LongShortBody(
            symbol=asked.symbol,
            long_share=None,
            short_share=None,
            ratio=None,
            pooled=[],
            venues=[],
            history=nothing,
            meta=told,
        )
    people = next((one for one in found.pooled if one.kind is RatioKind.ALL_ACCOUNTS), None)
    return LongShortBody(
        symbol=asked.symbol,
        long_share=None if people is None else people.long_share,
        short_share=None if people is None else people.short_share,
        ratio=None if people is None else people.ratio,
        pooled=found.pooled,
        venues=found.venues,
        history=found.history,
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=found.newest_ms,
            data=found.data.value,
            truncated=found.is_thinned,
            notes=found.notes,
            venues=[one.venue for one in found.venues],
        ),
    )


ENDPOINTS = (
    Endpoint(
        name="long_short",
        paths=("/api/long-short/{symbol}", "/api/v1/long-short/{symbol}"),
        tag="sentiment",
        summary="Long/short ratios of each venue and kind, with age, history and a figure checked across venues",
        description=(
            "Kinds: all accounts, the largest accounts, positions of the largest, all positions. A venue counts in the"
            " pooled figure unless it is stale, implausible, frozen or at odds with the others."
        ),
        query=LongShortQuery,
        body=LongShortBody,
        make=make,
        fresh_s=5.0,
        cost=2.0,
    ),
)
