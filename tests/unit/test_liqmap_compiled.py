"""The map's compiled arithmetic and its numpy twin: the same figures, and where each is used.

Here numba's JIT is off (see `conftest`), so that the bodies of the kernels run as what they say; one test runs a map
through the compiled code in a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap import compiled, kernel, seed
from perpscope.analytics.liqmap.arithmetic import NUMPY
from perpscope.analytics.liqmap.checkpoint import checkpoint
from perpscope.analytics.liqmap.venue_map import rebuilt
from perpscope.analytics.margin_arrays import Floats
from perpscope.app.liqmap.arithmetic import arithmetic

GRID = (0.0, 1.0)
RULES = (0.98, 1.5, 0.58, 0.90, 1.34)


def states(number: int) -> tuple[Floats, Floats, kernel.Rungs, kernel.Opening, kernel.Flow]:
    """A book of a few bins and a bar that may reach beyond it; from a seed."""
    rng = np.random.default_rng(number)
    classes, bins = int(rng.integers(1, 4)), int(rng.integers(1, 14))
    mass = rng.exponential(1.0, (2, classes + 1, bins)) * (rng.random((2, classes + 1, bins)) < 0.7)
    cleared = rng.exponential(1.0, (2, bins))
    away = rng.uniform(1.0, 9.0, classes)
    offsets = np.array([np.append(-away, -np.inf), np.append(away, np.inf)])
    weights = rng.dirichlet(np.ones(classes + 1), 2)
    low, close, high = np.sort(rng.uniform(-4.0, bins + 4.0, 3))
    start = int(rng.integers(0, bins))
    share = rng.dirichlet(np.ones(int(rng.integers(1, bins - start + 1))))
    held = float(mass.sum()) / 2.0
    open_interest = float(rng.choice([0.0, held * float(rng.uniform(0.0, 3.0))]))
    volume = float(rng.choice([np.inf, held * float(rng.uniform(0.0, 2.0))]))
    flow = (float(low), float(high), float(close), 0.9, open_interest, held * float(rng.uniform(0.0, 0.5)), volume)
    return mass, cleared, (offsets, weights), (start, share), flow


@settings(max_examples=150, deadline=None)
@given(number=st.integers(0, 10**9))
@example(number=1)
def test_both_forms_of_a_bar_are_the_same(number: int) -> None:
    """Whatever is held and wherever the price goes, loops and arrays agree to the last bit (asked: 1e-9)."""
    mass, cleared, rungs, opening, flow = states(number)
    twin, marks = mass.copy(), cleared.copy()
    wanted = kernel.minute(twin, marks, rungs, opening, GRID, flow, RULES)
    found = compiled.minute(mass, cleared, rungs, opening, GRID, flow, RULES)
    for one, other in zip((*found, mass, cleared), (*wanted, twin, marks), strict=True):
        assert np.array_equal(one, other), np.abs(one - other).max()


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 10**9), count=st.integers(0, 30), reach=st.sampled_from([20.0, 90.0]))
@example(number=1, count=30, reach=90.0)
@example(number=1, count=30, reach=20.0)
def test_both_forms_of_the_documents_map_are_the_same(number: int, count: int, reach: float) -> None:
    """Levels within and beyond the bins, passed later or not: the same sums. Keeps S3-04."""
    rng = np.random.default_rng(number)
    entries = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, count)))
    candles = entries * (1.0 - rng.uniform(0.0, 0.02, count)), entries * (1.0 + rng.uniform(0.0, 0.02, count))
    ladder = (np.array([2.0, 10.0, 100.0]), np.array([0.2, 0.5, 0.3]))
    edges, weights = np.linspace(100.0 - reach, 100.0 + reach, 21), rng.exponential(1.0, count)
    sides = (rng.random(count), rng.random(count))
    one = seed.seed_map(entries, weights, candles, ladder, edges, sides=sides)
    other = seed.seed_map(entries, weights, candles, ladder, edges, sides=sides, filling=compiled.filled)
    assert np.array_equal(one.active, other.active)
    assert np.array_equal(one.cleared, other.cleared)
    assert np.array_equal(one.outside, other.outside)
    whole = one.active.sum() + one.cleared.sum() + one.outside.sum()
    assert whole == pytest.approx(weights @ (sides[0] + sides[1]))


@pytest.mark.parametrize("price", [1.0, 1e300, float("nan")], ids=["low", "far", "nan"])
def test_an_entry_out_of_all_bins_is_in_none(price: float) -> None:
    """No index comes of it, whichever form is used."""
    one = np.ones(1)
    for filling in (seed.filled, compiled.filled):
        found = seed.seed_map(
            np.array([price]), one, (one, one), (np.array([5.0]), one), np.linspace(80.0, 120.0, 21), filling=filling
        )
        assert found.outside.tolist() == [1.0, 1.0]


def test_all_a_map_needs_can_be_made_ready() -> None:
    """Nothing is left to be compiled in the middle of a map."""
    compiled.warm()


def test_compiled_loops_never_write_beyond_a_book() -> None:
    """What is opened must lie within the book."""
    mass, cleared, rungs, _, flow = states(1)
    with pytest.raises(ValueError, match="are not in a book of"):
        compiled.minute(mass, cleared, rungs, (0, np.full(99, 1.0 / 99.0)), GRID, flow, RULES)


def test_a_whole_history_is_the_same() -> None:
    """Two families, three guesses, forty bars, some told late or not at all: the same state to the last bit."""
    bars = history(11, 40)
    bars[7:9] = [msgspec.structs.replace(bar, told_later=True) for bar in bars[7:9]]
    bars[20] = msgspec.structs.replace(bars[20], liquidated_long=float("nan"))
    bars[30] = msgspec.structs.replace(bars[30], open_interest=0.0)
    one, other = (
        rebuilt([FEW, LEVERAGED], bars, COARSE, arithmetic=arithmetic) for arithmetic in (NUMPY, compiled.COMPILED)
    )
    again = checkpoint(other)
    for name, kept in checkpoint(one).items():
        assert np.array_equal(kept, again[name]), name


_PROGRAM = """
import numpy as np
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap.arithmetic import NUMPY
from perpscope.analytics.liqmap.checkpoint import checkpoint
from perpscope.analytics.liqmap.seed import seed_map
from perpscope.analytics.liqmap.venue_map import rebuilt
from perpscope.app.liqmap.arithmetic import ENOUGH, arithmetic

compiled = arithmetic(ENOUGH)
assert compiled is not NUMPY
assert arithmetic(ENOUGH - 1) is NUMPY
for number in range(3):
    bars = history(number, 60)
    one, other = (checkpoint(rebuilt([FEW, LEVERAGED], bars, COARSE, arithmetic=way)) for way in (NUMPY, compiled))
    for name in one:
        assert np.array_equal(one[name], other[name]), (number, name)
rng = np.random.default_rng(1)
closes, weights = np.exp(np.cumsum(rng.normal(0.0, 0.01, 500))), rng.random(500)
candles, ladder = (closes * 0.99, closes * 1.01), (np.array([5.0, 50.0]), np.array([0.4, 0.6]))
edges = np.linspace(0.6, 1.4, 81)
one = seed_map(closes, weights, candles, ladder, edges)
other = seed_map(closes, weights, candles, ladder, edges, filling=compiled.filling)
assert np.array_equal(one.active, other.active)
assert np.array_equal(one.cleared, other.cleared)
from perpscope.analytics.liqmap import compiled_learning
from perpscope.analytics.liqmap import compiled as loops
kernels = loops._minute, loops.filled, compiled_learning._lesson
print(*(len(kernel.signatures) for kernel in kernels))
"""


def outside(**told: str) -> dict[str, str]:
    """The environment of a process of its own, which finds us; its compiler is not slowed by being measured."""
    root = Path(__file__).resolve().parents[2]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "NUMBA_CACHE"))}
    return kept | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])} | told


def test_compiled_code_gives_the_same_and_is_kept(tmp_path: Path) -> None:
    """With the JIT on: the same to the last bit, one signature each, kept in the data folder; torn code is let go."""
    environment = outside(NUMBA_DISABLE_JIT="0", XDG_DATA_HOME=str(tmp_path))
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["1", "1", "1"]
    kept = list((tmp_path / "perpscope" / "numba").rglob("*.nbc"))
    assert kept
    for torn in kept:
        os.truncate(torn, 100)
    words = "from perpscope.app.liqmap.arithmetic import *; print(arithmetic(ENOUGH) is NUMPY)"
    run = subprocess.run([sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True"]
    assert not list((tmp_path / "perpscope" / "numba").rglob("*.nbc"))


def test_little_work_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the size that pays for loading numba, and where it is switched off, the twin is used."""
    assert arithmetic(10) is NUMPY
    assert arithmetic(10**9) is NUMPY
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    assert arithmetic(10) is NUMPY


def test_without_numba_the_map_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba is not to be had, the work is done all the same."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "unused")
    monkeypatch.setitem(sys.modules, "perpscope.analytics.liqmap.compiled", None)
    assert arithmetic(10**9) is NUMPY


def test_nothing_imports_numba_before_it_is_needed() -> None:
    """The command line and a small map go without it."""
    words = "import sys, perpscope.cli.main, perpscope.app.liqmap.reading; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", words], env=outside(), capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
