"""Cascades: METHOD's vectors, limits at the bankruptcy price, R(x), and a real book's levels."""

from collections.abc import Sequence

import numpy as np
import pytest

from perpscope.analytics.cascade import (
    SURVIVALS,
    Levels,
    amplification,
    branching,
    least_fixed_point,
    levels_of,
    simulate,
)
from perpscope.analytics.cascade_depth import KAPPA, fit, of_book, power_law, square_root
from perpscope.model.market import PositionSide

DISTANCES = np.array([0.004, 0.006, 0.010, 0.013, 0.018, 0.030])
MILLIONS = np.array([8.0, 12.0, 10.0, 15.0, 5.0, 40.0])
LEVELS = Levels(distances=DISTANCES, notional=MILLIONS * 1e6)
BOOK = power_law(40e6)


def limited(gaps: Sequence[float] | float) -> Levels:
    """The vector's levels, each filled only so much further than where it is triggered."""
    return Levels(distances=DISTANCES, notional=MILLIONS * 1e6, limits=DISTANCES + np.asarray(gaps))


@pytest.mark.parametrize(
    ("shock", "survival", "stop", "millions", "amplification"),
    [
        pytest.param(0.003, 1.0, 0.3, 0.0, 1.0, id="0.3 %"),
        pytest.param(0.005, 1.0, 0.955, 20.0, 1.909, id="0.5 %"),
        pytest.param(0.008, 1.0, 1.737, 45.0, 2.171, id="0.8 %"),
        pytest.param(0.012, 1.0, 2.192, 50.0, 1.827, id="1.2 %"),
        pytest.param(0.005, 0.3, 5.971, 90.0, 5.971 / 0.5, id="0.5 % with a third of the quotes"),
    ],
)
def test_the_vectors_of_the_method(
    shock: float, survival: float, stop: float, millions: float, amplification: float
) -> None:
    """METHOD §7 to its printed digits: where the price stops, what is forced, how much further it goes. Keeps B9."""
    found = simulate(LEVELS, BOOK.surviving(survival), shock)
    assert 100.0 * found.stop == pytest.approx(stop, abs=5e-4)
    assert found.forced_usd == pytest.approx(millions * 1e6)
    assert found.amplification == pytest.approx(amplification, abs=1e-3 * amplification)
    assert found.stop == pytest.approx(float(least_fixed_point(LEVELS, BOOK.surviving(survival), shock)))
    assert found.slippage == pytest.approx(found.stop - shock)
    assert (found.inherited_usd, found.unwind_usd_per_s) == (0.0, 0.0)
    assert found.stop_after_unwind == pytest.approx(found.stop)


def test_many_shocks_at_once() -> None:
    """One call for many shocks, each with its own survival of quotes, is the same as one by one."""
    shocks, left = [0.003, 0.005, 0.005, 0.012], [1.0, 1.0, 0.3, 0.06]
    found = least_fixed_point(LEVELS, BOOK, shocks, left)
    alone = [simulate(LEVELS, BOOK.surviving(w), x).stop for x, w in zip(shocks, left, strict=True)]
    assert found == pytest.approx(np.array(alone))
    assert SURVIVALS == (1.0, 0.3, 0.06)


def test_a_forced_order_stops_at_its_bankruptcy_price() -> None:
    """What the book does not take within the limit goes to the insurance fund, which needs ten minutes for it."""
    free, kept = simulate(LEVELS, BOOK, 0.005), simulate(limited(0.0005), BOOK, 0.005)
    room = float(BOOK.within(0.0045)) - float(BOOK.within(0.004))
    assert room < 8e6
    assert kept.filled_usd == pytest.approx(room), "the shock passed one level; the next is out of reach without it"
    assert (kept.levels, kept.forced_usd) == (1, 8e6)
    assert kept.inherited_usd == pytest.approx(8e6 - room)
    assert kept.unwind_usd_per_s == pytest.approx((8e6 - room) / 600.0)
    assert kept.stop < free.stop
    assert kept.stop_after_unwind == pytest.approx(free.stop), "sold into the same book in the end, it all comes"


def test_an_order_beyond_its_limit_is_not_filled_at_all() -> None:
    """A cascade that is past a level's limit when it reaches it leaves all of it to the fund."""
    found = simulate(limited([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), BOOK, 0.006)
    assert (found.levels, found.filled_usd, found.inherited_usd) == (2, 8e6, 12e6)


@pytest.mark.parametrize("shock", [0.0, -0.01, float("nan"), float("inf")], ids=str)
def test_a_shock_that_is_none_is_refused(shock: float) -> None:
    """A cascade begins with a move."""
    with pytest.raises(ValueError, match="a shock must be above 0"):
        simulate(LEVELS, BOOK, shock)


def test_where_a_cascade_feeds_itself() -> None:
    """R is forced dollars over dollars of depth, bin by bin; zones are where it is 1 or more. Keeps B9."""
    found = branching(LEVELS, power_law(1e9, 1.0), [0.0, 0.005, 0.007, 0.012, 0.014, 0.02])
    assert found.ratio == pytest.approx([8 / 500, 12 / 200, 10 / 500, 15 / 200, 5 / 600])
    assert found.zones == []
    thin = branching(LEVELS, power_law(1e9, 1.0).surviving(0.06), [0.0, 0.005, 0.007, 0.012, 0.014, 0.02])
    assert thin.ratio == pytest.approx(found.ratio / 0.06)
    assert thin.zones == [(0.005, 0.007), (0.012, 0.014)]
    assert branching(LEVELS, power_law(1e8, 1.0).surviving(0.06), [0.0, 0.005, 0.02]).zones == [(0.0, 0.02)]


@pytest.mark.parametrize("edges", [[0.01], [0.01, 0.01], [0.02, 0.01], [-0.01, 0.01]], ids=str)
def test_edges_that_do_not_rise_are_refused(edges: list[float]) -> None:
    """Bins are between distances from the price on."""
    with pytest.raises(ValueError, match="edges must rise"):
        branching(LEVELS, BOOK, edges)


def test_a_map_has_two_sides() -> None:
    """A fall meets longs below the mark, a rise shorts above it; what is already behind the price is left out."""
    prices, longs, shorts = [101.0, 99.0, 98.0, 100.0], [3.0, 5.0, 0.0, 9.0], [2.0, 4.0, 0.0, 1.0]
    below = levels_of(100.0, prices, longs, shorts, PositionSide.LONG)
    assert below.distances.tolist() == pytest.approx([np.log(100 / 99)])
    assert below.notional.tolist() == [5.0]
    above = levels_of(100.0, prices, longs, shorts, PositionSide.SHORT, limit_gap=0.004)
    assert above.distances.tolist() == pytest.approx([np.log(1.01)])
    assert above.limits is not None
    assert above.limits.tolist() == pytest.approx([np.log(1.01) + 0.004])
    assert above.cumulative.tolist() == [2.0]


@pytest.mark.parametrize(
    ("mark", "prices", "longs", "gap"),
    [
        pytest.param(0.0, [99.0], [1.0], None, id="mark"),
        pytest.param(100.0, [-99.0], [1.0], None, id="price"),
        pytest.param(100.0, [99.0], [-1.0], None, id="notional"),
        pytest.param(100.0, [99.0, 98.0], [1.0], None, id="shapes"),
        pytest.param(100.0, [99.0], [1.0], -0.1, id="gap"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(
    mark: float, prices: list[float], longs: list[float], gap: float | None
) -> None:
    """Prices above 0, notionals of at least 0, one for each."""
    with pytest.raises(ValueError, match="a map needs a price above 0"):
        levels_of(mark, prices, longs, [1.0], PositionSide.LONG, gap)


def test_nothing_ahead_is_nothing_forced() -> None:
    """An empty map: the price stops where the shock left it."""
    empty = levels_of(100.0, [101.0], [1.0], [0.0], PositionSide.LONG)
    found = simulate(empty, BOOK, 0.02)
    assert (found.stop, found.forced_usd, found.levels) == (0.02, 0.0, 0)


def test_a_real_book_is_taken_level_by_level() -> None:
    """Depth up to each level is what stands there; beyond the last it goes on by a power law through it."""
    mid, prices, sizes = 100.0, np.array([99.99, 99.9, 99.5, 99.0]), np.array([50.0, 100.0, 400.0, 800.0])
    book = of_book(mid, prices, sizes)
    walked = np.cumsum(prices * sizes)
    assert book.within(np.log(mid / prices)) == pytest.approx(walked)
    assert book.distance(walked) == pytest.approx(np.log(mid / prices))
    assert book.distance(walked[0] + 0.5 * prices[1] * sizes[1]) == pytest.approx(
        0.5 * (np.log(mid / 99.99) + np.log(mid / 99.9))
    )
    assert book.within(2.0 * book.reach) == pytest.approx(walked[-1] * 2.0**book.kappa)
    assert book.distance(walked[-1] * 2.0**book.kappa) == pytest.approx(2.0 * book.reach)
    assert book.within(book.reach * (1 + 1e-12)) == pytest.approx(walked[-1]), "no jump at the end of the book"
    asks = of_book(mid, [100.1, 100.2], [1.0, 1.0])
    assert (asks.kappa, asks.reach) == pytest.approx((KAPPA, np.log(1.002)))


def test_a_stop_beyond_the_book_is_said_to_be() -> None:
    """What lies behind the last level is extrapolated, and the answer says so."""
    book = of_book(100.0, [99.9, 99.5, 99.0], [1e6, 1e6, 1e6])
    assert not simulate(LEVELS, book, 0.005).beyond_book
    assert simulate(LEVELS, book.surviving(0.05), 0.005).beyond_book
    assert not simulate(LEVELS, BOOK.surviving(0.1), 0.005).beyond_book, "a power law has no end"


def test_depth_is_fitted_to_bands() -> None:
    """B₁ and κ from bands of a power law, exactly; and kept within reason where a book is odd."""
    u = np.array([0.001, 0.0025, 0.005, 0.01, 0.02])
    assert fit(u, 40e6 * (u / 0.01) ** 1.16) == pytest.approx((40e6, 1.16))
    assert fit([0.001, 0.002], [1.0, 1e9])[1] == 2.5
    assert fit([0.001, 0.002], [1.0, 1.0])[1] == 0.5


@pytest.mark.parametrize(
    ("mid", "prices", "sizes"),
    [
        pytest.param(100.0, [], [], id="empty"),
        pytest.param(100.0, [99.0], [0.0], id="no size"),
        pytest.param(100.0, [0.0], [1.0], id="no price"),
        pytest.param(0.0, [99.0], [1.0], id="no mid"),
        pytest.param(100.0, [99.0, 98.0], [1.0], id="shapes"),
        pytest.param(100.0, [98.0, 99.0], [1.0, 1.0], id="worst first"),
        pytest.param(100.0, [99.0, 101.0], [1.0, 1.0], id="both sides"),
        pytest.param(100.0, [100.0], [1.0], id="at the mid"),
    ],
)
def test_a_book_that_makes_no_sense_is_refused(mid: float, prices: list[float], sizes: list[float]) -> None:
    """A crossed, empty or upside-down book is no depth."""
    with pytest.raises(ValueError, match="levels"):
        of_book(mid, prices, sizes)


def test_figures_that_make_no_depth_are_refused() -> None:
    """Depth, exponent and survival are above 0; below the price there is no depth."""
    for at_one_percent, kappa in ((0.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="must be above 0"):
            power_law(at_one_percent, kappa)
    for share in (0.0, 1.1):
        with pytest.raises(ValueError, match="must lie in"):
            BOOK.surviving(share)
    assert np.isnan(BOOK.within(-0.01))
    assert np.isnan(BOOK.distance(-1.0))


def test_a_book_by_turnover_follows_the_square_root_law() -> None:
    """I = Y σ √(Q ÷ V) both ways; figures that are not above 0 are refused."""
    book = square_root(2e9, 0.03, 1.26)
    for taken in (1e5, 1e7, 5e8):
        impact = 1.26 * 0.03 * (taken / 2e9) ** 0.5
        assert float(book.distance(taken)) == pytest.approx(impact)
        assert float(book.within(impact)) == pytest.approx(taken)
    with pytest.raises(ValueError, match="must be above 0"):
        square_root(2e9, 0.0)


def test_amplification_undoes_a_simulated_cascade() -> None:
    """From where a cascade stopped and what it forced, the shock it began with is found again."""
    levels = Levels(distances=np.array([0.004, 0.006, 0.01]), notional=np.array([8e6, 12e6, 10e6]))
    book = power_law(40e6)
    found = simulate(levels, book, 0.005)
    assert amplification(found.stop, found.forced_usd, book) == pytest.approx(found.amplification)
    assert amplification(0.001, 1e9, book) is None
