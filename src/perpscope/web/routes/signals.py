"""`/api/v1/signals`: what strategies thought. None has run yet, and the body says so."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Limit, Symbol
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Cursor, cursor_decode
from perpscope.web.sources import Sources


class SignalsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose signals."""

    symbol: Annotated[Symbol | None, About(description="coin, symbol or id; none = all")] = None
    limit: Limit = 100
    cursor: Cursor | None = None


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """One opinion of one strategy: no order."""

    at_ms: int  #: market time
    strategy: str
    instrument: str
    side: str  #: LONG or SHORT
    why: str


class SignalsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Signals, newest first."""

    signals: list[Signal]
    next: Annotated[str | None, About(description="`cursor` of the next page; null = these were the last")]
    meta: Meta


def make(sources: Sources, asked: SignalsQuery) -> SignalsBody:
    """No strategy runs yet."""
    if asked.cursor is not None:
        cursor_decode(asked.cursor, tuple[int, int])
    notes = ["no strategy has run: there are no signals yet"]
    told = meta(sources, kind="model", as_of_ms=None, warming_up=True, notes=notes)
    return SignalsBody(signals=[], next=None, meta=told)


ENDPOINTS = (
    Endpoint(
        name="signals",
        paths=("/api/v1/signals",),
        tag="signals",
        summary="Signals of strategies, newest first; empty until one runs",
        query=SignalsQuery,
        body=SignalsBody,
        make=make,
    ),
)
