"""`/api/v1/overview`: every coin that is collected in one row, for a table, each figure with its age."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta as About

from perpscope.analytics.liqmap.force import Bias
from perpscope.analytics.totals.amounts import Amount
from perpscope.app.answers.kept_figures import KeptFigures, Liquidated, Near, PullNow, SentimentNow
from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.answers.overview import CoinTold, FundingTold, InterestTold, PriceTold, read_overview
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Symbol, waiting
from perpscope.web.meta import Meta, Source, meta
from perpscope.web.sources import Sources
from perpscope.web.standing import Stand

_KINDS: Final = ("liquidated", "sentiment", "pull")


class OverviewQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which coins."""

    symbols: Annotated[tuple[Symbol, ...], About(max_length=100, description="with commas; none = all")] = ()


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Longs and shorts that were liquidated: observed is a floor, estimated has its 5–95 % interval beside it."""

    long: Amount
    short: Amount


class LiquidatedTold(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last hour and the last 24, all venues that are summed."""

    h1: Window
    h24: Window
    age_ms: int


class SentimentTold(msgspec.Struct, frozen=True, kw_only=True):
    """How people are positioned; it does not forecast."""

    index: Annotated[float | None, About(description="0 (fear) to 100 (greed); null with too little known")]
    label: str | None
    age_ms: int


class PullTold(msgspec.Struct, frozen=True, kw_only=True):
    """Where the map leans: an estimate, and descriptive; nothing is claimed about where the price goes."""

    bias: Bias
    balance: Annotated[float, About(description="-1 (down) to 1 (up)")]
    long: Annotated[Near | None, About(description="nearest large cluster of longs, below the price")]
    short: Annotated[Near | None, About(description="nearest large cluster of shorts, above the price")]
    age_ms: int


class OverviewRow(msgspec.Struct, frozen=True, kw_only=True):
    """A coin. What is null is not known; `notes` say why. Ages are market time when the body was made."""

    coin: str
    price: Annotated[PriceTold | None, About(description="observed: the contract with most open interest")]
    open_interest: Annotated[InterestTold | None, About(description="observed")]
    funding: Annotated[FundingTold | None, About(description="observed: fractions per 8 h")]
    liquidated: Annotated[LiquidatedTold | None, About(description="observed, and estimated beside it")]
    sentiment: Annotated[SentimentTold | None, About(description="a model's")]
    pull: Annotated[PullTold | None, About(description="a model's")]
    venues: Annotated[list[Source], About(description="each by its worst feed of those a row is made of")]
    notes: list[str]


class OverviewBody(msgspec.Struct, frozen=True, kw_only=True):
    """Rows, most open interest first."""

    coins: list[OverviewRow]
    meta: Meta


def make(sources: Sources, asked: OverviewQuery) -> OverviewBody:
    """Every coin in one row."""
    settings, path = sources.settings, sources.store()
    name = asked.symbols[0] if len(asked.symbols) == 1 else None
    found = read_or_wait(path, settings, name, lambda where: read_overview(where, settings, asked.symbols))
    if isinstance(found, Waiting):
        return OverviewBody(coins=[], meta=waiting(sources, "observed", found))
    kept, stand = sources.kept_figures(), sources.stand()
    names = [one.coin for one in found.coins]
    if names:
        kept.look(names)
    states = {one.venue: one for one in meta(sources, kind="observed", as_of_ms=found.at_ms).sources}
    rows = [_row(one, kept, stand, states) for one in found.coins]
    is_coming = any(not kept.has_tried(kind, coin) for coin in names for kind in _KINDS)
    notes = ["nothing is stored yet"] if not rows else []
    if is_coming:
        notes.append("sentiment, pull and totals of some coins are still being reckoned")
    return OverviewBody(
        coins=rows,
        meta=meta(
            sources,
            kind="observed",
            as_of_ms=found.at_ms,
            data=found.data.value,
            warming_up=not rows,
            truncated=found.has_more,
            notes=notes,
        ),
    )


def _row(told: CoinTold, kept: KeptFigures, stand: Stand, states: dict[str, Source]) -> OverviewRow:
    figures = {kind: kept.found(kind, told.coin) for kind in _KINDS}
    liquidated, sentiment, pull = figures["liquidated"], figures["sentiment"], figures["pull"]
    return OverviewRow(
        coin=told.coin,
        price=told.price,
        open_interest=told.open_interest,
        funding=told.funding,
        liquidated=_liquidated(liquidated, stand) if isinstance(liquidated, Liquidated) else None,
        sentiment=_sentiment(sentiment, stand) if isinstance(sentiment, SentimentNow) else None,
        pull=_pull(pull, stand) if isinstance(pull, PullNow) else None,
        venues=[states.get(venue, Source(venue, "down", None)) for venue in told.venues],
        notes=[_why(kept, kind, told.coin) for kind in _KINDS if figures[kind] is None],
    )


def _why(kept: KeptFigures, kind: str, coin: str) -> str:
    """Why a figure is not there."""
    if not kept.has_tried(kind, coin):
        return f"{kind}: not reckoned yet"
    return f"{kind}: {kept.why(kind, coin) or 'no venue that publishes any is stored'}"


def _age(as_of_ms: int, stand: Stand) -> int:
    return max(0, stand.now_ms - as_of_ms)


def _liquidated(found: Liquidated, stand: Stand) -> LiquidatedTold:
    hour, day = found.hour, found.day
    return LiquidatedTold(
        h1=Window(long=hour.long, short=hour.short),
        h24=Window(long=day.long, short=day.short),
        age_ms=_age(found.as_of_ms, stand),
    )


def _sentiment(found: SentimentNow, stand: Stand) -> SentimentTold:
    return SentimentTold(index=found.index, label=found.label, age_ms=_age(found.as_of_ms, stand))


def _pull(found: PullNow, stand: Stand) -> PullTold:
    return PullTold(
        bias=found.direction.bias,
        balance=found.direction.balance,
        long=found.long,
        short=found.short,
        age_ms=_age(found.as_of_ms, stand),
    )


ENDPOINTS = (
    Endpoint(
        name="overview",
        paths=("/api/v1/overview",),
        tag="health",
        summary="Every coin in one row: price, open interest, funding, liquidations, sentiment and the map's pull",
        description=(
            "Price, open interest and funding are as they are stored now. Totals, sentiment and pull are reckoned one"
            " after the other while somebody asks: null with a note until they are there, and each has its own age."
        ),
        query=OverviewQuery,
        body=OverviewBody,
        make=make,
        fresh_s=2.0,
        cost=2.0,
    ),
)
