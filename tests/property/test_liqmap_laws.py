"""For every history: the map holds exactly the open interest, keeps no burnt level, and means the same in any unit.

The identities of METHOD 6.12, each on a few dozen histories here and on 10,000 in the soak. The twin keeps every
position apart in plain Python, and knows nothing of the arrays. Keeps B4, B17.
"""

from collections.abc import Sequence
from math import exp, floor, inf, log
from typing import TypeAlias

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap import curves, explain, heat, levels
from perpscope.analytics.liqmap.bars import Bar, Setting
from perpscope.analytics.liqmap.checkpoint import checkpoint, restore
from perpscope.analytics.liqmap.ladder import Ladder
from perpscope.analytics.liqmap.tracing import Cell, Tracer
from perpscope.analytics.liqmap.venue_map import VenueMap, rebuilt

SEEDS = st.integers(0, 10**9)
COUNTS = st.integers(2, 14)
MANY = 10_000


#: Side, class, entry bin, base units.
Held: TypeAlias = tuple[int, int, int, float]


class Twin:
    """One book under `oi_flow`, position by position."""

    def __init__(self, ladder: Ladder, setting: Setting, first: Bar) -> None:
        self.ladder, self.setting = ladder, setting
        self.anchor = log(first.close) - 0.5 * setting.step
        self.held: list[Held] = []
        reach = int(2.5 * setting.start_spread / setting.step)
        bell = [exp(-0.5 * (e * setting.step / setting.start_spread) ** 2) for e in range(-reach, reach + 1)]
        spread = [(e - reach, part / sum(bell)) for e, part in enumerate(bell)]
        self.fill(first.open_interest, first.open_interest, spread, log(first.close), first.funding_8h)

    def level(self, side: int, rung: int, entry: int) -> float:
        """Log price at which a cell's liquidation level begins."""
        return self.anchor + entry * self.setting.step + float(self.ladder.offsets[side, rung])

    def covered(self, side: int, rung: int, entry: int, price: float) -> float:
        """Part of a cell's level that lies beyond a price."""
        start = self.level(side, rung, entry)
        part = (start + self.setting.step - price) if side == 0 else (price - start)
        return min(max(part / self.setting.step, 0.0), 1.0)

    def take(self, bar: Bar) -> None:
        """Sweep, close, open."""
        low, high, close = log(bar.low), log(bar.high), log(bar.close)
        kept = []
        for side, rung, entry, size in self.held:
            stays = 1.0 - self.covered(side, rung, entry, low if side == 0 else high)
            if size * stays > 0.0:
                kept.append((side, rung, entry, size * stays))
        self.held = []
        opened = [0.0, 0.0]
        for side in (0, 1):
            mine = [row for row in kept if row[0] == side]
            held = sum(row[3] for row in mine)
            need = bar.open_interest - held
            grown, shrunk = max(need, 0.0), max(-need, 0.0)
            room = min(max(bar.volume - grown, 0.0), max(0.98 * held - shrunk, 0.0))
            extra = min(self.setting.turnover * bar.volume, room)
            opened[side] = grown + extra
            self.held += self.closed(mine, shrunk + extra, close)
        self.fill(opened[0], opened[1], self.spread(bar), close, bar.funding_8h)

    def closed(self, rows: list[Held], amount: float, close: float) -> list[Held]:
        """Survivors of voluntary closes, the rate found by bisection."""
        rates = []
        for side, _, entry, _ in rows:
            gain = (close - (self.anchor + (entry + 0.5) * self.setting.step)) * (1.0 if side == 0 else -1.0)
            rates.append(0.58 if abs(gain) < self.setting.near else 0.9 if gain < 0.0 else 1.34)
        lower, upper = 0.0, 200.0
        for _ in range(200):
            theta = 0.5 * (lower + upper)
            gone = sum(row[3] * (1.0 - exp(-theta * rate)) for row, rate in zip(rows, rates, strict=True))
            lower, upper = (theta, upper) if gone < amount else (lower, theta)
        pairs = zip(rows, rates, strict=True)
        return [(side, rung, entry, size * exp(-lower * rate)) for (side, rung, entry, size), rate in pairs]

    def spread(self, bar: Bar) -> list[tuple[int, float]]:
        """A triangle over the bar, from its distribution function."""
        low, middle, high = log(bar.low), log(bar.vwap), log(bar.high)

        def below(x: float) -> float:
            if x <= low:
                return 0.0
            if x >= high:
                return 1.0
            if x <= middle:
                return (x - low) ** 2 / ((high - low) * (middle - low))
            return 1.0 - (high - x) ** 2 / ((high - low) * (high - middle))

        step = self.setting.step
        bins = range(floor((low - self.anchor) / step), floor((high - self.anchor) / step) + 1)
        return [(e, below(self.anchor + (e + 1) * step) - below(self.anchor + e * step)) for e in bins]

    def fill(
        self, long: float, short: float, spread: Sequence[tuple[int, float]], close: float, funding: float
    ) -> None:
        """New positions; those beyond the close are opened at it."""
        here = floor((close - self.anchor) / self.setting.step)
        weights = self.ladder.tilted_weights(funding)
        for side, amount in ((0, long), (1, short)):
            for rung in range(weights.shape[1]):
                for entry, part in spread:
                    size = amount * float(weights[side, rung]) * part
                    gone = size * self.covered(side, rung, entry, close)
                    self.held.append((side, rung, entry, size - gone))
                    self.held.append((side, rung, here, gone))

    def sizes(self) -> dict[Cell, float]:
        """By cell."""
        found: dict[Cell, float] = {}
        for side, rung, entry, size in self.held:
            found[side, rung, entry] = found.get((side, rung, entry), 0.0) + size
        return found


def made(bars: Sequence[Bar], ladders: Sequence[Ladder] = (FEW, LEVERAGED), setting: Setting = COARSE) -> VenueMap:
    """A map of all three guesses."""
    return rebuilt(ladders, bars, setting)


def check_conservation(seed: int, count: int) -> None:
    """Open interest on both sides, nothing below 0, each step's balance, and no more forced than there is."""
    venue = VenueMap([FEW, LEVERAGED], COARSE)
    before = None
    for bar in history(seed, count, calm=8e-3):
        step = venue.take(bar)
        state = venue.state
        assert step is not None
        assert state is not None
        for book, passed in zip(state.books, step.passed, strict=True):
            assert book.mass.min() >= 0.0
            assert book.mass.sum(axis=(1, 2)) == pytest.approx([bar.open_interest] * 2, rel=1e-12)
            assert ((book.learnt.conversion >= 0.0) & (book.learnt.conversion <= 1.0)).all()
            if before is not None:
                after = before - passed.swept.sum(axis=1) - passed.closed + passed.opened
                assert after == pytest.approx([bar.open_interest] * 2, rel=1e-9)
        found = levels.levels(venue)
        assert found.gross.sum(axis=1) + found.beyond == pytest.approx([bar.open_interest] * 2, rel=1e-9)
        assert (found.forced <= found.gross + 1e-12).all()
        assert (levels.levels(venue, horizon_min=15.0).forced.sum(axis=1)) == pytest.approx(found.forced.sum(axis=1))
        before = bar.open_interest


def check_burnt(seed: int, count: int) -> None:
    """No position's level lies beyond a price that was there after it was opened."""
    bars = history(seed, count, calm=6e-3)
    venue = VenueMap([FEW], COARSE, ["oi_flow", "hot_zone"])
    cells = [(side, rung, entry) for side in (0, 1) for rung in range(3) for entry in range(-60, 61)]
    tracer = Tracer({0: cells, 1: cells})
    for bar in bars:
        venue.take(bar, tracer)
    assert venue.state is not None
    for (_, (side, rung, entry)), entries in tracer.entries.items():
        start = venue.state.anchor + entry * COARSE.step + FEW.offsets[side, rung]
        for position in entries:
            since = [b for b in bars if b.ts > position.ts]
            opened_in = next(b for b in bars if b.ts == position.ts)
            lowest = min([b.low for b in since] + [opened_in.close])
            highest = max([b.high for b in since] + [opened_in.close])
            room = log(lowest) - start if side == 0 else start + COARSE.step - log(highest)
            assert room > -1e-12


def check_units(seed: int, count: int, price: float, size: float) -> None:
    """Prices in another currency and sizes in another unit give the same map."""
    bars = history(seed, count)
    other = [
        msgspec.structs.replace(
            bar,
            low=bar.low * price,
            high=bar.high * price,
            close=bar.close * price,
            vwap=bar.vwap * price,
            volume=bar.volume * size,
            open_interest=bar.open_interest * size,
            liquidated_long=bar.liquidated_long * size,
            liquidated_short=bar.liquidated_short * size,
        )
        for bar in bars
    ]
    one, two = levels.levels(made(bars), horizon_min=60.0), levels.levels(made(other), horizon_min=60.0)
    assert two.start - one.start == pytest.approx(log(price), abs=1e-9)
    scale = float(one.gross.sum())
    assert np.abs(two.gross / size - one.gross).max() <= 1e-7 * scale
    assert np.abs(two.forced / size - one.forced).max() <= 1e-7 * scale
    assert np.abs(two.cleared / size - one.cleared).max() <= 1e-7 * scale


def check_mirror(seed: int, count: int) -> None:
    """The market turned upside down turns longs into shorts; the day's average price is no mirror, and left out."""
    bars = history(seed, count)
    turned = [
        msgspec.structs.replace(
            bar,
            low=1.0 / bar.high,
            high=1.0 / bar.low,
            close=1.0 / bar.close,
            vwap=1.0 / bar.vwap,
            liquidated_long=bar.liquidated_short,
            liquidated_short=bar.liquidated_long,
            funding_8h=-bar.funding_8h,
        )
        for bar in bars
    ]
    back = msgspec.structs.replace(LEVERAGED, offsets=-LEVERAGED.offsets[::-1])
    inflows = ["oi_flow", "hot_zone"]
    one = rebuilt([FEW, LEVERAGED], bars, COARSE, inflows)
    two = rebuilt([FEW, back], turned, COARSE, inflows)
    here, there = levels.levels(one), levels.levels(two)
    scale = float(here.gross.sum())
    assert np.abs(there.gross[::-1, ::-1] - here.gross).max() <= 1e-7 * scale
    assert np.abs(there.cleared[::-1, ::-1] - here.cleared).max() <= 1e-7 * scale
    assert two.weights == pytest.approx(one.weights, abs=1e-6)


def check_same(seed: int, count: int) -> None:
    """Made again, put away and taken up in the middle: the same to the last bit; later bars change nothing before."""
    bars = history(seed, count)
    cut = 1 + seed % count
    live = VenueMap([FEW, LEVERAGED], COARSE)
    for bar in bars[:cut]:
        live.take(bar)
    then = levels.levels(live)
    resumed = VenueMap([FEW, LEVERAGED], COARSE)
    restore(resumed, checkpoint(live))
    for bar in bars[cut:]:
        live.take(bar)
        resumed.take(bar)
    again = checkpoint(made(bars))
    for name, kept in checkpoint(live).items():
        assert np.array_equal(kept, again[name]), name
        assert np.array_equal(kept, checkpoint(resumed)[name]), name
    assert np.array_equal(then.gross, levels.levels(made(bars[:cut])).gross)


def check_twin(seed: int, count: int) -> None:
    """Cell by cell the arrays hold what the twin's positions sum to."""
    bars = history(seed, count, calm=4e-3)
    venue = VenueMap([FEW], COARSE, ["oi_flow"])
    twin = Twin(FEW, COARSE, bars[0])
    for bar in bars:
        venue.take(bar)
        twin.take(bar)
    assert venue.state is not None
    book = venue.state.books[0]
    sizes = twin.sizes()
    held = bars[-1].open_interest
    found = {
        (int(side), int(rung), int(at) + book.first): float(book.mass[side, rung, at])
        for side, rung, at in np.argwhere(book.mass > 0.0)
    }
    for cell in {*sizes, *found}:
        assert found.get(cell, 0.0) == pytest.approx(sizes.get(cell, 0.0), abs=1e-9 * held), cell


def check_explained(seed: int, count: int) -> None:
    """The entries a bin is made of sum to the bin: held and expected."""
    bars = history(seed, count)
    venue = made(bars)
    found = levels.levels(venue)
    for is_long, factor in ((True, 0.985), (False, 1.012)):
        low, high = found.mark * factor * 0.997, found.mark * factor * 1.003
        told = explain.explain(venue, VenueMap([FEW, LEVERAGED], COARSE), bars, low, high, is_long=is_long)
        side = 0 if is_long else 1
        edges = np.log([low, high])
        assert told.size == pytest.approx(float(levels.rebinned(found.gross, found.edges, edges)[side, 0]), rel=1e-9)
        assert told.forced == pytest.approx(float(levels.rebinned(found.forced, found.edges, edges)[side, 0]), rel=1e-9)
        assert sum(part.size for part in told.parts) == pytest.approx(told.size, rel=1e-12)
        assert all(0.0 <= part.survival <= 1.0 + 1e-12 for part in told.parts)


def check_venues(seed: int, count: int) -> None:
    """A venue more adds its own and changes no other."""
    one = levels.levels(made(history(seed, count)))
    two = levels.levels(made(history(seed + 1, count, price=60_100.0)))
    edges = levels.edges_around(one.mark, width=200.0)
    alone = levels.binned([one], edges, one.mark)
    other = levels.binned([two], edges, one.mark)
    together = levels.binned([one, two], edges, one.mark)
    for name in ("usd", "gross_usd", "cleared_usd", "beyond_usd"):
        assert getattr(together, name) == pytest.approx(getattr(alone, name) + getattr(other, name), abs=1e-6)
    assert together.open_interest_usd == pytest.approx(alone.open_interest_usd + other.open_interest_usd)


LAWS = {
    "conservation": check_conservation,
    "burnt": check_burnt,
    "mirror": check_mirror,
    "same": check_same,
    "twin": check_twin,
    "explained": check_explained,
    "venues": check_venues,
}


@pytest.mark.unmeasured
@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, count=COUNTS)
@example(seed=3, count=14)
def test_every_history_keeps_the_law(law: str, seed: int, count: int) -> None:
    """METHOD 6.12: Σ mass = OI, no burnt level, mirror, replay = live, twin, explanations, venues apart."""
    LAWS[law](seed, count)


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, count=COUNTS, price=st.floats(1e-6, 1e6), size=st.floats(1e-3, 1e6))
def test_units_do_not_matter(seed: int, count: int, price: float, size: float) -> None:
    """METHOD 6.12: price × c and size × c give the same map, moved and scaled."""
    check_units(seed, count, price, size)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("law", LAWS)
def test_ten_thousand_histories_keep_the_law(law: str) -> None:
    """The same on 10,000 histories."""
    for seed in range(MANY):
        LAWS[law](seed, 2 + seed % 9)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_units_do_not_matter_ten_thousand_times() -> None:
    """The same for units: prices from a millionth to a million."""
    rng = np.random.default_rng(5)
    for seed in range(MANY):
        check_units(seed, 2 + seed % 9, float(10.0 ** rng.uniform(-6, 6)), float(10.0 ** rng.uniform(-3, 6)))


@settings(max_examples=40, deadline=None)
@given(
    amounts=st.lists(st.floats(0.0, 1e9), min_size=1, max_size=30),
    cuts=st.lists(st.floats(-5.0, 40.0), min_size=2, max_size=12, unique=True),
)
def test_cutting_bins_anew_loses_nothing(amounts: list[float], cuts: list[float]) -> None:
    """Between the outermost edges as much is found as lies there, however it is cut."""
    edges = np.arange(len(amounts) + 1.0)
    wanted = np.array(sorted(cuts))
    found = levels.rebinned(np.array([amounts]), edges, wanted)
    whole = levels.rebinned(np.array([amounts]), edges, wanted[[0, -1]])
    assert found.sum() == pytest.approx(float(whole[0, 0]), rel=1e-9, abs=1e-3)
    inside = levels.rebinned(np.array([amounts]), edges, np.array([-5.0, 40.0]))
    assert float(inside[0, 0]) == pytest.approx(sum(amounts), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(usd=st.lists(st.floats(1.0, 1e12), min_size=1, max_size=50))
def test_heat_comes_back_within_two_per_cent(usd: list[float]) -> None:
    """METHOD 6.9: what a heatmap keeps in 16 bits is right to 2 %; here to 1 %."""
    column = heat.column(1, np.array(usd))
    found = heat.heatmap(np.arange(len(usd) + 1.0), [column]).usd[0]
    assert found == pytest.approx(usd, rel=0.0101)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, part=st.floats(0.001, 0.2))
def test_what_if_is_the_curve(seed: int, part: float) -> None:
    """What would be forced at a price is what the cumulative curve says there, and never falls with distance."""
    found = levels.levels(made(history(seed, 6)))
    bins = levels.binned([found], levels.edges_around(found.mark, width=found.mark / 150.0), found.mark)
    fell, rose = curves.cumulative(bins)
    assert (np.diff(fell) <= 1e-6).all()
    assert (np.diff(rose) >= -1e-6).all()
    for price, curve in ((found.mark * (1.0 - part), fell), (found.mark * (1.0 + part), rose)):
        told = curves.what_if(bins, price)
        assert told.usd == pytest.approx(float(np.interp(price, bins.edges, curve)), rel=1e-6, abs=1e-3)
        assert told.usd <= told.gross_usd + 1e-6
        assert told.share_of_open_interest < inf
