"""Long/short ratios of one coin: what each venue tells of each kind, how old it is, and what of it holds up together.

In: a store and a name. Out: for each kind the venues judged against their own past and each other, as sentiment judges
them, the pooled figure of those that are believed, each venue's newest figure, and its history.
"""

from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics.sentiment_sources import BELIEVED, Judged, Pool, Source, Verdict, pool
from perpscope.app.answers.known import meant
from perpscope.app.sentiment.grid import STEP_S, Grid
from perpscope.app.sentiment.pools import BOUNDS, weighed
from perpscope.app.sentiment.rows import DAYS, Ratios, ratio_source, ratios_of
from perpscope.app.status import market_now
from perpscope.errors import DataError
from perpscope.model.instrument import Contract, Instrument
from perpscope.model.market import RatioKind
from perpscope.settings import Settings
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000
_HOUR_NS: Final = 3_600_000_000_000
#: Points of one line of history at most; the last of each step stays.
MOST_POINTS: Final = 500
#: A figure older than so many of its periods is stale.
_STALE_PERIODS: Final = 3.0


class RatioTold(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's newest figure of one kind."""

    kind: RatioKind
    period_s: int  #: seconds it is about; the shortest the venue has
    at_ms: int  #: end of that period
    age_ms: int  #: market time since
    is_stale: bool  #: three periods old, or more
    long_share: float  #: in [0, 1]
    short_share: float
    ratio: float | None  #: longs ÷ shorts; null where it cannot be told
    verdict: Verdict  #: what is made of it beside its own past and the other venues
    pool_share: float  #: its part in the pooled figure, in [0, 1]


class VenueRatios(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue tells of one instrument."""

    venue: str
    symbol: str
    instrument: str
    open_interest_usd: float | None  #: by which it is weighed
    ratios: list[RatioTold]


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """One kind, all venues that are believed."""

    kind: RatioKind
    long_share: float | None  #: weighed by open interest; null where nobody is believed
    short_share: float | None
    ratio: float | None
    venues: list[str]  #: that are in it
    told_by: float  #: share of the open interest of venues that ever told it, that is in it


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of one venue over time."""

    venue: str
    instrument: str
    kind: RatioKind
    period_s: int
    points: list[tuple[int, float]]  #: epoch ms, share that is long; oldest first


class LongShort(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for."""

    name: str
    data: StoreKind
    at_ms: int  #: market time
    newest_ms: int  #: end of the newest period
    pooled: list[Pooled]
    venues: list[VenueRatios]
    history: list[Line]
    is_thinned: bool  #: the history has more points than are told
    notes: list[str]


class _Of(msgspec.Struct, frozen=True):
    """One instrument's rows of one kind and its shortest period, and what stands for them in the pool."""

    instrument: Instrument
    kind: RatioKind
    told: Ratios
    source: Source


def read_long_short(path: Path, settings: Settings, name: str, *, hours: float = 0.0) -> LongShort:
    """Ratios now and over the last hours, in the store's market time.

    Args:
        path: the store.
        settings: what is collected.
        name: a coin (all venues), a symbol or an id.
        hours: of history, up to 31 days; 0 = none.

    Raises:
        ConfigError: nobody knows the name.
        DataError: no ratio is stored of it ("window-empty"), or there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        known = meant(reader.instruments(), settings, name)
        chosen = [i for i in known if i.is_perpetual and i.contract is Contract.LINEAR]
        grid = Grid(now_ns=now, steps=round(DAYS * 86_400 / STEP_S))
        weights = {i.id: _held_usd(reader, i) for i in chosen}
        found = [one for i in chosen for one in _told_of(reader, i, grid, weights[i.id] or 0.0)]
    if not found:
        raise DataError("window-empty", f"no long/short ratio of {name} is stored of the last {DAYS:g} days")
    pools = {each: _pool([one for one in found if one.kind is each]) for each in RatioKind}
    lines, is_thinned = _history(found, now, hours)
    return LongShort(
        name=name,
        data=kind,
        at_ms=now // _MS_NS,
        newest_ms=max(int(one.told.ts[-1]) for one in found) // _MS_NS,
        pooled=[told for each in RatioKind if (told := _pooled(each, found, pools[each])) is not None],
        venues=[_venue(i, weights[i.id], found, pools, now) for i in chosen if any(o.instrument == i for o in found)],
        history=lines,
        is_thinned=is_thinned,
        notes=_notes(found, pools),
    )


def _held_usd(reader: SqliteReader, instrument: Instrument) -> float | None:
    """Newest open interest in dollars; None where it, or a price, is not stored."""
    counts = reader.open_interest(instrument.venue, instrument.symbol, limit=1)
    marks = reader.marks(instrument.id, limit=1)
    return counts[0].open_interest * marks[0].mark if counts and marks else None


def _told_of(reader: SqliteReader, instrument: Instrument, grid: Grid, weight: float) -> list[_Of]:
    found = []
    for kind in RatioKind:
        told = ratios_of(reader, instrument, grid, kind)
        found += [_Of(instrument, kind, told, source) for source in ratio_source(instrument, told, grid, weight)]
    return found


def _pool(told: Sequence[_Of]) -> Pool:
    return pool(weighed([one.source for one in told]), BOUNDS["ls_accounts"])


def _pooled(kind: RatioKind, found: Sequence[_Of], pooled: Pool) -> Pooled | None:
    if not any(one.kind is kind for one in found):
        return None
    ratio = None if pooled.level is None else exp(pooled.level)
    share = None if ratio is None else ratio / (1.0 + ratio)
    return Pooled(
        kind=kind,
        long_share=share,
        short_share=None if share is None else 1.0 - share,
        ratio=ratio,
        venues=[source.venue for source in pooled.sources if source.verdict in BELIEVED],
        told_by=pooled.told_by,
    )


def _venue(
    instrument: Instrument, held_usd: float | None, found: Sequence[_Of], pools: dict[RatioKind, Pool], now: int
) -> VenueRatios:
    ratios = []
    for one in found:
        if one.instrument == instrument:
            at = [other for other in found if other.kind is one.kind].index(one)
            ratios.append(_ratio(one, pools[one.kind].sources[at], now))
    return VenueRatios(
        venue=instrument.venue,
        symbol=instrument.symbol,
        instrument=instrument.id,
        open_interest_usd=held_usd,
        ratios=ratios,
    )


def _ratio(one: _Of, judged: Judged, now: int) -> RatioTold:
    at, share = int(one.told.ts[-1]), float(one.told.long[-1])
    age = max(0, now - at)
    return RatioTold(
        kind=one.kind,
        period_s=one.told.period_s,
        at_ms=at // _MS_NS,
        age_ms=age // _MS_NS,
        is_stale=age > _STALE_PERIODS * one.told.period_s * 1e9,
        long_share=share,
        short_share=1.0 - share,
        ratio=share / (1.0 - share),
        verdict=judged.verdict,
        pool_share=judged.share,
    )


def _history(found: Sequence[_Of], now: int, hours: float) -> tuple[list[Line], bool]:
    """Each line with the last figure of each step, and whether there were more."""
    if hours <= 0.0:
        return [], False
    length = round(hours * _HOUR_NS)
    since, step = now - length, length / MOST_POINTS
    lines, is_thinned = [], False
    for one in found:
        inside = one.told.ts > since
        rows = list(zip(one.told.ts[inside].tolist(), one.told.long[inside].tolist(), strict=True))
        last = {int((ts - since) / step): (ts // _MS_NS, share) for ts, share in rows}
        is_thinned |= len(last) < len(rows)
        lines.append(
            Line(
                venue=one.instrument.venue,
                instrument=one.instrument.id,
                kind=one.kind,
                period_s=one.told.period_s,
                points=[*last.values()],
            )
        )
    return lines, is_thinned


def _notes(found: Sequence[_Of], pools: dict[RatioKind, Pool]) -> list[str]:
    notes = ["accounts are people, not money: every long position has a short of the same size"]
    doubted = {
        f"{source.venue}: its {kind.value.replace('_', ' ')} are {source.verdict.value}": None
        for kind, pooled in pools.items()
        for source in pooled.sources
        if source.verdict is not Verdict.USED
    }
    if {one.kind for one in found} != set(RatioKind):
        silent = ", ".join(kind.value.replace("_", " ") for kind in RatioKind if all(o.kind is not kind for o in found))
        notes.append(f"told by no venue of this coin: {silent}")
    return [*notes, *doubted]
