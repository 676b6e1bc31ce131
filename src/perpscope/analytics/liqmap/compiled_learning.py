"""`learning.lesson` as compiled loops: the same conversions to the last bit."""

from math import isnan
from typing import TypeAlias

from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.compiling import loops
from perpscope.analytics.liqmap.learning import Learnt, Told
from perpscope.analytics.margin_arrays import Floats

#: N, D, Σ y² and β of a book.
Sums: TypeAlias = tuple[Floats, Floats, Floats, Floats]
#: Base units liquidated, long and short; trust; forgetting; exposure of the prior and its conversion; exposure that
#: makes classes alike; exposure from which a side learns for itself.
Terms: TypeAlias = tuple[float, float, float, float, float, float, float, float]


@loops
def _learn(sums: Sums, exposure: Floats, side: int, told: float, trust: float, rho: float) -> None:
    """One side of `learning.learn`."""
    forced, exposed, squared, conversion = sums
    classes = exposure.shape[1]
    total = 0.0
    for rung in range(classes):
        total += conversion[side, rung] * exposure[side, rung]
    shares = 0.0
    for rung in range(classes):
        share = conversion[side, rung] * exposure[side, rung] / total if total > 0.0 else 0.0
        shares += share
        forced[side, rung] = rho * forced[side, rung] + trust * told * share
        exposed[side, rung] = rho * exposed[side, rung] + trust * exposure[side, rung]
    squared[side] = rho * squared[side] + trust * told * told * shares


@loops
def _lesson(sums: Sums, exposure: Floats, weights: Floats, terms: Terms) -> None:
    """`learning.learn` and `learning.settle`."""
    forced, exposed, _, conversion = sums
    long, short, trust, rho, prior, prior_conversion, alike, alone_from = terms
    for side in range(2):
        told = long if side == 0 else short
        if not isnan(told):
            _learn(sums, exposure, side, told, trust, rho)
    if prior <= 0.0:
        return
    for side in range(2):
        alone = 0.0
        for rung in range(weights.shape[1]):
            alone += exposed[side, rung]
        first, last = (side, side + 1) if alone >= alone_from else (0, 2)
        seen, passed = 0.0, 0.0
        for rung in range(weights.shape[1]):
            seen += forced[first:last, rung].sum()
            passed += exposed[first:last, rung].sum()
        usual = (seen + prior * prior_conversion) / (passed + prior)
        for rung in range(weights.shape[1]):
            mean = (forced[first:last, rung].sum() + alike * usual) / (exposed[first:last, rung].sum() + alike)
            conversion[side, rung] = min(max(mean, 0.0), 1.0) if weights[side, rung] > 0.0 else 0.0


def lesson(learnt: Learnt, exposure: Floats, weights: Floats, told: Told, setting: Setting) -> None:
    """See `learning.lesson`."""
    long, short, trust, minutes, open_interest = told
    rho = setting.memory ** (minutes + learnt.waited)
    if learnt.waited > 0.0:
        exposure = exposure + learnt.waiting
        learnt.waiting[:] = learnt.waited = 0.0
    prior = setting.prior_exposure * open_interest
    alike, alone_from = setting.alike_exposure * open_interest, setting.side_exposure * open_interest
    terms = (long, short, trust, rho, prior, setting.prior_conversion, alike, alone_from)
    _lesson((learnt.forced, learnt.exposed, learnt.squared, learnt.conversion), exposure, weights, terms)
