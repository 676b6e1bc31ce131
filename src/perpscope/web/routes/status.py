"""`/api/status`: whether this face can answer, and how each feed is doing. Answers 200 whatever is wrong."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.standing import State, standing
from perpscope.app.availability import Availability
from perpscope.app.connections import CallLine, ConnectionLine
from perpscope.app.status import FeedLine, Refusal, Status
from perpscope.model.bulletin import BusHealth
from perpscope.stores.status import EventCounts
from perpscope.web.endpoint import Endpoint
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources


class StatusQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is asked but how it stands."""


class HeartTold(msgspec.Struct, frozen=True, kw_only=True):
    """The process that collects."""

    state: str  #: live, stale, gone; none where this face never heard one
    heard_ms: int | None  #: real time since it was heard
    is_running: bool | None  #: as it, or the store, said last; null where nobody did
    market_ms: int | None  #: market time of that
    rate: float | None  #: market seconds per real second; 1 when live


class StatusBody(msgspec.Struct, frozen=True, kw_only=True):
    """How this face and its sources stand."""

    status: Annotated[State, About(description="INITIALIZING: nothing can be told yet; ERROR: figures do not go on")]
    reason: Annotated[
        str | None, About(description="why it is not READY, beginning with a name", examples=["heart-gone: …"])
    ]
    troubles: Annotated[list[str], About(description="feeds that are not well, though answers are given")]
    heart: HeartTold
    feeds: list[FeedLine]
    events: Annotated[EventCounts | None, About(description="liquidations stored")]
    database_bytes: int | None
    availability: Annotated[list[Availability], About(description="how each venue tells what")]
    refused: Annotated[list[Refusal], About(description="venues that refuse this address for now")]
    connections: Annotated[list[ConnectionLine], About(description="sockets, as a heart that was heard tells them")]
    calls: Annotated[list[CallLine], About(description="what is asked again and again, likewise")]
    retention_days: Annotated[int | None, About(description="after which rows are deleted; null = all are kept")]
    bus: Annotated[BusHealth | None, About(description="how the heart reaches its faces; null where none was heard")]
    meta: Meta


def make(sources: Sources, _: StatusQuery) -> StatusBody:
    """How it stands."""
    live = sources.live
    market = sources.market()
    found = standing(
        None if market is None else market.store, sources.settings, live.heart, live.heard_s, live.told_status
    )
    told = found.told
    return StatusBody(
        status=found.state,
        reason=found.reason,
        troubles=found.troubles,
        heart=_heart(sources, told),
        feeds=[] if told is None else told.feeds,
        events=None if told is None else told.events,
        database_bytes=None if told is None else told.database.bytes,
        availability=[] if told is None else told.availability,
        refused=[] if told is None else told.refused,
        connections=[] if told is None else told.connections,
        calls=[] if told is None else told.calls,
        retention_days=sources.settings.retention.days or None,
        bus=None if told is None else told.bus,
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=None if told is None else sources.stand().now_ms,
            warming_up=found.state is State.INITIALIZING,
        ),
    )


def _heart(sources: Sources, told: Status | None) -> HeartTold:
    heard_s = sources.live.heard_s
    line = None if told is None else told.heart
    return HeartTold(
        state=sources.live.heart.value,
        heard_ms=None if heard_s is None else round(heard_s * 1000),
        is_running=None if line is None else line.is_running,
        market_ms=None if line is None else line.market_ms,
        rate=None if line is None else line.rate,
    )


ENDPOINTS = (
    Endpoint(
        name="status",
        paths=("/api/status", "/api/v1/status"),
        tag="health",
        summary="Whether this face can answer: INITIALIZING, READY or ERROR, and why",
        description="Feeds, counts and the collecting process, from what it told last, else from the store.",
        query=StatusQuery,
        body=StatusBody,
        make=make,
    ),
)
