"""One step of the map on plain arrays: what a price passes goes, the rest is closed and opened to the last unit."""

import numpy as np
import pytest

from perpscope.analytics.liqmap import kernel
from perpscope.analytics.margin_arrays import Floats

HAZARDS = (0.58, 0.90, 1.34)
GRID = (0.0, 1.0)  # bin e is [e, e + 1)


def empty(bins: int = 10) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    """Mass of one class and nothing cleared."""
    return np.zeros((2, 1, bins)), np.zeros((2, bins))


def closed(mass: Floats, price: float, amounts: list[float], near: float) -> None:
    """Close so much of each side."""
    borders, held = kernel.zones(mass, GRID, price, near)
    assert held.sum(axis=1) == pytest.approx(mass.sum(axis=(1, 2)))
    kernel.thin(mass, borders, held, np.array(amounts), HAZARDS)


@pytest.mark.parametrize(
    ("low", "high", "gone_long"),
    [
        pytest.param(5.25, 5.5, 2.75, id="cut-in-a-bin"),
        pytest.param(5.0, 5.0, 3.0, id="on-a-border"),
        pytest.param(-4.0, 30.0, 8.0, id="beyond-the-grid"),
        pytest.param(30.0, -4.0, 0.0, id="not-reached"),
        pytest.param(-1.0, 9.0, 8.0, id="at-the-ends"),
    ],
)
def test_a_sweep_takes_what_lies_beyond_the_extremes(low: float, high: float, gone_long: float) -> None:
    """Longs above the low and shorts below the high go; a bin on the border by the part that was covered."""
    mass, cleared = empty()
    mass[0, 0, :8] = 1.0  # levels 0 … 8 when moved by 0
    mass[1, 0, 2:] = 1.0
    offsets = np.array([[0.0], [1.0]])
    before = mass.sum()
    swept = kernel.sweep(mass, cleared, GRID, offsets, low, high)
    assert swept[0, 0] == pytest.approx(gone_long)
    assert swept[1, 0] == pytest.approx(max(min(high - 3.0, 8.0), 0.0))
    assert mass.sum() + swept.sum() == pytest.approx(before)


def test_what_is_swept_is_remembered_at_its_price() -> None:
    """A class 1.5 bins below its entries leaves its marks there, split over two; those off the grid are let go."""
    mass, cleared = empty(6)
    mass[0, 0, 4] = 2.0
    mass[0, 0, 0] = 8.0
    kernel.sweep(mass, cleared, GRID, np.array([[-1.5], [1.5]]), -3.0, -3.0)
    assert cleared[0] == pytest.approx([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    assert mass.sum() == 0.0


def test_what_is_out_of_reach_stays() -> None:
    """No price takes the last class."""
    mass, cleared = empty()
    mass[:] = 1.0
    swept = kernel.sweep(mass, cleared, GRID, np.array([[-np.inf], [np.inf]]), -99.0, 99.0)
    assert swept.sum() == 0.0
    assert mass.sum() == 20.0


def test_winners_are_closed_before_losers() -> None:
    """A long opened below the price gains, a short loses; both sides lose exactly what was asked."""
    mass, _ = empty(9)
    mass[:] = 1.0
    closed(mass, 4.5, [3.0, 1.0], 1.0)
    assert mass.sum(axis=(1, 2)) == pytest.approx([6.0, 8.0])
    long, short = mass[0, 0], mass[1, 0]
    assert long[0] < long[8] < long[4]
    assert short[8] < short[0] < short[4]


def test_nothing_to_close_changes_nothing() -> None:
    """A side without closes is left alone."""
    mass, _ = empty(4)
    mass[:] = 1.0
    closed(mass, 2.0, [0.0, 4.0], 0.5)
    assert mass.sum(axis=(1, 2)) == pytest.approx([4.0, 0.0])


def test_closing_nearly_all_still_ends_exactly() -> None:
    """A billionth of a per cent is left, and it is the right one."""
    held, rates = np.array([1e-6, 1.0, 5.0]), np.array([0.58, 0.90, 1.34])
    amount = float(held.sum()) * (1.0 - 1e-11)
    kept = kernel.survivors(held, rates, amount)
    assert float(held @ kept) == pytest.approx(float(held.sum()) - amount, rel=1e-3)


def test_marks_off_the_grid_are_let_go() -> None:
    """A short twenty bins below its level leaves no mark on a grid of ten."""
    mass, cleared = empty()
    mass[1, 0, 0] = 1.0
    swept = kernel.sweep(mass, cleared, GRID, np.array([[-20.0], [20.0]]), 30.0, 20.5)
    assert swept[:, 0] == pytest.approx([0.0, 0.5])
    assert cleared.sum() == 0.0


def test_new_positions_beyond_the_close_are_opened_again_at_it() -> None:
    """A long opened at 8 with its level at 6 is gone when the bar closes at 5.5, and its like is opened there."""
    mass, _ = empty(10)
    offsets = np.array([[-2.0], [2.0]])
    instant = kernel.place(mass, GRID, offsets, np.array([[4.0], [4.0]]), (2, np.full(8, 0.125)), 5.5)
    assert mass.sum(axis=(1, 2)) == pytest.approx([4.0, 4.0])
    assert instant[:, 0] == pytest.approx([0.5 * (0.5 + 2.0), 0.5 * 1.5])
    assert mass[0, 0, 9] == 0.0
    assert mass[0, 0, 5] == pytest.approx(0.5 + instant[0, 0])


def test_a_price_below_the_grid_has_all_of_it_above() -> None:
    """No bin is below or near such a price: the first bin is the first above, and everything held is there."""
    left, _ = GRID
    mass = np.ones((2, 3, 5))
    borders, held = kernel.zones(mass, GRID, left - 1.0, 0.01)
    assert borders == (0, 0)
    assert held.tolist() == [[0.0, 0.0, 15.0]] * 2
