"""`/api/v1/candles`: prices of one contract, as its venue publishes them or summed up by us, with their holes."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.candles import Asked, By, CandleTold, Hole, read_candles
from perpscope.app.answers.known import Waiting, missing_venues, read_or_wait, stored
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Limit, Symbol, VenueName, moment_ms, next_page, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Cursor, Moment, cursor_decode, cursor_encode
from perpscope.web.sources import Sources


class CandlesQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Which candles."""

    symbol: Symbol = "BTC"
    venue: Annotated[VenueName | None, About(description="none = the venue with most open interest in this symbol")] = (
        None
    )
    interval: Annotated[Literal["1m", "5m", "15m", "1h", "4h", "1d"], About(description="length of a candle")] = "1m"
    by: Annotated[
        Literal["venue", "ours"] | None,
        About(description="venue: as published (1m, 15m, 1h); ours: summed up from shorter ones; none = as there is"),
    ] = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Limit = 500
    cursor: Cursor | None = None


class CandlesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Closed candles, newest first."""

    symbol: str
    venue: str | None
    instrument: str | None
    interval: str
    by: By | None
    parts: Annotated[str | None, About(description="length of the stored candles these are made of")]
    candles: list[CandleTold]
    missing: Annotated[int | None, About(description="candles that should stand between these and do not")]
    gaps: Annotated[list[Hole], About(description="in the time of these candles, oldest first")]
    next: Annotated[str | None, About(description="`cursor` of the next page; null = these were the last")]
    meta: Meta


def make(sources: Sources, asked: CandlesQuery) -> CandlesBody:
    """A page of candles."""
    path, settings, wanted = sources.store(), sources.settings, _wanted(sources, asked)
    missing_venues(stored(path), settings, [] if asked.venue is None else [asked.venue])
    found = read_or_wait(path, settings, asked.symbol, lambda where: read_candles(where, settings, wanted))
    if isinstance(found, Waiting):
        return _nothing(asked, wanted.by, waiting(sources, "observed", found))
    is_more = found.has_more and bool(found.candles)
    return CandlesBody(
        symbol=asked.symbol,
        venue=found.instrument.venue,
        instrument=found.instrument.id,
        interval=found.interval,
        by=found.by,
        parts=found.parts,
        candles=found.candles,
        missing=found.missing,
        gaps=found.gaps,
        next=cursor_encode(found.candles[-1].open_ms) if is_more else None,
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=found.at_ms,
            data=found.data.value,
            coverage=found.coverage,
            truncated=is_more,
            venues=[found.instrument.venue],
        ),
    )


def _wanted(sources: Sources, asked: CandlesQuery) -> Asked:
    until = moment_ms(sources, asked.until) if asked.cursor is None else cursor_decode(asked.cursor, int)
    return Asked(
        name=asked.symbol,
        venue=asked.venue,
        interval=asked.interval,
        by=None if asked.by is None else By(asked.by),
        from_ms=moment_ms(sources, asked.since),
        to_ms=until,
        limit=asked.limit,
    )


def _nothing(asked: CandlesQuery, by: By | None, told: Meta) -> CandlesBody:
    return CandlesBody(
        symbol=asked.symbol,
        venue=asked.venue,
        instrument=None,
        interval=asked.interval,
        by=by,
        parts=None,
        candles=[],
        missing=None,
        gaps=[],
        next=None,
        meta=told,
    )


ENDPOINTS = (
    Endpoint(
        name="candles",
        paths=("/api/v1/candles",),
        tag="market",
        summary="Candles of one contract, newest first, with gaps and coverage",
        query=CandlesQuery,
        body=CandlesBody,
        make=make,
        headers=next_page("/api/v1/candles"),
    ),
)
