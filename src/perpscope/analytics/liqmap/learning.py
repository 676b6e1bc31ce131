"""What swept mass turns into, learnt as it happens: forced orders ÷ mass that was passed, for each class (METHOD 6.7).

Poisson-gamma EM with exponential forgetting. In: exposures and what was liquidated, a bar at a time. Out: conversions
β with a posterior. What was never swept keeps its prior and says so.
"""

from math import exp, fsum, isnan, log
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.margin_arrays import Floats

#: A conversion beyond 1 would force more than there is.
_MOST: Final = 1.0
#: Typical amounts a bar that no model expects of any; chosen by hand.
_IDLE: Final = 0.01
#: Log score by which a barred model must lead.
_EARNED: Final = 3.0


#: Base units liquidated, long and short (nan = not seen); trust in (0, 1]; minutes; open interest in base units.
Told: TypeAlias = tuple[float, float, float, float, float]


class Learnt(msgspec.Struct):
    """Running sums of one book, both sides; arrays are changed in place."""

    forced: Floats  #: (2, classes) N: base units liquidated, by responsibility
    exposed: Floats  #: (2, classes) D: base units swept
    squared: Floats  #: (2,) Σ y², base units², for the size of a typical bar's orders
    conversion: Floats  #: (2, classes) β, in [0, 1]
    waiting: Floats  #: (2, classes) base units swept in bars whose liquidations are told later
    waited: float = 0.0  #: minutes of these bars


def begin(classes: int, setting: Setting) -> Learnt:
    """Nothing learnt yet: every class at the prior conversion."""
    shape = (2, classes)
    prior = np.full(shape, setting.prior_conversion)
    return Learnt(np.zeros(shape), np.zeros(shape), np.zeros(2), prior, np.zeros(shape))


def responsibilities(conversion: Floats, exposure: Floats) -> Floats:
    """Which class a liquidation came from, r = β A ÷ Σ β A; zeros where nothing was swept.

    >>> np.round(responsibilities(np.array([0.2, 0.5, 0.3]), np.array([2.0, 3.0, 5.0])), 4)
    array([0.1176, 0.4412, 0.4412])
    """
    parts = conversion * exposure
    total = _sum(parts)
    shares: Floats = parts / total if total > 0.0 else np.zeros_like(parts)
    return shares


def _sum(values: Floats) -> float:
    """From the first to the last: in the order of the compiled form, `compiled_learning`."""
    return float(np.add.accumulate(values)[-1])


def wait(learnt: Learnt, exposure: Floats, minutes: float) -> None:
    """Remember a bar whose liquidations are told later; until then no conversion changes."""
    learnt.waiting += exposure
    learnt.waited += minutes


def learn(learnt: Learnt, exposure: Floats, liquidated: Floats, trust: float, minutes: float, setting: Setting) -> None:
    """Take in one bar, with those that waited for it.

    Args:
        learnt: changed.
        exposure: (2, classes) base units swept.
        liquidated: (2,) base units; nan = that side was not seen, and teaches nothing.
        trust: weight of the bar, in (0, 1].
        minutes: its length.
        setting: memory.
    """
    rho = setting.memory ** (minutes + learnt.waited)
    exposure = exposure + learnt.waiting
    learnt.waiting[:] = 0.0
    learnt.waited = 0.0
    for side in (0, 1):
        told = float(liquidated[side])
        if np.isnan(told):
            continue
        shares = responsibilities(learnt.conversion[side], exposure[side])
        learnt.forced[side] = rho * learnt.forced[side] + trust * told * shares
        learnt.exposed[side] = rho * learnt.exposed[side] + trust * exposure[side]
        learnt.squared[side] = rho * learnt.squared[side] + trust * told * told * _sum(shares)


def settle(learnt: Learnt, open_interest: float, weights: Floats, setting: Setting) -> None:
    """Renew the conversions: β = (N + a φ̂) ÷ (D + a), φ̂ = ΣN ÷ ΣD with its own prior (METHOD 6.7, (4)).

    Mass here carries the weights already, so the prior of every class is φ̂ itself and a class weighs by its share.
    Classes are mostly passed together, so one departs from φ̂ only after it was swept as often as `alike_exposure`.
    A side learns for itself once it was swept `side_exposure` times open interest, until then both learn together.
    """
    prior = setting.prior_exposure * open_interest
    if prior <= 0.0:
        return
    alone = np.add.accumulate(learnt.exposed, axis=1)[:, -1] >= setting.side_exposure * open_interest
    both = (learnt.forced.sum(axis=0), learnt.exposed.sum(axis=0))
    for side in (0, 1):
        forced, exposed = (learnt.forced[side], learnt.exposed[side]) if alone[side] else both
        level = pooled(forced, exposed, prior, setting)
        learnt.conversion[side] = posterior(forced, exposed, setting.alike_exposure * open_interest, level)
    learnt.conversion[weights <= 0.0] = 0.0


def lesson(learnt: Learnt, exposure: Floats, weights: Floats, told: Told, setting: Setting) -> None:
    """Take in a bar, with those that waited for it, and renew the conversions.

    Args:
        learnt: changed.
        exposure: (2, classes) base units swept.
        weights: (2, classes) share of what is opened.
        told: the bar; see `Told`.
        setting: memory and priors.
    """
    long, short, trust, minutes, open_interest = told
    learn(learnt, exposure, np.array([long, short]), trust, minutes, setting)
    settle(learnt, open_interest, weights, setting)


def pooled(forced: Floats, exposed: Floats, prior: float, setting: Setting) -> float:
    """φ̂: the conversion of all classes together; before anything was seen, its prior."""
    return (_sum(forced) + prior * setting.prior_conversion) / (_sum(exposed) + prior)


def posterior(forced: Floats, exposed: Floats, prior: float, expected: Floats | float) -> Floats:
    """Posterior means of conversions, in [0, 1].

    Args:
        forced: (classes,) N, base units.
        exposed: (classes,) D, base units.
        prior: a, base units of exposure.
        expected: conversion of the prior, of each class or of all.

    >>> forced = 4.0 * responsibilities(np.array([0.2, 0.5, 0.3]), np.array([2.0, 3.0, 5.0]))
    >>> posterior(forced, np.array([2.0, 3.0, 5.0]), 10.0, np.array([0.2, 0.5, 0.3])).round(6)
    array([0.205882, 0.520362, 0.317647])
    """
    means: Floats = np.clip((forced + prior * expected) / (exposed + prior), 0.0, _MOST)
    return means


def draws(learnt: Learnt, open_interest: float, setting: Setting, count: int = 200, seed: int = 7) -> Floats:
    """Conversions drawn from their gamma posterior (METHOD 6.10): (count, 2, classes), in [0, 1].

    A liquidation of a typical size, Σy² ÷ Σy, counts as one event, so that the width does not depend on the unit.

    Args:
        learnt: of one book.
        open_interest: base units.
        setting: priors.
        count: draws.
        seed: of the generator; the same seed gives the same draws.
    """
    generator = np.random.default_rng(seed)
    prior = setting.prior_exposure * open_interest
    forced = float(learnt.forced.sum())
    unit = float(learnt.squared.sum()) / forced if forced > 0.0 else max(prior * setting.prior_conversion, 1e-300)
    events = learnt.conversion * (learnt.exposed + prior) / unit
    drawn: Floats = generator.gamma(np.maximum(events, 1e-9), size=(count, *events.shape))
    drawn *= unit / np.maximum(learnt.exposed + prior, 1e-300)
    return np.clip(drawn, 0.0, _MOST, out=drawn)


def interval(learnt: Learnt, open_interest: float, setting: Setting) -> tuple[Floats, Floats]:
    """5 % and 95 % of each class' conversion, (2, classes) each."""
    low, high = np.quantile(draws(learnt, open_interest, setting, 2_000), (0.05, 0.95), axis=0)
    return low, high


class Scores(msgspec.Struct):
    """How well each model of a stack foretold the amounts, with forgetting; changed in place."""

    total: Floats  #: (models,) sum of log scores, natural units
    typical: float = 0.0  #: base units of a bar in which something was liquidated
    bars: float = 0.0  #: of those, with the same forgetting
    waiting: Floats | float = 0.0  #: (models, 2) base units expected in bars whose liquidations are told later
    waited: float = 0.0  #: days of these bars


def defer(scores: Scores, expected: Floats, days: float) -> None:
    """Remember what the models expect of a bar whose liquidations are told later; until then no weight changes."""
    scores.waiting = scores.waiting + expected
    scores.waited += days


def judge(scores: Scores, expected: Floats, liquidated: Floats, days: float, setting: Setting) -> None:
    """Score the models on one bar: on each side a Poisson count of typical amounts.

    Args:
        scores: changed.
        expected: (models, 2) μ = Σ β A, base units, with β from before the bar.
        liquidated: (2,) base units; nan teaches nothing.
        days: since the last score.
        setting: memory.
    """
    expected = expected + scores.waiting
    rho = 0.5 ** ((days + scores.waited) / setting.score_days)
    scores.waiting = scores.waited = 0.0
    scores.total *= rho
    some = [told for told in liquidated.tolist() if told > 0.0]
    if some:
        scores.bars = rho * scores.bars + len(some)
        scores.typical += (fsum(some) - len(some) * scores.typical) / scores.bars
    if scores.typical <= 0.0:
        return
    for side, told in enumerate(liquidated.tolist()):
        if not isnan(told):
            events, means = told / scores.typical, expected[:, side] / scores.typical + _IDLE
            scores.total += [events * log(mean) - mean for mean in means.tolist()]


def stack(scores: Scores, least: float, barred: NDArray[np.bool_]) -> Floats:
    """Weights of the models: ∝ exp(score), none below the least, summing to 1 (METHOD 6.3).

    A barred model has none until its score is 3 above the best of the others: odds of 20 to 1.

    Args:
        scores: so far.
        least: weight of a model that is not barred.
        barred: (models,).

    >>> scores = Scores(np.array([0.0, -50.0, 1.0]))
    >>> stack(scores, 0.05, np.array([False, False, True])).round(3)
    array([0.95, 0.05, 0.  ])
    """
    totals = scores.total.tolist()
    free = [not is_barred for is_barred in barred.tolist()]
    if True not in free:
        free = [True] * barred.size
    best = max(total for total, is_free in zip(totals, free, strict=True) if is_free)
    taken = [is_free or total > best + _EARNED for total, is_free in zip(totals, free, strict=True)]
    most = max(total for total, is_taken in zip(totals, taken, strict=True) if is_taken)
    raw = [exp(total - most) if is_taken else 0.0 for total, is_taken in zip(totals, taken, strict=True)]
    left = (1.0 - least * sum(free)) / fsum(raw)
    return np.array([least * is_free + left * one for one, is_free in zip(raw, free, strict=True)])
