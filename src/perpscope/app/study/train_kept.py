"""The model that is kept: the best candidate, fitted once more on all rows, with all that a service needs to ask it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.calibration import Calibration
from perpscope.analytics.models.drift import shape
from perpscope.analytics.models.logistic import OnlineLogistic
from perpscope.app.inference.manifest import Manifest, Side, save
from perpscope.app.study import train_models as models
from perpscope.app.study import train_rule as rules
from perpscope.app.study.train_folds import Fold, whole
from perpscope.app.study.train_rows import SIDES, Rows
from perpscope.trading.labels import HORIZON, Costs

#: What one fold made of a candidate: its calibrations and payoffs, up and down.
Made = tuple[tuple[Calibration, rules.Payoffs], tuple[Calibration, rules.Payoffs]]


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept, and what is said of it."""

    rows: Rows
    model: str
    walked: Sequence[tuple[Floats, OnlineLogistic]]  #: what the online model said of every row, and it; up and down
    folds: Sequence[Made]  #: of the candidate
    is_promoted: bool
    verdict: str
    costs: Costs
    data_hash: str
    sources: list[str]


class Kept(msgspec.Struct, frozen=True):
    """What became of it."""

    model: str  #: id
    parity: float | None  #: largest difference of a probability by ONNX; None where there are no trees


def keep(folder: Path, what: Keeping) -> Kept:
    """Write the model's folder, made if need be.

    Raises:
        DataError: it cannot be written.
        PerpscopeError: ONNX does not say what LightGBM says.
    """
    rows, fold = what.rows, whole(what.rows.ts)
    files: dict[str, bytes] = {}
    sides: dict[str, Side] = {}
    away: list[float] = []
    figures = np.empty((fold.calibrate.size, 2))
    calibrated = np.empty((fold.calibrate.size, 2))
    for at, name in enumerate(SIDES):
        state = file = None
        if what.model == models.TREES:
            trees = models.grown(rows, fold, at)
            figures[:, at] = trees(rows.x[fold.calibrate], rows.base[fold.calibrate, at])
            file = f"{name}.onnx"
            files[file], one = models.to_onnx(trees, rows.x.shape[1], rows.x)
            away.append(one)
        elif what.model == models.LOGISTIC:
            figures[:, at] = what.walked[at][0][fold.calibrate]
            state = what.walked[at][1].state.tolist()
        else:
            figures[:, at] = rows.base[fold.calibrate, at]
        to = models.calibration(rows, fold, what.model, at, figures[:, at])
        calibrated[:, at] = to(figures[:, at])
        pay = rules.payoffs(rows, fold.calibrate, at)
        share = float(rows.base[-1, at])
        sides[name] = Side(share=share, calibration=to, gain=pay.gain, rest=pay.rest, state=state, file=file)
    manifest = _manifest(what, fold, sides, figures, calibrated)
    return Kept(save(folder, manifest, files).id, max(away) if away else None)


def _manifest(what: Keeping, fold: Fold, sides: dict[str, Side], figures: Floats, calibrated: Floats) -> Manifest:
    rows = what.rows
    at = (rules.payoffs(rows, fold.calibrate, 0), rules.payoffs(rows, fold.calibrate, 1))
    return Manifest(
        id="",
        kind=what.model,
        features=list(rows.names),
        shapes=[shape(column) for column in rows.x.T],
        sides=sides,
        horizon_min=HORIZON,
        cost=what.costs.whole,
        edge_min=rules.EDGE_MIN,
        p_min=rules.chosen(rows, fold.calibrate, calibrated, at),
        spread=_spread(what.folds, figures),
        is_promoted=what.is_promoted,
        verdict=what.verdict,
        trained_ms=(int(rows.ts[0]) // 1_000_000, int(rows.ts[-1]) // 1_000_000),
        data_hash=what.data_hash,
        sources=what.sources,
    )


def _spread(made: Sequence[Made], figures: Floats) -> float:
    """Standard deviation of a row's expected net return among the folds, on average."""
    expected = [np.maximum(*(pay.expected(to(figures[:, at])) for at, (to, pay) in enumerate(sides))) for sides in made]
    return float(np.std(expected, axis=0).mean())
