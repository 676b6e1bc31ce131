"""`/api/v1/signals`: what strategies and models thought, near misses among them, newest first, page by page."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.answers.signals import SignalsAsked, SignalTold, read_page
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Limit, Symbol, moment_ms, next_page, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Cursor, Moment, cursor_decode, cursor_encode
from perpscope.web.sources import Sources

_NONE_YET = "no strategy and no model has thought anything yet: [strategy.NAME] enabled and [inference] say which do"


class SignalsQuery(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """Which signals."""

    symbol: Annotated[Symbol | None, About(description="coin, symbol or id; none = all")] = None
    strategy: Annotated[
        Annotated[str, About(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_\-]+$", examples=["burst"])] | None,
        About(description="strategy by name; forecast = a model's own word; none = all"),
    ] = None
    side: Annotated[
        Literal["LONG", "SHORT", "FLAT", "long", "short", "flat"] | None, About(description="what it would hold")
    ] = None
    kind: Annotated[
        Literal["all", "signals", "near-misses"],
        About(description="near-misses: entries that failed in one rule alone"),
    ] = "all"
    since: Moment | None = None
    until: Moment | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class SignalsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Signals, newest first."""

    signals: list[SignalTold]
    strategies: Annotated[list[str], About(description="that have any signal here")]
    next: Annotated[str | None, About(description="`cursor` of the next page; null = these were the last")]
    meta: Meta


def make(sources: Sources, asked: SignalsQuery) -> SignalsBody:
    """A page of signals."""
    after = None if asked.cursor is None else cursor_decode(asked.cursor, tuple[int, int])
    wanted = SignalsAsked(
        name=asked.symbol,
        strategy=asked.strategy,
        side=None if asked.side is None else asked.side.upper(),
        kind=asked.kind,
        from_ms=moment_ms(sources, asked.since),
        to_ms=moment_ms(sources, asked.until),
    )
    path, settings = sources.store(), sources.settings
    found = read_or_wait(
        path, settings, asked.symbol, lambda where: read_page(where, settings, wanted, asked.limit, after)
    )
    if isinstance(found, Waiting):
        return SignalsBody(signals=[], strategies=[], next=None, meta=waiting(sources, "model", found))
    told = meta(
        sources,
        kind="model",
        as_of_ms=found.at_ms,
        data=found.data.value,
        warming_up=not found.strategies,
        truncated=found.after is not None,
        notes=[] if found.strategies else [_NONE_YET],
    )
    following = None if found.after is None else cursor_encode(found.after)
    return SignalsBody(signals=found.signals, strategies=found.strategies, next=following, meta=told)


ENDPOINTS = (
    Endpoint(
        name="signals",
        paths=("/api/v1/signals",),
        tag="signals",
        summary="What strategies and models thought, near misses among them, newest first, page by page",
        description="A signal is an opinion, no order. A model's edge is `none` until it has shown one.",
        query=SignalsQuery,
        body=SignalsBody,
        make=make,
        headers=next_page("/api/v1/signals"),
    ),
)
