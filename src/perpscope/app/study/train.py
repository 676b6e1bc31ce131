"""`study train`: is there anything in the minutes before that tells of the minutes after, once costs are paid?

In: files of one-minute candles. Out: a `TrainAnswer`, whose fields are those of `perpscope study train --json`, and, if
asked for, the best candidate in a folder. What does not hold is printed as not holding; the model is kept all the same
and says "no edge" of itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.features.scaling import DAY_NS
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.calibration import Calibration
from perpscope.analytics.models.logistic import OnlineLogistic
from perpscope.analytics.models.scores import auc
from perpscope.app.study import train_models as models
from perpscope.app.study import train_rule as rules
from perpscope.app.study.train_files import Read, read_markets
from perpscope.app.study.train_folds import Fold, Places, folds
from perpscope.app.study.train_kept import Keeping, Kept, Made, keep
from perpscope.app.study.train_rows import SIDES, Rows, rows_of
from perpscope.app.study.train_scores import Scores, scores
from perpscope.app.study.train_verdict import Check, Rule, checks, sentence
from perpscope.feeds.clock import wall_ns
from perpscope.stores.trials import Trials
from perpscope.trading.labels import HORIZON, Costs
from perpscope.trading.significance.deflated import deflated, shape
from perpscope.trading.significance.overfitting import overfitting

#: By which trials of models are found again.
NAME: Final = "forecast"
_YEAR_DAYS: Final = 365.0
_SEED: Final = 3


class TrainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `perpscope study train --json` prints."""

    markets: list[str]
    rows: int
    from_ms: int
    to_ms: int
    features: list[str]
    horizon_min: int
    cost_bps: float
    shares: dict[str, float]  #: how often a long, a short brought a net gain
    candidates: list[Scores]
    rules: list[Rule]
    best: str  #: candidate of the least log loss
    checks: list[Check]
    is_promoted: bool
    verdict: str
    placebo_auc: dict[str, float]  #: of the online model on outcomes dealt anew: .5 unless something leaks
    compared_minutes: int  #: whose features did not move when later minutes were replaced
    parity: float | None  #: largest difference of a probability by ONNX; None where no trees were kept
    folder: str | None
    model: str | None  #: id of what was kept
    trials: int  #: registered so far, on any data
    data_hash: str
    sources: list[str]
    notes: list[str]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a training."""

    paths: Sequence[Path]
    store: Path  #: beside which the register of trials is
    out: Path | None = None  #: where the model is kept; None = nowhere
    costs: Costs = Costs()


class _Said(msgspec.Struct, frozen=True):
    """A candidate on the rows that were judged."""

    places: Places
    said: Floats  #: (m, 2)
    tried: list[Floats]  #: (days,) returns of each threshold
    chosen: Floats  #: (days,) of the threshold chosen before
    trades: int
    made: list[Made]


class _Judged(msgspec.Struct, frozen=True):
    """What became of the candidates."""

    candidates: list[Scores]
    rules: list[Rule]
    best: str
    checks: list[Check]
    verdict: str
    trials: int


def study_train(asked: Asked, announce: Callable[[str], None] = lambda _: None) -> TrainAnswer:
    """Train, judge and, if asked for, keep.

    Raises:
        DataError: a file is not what is needed.
        TooLittle: the minutes are too few.
        ConfigError: an extra is not installed.
        PerpscopeError: a feature looks ahead, or ONNX does not say what LightGBM says.
        StoreError: the register of trials cannot be written.
    """
    models.lightgbm()
    read = read_markets(asked.paths)
    rows = rows_of(read.markets, asked.costs)
    announce(f"{rows.ts.size:,} minutes of {len(read.markets)} markets, {len(rows.names)} features")
    parts = folds(rows.ts)
    walked = [models.walked(rows, side) for side in range(2)]
    said = {}
    for name in models.MODELS:
        said[name] = _said(rows, parts, name, [figures for figures, _ in walked])
        announce(f"{name}: judged on {said[name].places.size:,} minutes in {len(parts)} folds")
    base = said[models.CLIMATOLOGY].said
    candidates = [scores(name, rows, one.places, one.said, base) for name, one in said.items()]
    best = min(candidates, key=lambda one: sum(side.log_loss for side in one.sides.values()))
    count = _registered(asked.store, read, said, candidates)
    found = [_rule(name, one, said, count) for name, one in said.items()]
    rule = next(one for one in found if one.model == best.model)
    points = checks(best, rule)
    verdict = sentence(best, rule, points)
    judged = _Judged(candidates, found, best.model, points, verdict, count)
    kept = None if asked.out is None else _kept(asked.out, read, rows, asked, judged, walked, said[best.model].made)
    return _answer(read, rows, asked, judged, kept)


def _kept(
    out: Path,
    read: Read,
    rows: Rows,
    asked: Asked,
    judged: _Judged,
    walked: Sequence[tuple[Floats, OnlineLogistic]],
    made: Sequence[Made],
) -> Kept:
    """Keep the best candidate, promoted or not."""
    keeping = Keeping(
        rows=rows,
        model=judged.best,
        walked=walked,
        folds=made,
        is_promoted=all(point.is_met for point in judged.checks),
        verdict=judged.verdict,
        costs=asked.costs,
        data_hash=read.data_hash,
        sources=read.sources,
    )
    return keep(out, keeping)


def _said(rows: Rows, parts: Sequence[Fold], name: str, walked: Sequence[Floats]) -> _Said:
    """What a candidate says of every judged row, calibrated on rows before, and what acting on it brings."""
    days = np.unique((rows.ts[np.concatenate([fold.judge for fold in parts])] - 1) // DAY_NS)
    tried = [np.zeros(days.size) for _ in rules.SHARES]
    chosen = np.zeros(days.size)
    told, made, count = [], [], 0
    for fold in parts:
        (up, up_said), (down, down_said) = (_calibrated(rows, fold, name, side, walked[side]) for side in range(2))
        calibrating, judged = (np.column_stack([up_said[at], down_said[at]]) for at in range(2))
        at = (rules.payoffs(rows, fold.calibrate, 0), rules.payoffs(rows, fold.calibrate, 1))
        for place, p_min in enumerate(rules.thresholds(calibrating)):
            tried[place] += rules.daily(rows, rules.acted(rows, fold.judge, judged, at, p_min), days)
        trades = rules.acted(rows, fold.judge, judged, at, rules.chosen(rows, fold.calibrate, calibrating, at))
        chosen += rules.daily(rows, trades, days)
        count += trades.at.size
        told.append(judged)
        made.append(((up, at[0]), (down, at[1])))
    return _Said(np.concatenate([fold.judge for fold in parts]), np.concatenate(told), tried, chosen, count, made)


def _calibrated(
    rows: Rows, fold: Fold, name: str, side: int, walked: Floats
) -> tuple[Calibration, tuple[Floats, Floats]]:
    """A fold's calibration of one side, and its probabilities of the rows that calibrate and that are judged."""
    before, after = models.figures(rows, fold, name, side, walked)
    to = models.calibration(rows, fold, name, side, before)
    return to, (to(before), to(after))


def _registered(store: Path, read: Read, said: dict[str, _Said], candidates: Sequence[Scores]) -> int:
    """Put every candidate and threshold into the register; how many different ones there are now, on any data."""
    tried = []
    for number, (name, one) in enumerate(said.items()):
        score = next(each for each in candidates if each.model == name)
        for share, returns in zip(rules.SHARES, one.tried, strict=True):
            found = shape(returns)
            figures = {
                "net": float(returns.sum()),
                "sharpe": None if found is None else found.ratio * _YEAR_DAYS**0.5,
                "log_loss_skill": score.log_loss_skill.value,
            }
            tried.append(({"model": float(number), "share": share, "horizon": float(HORIZON)}, figures))
    with Trials(store) as register:
        register.add("train", NAME, read.data_hash, tried, wall_ns() // 1_000_000)
        return register.count(NAME)


def _rule(name: str, one: _Said, said: dict[str, _Said], trials: int) -> Rule:
    """What acting on a candidate came to."""
    found = shape(one.chosen)
    everything = np.column_stack([returns for each in said.values() for returns in each.tried])
    return Rule(
        model=name,
        trades=one.trades,
        net=float(one.chosen.sum()),
        each_bps=1e4 * float(one.chosen.sum()) / one.trades if one.trades else None,
        days=one.chosen.size,
        sharpe=None if found is None else found.ratio * _YEAR_DAYS**0.5,
        deflated=None if found is None else deflated(found, trials),
        trials=trials,
        overfitting=overfitting(everything),
    )


def _placebo(rows: Rows) -> dict[str, float]:
    """The area under the curve of a model whose outcomes were dealt anew, on the later half."""
    of = models.placebo(rows, _SEED)
    half = rows.ts.size // 2
    dealt = np.random.default_rng(_SEED).permutation(rows.outcome.size)
    return {name: auc(of(side)[half:], rows.was(side)[dealt][half:]) for side, name in enumerate(SIDES)}


def _answer(read: Read, rows: Rows, asked: Asked, judged: _Judged, kept: Kept | None) -> TrainAnswer:
    return TrainAnswer(
        markets=[market.name for market in read.markets],
        rows=rows.ts.size,
        from_ms=int(rows.ts[0]) // 1_000_000,
        to_ms=int(rows.ts[-1]) // 1_000_000,
        features=list(rows.names),
        horizon_min=HORIZON,
        cost_bps=1e4 * asked.costs.whole,
        shares={name: float(rows.was(side).mean()) for side, name in enumerate(SIDES)},
        candidates=judged.candidates,
        rules=judged.rules,
        best=judged.best,
        checks=judged.checks,
        is_promoted=all(point.is_met for point in judged.checks),
        verdict=judged.verdict,
        placebo_auc=_placebo(rows),
        compared_minutes=rows.compared,
        parity=None if kept is None else kept.parity,
        folder=None if asked.out is None else str(asked.out),
        model=None if kept is None else kept.model,
        trials=judged.trials,
        data_hash=read.data_hash,
        sources=read.sources,
        notes=read.notes,
    )
