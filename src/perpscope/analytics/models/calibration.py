"""What turns a figure into a probability: Platt's line on few cases, an isotonic staircase on many (METHOD 11.3)."""

from typing import Final

import msgspec
import numpy as np

from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.models.scores import Truth

#: Cases from which on the staircase is fitted.
ENOUGH: Final = 2_000
#: Of Newton's method, and how often a step is halved at most.
_STEPS: Final = 12
_HALVINGS: Final = 6
_EDGE: Final = 1e-4  #: figures are kept this far from 0 and 1
#: Weight of cases at the share of all that each step of the staircase is given: none is certain of anything.
_DOUBT: Final = 2.0


class Calibration(msgspec.Struct, frozen=True):
    """A map from a model's figure to a probability that never falls.

    Args:
        kind: "platt", "isotonic" or "none".
        at: of the staircase: figures, ascending; of the line: slope and intercept over log odds.
        share: of the staircase: probability at each figure, straight between; of the line: empty.
    """

    kind: str
    at: tuple[float, ...] = ()
    share: tuple[float, ...] = ()

    def __call__(self, figures: Floats) -> Floats:
        """(n,) Probabilities."""
        match self.kind:
            case "platt":
                slope, intercept = self.at
                return _share(slope * _odds(figures) + intercept)
            case "isotonic":
                return np.interp(figures, self.at, self.share)
            case _:
                return figures


def calibrated(figures: Floats, was: Truth, weight: Floats) -> Calibration:
    """Fit on cases the model has not learnt from.

    Args:
        figures: (n,) what the model said, in [0, 1].
        was: (n,)
        weight: (n,) > 0.
    """
    if figures.size == 0 or was.all() or not was.any():
        return Calibration("none")
    return _isotonic(figures, was, weight) if figures.size >= ENOUGH else _platt(figures, was, weight)


def _odds(figures: Floats) -> Floats:
    kept = np.clip(figures, _EDGE, 1.0 - _EDGE)
    found: Floats = np.log(kept / (1.0 - kept))
    return found


def _share(odds: Floats) -> Floats:
    """Probability by log odds."""
    found: Floats = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return found


def _misfit(odds: Floats, target: Floats, weight: Floats) -> float:
    """Log loss of log odds against smoothed targets."""
    return float((weight * (np.logaddexp(0.0, odds) - target * odds)).sum())


def _platt(figures: Floats, was: Truth, weight: Floats) -> Calibration:
    """Platt (1999) with his smoothed targets, by Newton's method; a falling line is taken for a level one."""
    true, false = float(weight[was].sum()), float(weight[~was].sum())
    target = np.where(was, (true + 1.0) / (true + 2.0), 1.0 / (false + 2.0))
    design = np.column_stack([_odds(figures), np.ones(figures.size)])
    share = (true + 1.0) / (true + false + 2.0)
    line = np.array([0.0, np.log(share / (1.0 - share))])
    for _ in range(_STEPS):
        said = _share(design @ line)
        slope = design.T @ (weight * (said - target))
        curve = (design * (weight * said * (1.0 - said))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        tried = [line - step * 0.5**halvings for halvings in range(_HALVINGS)]
        line = min(tried, key=lambda one: _misfit(design @ one, target, weight))
    if line[0] < 0.0:
        line = np.array([0.0, np.log(share / (1.0 - share))])
    return Calibration("platt", (float(line[0]), float(line[1])))


def _isotonic(figures: Floats, was: Truth, weight: Floats) -> Calibration:
    """Pool adjacent violators: the staircase that never falls and errs least, squared; each step then doubted a bit."""
    order = np.argsort(figures, kind="stable")
    at, start = np.unique(figures[order], return_index=True)
    mass = np.add.reduceat(weight[order], start)
    total = np.add.reduceat((weight * was)[order], start)
    pooled: list[list[float]] = []  # weight, weight of what came true, first and last figure
    for figure, one, true in zip(at.tolist(), mass.tolist(), total.tolist(), strict=True):
        pooled.append([one, true, figure, figure])
        while len(pooled) > 1 and pooled[-2][1] * pooled[-1][0] >= pooled[-1][1] * pooled[-2][0]:
            last = pooled.pop()
            pooled[-1] = [pooled[-1][0] + last[0], pooled[-1][1] + last[1], pooled[-1][2], last[3]]
    doubt = _DOUBT * float(total.sum() / mass.sum())
    steps: list[tuple[float, float]] = []
    least = 0.0
    for one, true, first, end in pooled:
        least = max(least, (true + doubt) / (one + _DOUBT))
        steps += [(first, least)] if first == end else [(first, least), (end, least)]
    return Calibration("isotonic", tuple(figure for figure, _ in steps), tuple(share for _, share in steps))
