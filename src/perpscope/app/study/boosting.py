"""Gradient boosting for the hourly study, where scikit-learn is installed: the strongest of its baselines."""

from typing import Final

from perpscope.analytics.hourly.ridge import Fitting
from perpscope.analytics.margin_arrays import Floats

_TREES, _RATE, _LEAVES, _LEAST = 150, 0.05, 8, 20
HOW: Final = f"histogram gradient boosting on B1n, {_TREES} trees of {_LEAVES} leaves, rate {_RATE:g}, fitted weekly"


def boosting() -> tuple[Fitting | None, str]:
    """The fitting and how it is done; None and why not."""
    try:
        from sklearn.ensemble import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra, ships no types
            HistGradientBoostingRegressor,
        )
        from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- comes with it
            threadpool_limits,
        )
    except ImportError:
        return None, "scikit-learn is not installed: pip install 'perpscope[ml]'"

    def fit(known: Floats, target: Floats, asked: Floats) -> tuple[Floats, float]:
        model = HistGradientBoostingRegressor(
            max_iter=_TREES,
            learning_rate=_RATE,
            max_leaf_nodes=_LEAVES,
            min_samples_leaf=_LEAST,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        )
        with threadpool_limits(1):  # so little work is ten times slower in threads that wait for each other
            model.fit(known, target)
            return model.predict(asked), float((target - model.predict(known)).std())

    return fit, HOW
