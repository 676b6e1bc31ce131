"""`/api/v1/coverage`: what was seen of each stream, what was missed, and what of that was filled since."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.known import Waiting, meant, missing_venues, read_or_wait, stored
from perpscope.app.coverage import Interval, StreamCoverage, read_coverage
from perpscope.model.stream import Channel
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import MOST_HOURS, Limit, Symbol, VenueName, moment_ms, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Moment
from perpscope.web.sources import Sources

_MS_NS = 1_000_000
_HOUR_MS = 3_600_000


class CoverageQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Which streams, and of which time."""

    symbol: Annotated[Symbol | None, About(description="coin, symbol or id; none = all")] = None
    venue: VenueName | None = None
    channel: Annotated[Channel | None, About(description="one kind of feed; none = all")] = None
    hours: Annotated[float, About(gt=0, le=MOST_HOURS, description="before the end, where no `from` is given")] = 24.0
    since: Moment | None = None
    until: Moment | None = None
    gaps_only: Annotated[bool, About(description="leave out the intervals that were covered")] = False
    limit: Limit = 500


class CoverageBody(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of what was seen. What no interval holds is unknown."""

    from_ms: int | None
    to_ms: int | None
    streams: list[StreamCoverage]
    intervals: Annotated[list[Interval], About(description="stream by stream, in order of time")]
    omitted: Annotated[int, About(description="older intervals beyond the limit")]
    meta: Meta


def make(sources: Sources, asked: CoverageQuery) -> CoverageBody:
    """The ledger of some streams."""
    since, until = moment_ms(sources, asked.since), moment_ms(sources, asked.until)
    if since is not None:
        end = sources.stand().now_ms if until is None else until
        since = max(since, end - round(MOST_HOURS * _HOUR_MS))
    found = read_or_wait(
        sources.store(),
        sources.settings,
        asked.symbol,
        lambda path: read_coverage(
            _checked(path, sources, asked),
            venue=None if asked.venue is None else asked.venue.lower(),
            channel=None if asked.channel is None else asked.channel.value,
            symbol=asked.symbol,
            hours=asked.hours,
            from_ns=None if since is None else since * _MS_NS,
            to_ns=None if until is None else until * _MS_NS,
            gaps_only=asked.gaps_only,
            limit=asked.limit,
        ),
    )
    if isinstance(found, Waiting):
        return CoverageBody(
            from_ms=None, to_ms=None, streams=[], intervals=[], omitted=0, meta=waiting(sources, "observed", found)
        )
    shares = [stream.share for stream in found.streams if stream.share is not None]
    return CoverageBody(
        from_ms=found.from_ms,
        to_ms=found.to_ms,
        streams=found.streams,
        intervals=found.intervals,
        omitted=found.omitted,
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=found.to_ms,
            data=found.data.value,
            coverage=sum(shares) / len(shares) if shares else None,
            truncated=found.omitted > 0,
        ),
    )


def _checked(path: Path, sources: Sources, asked: CoverageQuery) -> Path:
    """The store, after its symbol and venue were looked for."""
    known = stored(path)
    if asked.symbol is not None:
        meant(known, sources.settings, asked.symbol)
    missing_venues(known, sources.settings, [] if asked.venue is None else [asked.venue])
    return path


ENDPOINTS = (
    Endpoint(
        name="coverage",
        paths=("/api/v1/coverage",),
        tag="health",
        summary="What was seen of each stream, what was missed, and what of that was filled",
        description="At most 31 days at once; a `from` before that is moved.",
        query=CoverageQuery,
        body=CoverageBody,
        make=make,
        cost=2.0,
    ),
)
