"""What a shock would lead to: the liquidation map of a store pushed through a book, and liquidation at risk.

In: a store, a coin, a move of the price. Out: a `CascadeAnswer`, whose fields are those of `perpscope cascade --json`.
Books are not stored: how much the market takes is what is asked with, or follows from what is traded in a day.
"""

from collections.abc import Sequence
from math import exp, log, sqrt
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.cascade import SURVIVALS, Branching, Levels, branching, levels_of, simulate
from perpscope.analytics.cascade_depth import IMPACT, KAPPA, Depth, power_law, square_root
from perpscope.analytics.cascade_risk import ALPHAS, HORIZONS_MIN, PATHS, excursions, liquidation_at_risk
from perpscope.analytics.liqmap import levels as map_levels
from perpscope.analytics.liqmap.bars import DAY_NS, HOUR_NS, MINUTE_NS
from perpscope.analytics.liqmap.levels import Bins
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.risk_series import log_returns, sigma_forecast
from perpscope.app.liqmap.parts import Gathered, Question
from perpscope.app.liqmap.reading import maps_of, overlay_of
from perpscope.errors import ConfigError, DataError
from perpscope.model.market import Interval, PositionSide
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind

#: Width of the map's bins here, share of the price.
_FINE: Final = 0.001
#: Distances at which R is told, log price: a tenth of a percent each, to ten percent.
_EDGES: Final = np.arange(0.0, 0.1005, 0.001)
_SIDES: Final = ((PositionSide.LONG, -1.0), (PositionSide.SHORT, 1.0))
_EVERYTHING: Final = 2**40
_SEED: Final = 7
#: Minutes of prices for liquidation at risk: a day.
_FEWEST: Final = 1440


class Shock(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    moves: tuple[float, ...] = (-0.01, 0.01)  #: fractions above −1, not 0
    depth_usd: float | None = None  #: the market takes so much within 1 %; None = by the square-root law
    kappa: float = KAPPA  #: of the power law, where `depth_usd` is given
    lookback_h: float = 72.0


_FARTHEST = 5.0  #: log distance, 148 times the price: further than anything is told of


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One shock with one share of the quotes left."""

    side: str  #: LONG or SHORT: whose positions are forced
    move_pct: float  #: from outside, signed
    survival: float  #: share of the quotes that is left
    stop_pct: float  #: where the price stops, signed
    stop_price: float  #: quote per base
    amplification: float
    forced_usd: float
    levels: int


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cascade of one side feeds itself, with one share of the quotes left."""

    side: str
    survival: float
    largest_ratio: float  #: of R within 10 %
    zones: list[tuple[float, float]]  #: prices, from and to, of stretches with R ≥ 1, nearest first


class AtRiskTold(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidation at risk of one side within one horizon."""

    side: str
    minutes: int
    alphas: list[float]
    forced_usd: list[float]
    stop_pct: list[float]  #: signed


class CascadeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `perpscope cascade --json` prints."""

    name: str
    data: StoreKind
    basis: str  #: "estimated": none of it is observed
    at_ms: int
    price: float  #: quote per base
    depth_basis: str  #: "square-root law" or "given"
    depth_at_one_percent_usd: float
    kappa: float
    sigma_day: float | None  #: standard deviation of a day's log return; None with less than a day of minutes
    turnover_day_usd: float | None
    stories: list[Story]
    feeding: list[Fed]
    at_risk: list[AtRiskTold]  #: empty with less than a day of minutes
    notes: list[str]


class _Past(msgspec.Struct, frozen=True, kw_only=True):
    """The minutes of the venue with most open interest, and what all venues trade."""

    returns: Floats  #: (minutes,) of one minute, nan where one is missing
    turnover_day: float  #: quote units


def read_cascade(path: Path, name: str, shock: Shock) -> CascadeAnswer:
    """Push a price through the map and the book of a store, in its market time.

    Args:
        path: the store.
        name: a coin (all venues together), a symbol or an id, in any case.
        shock: what is asked.

    Raises:
        ConfigError: a figure makes no sense, or the store knows no such perpetual.
        DataError: too little is stored for a map, or for a book where none is given ("cascade-too-little").
        StoreError: it cannot be read.
    """
    _check(shock)
    question = Question(name=name, lookback_h=shock.lookback_h)
    gathered = maps_of(path, question)
    mark = gathered.reference.state.mark
    edges = map_levels.edges_around(mark, width=mark * _FINE, reach=0.25)
    overlay = overlay_of(question, gathered, edges, mark)
    bins = map_levels.binned(overlay.laid, edges, mark)
    past = _past(path, gathered)
    book, basis = _book(shock, past)
    sides = {side: _levels(bins, side) for side, _ in _SIDES}
    told = past is not None
    return CascadeAnswer(
        name=name,
        data=gathered.kind,
        basis="estimated",
        at_ms=gathered.now // 1_000_000,
        price=mark,
        depth_basis=basis,
        depth_at_one_percent_usd=book.at_one_percent,
        kappa=book.kappa,
        sigma_day=_sigma_day(past) if past is not None else None,
        turnover_day_usd=past.turnover_day if past is not None else None,
        stories=[_story(sides, book, move, survival, mark) for move in shock.moves for survival in SURVIVALS],
        feeding=[_fed(sides[side], book, side, survival, mark) for side, _ in _SIDES for survival in SURVIVALS],
        at_risk=_at_risk(sides, book, past) if past is not None else [],
        notes=_notes(basis, is_told=told),
    )


def _check(shock: Shock) -> None:
    for move in shock.moves:
        if not (-1.0 < move < float("inf") and move != 0.0):
            raise ConfigError("option-value", f"--shock {move * 100:g}% must be above −100 % and not 0")
    for flag, value in (("depth", shock.depth_usd), ("kappa", shock.kappa)):
        if value is not None and not 0.0 < value < float("inf"):
            raise ConfigError("option-value", f"--{flag} {value:g} must be above 0")


def _past(path: Path, gathered: Gathered) -> _Past | None:
    """None with less than a day of minutes, or where nothing is traded."""
    with SqliteReader.open(path) as reader:
        start = gathered.now - max(gathered.now - gathered.start, DAY_NS + HOUR_NS)
        candles = reader.candles(gathered.reference.feed.instrument.id, Interval.M1, max(start, 0), _EVERYTHING)
    closes = np.full((gathered.now - start) // MINUTE_NS + 1, np.nan)
    for candle in candles:
        place = (candle.ts_open - start) // MINUTE_NS
        if 0 <= place < closes.size:
            closes[place] = candle.close
    returns = log_returns(closes)
    traded = [_turnover(gathered, at) for at in range(len(gathered.parts))]
    if np.isfinite(returns).sum() < _FEWEST or sum(traded) <= 0.0:
        return None
    return _Past(returns=returns, turnover_day=sum(traded))


def _turnover(gathered: Gathered, at: int) -> float:
    """Quote units a venue trades in a day, by the bars of the last one."""
    bars = [bar for bar in gathered.parts[at].feed.bars if bar.ts > gathered.now - DAY_NS]
    return float(np.nansum([bar.volume * bar.close for bar in bars]))


def _sigma_day(past: _Past) -> float:
    known = past.returns[np.isfinite(past.returns)]
    return float(sqrt(float((known**2).mean()) * 1440.0))


def _book(shock: Shock, past: _Past | None) -> tuple[Depth, str]:
    if shock.depth_usd is not None:
        return power_law(shock.depth_usd, shock.kappa), "given"
    if past is None or _sigma_day(past) <= 0.0:
        raise DataError(
            "cascade-too-little",
            "less than a day of prices and volumes is stored, so nothing says what the market takes",
            hint="say it: --depth 40M, quote units within 1 % of the price",
        )
    return square_root(past.turnover_day, _sigma_day(past)), "square-root law"


def _levels(bins: Bins, side: PositionSide) -> Levels:
    return levels_of(bins.mark, np.maximum(bins.middles, 1e-9), bins.usd[0], bins.usd[1], side)


def _story(sides: dict[PositionSide, Levels], book: Depth, move: float, survival: float, mark: float) -> Story:
    side, sign = _SIDES[0] if move < 0.0 else _SIDES[1]
    found = simulate(sides[side], book.surviving(survival), abs(log(1.0 + move)))
    return Story(
        side=side.name,
        move_pct=move * 100.0,
        survival=survival,
        stop_pct=100.0 * (_moved(sign, found.stop) - 1.0),
        stop_price=mark * _moved(sign, found.stop),
        amplification=found.amplification,
        forced_usd=found.forced_usd,
        levels=found.levels,
    )


def _moved(sign: float, distance: float) -> float:
    """The price after a move, as a share of the price before; a book with nothing in it is gone through at once."""
    return exp(sign * min(distance, _FARTHEST))


def _fed(levels: Levels, book: Depth, side: PositionSide, survival: float, mark: float) -> Fed:
    sign = dict(_SIDES)[side]
    found: Branching = branching(levels, book.surviving(survival), _EDGES)
    return Fed(
        side=side.name,
        survival=survival,
        largest_ratio=float(found.ratio.max()),
        zones=[(mark * exp(sign * low), mark * exp(sign * high)) for low, high in found.zones],
    )


def _at_risk(sides: dict[PositionSide, Levels], book: Depth, past: _Past) -> list[AtRiskTold]:
    """Moves drawn from what returns were, at the volatility that is forecast now."""
    sigma = sigma_forecast(past.returns, 60.0, 60.0)
    residuals = past.returns[1:] / np.where(sigma[:-1] > 0.0, sigma[:-1], np.nan)
    found = []
    for minutes in HORIZONS_MIN:
        drawn = excursions(residuals, float(sigma[-1]), minutes, seed=_SEED, paths=PATHS if minutes <= 240 else 1_000)
        for (side, sign), moves in zip(_SIDES, (drawn.down, drawn.up), strict=True):
            told = liquidation_at_risk(sides[side], book, moves, seed=_SEED)
            found.append(
                AtRiskTold(
                    side=side.name,
                    minutes=minutes,
                    alphas=list(ALPHAS),
                    forced_usd=told.forced_usd.tolist(),
                    stop_pct=[100.0 * (exp(sign * stop) - 1.0) for stop in told.stop.tolist()],
                )
            )
    return found


def _notes(basis: str, *, is_told: bool) -> list[str]:
    notes: Sequence[str] = (
        "an estimate made of estimates: the map's sizes are inferred, quotes are not refilled within a cascade",
        "share of quotes that is left: all when calm, 30 % the median of liquidation events, 6 % their worst tenth",
    )
    if basis == "square-root law":
        notes = (
            *notes,
            f"no book is stored: depth follows from a day's turnover and volatility, I = Y σ √(Q ÷ V), Y = {IMPACT:g}",
        )
    if not is_told:
        notes = (*notes, "less than a day of minutes is stored: liquidation at risk is not told")
    return list(notes)
