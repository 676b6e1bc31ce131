"""Sentiment and liquidation risk of one coin or contract, from what a store holds.

In: a store and a name. Out: an `Answer`, whose fields are those of `perpscope sentiment --json`: the index with the
part of each figure, who told it and how much of it was seen, and the risk score beside it.
"""

from collections.abc import Mapping, Sequence
from math import exp, isfinite
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics import risk
from perpscope.analytics.cascade_events import Event
from perpscope.analytics.risk_series import RiskInput, risk_at
from perpscope.analytics.sentiment import Sentiment, blend
from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_series import LIQUIDATIONS_S, readings, series
from perpscope.analytics.sentiment_sources import BELIEVED, Judged, Pool, Verdict
from perpscope.app.coverage import PUBLISHED
from perpscope.app.perpetuals import perpetuals
from perpscope.app.sentiment.events import read_events
from perpscope.app.sentiment.grid import STEP_S, Grid
from perpscope.app.sentiment.liquidations import SideTold, described, side_told, summed
from perpscope.app.sentiment.past import DAY_STEPS, RATIOS, MarketPast, figure_past, market_past
from perpscope.app.sentiment.pools import liquidations_by, market_of, pooled, risk_input
from perpscope.app.sentiment.rows import DAYS, Told, read
from perpscope.app.status import market_now
from perpscope.errors import DataError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Completeness
from perpscope.model.stream import Channel
from perpscope.stores.ledger import Vouching, seen_together
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS, _DAY_NS = 1_000_000, 86_400_000_000_000
_RISK_STEPS = 16  #: of a quarter hour: of the risk's hysteresis
_FULL_DAYS: Final = 29.5
#: Figure of the index → what it is read from, and the feed that brings it.
_FROM: Mapping[str, tuple[str, Channel]] = {
    "ls_accounts": ("ls_accounts", Channel.ACCOUNT_RATIOS),
    "top_positions": ("top_positions", Channel.ACCOUNT_RATIOS),
    "funding": ("funding", Channel.MARK_PRICES),
    "taker": ("taker", Channel.TAKER_VOLUME),
    "basis": ("basis", Channel.MARK_PRICES),
    "oi_trend": ("interest", Channel.OPEN_INTEREST),
    "liq_imbalance": ("liquidations", Channel.LIQUIDATIONS),
    "momentum": ("price", Channel.MARK_PRICES),
    "volatility": ("price", Channel.MARK_PRICES),
}


class FigureTold(msgspec.Struct, frozen=True, kw_only=True):
    """Where one figure comes from."""

    name: str
    level: (
        float | None
    )  #: longs ÷ shorts, bought ÷ sold; funding per 8 h, basis, volatility of 24 h: fractions; or METHOD §9's
    told_by: float  #: share of the open interest of the venues that ever told it, that tells it now
    coverage_24h: float | None  #: share of the last 24 h of its feeds that was seen; None = unknown
    basis: str  #: "observed"; "estimated" from samples; "observed, sampled" where a part of it is a floor
    sources: list[Judged]
    past: list[float | None]  #: `level` at the moments of `recent`; null = not known


class RiskTold(msgspec.Struct, frozen=True, kw_only=True):
    """The risk score, its word, and how long a past each part was judged by."""

    score: risk.Risk
    level: str | None  #: LOW, ELEVATED, HIGH or EXTREME, with hysteresis over the last four hours
    history: dict[str, int]  #: quarter hours


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `perpscope sentiment --json` prints."""

    name: str  #: as it was asked for
    instruments: list[str]
    data: StoreKind
    at_ms: int  #: market time
    history_days: float  #: of price; METHOD's window is 30
    sentiment: Sentiment
    figures: list[FigureTold]  #: in the order of the contributions
    risk: RiskTold
    liquidations: list[SideTold]  #: of the last 4 h: longs, shorts; empty if none were watched
    events: list[Event] | None  #: cascades of the last 24 h, ns UTC; null = they were not asked for
    recent: list[tuple[int, float | None]]  #: the index of the last 24 h by quarter hours, ms UTC; null = not known
    market: MarketPast  #: at the same moments
    notes: list[str]


def read_sentiment(path: Path, name: str, *, events: bool = False) -> Answer:
    """Sentiment and risk now, in the store's market time.

    Args:
        path: the store.
        name: a coin (all venues together), a symbol or an id, in any case.
        events: look for cascades, too.

    Raises:
        ConfigError: the store knows no such perpetual.
        DataError: there is no such store, or no mark price of it.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        heart, kind = reader.heart(), reader.kind
        now_ns = market_now(heart, kind)
        chosen = perpetuals(name, reader.instruments(), multiplied=True)
        grid = Grid(now_ns=now_ns, steps=round(DAYS * 86_400 / STEP_S))
        told = read(reader, chosen, grid)
        if not told.price:
            raise DataError(
                "window-empty",
                f"no mark price of {name} in the last {DAYS:g} days",
                hint="collect some first: perpscope collect, perpscope demo or perpscope backfill",
            )
        seen = _seen(reader, chosen, now_ns, 1.0 if heart is None else heart.rate)
        found = read_events(reader, chosen, now_ns) if events else None
    return _answer(name, chosen, kind, grid, told, seen, found)


def _seen(reader: SqliteReader, chosen: Sequence[Instrument], now_ns: int, rate: float) -> dict[Channel, float | None]:
    """Share of the last 24 h that was seen of each feed, all instruments together."""
    day = now_ns - _DAY_NS
    vouching = Vouching(reader.coverage(since_ns=day, until_ns=now_ns), day, now_ns)
    found: dict[Channel, float | None] = {}
    for _, channel in _FROM.values():
        shares = [(i.id, vouching.share_until_now((i.venue, channel, i.id), day, now_ns, rate)) for i in chosen]
        together = seen_together(shares)
        found[channel] = None if together is None else together.share
    return found


def _answer(
    name: str,
    chosen: Sequence[Instrument],
    kind: StoreKind,
    grid: Grid,
    told: Told,
    seen: Mapping[Channel, float | None],
    events: list[Event] | None,
) -> Answer:
    pools = pooled(told)
    market = market_of(told, pools)
    whole = series(market, {"funding": pools["funding"].period_s}, DAY_STEPS)
    ages = {
        figure: (pools[field].age_s, pools[field].period_s)
        for figure, (field, _) in _FROM.items()
        if field in pools and pools[field].level is not None
    }
    sentiment = blend(readings(whole.figures, ages))
    is_sampled = any(PUBLISHED.get(i.venue) is not Completeness.COMPLETE for i in chosen)
    forced = _liquidations(told, grid)
    is_floor = any(side.high_usd is None for side in forced)
    basis = "observed" if not is_sampled else "observed, sampled" if is_floor or not forced else "estimated"
    raw = {part.name: part.raw for part in whole.figures}
    rows = [_figure(part.name, told, pools, raw.get(part.name), seen, basis) for part in sentiment.contributions]
    days = float(np.isfinite(market.close).sum()) * STEP_S / 86_400.0
    return Answer(
        name=name,
        instruments=[i.id for i in chosen],
        data=kind,
        at_ms=grid.now_ns // _MS_NS,
        history_days=days,
        sentiment=sentiment,
        figures=rows,
        risk=_risk(risk_input(market, pools, grid)),
        liquidations=forced,
        events=events,
        recent=_recent(whole.blended.value, grid),
        market=market_past(told, market),
        notes=_notes(sentiment, rows, days, forced),
    )


def _figure(
    name: str,
    told: Told,
    pools: Mapping[str, Pool],
    raw: Floats | None,
    seen: Mapping[Channel, float | None],
    basis: str,
) -> FigureTold:
    """Where a figure comes from."""
    field, channel = _FROM[name]
    found = pools.get(field)
    return FigureTold(
        name=name,
        level=_level(name, found, raw),
        told_by=float(bool(told.long_usd)) if found is None else found.told_by,
        coverage_24h=seen[channel],
        basis=basis if channel is Channel.LIQUIDATIONS else "observed",
        sources=liquidations_by(told) if found is None else found.sources,
        past=figure_past(name, raw),
    )


def _level(name: str, found: Pool | None, raw: Floats | None) -> float | None:
    """What a figure is now, as people say it: a ratio, a rate, or what METHOD §9 makes of it."""
    if name in RATIOS and found is not None:
        return None if found.level is None else exp(found.level)
    if name in {"funding", "basis"} and found is not None:
        return found.level
    told = raw[np.isfinite(raw)] if raw is not None else np.empty(0)
    if not told.size:
        return None
    return exp(-float(told[-1])) if name == "volatility" else float(told[-1])


def _liquidations(told: Told, grid: Grid) -> list[SideTold]:
    """Both sides of the last hours, all venues together."""
    hours = LIQUIDATIONS_S / 3600.0
    sides = zip(*told.liquidated, strict=True)
    return [
        side_told(name, summed(parts, grid.steps), hours, grid.step_s)
        for name, parts in zip(("long", "short"), sides, strict=False)
    ]


def _risk(given: RiskInput) -> RiskTold:
    """The score now, with the word it has by the hysteresis of the last four hours."""
    found = risk_at(given, np.arange(max(0, given.close.size - _RISK_STEPS), given.close.size))
    word: str | None = None
    for at in found:
        word = None if at.risk.value is None else risk.level(at.risk.value, word)
    return RiskTold(score=found[-1].risk, level=word, history=found[-1].history)


def _recent(values: Floats, grid: Grid) -> list[tuple[int, float | None]]:
    step_ms = round(STEP_S * 1e3)
    last = values[-DAY_STEPS:].tolist()
    return [
        (grid.now_ns // _MS_NS - (len(last) - 1 - at) * step_ms, value if isfinite(value) else None)
        for at, value in enumerate(last)
    ]


def _notes(sentiment: Sentiment, rows: Sequence[FigureTold], days: float, forced: Sequence[SideTold]) -> list[str]:
    """What a person should know of these figures."""
    notes = ["describes how people are positioned; it does not forecast"]
    if days < _FULL_DAYS:
        notes.append(f"judged by {days:.1f} days of history, of 30: what is usual is not well known yet")
    if sentiment.shrink < 1.0:
        notes.append(f"only {sentiment.coverage:.0%} of the weights count: the index is drawn towards 50")
    if any(row.name == "ls_accounts" and row.sources for row in rows):
        notes.append("long/short accounts are people, not money: positions always balance")
    if any(row.basis != "observed" for row in rows):
        amounts = " and ".join(f"{described(side)} of {side.side}s" for side in forced)
        notes.append(f"liquidations of 4 h, estimated from samples: {amounts or 'none were watched'}")
    if any("sampled" in row.basis for row in rows):
        notes.append("a part of these liquidations is what venues publish, which is less than there were")
    doubted = {
        f"{_FROM[row.name][0].replace('interest', 'open interest')} of {source.venue}: {source.verdict.value}": None
        for row in rows
        for source in row.sources
        if source.verdict is Verdict.DISPUTED or source.verdict not in BELIEVED
    }
    return [*notes, *doubted]
