"""`/api/market-sentiment`: how the market is positioned, 0 to 100, with the part of each figure, and the risk score."""

from typing import Annotated

import msgspec
from msgspec import Meta as About

from perpscope.analytics.sentiment import Sentiment
from perpscope.app.answers.known import Waiting, read_or_wait
from perpscope.app.sentiment.liquidations import SideTold
from perpscope.app.sentiment.past import MarketPast
from perpscope.app.sentiment.reading import FigureTold, RiskTold, read_sentiment
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Symbol, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources


class SentimentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sentiment."""

    symbol: Symbol = "BTC"


class SentimentBody(msgspec.Struct, frozen=True, kw_only=True):
    """How people are positioned; it does not forecast. `sentiment` tells the points of each figure: they sum up."""

    symbol: str
    index: Annotated[float | None, About(description="0 (fear) to 100 (greed); null with too little known")]
    label: Annotated[str | None, About(description="extreme fear, fear, neutral, greed or extreme greed")]
    sentiment: Sentiment | None
    figures: Annotated[list[FigureTold], About(description="where each figure comes from, in the same order")]
    risk: Annotated[RiskTold | None, About(description="liquidation risk, 0 to 100, with its parts")]
    liquidations: Annotated[list[SideTold], About(description="of the last 4 h: longs, shorts")]
    recent: Annotated[list[tuple[int, float | None]], About(description="epoch ms and the index, by quarter hours")]
    market: Annotated[MarketPast | None, About(description="at the moments of `recent`")]
    instruments: list[str]
    history_days: Annotated[float | None, About(description="of price; 30 are used")]
    meta: Meta


def make(sources: Sources, asked: SentimentQuery) -> SentimentBody:
    """Sentiment now."""
    found = read_or_wait(
        sources.store(), sources.settings, asked.symbol, lambda path: read_sentiment(path, asked.symbol)
    )
    if isinstance(found, Waiting):
        return SentimentBody(
            symbol=asked.symbol,
            index=None,
            label=None,
            sentiment=None,
            figures=[],
            risk=None,
            liquidations=[],
            recent=[],
            market=None,
            instruments=[],
            history_days=None,
            meta=waiting(sources, "model", found),
        )
    return SentimentBody(
        symbol=asked.symbol,
        index=found.sentiment.value,
        label=found.sentiment.label,
        sentiment=found.sentiment,
        figures=found.figures,
        risk=found.risk,
        liquidations=found.liquidations,
        recent=found.recent,
        market=found.market,
        instruments=found.instruments,
        history_days=found.history_days,
        meta=meta(
            sources,
            kind="model",
            as_of_ms=found.at_ms,
            data=found.data.value,
            coverage=found.sentiment.coverage,
            warming_up=found.sentiment.value is None,
            notes=found.notes,
            venues={name.rpartition(".")[2].lower() for name in found.instruments},
        ),
    )


ENDPOINTS = (
    Endpoint(
        name="market_sentiment",
        paths=("/api/market-sentiment", "/api/v1/market-sentiment"),
        tag="sentiment",
        summary="How the market is positioned, 0 to 100, with the part of each figure and its source",
        query=SentimentQuery,
        body=SentimentBody,
        make=make,
        fresh_s=5.0,
        cost=4.0,
    ),
)
