"""A forecast that knows only what came before: fitted on all earlier hours, again every day or week (METHOD 14b)."""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats

#: Penalty of the ridge, and standard deviations a feature counts for at most.
PENALTY: Final = 3.0
_FARTHEST: Final = 8.0
#: Hours left out at the beginning, hours between fits.
BURN_H: Final = 144
REFIT_H: Final = 24

#: Features and target of the known hours, features of those asked for; gives their values and the spread of residuals.
Fitting: TypeAlias = Callable[[Floats, Floats, Floats], tuple[Floats, float]]


class Forecast(msgspec.Struct, frozen=True):
    """Of each hour from the split on; nan before."""

    value: Floats  #: (n,)
    spread: Floats  #: (n,) standard deviation of the residuals it was fitted with
    mean: Floats  #: (n,) mean of the target it was fitted with


def ridge(known: Floats, target: Floats, asked: Floats) -> tuple[Floats, float]:
    """Standardised features, centred target, λ = 3; residuals by degrees of freedom."""
    centre, scale = known.mean(axis=0), known.std(axis=0) + 1e-9
    z, middle = (known - centre) / scale, float(target.mean())
    size = z.shape[1]
    slopes = np.linalg.solve(z.T @ z + PENALTY * np.eye(size), z.T @ (target - middle))
    residual = target - middle - z @ slopes
    spread = float(np.sqrt((residual**2).sum() / max(target.size - size, 10)))
    return middle + np.clip((asked - centre) / scale, -_FARTHEST, _FARTHEST) @ slopes, spread


def walk_forward(
    features: Floats, target: Floats, split: int, fitting: Fitting = ridge, every: int = REFIT_H
) -> Forecast:
    """Fit on all hours before a stretch, foretell the stretch, go on.

    Args:
        features: (n, features).
        target: (n,); nan = not known: neither learnt from nor to be judged.
        split: first hour that is foretold.
        fitting: what is fitted.
        every: hours of a stretch.
    """
    count = target.size
    value, spread, mean = (np.full(count, np.nan) for _ in range(3))
    for start in range(split, count, every):
        end = min(start + every, count)
        rows = np.arange(BURN_H, start)
        rows = rows[~np.isnan(target[rows])]
        value[start:end], spread[start:end] = fitting(features[rows], target[rows], features[start:end])
        mean[start:end] = target[rows].mean()
    return Forecast(value, spread, mean)
