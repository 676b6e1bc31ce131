"""`/api/v1/symbols`: what is collected, coin by coin, with the newest that is known of each contract."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.answers.symbols import Coin, read_symbols
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Symbol, VenueName, next_page, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Cursor, cursor_decode, cursor_encode
from perpscope.web.sources import Sources


class SymbolsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which of what is collected."""

    symbols: Annotated[tuple[Symbol, ...], About(max_length=50, description="with commas; none = all")] = ()
    venue: VenueName | None = None
    limit: Annotated[int, About(ge=1, le=200, description="coins at most")] = 50
    cursor: Cursor | None = None


class SymbolsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Coins by name. What is null is not known, or not stored yet."""

    coins: list[Coin]
    next: Annotated[str | None, About(description="`cursor` of the next page; null = these were the last")]
    meta: Meta


def make(sources: Sources, asked: SymbolsQuery) -> SymbolsBody:
    """A page of what is collected."""
    after = None if asked.cursor is None else cursor_decode(asked.cursor, str)
    found = read_or_wait(
        sources.store(),
        sources.settings,
        None,
        lambda path: read_symbols(
            path,
            sources.settings,
            names=asked.symbols,
            venue=None if asked.venue is None else asked.venue.lower(),
            limit=asked.limit,
            after=after,
        ),
    )
    if isinstance(found, Waiting):
        return SymbolsBody(coins=[], next=None, meta=waiting(sources, "observed", found))
    is_empty = not found.coins and after is None
    return SymbolsBody(
        coins=found.coins,
        next=None if found.after is None else cursor_encode(found.after),
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=found.at_ms,
            data=found.data.value,
            warming_up=is_empty,
            truncated=found.after is not None,
            notes=["nothing of this is stored yet"] if is_empty else [],
        ),
    )


ENDPOINTS = (
    Endpoint(
        name="symbols",
        paths=("/api/v1/symbols",),
        tag="health",
        summary="What is collected, coin by coin, with the newest that is known of each contract",
        query=SymbolsQuery,
        body=SymbolsBody,
        make=make,
        fresh_s=5.0,
        cost=2.0,
        headers=next_page("/api/v1/symbols"),
    ),
)
