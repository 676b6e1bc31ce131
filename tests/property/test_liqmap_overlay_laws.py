"""For every history, whatever is seen of positions and whoever lends: open interest is kept, units and sides are alike.

METHOD 6.8, 6.11 and 6.12, each on a few dozen histories here and on 10,000 in the soak. Keeps B7.
"""

from math import log

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap import levels, measured
from perpscope.analytics.liqmap.venue_map import rebuilt

MANY = 10_000


def laid(seed: int, count: int) -> levels.Levels:
    """A map of a history, laid out."""
    return levels.levels(rebuilt([FEW, LEVERAGED], history(seed, count), COARSE))


def check_measured(seed: int, count: int) -> None:
    """Whatever is seen of positions: fused, each side still holds open interest, and the guess gives way by its share.

    In other units, and in a market upside down, the same is found of them.
    """
    found = laid(seed, count)
    held = seen(seed, found)
    exact = measured.lay(held, found)
    joined = measured.fused(found, exact)
    assert joined.gross.min() >= 0.0
    assert joined.gross.sum(axis=1) + joined.beyond == pytest.approx([found.open_interest] * 2, rel=1e-9)
    assert (joined.forced.sum(axis=1) <= found.open_interest * (1.0 + 1e-9)).all()
    left = 1.0 - exact.held / found.open_interest
    assert joined.gross - exact.mass == pytest.approx(left[:, None] * found.gross, abs=1e-9 * found.open_interest)
    other = msgspec.structs.replace(
        found,
        start=found.start + log(7.0),
        mark=found.mark * 7.0,
        open_interest=found.open_interest * 3.0,
        gross=found.gross * 3.0,
    )
    priced = msgspec.structs.replace(
        held, size=held.size * 3.0, entry=held.entry * 7.0, liquidation=held.liquidation * 7.0
    )
    again = measured.lay(priced, other)
    assert again.mass.sum(axis=1) == pytest.approx(3.0 * exact.mass.sum(axis=1), rel=1e-9)
    assert again.coverage == pytest.approx(exact.coverage, rel=1e-9)
    assert measured.class_shares(priced, FEW) == pytest.approx(measured.class_shares(held, FEW), rel=1e-9)
    turned = msgspec.structs.replace(
        held, is_long=~held.is_long, entry=1.0 / held.entry, liquidation=1.0 / held.liquidation
    )
    assert measured.class_shares(turned, FEW) == pytest.approx(measured.class_shares(held, FEW), rel=1e-9)
    leant = measured.informed(LEVERAGED, held, measured.weight_of(held, exact.coverage))
    assert leant.weights.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert (leant.weights >= 0.0).all()


def seen(seed: int, found: levels.Levels) -> measured.Holdings:
    """Some positions, up to twice what open interest holds, a fifth of them without a liquidation price."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 25))
    is_long = rng.random(count) < 0.5
    away = rng.exponential(0.1, count) * np.where(is_long, -1.0, 1.0)
    sizes = rng.pareto(1.5, count) + 1e-3
    sizes *= rng.uniform(0.0, 4.0) * found.open_interest / sizes.sum()
    prices = np.where(rng.random(count) < 0.2, np.nan, found.mark * np.exp(away))
    return measured.Holdings(is_long, sizes, found.mark * np.exp(rng.normal(0.0, 0.02, count)), prices)


def check_lent(seed: int, count: int) -> None:
    """A map that is lent holds the borrower's open interest, in the lender's shape, at the borrower's price."""
    found = laid(seed, count)
    held, mark = found.open_interest * 0.37, found.mark * 1.01
    lent = levels.borrowed(found, held, mark)
    assert lent.gross.sum(axis=1) + lent.beyond == pytest.approx([held] * 2, rel=1e-9)
    assert lent.forced / held == pytest.approx(found.forced / found.open_interest, rel=1e-9)
    assert np.log(lent.prices / lent.mark) == pytest.approx(np.log(found.prices / found.mark), abs=1e-9)


LAWS = {"measured": check_measured, "lent": check_lent}


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**9), count=st.integers(2, 14))
@example(seed=3, count=14)
def test_every_history_keeps_the_law(law: str, seed: int, count: int) -> None:
    """Σ mass = OI after fusing and lending, nothing below 0, no more forced than held; other units, other sides."""
    LAWS[law](seed, count)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("law", LAWS)
def test_ten_thousand_histories_keep_the_law(law: str) -> None:
    """The same on 10,000 histories."""
    for seed in range(MANY):
        LAWS[law](seed, 2 + seed % 9)
