"""`study hourly`: the map's swept mass against what was really liquidated, hour by hour (METHOD 14b).

In: three files. Out: a `HourlyAnswer`, whose fields are those of `perpscope study hourly --json`. It judges the
product's map as it is; what does not hold is printed as not holding.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.hourly import baselines, causality, features
from perpscope.analytics.hourly import grid as grids
from perpscope.analytics.hourly.gains import Gain, Increment
from perpscope.analytics.hourly.grid import Grid
from perpscope.analytics.hourly.ledger import Ledger, ledger, published
from perpscope.analytics.hourly.ridge import BURN_H
from perpscope.analytics.hourly.scale import UNIT, Scale, scale
from perpscope.analytics.hourly.tables import Candles, Forced, Interest, Unfit
from perpscope.analytics.hourly.target import Beside, Target, lagged, swapped
from perpscope.analytics.hourly.verdict import AMBITION, DRIVEN, Check, Found, Ranks, checks
from perpscope.analytics.liqmap.arithmetic import Arithmetic
from perpscope.analytics.liqmap.bars import HOUR_NS
from perpscope.analytics.liqmap.curves import VALIDATED
from perpscope.analytics.liqmap.ladder import Ladder, distance_ladder, leverage_ladder
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.margin_tiers import flat_table
from perpscope.app.liqmap.arithmetic import arithmetic
from perpscope.app.study.boosting import boosting
from perpscope.app.study.hourly_files import read_candles, read_forced, read_interest
from perpscope.errors import ConfigError, DataError, PerpscopeError, TooLittle

_DAY_H: Final = 24
#: Hours before the split if none is given, and the least before and after it: to learn, to judge.
_SPLIT_H: Final = 480
_LEAST_BEFORE_H: Final = BURN_H + 3 * _DAY_H
_LEAST_AFTER_H: Final = 10 * _DAY_H
#: Places at which the map is asked whether it knew too much, shares of the hours judged; seed of what is put there.
_PROBES: Final = (0.5, 1.0)
_SEED: Final = 14
#: Times a map is made: the study's, the probes', one of constant open interest.
_RUNS: Final = 4
#: Maintenance rate and highest leverage of the static ladder that is compared with.
_MMR, _MOST_LEVERAGE = 0.004, 125.0


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """All rows after an hour were replaced, and its liquidations, and the map made again."""

    hour_ms: int
    hours: int  #: up to it, whose numbers were compared
    largest_change: float  #: dollars; 0 unless the map looked ahead


class OverBoosting(msgspec.Struct, frozen=True):
    """What the number adds to gradient boosting on B1n."""

    delta_r2: float
    low: float


class Wording(msgspec.Struct, frozen=True):
    """What may be said of the map, by these figures."""

    open_interest_driven: bool
    beyond_1_pct: str


class HourlyAnswer(msgspec.Struct, frozen=True, kw_only=True, rename={"passes": "pass"}):
    """What `perpscope study hourly --json` prints."""

    hours: int
    from_ms: int
    to_ms: int
    split: str  #: date (UTC) from which it is judged
    candles: str  #: which ones, where the file has several
    side_hours: int
    primary: Gain  #: over B1n, ln(1 + USD ÷ 100 k)
    secondary: Gain  #: over B1n, ln(1 + USD)
    over_b1: Increment  #: over B1, ln(1 + USD)
    spearman: dict[str, Ranks]
    scale: Scale
    placebos: dict[str, Increment]
    increments: dict[str, tuple[float, float]]  #: 95 % interval of what open interest, and levels beyond 1 %, add
    added: dict[str, Increment]  #: the same with the figure
    stack: Gain | None = None  #: of the blend that `map` publishes; None unless asked for
    over_boosting: OverBoosting | None
    over_boosting_is: str  #: how it was fitted, or why it was not
    beside: list[Beside]
    classes: list[float]  #: log distances; one more is out of reach
    residue: float  #: largest error of a bar's balance, share of open interest
    causality: list[Probe]
    checks: list[Check]
    ambition_met: bool
    wording: Wording
    passes: bool
    daily: list[tuple[int, float, float]]  #: day (ms UTC), dollars foretold, dollars realised


class Files(msgspec.Struct, frozen=True):
    """Where the data is."""

    candles: Path
    open_interest: Path
    liquidations: Path


def study_hourly(files: Files, split: str | None = None, *, stack: bool = False) -> HourlyAnswer:
    """Run the study.

    Args:
        files: three tables.
        split: date (UTC) from which it is judged; None = twenty days after the first hour.
        stack: judge also the blend of all models that `map` publishes, which takes as long again.

    Raises:
        DataError: a file, column, value or stretch is not what is needed.
        TooLittle: the hours in common are too few.
        ConfigError: the split is no date, or lies where nothing could be learnt or judged.
        PerpscopeError: the map looked ahead.
    """
    interest = read_interest(files.open_interest)
    candles, which = read_candles(files.candles, interest)
    tables = (candles, interest, read_forced(files.liquidations))
    at = _grid(tables)
    first = _split(at, split)
    form = arithmetic(_RUNS * 12 * at.hours.size)
    book = ledger(grids.bars(at), arithmetic=form)
    probes = _probes(tables, at, book, first, form)
    found = _answer(at, first, book, which, probes, form)
    if not stack:
        return found
    blend = published(grids.bars(at), (distance_ladder(), _leverages()), form)
    return msgspec.structs.replace(found, stack=_target(at, first, UNIT).gain(blend))


def _grid(tables: tuple[Candles, Interest, Forced]) -> Grid:
    try:
        return grids.grid(*tables)
    except Unfit as problem:
        raise DataError(problem.code, str(problem), hint=problem.hint) from problem


def _split(at: Grid, asked: str | None) -> int:
    """The first hour that is judged."""
    count = at.hours.size
    if count < _LEAST_BEFORE_H + _LEAST_AFTER_H:
        raise TooLittle(
            "study-short",
            f"{count} hours in common are too few",
            hint=f"{_LEAST_BEFORE_H} are needed to learn from, {_LEAST_AFTER_H} to be judged",
        )
    if asked is None:
        return min(_SPLIT_H, count - _LEAST_AFTER_H)
    try:
        moment = datetime.fromisoformat(asked)
    except ValueError as problem:
        raise ConfigError("study-split", f"--split {asked} is no date", hint="e.g. --split 2026-01-15") from problem
    ns = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1_000_000_000
    first = int(np.searchsorted(at.hours, ns))
    if not _LEAST_BEFORE_H <= first <= count - _LEAST_AFTER_H:
        earliest, latest = (_date(int(at.hours[hour])) for hour in (_LEAST_BEFORE_H + 23, count - _LEAST_AFTER_H))
        raise ConfigError(
            "study-split",
            f"--split {asked} leaves too little before or after it",
            hint=f"these files allow {earliest} to {latest}",
        )
    return first


def _date(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d")


def _probes(
    tables: tuple[Candles, Interest, Forced], at: Grid, book: Ledger, first: int, form: Arithmetic
) -> list[Probe]:
    """Make the map again from other tables after some hours, and compare all numbers up to them.

    Raises:
        PerpscopeError: one of them changed.
    """
    generator = np.random.default_rng(_SEED)
    found = []
    for share in _PROBES:
        hour = min(first + round(share * (at.hours.size - first)), at.hours.size - 1)
        start = int(at.hours[hour])
        other = grids.grid(*causality.replaced(*tables, start, generator))
        again = ledger(grids.bars(other)[: 12 * (hour + 1)], arithmetic=form)
        change = float(np.abs(again.usd - book.usd[: hour + 1]).max())
        if change != 0.0:
            raise PerpscopeError(
                "study-look-ahead",
                f"the map's number moved by ${change:g} up to {_date(start)} when only later rows were changed",
                hint="this is our bug: please report it",
            )
        found.append(Probe(hour_ms=start // 1_000_000, hours=hour + 1, largest_change=change))
    return found


def _answer(at: Grid, first: int, book: Ledger, which: str, probes: Sequence[Probe], form: Arithmetic) -> HourlyAnswer:
    number = book.usd
    primary, secondary = _target(at, first, UNIT), _target(at, first, 1.0)
    found = Found(
        primary=primary.gain(number),
        secondary=secondary.gain(number),
        spearman=secondary.ranks(number),
        scale=scale(number, at.usd, at.hours, first),
        lagged=primary.added(lagged(number)),
        swapped=primary.added(swapped(number)),
    )
    points = checks(found)
    driven, far = _increments(at, primary, book, form)
    fitting, boosted_is = boosting()
    boosted = None if fitting is None else primary.boosted(number, fitting)
    return HourlyAnswer(
        hours=at.hours.size,
        from_ms=int(at.hours[0]) // 1_000_000,
        to_ms=int(at.hours[-1] + HOUR_NS) // 1_000_000,
        split=_date(int(at.hours[first])),
        candles=which,
        side_hours=found.primary.side_hours,
        primary=found.primary,
        secondary=found.secondary,
        over_b1=secondary.added_to_b1(number),
        spearman=dict(found.spearman),
        scale=found.scale,
        placebos={"lagged": found.lagged, "swapped": found.swapped},
        increments={"oi": (driven.low, driven.high), "far": (far.low, far.high)},
        added={"oi": driven, "far": far},
        over_boosting=None if boosted is None else OverBoosting(boosted.delta_r2, boosted.low),
        over_boosting_is=boosted_is,
        beside=_beside(at, secondary, number),
        classes=[float(distance) for distance in book.distances if np.isfinite(distance)],
        residue=book.residue,
        causality=list(probes),
        checks=points,
        ambition_met=boosted is not None and boosted.delta_r2 >= AMBITION,
        wording=Wording(driven.low >= DRIVEN, "not validated"),
        passes=all(point.is_met for point in points),
        daily=_daily(at, number, first),
    )


def _target(at: Grid, first: int, unit: float) -> Target:
    """ln(1 + dollars ÷ unit)."""
    return Target(at, features.shape(at), np.log1p(at.usd / unit), first)


def _leverages() -> Ladder:
    return leverage_ladder(flat_table(_MMR, _MOST_LEVERAGE))


def _increments(at: Grid, target: Target, book: Ledger, form: Arithmetic) -> tuple[Increment, Increment]:
    """What open interest adds to a map that takes it for constant, and levels beyond 1 % to those within."""
    held = baselines.held(at)
    constant = msgspec.structs.replace(at, interest=np.full(held.size, held[0]))
    without = ledger(grids.bars(constant), arithmetic=form)
    return target.added(book.usd, without.usd), target.added(book.usd, book.near(VALIDATED))


def _beside(at: Grid, target: Target, number: Floats) -> list[Beside]:
    """Each rule alone: the map, and what others would say."""
    rules = {
        "this map": number,
        "open interest's fall × return": baselines.interest_drop(at),
        "static ladder, 72 h": baselines.static_ladder(at, _leverages()),
        "public rule (S3)": baselines.public(at),
    }
    return [target.alone(name, found) for name, found in rules.items()]


def _daily(at: Grid, number: Floats, first: int) -> list[tuple[int, float, float]]:
    """Days of dollars, both sides, of the hours that are known."""
    found: dict[int, list[float]] = {}
    for hour in range(first, at.hours.size):
        if not np.isnan(at.usd[hour]).any():
            day = found.setdefault(int(at.hours[hour]) // (_DAY_H * HOUR_NS), [0.0, 0.0])
            day[0] += float(number[hour].sum())
            day[1] += float(at.usd[hour].sum())
    return [(day * _DAY_H * HOUR_NS // 1_000_000, said, was) for day, (said, was) in found.items()]
