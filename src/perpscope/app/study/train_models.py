"""The candidates: climatology, online logistic regression, gradient boosted trees; fitted on rows, asked of others.

LightGBM and its way to ONNX are an extra, imported where they are used.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, Protocol

import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.calibration import Calibration, calibrated
from perpscope.analytics.models.logistic import OnlineLogistic
from perpscope.app.study.train_folds import Fold, Places
from perpscope.app.study.train_rows import Rows
from perpscope.errors import ConfigError, PerpscopeError

CLIMATOLOGY, LOGISTIC, TREES = "climatology", "logistic", "lightgbm"
MODELS: Final = (CLIMATOLOGY, LOGISTIC, TREES)
#: METHOD 11.3.
_MOST_TREES: Final = 200
_PATIENCE: Final = 20
SETTINGS: Final = {
    "objective": "binary",
    "max_depth": 4,
    "num_leaves": 15,
    "min_data_in_leaf": 500,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "learning_rate": 0.05,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
}
#: Largest difference of a probability by LightGBM and by ONNX.
PARITY: Final = 1e-5
_ALIKE: Final = 50_000


class Fitted(Protocol):
    """A model that has learnt."""

    def __call__(self, x: Floats, base: Floats) -> Floats:
        """Figures in [0, 1] of rows, by features and climatology's share."""
        ...


class Trees:
    """Boosted trees of one side."""

    def __init__(self, booster: Any) -> None:  # noqa: ANN401 -- LightGBM ships no types
        self.booster = booster

    def __call__(self, x: Floats, base: Floats) -> Floats:  # noqa: ARG002 -- as `Fitted`
        """Figures of rows."""
        return np.asarray(self.booster.predict(x, num_threads=1), np.float64)


def lightgbm() -> ModuleType:
    """The library.

    Raises:
        ConfigError: "extra-missing".
    """
    try:
        import lightgbm as found  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 -- an extra, ships no types
        import onnxmltools  # type: ignore[import-untyped,unused-ignore]  # noqa: F401, PLC0415 -- wanted when it is kept
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]  # noqa: F401, PLC0415 -- likewise
    except ImportError as problem:
        raise ConfigError(
            "extra-missing",
            f"training wants {problem.name}, which is not installed",
            hint="pip install 'perpscope[ml]'",
        ) from problem
    library: ModuleType = found
    return library


def figures(rows: Rows, fold: Fold, name: str, side: int, walked: Floats) -> tuple[Floats, Floats]:
    """What a model says of the rows that calibrate and of those that are judged.

    Args:
        rows: all.
        fold: which are which.
        name: of the model.
        side: 0 = up, 1 = down.
        walked: (n,) what the online model said of each row in turn.
    """
    if name == CLIMATOLOGY:
        return rows.base[fold.calibrate, side], rows.base[fold.judge, side]
    if name == LOGISTIC:
        return walked[fold.calibrate], walked[fold.judge]
    model = grown(rows, fold, side)
    return model(rows.x[fold.calibrate], walked), model(rows.x[fold.judge], walked)


def grown(rows: Rows, fold: Fold, side: int) -> Trees:
    """Trees fitted on a fold's past; no more of them than help on the rows that say when to stop."""
    library = lightgbm()
    was = rows.was(side).astype(np.float64)

    def part(places: Places) -> Any:  # noqa: ANN401 -- LightGBM ships no types
        return library.Dataset(rows.x[places], was[places], weight=rows.weight[places], free_raw_data=True)

    stopping = library.early_stopping(_PATIENCE, verbose=False)
    booster = library.train(SETTINGS, part(fold.learn), _MOST_TREES, valid_sets=[part(fold.stop)], callbacks=[stopping])
    return Trees(booster)


def walked(rows: Rows, side: int) -> tuple[Floats, OnlineLogistic]:
    """What the online model says of every row before it has learnt from it, and the model at the end."""
    model = OnlineLogistic(rows.x.shape[1])
    return model.walk(rows.x, rows.base[:, side], rows.was(side), rows.weight, rows.known()), model


def calibration(rows: Rows, fold: Fold, name: str, side: int, said: Floats) -> Calibration:
    """What makes a model's figures probabilities in a fold; climatology's are."""
    if name == CLIMATOLOGY:
        return Calibration("none")
    return calibrated(said, rows.was(side)[fold.calibrate], rows.weight[fold.calibrate])


def to_onnx(trees: Trees, features: int, x: Floats) -> tuple[bytes, float]:
    """Trees in ONNX's form, and how far its probabilities are from LightGBM's on these rows, at most.

    Raises:
        PerpscopeError: further than `PARITY` ("model-parity").
    """
    import onnxmltools  # noqa: PLC0415 -- an extra, see `lightgbm`
    from onnxmltools.convert.common.data_types import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- likewise
        FloatTensorType,
    )

    from perpscope.app.inference.onnx import session  # noqa: PLC0415 -- likewise

    form = onnxmltools.convert_lightgbm(
        trees.booster, initial_types=[("x", FloatTensorType([None, features]))], zipmap=False
    )
    content: bytes = form.SerializeToString()
    asked = x[:: max(1, len(x) // _ALIKE)]
    away = float(np.abs(session(content)(asked) - trees(asked, asked[:, 0])).max())
    if away >= PARITY:
        raise PerpscopeError(
            "model-parity",
            f"ONNX and LightGBM differ by {away:.2g} in probability, {PARITY:g} is allowed",
            hint="this is our bug: please report it with the files it was trained on",
        )
    return content, away


def placebo(rows: Rows, seed: int) -> Callable[[int], Floats]:
    """What the online model says of rows whose outcomes were dealt anew: it must know nothing."""
    dealt = np.random.default_rng(seed).permutation(rows.outcome.size)

    def of(side: int) -> Floats:
        model = OnlineLogistic(rows.x.shape[1])
        return model.walk(rows.x, rows.base[:, side], rows.was(side)[dealt], rows.weight, rows.known())

    return of
