"""A market's tapes become windows to score: maps that grow bar by bar, frozen each quarter hour, and what came after.

Walk-forward: at a moment every forecast has taken the bars that ended by then and nothing else. Each venue has a map of
its own, as the published one; their cells are summed by distance from each one's mark.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap import levels, price_moves
from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS, Bar, Setting
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.scorecard import baselines
from perpscope.analytics.scorecard.card import MAP, ORACLE, OTHER_DAY
from perpscope.analytics.scorecard.windows import CELL, CELLS, Window, reached
from perpscope.app.liqmap.arithmetic import arithmetic
from perpscope.app.study.map_tapes import Columns, Forced, Tape, candles_of, columns, reference_of

HORIZONS: Final = (15, 60)  #: minutes
#: METHOD 13.3: the lab's crowd is still arriving; a map needs as long to fill.
BURN_IN_NS: Final = DAY_NS // 2
_EVERY_NS: Final = 15 * MINUTE_NS
_DAY: Final = DAY_NS // _EVERY_NS
#: Levels are looked at a little farther than the cells reach.
_REACH: Final = CELL * (CELLS + 2)
#: What `map` publishes without being asked for another horizon: its blend with its own distance up to an hour.
_PUBLISHED_MIN: Final = 60.0
#: What of the map is left out, changed or shown otherwise; the rest are baselines.
VARIANTS: Final = (
    "map_alone",
    "unblended",
    "leverage_classes",
    "distance_classes",
    "fixed_weights",
    "shuffled_weights",
    "oi_flow",
    "no_closes",
    "no_open_interest",
)
_HOURLY: Final = 4


class Sums(msgspec.Struct):
    """One market's forecasts and outcomes by horizon, over venues; changed in place."""

    times: NDArray[np.int64]  #: (moments,) ns UTC
    cover: dict[int, Floats]  #: (moments, 2, CELLS), by open interest
    realised: dict[int, Floats]  #: dollars
    events: dict[int, NDArray[np.int64]]  #: (moments,)
    found: dict[int, dict[str, Floats]]  #: (moments, 2, CELLS) dollars


def windows(market: int, tapes: Sequence[Tape], burn_in_ns: int = BURN_IN_NS) -> dict[int, list[Window]]:
    """Every side of every window of a market, by horizon in minutes; nothing is chosen here.

    Args:
        market: its number.
        tapes: of its venues, one or more.
        burn_in_ns: after the first bar, in which nothing is frozen.
    """
    told = [columns(tape.bars) for tape in tapes]
    first = max(int(table.ts[0]) for table in told) + burn_in_ns
    last = min(int(table.ts[-1]) for table in told)
    times = np.arange(-(-first // _EVERY_NS) * _EVERY_NS, last, _EVERY_NS, dtype=np.int64)
    shape = (times.size, 2, CELLS)
    sums = Sums(
        times,
        {h: np.zeros(shape) for h in HORIZONS},
        {h: np.zeros(shape) for h in HORIZONS},
        {h: np.zeros(times.size, np.int64) for h in HORIZONS},
        {h: {} for h in HORIZONS},
    )
    held = np.array([table.open_interest[_places(table, times)] for table in told])
    weights = held / np.maximum(held.sum(axis=0), 1e-300)
    sigma = np.zeros(times.size)
    leading = reference_of(list(tapes))
    for tape, table, weight in zip(tapes, told, weights, strict=True):
        maps, deviations = frozen(tape, times, market)
        if tape is leading:
            sigma = deviations
        _add(sums, tape, table, weight, maps)
    rules = other_rules(tapes, times)
    for h in HORIZONS:
        sums.found[h] |= {name: laid * sums.cover[h] for name, laid in rules.items()}
    return {h: _windows(market, sums, sigma, h, last) for h in HORIZONS}


def frozen(tape: Tape, times: NDArray[np.int64], seed: int) -> tuple[dict[str, Floats], Floats]:
    """One venue's maps at each moment: dollars by cell, (moments, 2, CELLS) by name, and deviations of a minute.

    Args:
        tape: whose.
        times: (moments,) ns UTC, rising.
        seed: of the shuffled weights.
    """
    how = arithmetic(10 * len(tape.bars))
    whole = VenueMap(tape.ladders, arithmetic=how)
    still = Setting(turnover=0.0, assumed_turnover=0.0)
    unclosed = VenueMap(tape.ladders, still, ("oi_flow",), how)
    constant = VenueMap(tape.ladders, None, ("oi_flow",), how)
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(model.ladder.weights.shape[1] - 1) for model in whole.models]
    found = {name: np.zeros((times.size, 2, CELLS)) for name in (MAP, *VARIANTS[1:])}
    deviations = np.zeros(times.size)
    at, first, opened = 0, float("nan"), 0.0
    for bar in tape.bars:
        if np.isnan(first):
            first = opened = bar.open_interest
        else:
            opened += _opened(bar, whole)
        whole.take(bar)
        unclosed.take(msgspec.structs.replace(bar, open_interest=opened))
        constant.take(msgspec.structs.replace(bar, open_interest=first))
        at = int(np.searchsorted(times, bar.ts))
        if at == times.size or times[at] != bar.ts or whole.state is None:
            continue
        deviations[at] = price_moves.deviation(whole.state.moves, 1.0)
        for name, laid in {
            **_shown(whole, orders),
            "no_closes": _laid(levels.levels(unclosed, reach=_REACH)),
            "no_open_interest": _laid(levels.levels(constant, reach=_REACH)),
        }.items():
            found[name][at] = laid
    return found, deviations


def other_rules(tapes: Sequence[Tape], times: NDArray[np.int64]) -> dict[str, Floats]:
    """Baselines at each moment, (moments, 2, CELLS) of any unit."""
    candles = candles_of(list(tapes))
    told = _together([tape.told for tape in tapes])
    forced = (told.side, told.price, told.usd)
    ladder = baselines.static_ladder(tapes[0].ladders[-1])
    found: dict[str, list[Floats]] = {}
    public = None
    for number, ts in enumerate(times.tolist()):
        past = candles.until(ts)
        mark = float(past.close[-1])
        if number % _HOURLY == 0:
            public = baselines.public(past)
        for name, laid in {
            "uniform": baselines.uniform(),
            "volume_profile": baselines.volume_profile(past, mark),
            "swings": baselines.swings(past, mark),
            "static_ladder": ladder,
            "yesterday": baselines.yesterday(told.ts, forced, ts, mark),
            "seed_formula": baselines.seed_formula(past, mark),
            "py_liquidation_map": baselines.py_liquidation_map(past, mark),
            "three_leverages": baselines.three_leverages(past, mark),
            "public_rule": baselines.public_cells(public, mark),
        }.items():
            found.setdefault(name, []).append(laid)
    return {name: np.array(laid) for name, laid in found.items()}


def _opened(bar: Bar, before: VenueMap) -> float:
    """Gross opens of a bar that the map would book, base units: what stays if nobody ever closes."""
    assert before.state is not None  # noqa: S101 -- it has taken the bar before
    volume = 0.0 if np.isnan(bar.volume) else bar.volume
    grown = 0.0 if np.isnan(bar.open_interest) else max(bar.open_interest - before.state.open_interest, 0.0)
    return grown + before.setting.turnover * volume


def _shown(whole: VenueMap, orders: Sequence[NDArray[np.int64]]) -> dict[str, Floats]:
    """The map as it is published; without its own distance, and that with other weights of its classes."""
    laid = _near(levels.levels(whole, horizon_min=_PUBLISHED_MIN))
    learnt, is_leverage, is_flow, fixed, shuffled = [], [], [], [], []
    start = 0
    for model, weight, order in zip(whole.models, whole.weights.tolist(), orders, strict=True):
        if weight <= 0.0:
            continue
        shares = model.ladder.weights
        conversion = laid.conversions[:, start : start + shares.shape[1]]
        start += shares.shape[1]
        learnt.append(conversion)
        is_leverage += [model.ladder.family == "leverage"] * shares.shape[1]
        is_flow += [model.inflow == "oi_flow"] * shares.shape[1]
        fixed.append(np.full(shares.shape, 1.0 / weight))
        moved = np.zeros(shares.shape)
        moved[:, :-1] = (conversion * shares)[:, order] / shares[:, :-1]
        shuffled.append(moved)
    factors = np.concatenate(learnt, axis=1)
    levered = np.array(is_leverage)
    chosen = {
        "unblended": factors,
        "leverage_classes": factors * levered,
        "distance_classes": factors * ~levered,
        "oi_flow": factors * np.array(is_flow),
        "fixed_weights": np.concatenate(fixed, axis=1),
        "shuffled_weights": np.concatenate(shuffled, axis=1),
    }
    made = {name: _laid(laid, np.einsum("scl,sc->sl", laid.parts, each)) for name, each in chosen.items()}
    return {MAP: _laid(laid), **made}


def _near(found: levels.Levels) -> levels.Levels:
    """The levels within the cells' reach."""
    mark = (log(found.mark) - found.start) / found.step
    first, last = floor(mark - _REACH / found.step), ceil(mark + _REACH / found.step)
    part = slice(max(first, 0), last)
    cut = {name: getattr(found, name)[..., part] for name in ("gross", "forced", "cleared", "parts")}
    return msgspec.structs.replace(found, start=found.start + found.step * part.start, **cut)


def _laid(found: levels.Levels, amounts: Floats | None = None) -> Floats:
    """Dollars by cell from the mark outwards, (2, CELLS): longs below, shorts above."""
    usd = (found.forced if amounts is None else amounts) * found.prices
    cells = levels.rebinned(usd, found.edges, baselines.cell_edges(found.mark))
    return np.stack([baselines.by_side(cells[0])[0], baselines.by_side(cells[1])[1]])


def _add(sums: Sums, tape: Tape, told: Columns, weight: Floats, maps: Mapping[str, Floats]) -> None:
    """One venue's forecasts of what it reached, and what was closed by force there."""
    marks = told.close[_places(told, sums.times)]
    truth = np.array([tape.truth[ts] for ts in sums.times.tolist()]) if tape.truth else None
    other = np.zeros_like(maps[MAP])
    other[_DAY:] = maps[MAP][:-_DAY]
    for h in HORIZONS:
        cover = _reached(told, sums.times, marks, h)
        sums.cover[h] += weight[:, None, None] * cover
        found = sums.found[h]
        for name, laid in {**maps, OTHER_DAY: other, **({} if truth is None else {ORACLE: truth})}.items():
            found[name] = found.get(name, 0.0) + laid * cover
        _realise(sums, h, tape.forced, marks)


def _realise(sums: Sums, horizon: int, forced: Forced, marks: Floats) -> None:
    length = horizon * MINUTE_NS
    for at, ts in enumerate(sums.times.tolist()):
        if ts % length:
            continue
        mine = forced.from_to(ts, ts + length)
        away = np.where(mine.side == 0, log(marks[at]) - np.log(mine.price), np.log(mine.price) - log(marks[at]))
        cell = np.floor(away / CELL).astype(np.int64)
        inside = (cell >= 0) & (cell < CELLS)
        np.add.at(sums.realised[horizon][at], (mine.side[inside], cell[inside]), mine.usd[inside])
        sums.events[horizon][at] += int(inside.sum())


def _reached(told: Columns, times: NDArray[np.int64], marks: Floats, horizon: int) -> Floats:
    """(moments, 2, CELLS) how much of each cell the price came to within the horizon."""
    length = horizon * MINUTE_NS
    away = np.zeros((times.size, 2))
    first = np.searchsorted(told.ts, times, side="right")
    last = np.searchsorted(told.ts, times + length, side="right")
    for at, (start, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        if end > start:
            away[at] = log(marks[at] / told.low[start:end].min()), log(told.high[start:end].max() / marks[at])
    return reached(away)


def _windows(market: int, sums: Sums, sigma: Floats, horizon: int, last: int) -> list[Window]:
    length = horizon * MINUTE_NS
    made = []
    for at, ts in enumerate(sums.times.tolist()):
        if ts % length or ts + length > last:
            continue
        for side in (0, 1):
            cover = sums.cover[horizon][at, side]
            count = int(np.count_nonzero(cover))
            made.append(
                Window(
                    market=market,
                    ts=ts,
                    side=side,
                    sigma=float(max(sigma[at] * np.sqrt(horizon), 1e-6)),
                    events=int(sums.events[horizon][at]),
                    cover=cover[:count],
                    realised=sums.realised[horizon][at, side, :count],
                    found={name: laid[at, side, :count] for name, laid in sums.found[horizon].items()},
                )
            )
    return made


def _places(told: Columns, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last bar that is over at each moment."""
    return np.searchsorted(told.ts, times, side="right") - 1


def _together(parts: Sequence[Forced]) -> Forced:
    ts = np.concatenate([part.ts for part in parts])
    order = np.argsort(ts, kind="stable")
    side, price, usd = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("side", "price", "usd")
    )
    return Forced(ts=ts[order], side=side, price=price, usd=usd)
