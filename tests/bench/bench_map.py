"""The liquidation map beside bare numba loops, numpy and pandas; and what many maps cost kept current."""

import gc
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pandas as pd  # type: ignore[import-untyped,unused-ignore]  # its stubs are not installed
from floors import liqmap as floor
from measure import Figure, cpu_ns, interleaved, judge, ratio, tell

from perpscope.analytics.liqmap import heat, levels
from perpscope.analytics.liqmap.arithmetic import NUMPY, Arithmetic
from perpscope.analytics.liqmap.bars import MINUTE_NS, Bar
from perpscope.analytics.liqmap.checkpoint import checkpoint, restore
from perpscope.analytics.liqmap.compiled import COMPILED
from perpscope.analytics.liqmap.kernel import Done, Flow, Grid, Opening, Rules, Rungs
from perpscope.analytics.liqmap.ladder import Ladder, distance_ladder, leverage_ladder
from perpscope.analytics.liqmap.seed import SeedMap, passed_later, seed_map
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.margin_arrays import Floats
from perpscope.analytics.margin_tiers import flat_table

CANDLES, BINS = 43_200, 2_000
LADDER = (np.array([2.0, 3, 5, 10, 15, 20, 25, 33, 50, 75, 100, 125]), np.full(12, 1.0 / 12.0))
#: Maps that a heart keeps: symbols × venues.
MAPS = 30 * 5
#: Minutes a map has lived before it is measured, and that are measured.
LIVED, MEASURED = 4_320, 60


def map_() -> bool:
    """Every figure of the liquidation map."""
    return all([_documents(), _minute(), _many(), _cold_start(), _heatmap()])


def _documents() -> bool:
    """`formula="seed"` over thirty days of minutes, twelve leverages, both sides."""
    closes, lows, highs = _walk(CANDLES, 3)
    weights = np.random.default_rng(4).exponential(1e6, CANDLES)
    edges = np.linspace(float(lows.min()) * 0.45, float(highs.max()) * 1.55, BINS + 1)
    factors = 1.0 - 1.0 / LADDER[0] + 0.005, 1.0 + 1.0 / LADDER[0] - 0.005, LADDER[1]
    grid = (float(edges[0]), BINS / float(edges[-1] - edges[0]), BINS)

    def ours() -> SeedMap:
        return seed_map(closes, weights, (lows, highs), LADDER, edges, filling=COMPILED.filling)

    def bare() -> Floats:
        found: Floats = floor.documents_map(closes, (lows, highs), weights, factors, grid)
        return found

    def in_numpy() -> Floats:
        return _numpy_map(closes, lows, highs, weights, edges)

    def in_pandas() -> float:
        return _pandas_map(closes, lows, highs, weights, edges)

    def twin() -> SeedMap:
        return seed_map(closes, weights, (lows, highs), LADDER, edges)

    ours_twenty = {"perpscope, compiled": lambda: cpu_ns(lambda: [ours() for _ in range(20)], 20_000)}
    alone = interleaved(
        {
            "bare numba kernel": lambda: cpu_ns(lambda: [bare() for _ in range(20)], 20_000),
            **ours_twenty,
            "plain numpy": lambda: cpu_ns(in_numpy, 1_000),
        }
    )
    # After larger arrays were freed, malloc keeps more, and numpy's temporaries cost half: both are told.
    later = interleaved(
        {
            **ours_twenty,
            "pandas": lambda: cpu_ns(in_pandas, 1_000),
            "perpscope, numpy": lambda: cpu_ns(twin, 1_000),
            "plain numpy, beside pandas": lambda: cpu_ns(in_numpy, 1_000),
        }
    )
    wanted = twin()
    assert np.array_equal(ours().active, wanted.active)
    assert np.allclose(bare()[: 2 * BINS], wanted.active.ravel())
    assert np.allclose(in_numpy(), wanted.active.ravel())
    assert np.isclose(in_pandas(), wanted.active.sum())
    tell(f'formula="seed": {CANDLES:,} candles × 12 leverages × 2 sides, CPU', {**later, **alone}, unit="µs")
    bare_f, ours_f, numpy_f = alone.values()
    ours_later, pandas_f, _, beside = later.values()
    met = [
        judge("perpscope ÷ bare numba", ratio(ours_f, bare_f), 1.5),
        judge("plain numpy ÷ perpscope", ratio(numpy_f, ours_f), 12.0, at_least=True),
        judge("pandas ÷ perpscope", ratio(pandas_f, ours_later), 75.0, at_least=True),
    ]
    print(f"      plain numpy in a process that holds pandas' arrays too: {ratio(beside, ours_later):.1f} times ours")
    return all(met)


def _numpy_map(closes: Floats, lows: Floats, highs: Floats, weights: Floats, edges: Floats) -> Floats:
    """What one writes in numpy: active bins, longs and then shorts."""
    lowest, highest = passed_later(lows, highs)
    per_unit, amounts = BINS / (edges[-1] - edges[0]), weights[:, None] * LADDER[1]
    longs = closes[:, None] * (1.0 - 1.0 / LADDER[0] + 0.005)
    shorts = closes[:, None] * (1.0 + 1.0 / LADDER[0] - 0.005)
    long_codes = ((longs - edges[0]) * per_unit).astype(int) + (lowest[:, None] <= longs) * (2 * BINS)
    short_codes = ((shorts - edges[0]) * per_unit).astype(int) + BINS + (highest[:, None] >= shorts) * (2 * BINS)
    sums = np.zeros(4 * BINS)
    for codes in (long_codes, short_codes):
        sums += np.bincount(codes.ravel(), amounts.ravel(), 4 * BINS)
    return sums[: 2 * BINS]


def _pandas_map(closes: Floats, lows: Floats, highs: Floats, weights: Floats, edges: Floats) -> float:
    """What one writes in pandas: one frame of all levels, grouped. Returns the sum of what is active."""
    frame = pd.DataFrame({"entry": closes, "weight": weights})
    frame["lowest"] = pd.Series(lows)[::-1].cummin()[::-1].shift(-1).fillna(np.inf)
    frame["highest"] = pd.Series(highs)[::-1].cummax()[::-1].shift(-1).fillna(-np.inf)
    width, parts = (edges[-1] - edges[0]) / BINS, []
    for leverage, share in zip(*LADDER, strict=True):
        for side, factor in ((0, 1.0 - 1.0 / leverage + 0.005), (1, 1.0 + 1.0 / leverage - 0.005)):
            price = frame.entry * factor
            gone = frame.lowest <= price if side == 0 else frame.highest >= price
            place = ((price - edges[0]) // width).astype(int)
            parts.append(pd.DataFrame({"side": side, "bin": place, "usd": frame.weight * share, "gone": gone}))
    sums = pd.concat(parts).groupby(["side", "bin", "gone"]).usd.sum()
    return float(sums.xs(key=False, level="gone").sum())


class _Recorded:
    """What each call of the arithmetic was given, so that bare loops can be given the same."""

    def __init__(self, books: int) -> None:
        self.calls: list[tuple[Rungs, Opening, Grid, Flow, Rules]] = []
        self.begun: dict[int, tuple[Floats, Floats]] = {}  #: by call: a book's arrays where it begins, or has grown
        self._shapes = [()] * books

    def __call__(
        self, mass: Floats, cleared: Floats, rungs: Rungs, opening: Opening, grid: Grid, flow: Flow, rules: Rules
    ) -> Done:
        at = len(self.calls)
        book = at % len(self._shapes)
        if mass.shape != self._shapes[book]:
            self.begun[at] = (mass.copy(), cleared.copy())
            self._shapes[book] = mass.shape
        self.calls.append((rungs, opening, grid, flow, rules))
        return NUMPY.minute(mass, cleared, rungs, opening, grid, flow, rules)

    def again(self, run: Callable[..., object]) -> float:
        """CPU ns a minute of calling `run` with all of it."""
        begun = {at: (mass.copy(), cleared.copy()) for at, (mass, cleared) in self.begun.items()}
        books = len(self._shapes)
        state: list[tuple[Floats, Floats]] = [begun[at] for at in range(books)]

        def all_calls() -> None:
            for at, call in enumerate(self.calls):
                if at in begun:
                    state[at % books] = begun[at]
                run(*state[at % books], *call)

        return cpu_ns(all_calls, len(self.calls) // books)


def _minute() -> bool:
    """One minute of one venue and symbol: six books, learning and scores and all."""
    bars = list(islice(_bars(5), LIVED + 10 * MEASURED))
    made = {name: _lived(bars, arithmetic) for name, arithmetic in (("compiled", COMPILED), ("numpy", NUMPY))}
    recorded = _Recorded(len(made["numpy"].models))
    other = _copied(made["numpy"])
    other.arithmetic = Arithmetic(recorded, NUMPY.lesson, NUMPY.filling)
    _taken(other, iter(bars[LIVED:]))
    ahead = {name: iter(bars[LIVED:]) for name in made}
    figures = interleaved(
        {
            "bare numba loops": lambda: recorded.again(floor.minute),
            "our kernels, called bare": lambda: recorded.again(COMPILED.minute),
            "VenueMap.take, compiled": lambda: _taken(made["compiled"], ahead["compiled"]),
            "VenueMap.take, numpy": lambda: _taken(made["numpy"], ahead["numpy"]),
        }
    )
    one, again = (checkpoint(venue) for venue in made.values())
    assert all(np.array_equal(one[name], again[name]) for name in one)
    tell("METHOD map, one minute of one venue and symbol (six books), CPU", figures)
    bare_f, kernels_f, ours_f, numpy_f = figures.values()
    shapes = " and ".join(sorted({f"2 × {m.shape[1]} × {m.shape[2]}" for m, _ in recorded.begun.values()}))
    print(f"      books of {shapes} cells after {LIVED:,} minutes; both states the same to the last bit")
    print(
        f"      take is {ratio(ours_f, kernels_f):.1f} times its own kernels: learning, scores and Python are the rest"
    )
    met = [
        judge("take ÷ bare numba", ratio(ours_f, bare_f), 1.3),
        judge("numpy ÷ take", ratio(numpy_f, ours_f), 5.0, at_least=True),
    ]
    return all(met)


def _many() -> bool:
    """Thirty symbols at five venues, each map given a bar a minute."""
    bars = list(islice(_bars(5), LIVED + 10))
    first = _lived(bars, COMPILED)
    maps = [first, *(_copied(first) for _ in range(MAPS - 1))]
    size = sum(array.nbytes for array in checkpoint(first).values())
    ahead = iter(bars[LIVED:])

    def minute() -> float:
        bar = next(ahead)

        def all_maps() -> None:
            for venue in maps:
                venue.take(bar)

        return cpu_ns(all_maps, 1) / 60e9 * 100.0

    gc.collect()
    figure = interleaved({"share of a core": minute})["share of a core"]
    print(f"\n{MAPS} maps (30 symbols × 5 venues) kept current each minute")
    print(
        f"  {figure.median:.2f} % of a core (least {min(figure.rounds):.2f}); bars come ready, the store is not asked"
    )
    print(
        f"  {size / 1e6:.2f} MB a map, {5 * size / 1e6:.1f} MB a symbol of five venues, all {MAPS * size / 1e6:,.0f} MB"
    )
    return judge("share of a core, %", figure.median, 5.0)


def _cold_start() -> bool:
    """Thirty days of minutes, one venue and symbol, from nothing."""
    bars = list(_bars(6))
    whole = {
        "compiled": cpu_ns(lambda: _lived(bars, COMPILED, len(bars)), 1_000_000_000),
        "numpy, a tenth of it × 10": 10.0 * cpu_ns(lambda: _lived(bars, NUMPY, len(bars) // 10), 1_000_000_000),
    }
    print(f"\ncold start: {len(bars):,} minutes (30 days) of one venue and symbol")
    for name, seconds in whole.items():
        print(f"  {name:<44} {seconds:12.1f} s of CPU")
    return True


def _heatmap() -> bool:
    """A day and a half of columns, two minutes apart, over 2,000 bins."""
    columns_wanted, bars = 720, list(islice(_bars(7), LIVED + 1_440))
    venue = _lived(bars, COMPILED)
    edges = np.linspace(0.75 * bars[LIVED].close, 1.25 * bars[LIVED].close, BINS + 1)
    ahead = iter(bars[LIVED:])
    columns: list[heat.Column] = []

    def make() -> None:
        for at in range(columns_wanted):
            for bar in islice(ahead, 2):
                venue.take(bar)
            found = levels.binned([levels.levels(venue, horizon_min=60.0)], edges, bars[LIVED].close)
            columns.append(heat.column(at, found.usd.sum(axis=0)))

    made = cpu_ns(make, columns_wanted * 1_000_000)
    found = heat.heatmap(edges, columns)
    read = Figure("read", [cpu_ns(lambda: found.usd, 1_000_000) for _ in range(5)])
    print(f"\nheatmap of {columns_wanted} columns × {BINS:,} bins")
    whole = made * columns_wanted / 1000.0
    print(f"  {made:.2f} ms a column with its two minutes, {whole:.1f} s all; {read.median:.1f} ms to read")
    print(f"  {found.bytes / 1e6:.2f} MB kept, {found.usd.nbytes / 1e6:.1f} MB as numbers")
    return True


def _lived(bars: list[Bar], arithmetic: Arithmetic, count: int = LIVED) -> VenueMap:
    """A map of leverages and distances that has taken bars."""
    venue = VenueMap(_ladders(), arithmetic=arithmetic)
    for bar in bars[:count]:
        venue.take(bar)
    return venue


def _ladders() -> list[Ladder]:
    return [distance_ladder(), leverage_ladder(flat_table(0.004, 125.0))]


def _copied(venue: VenueMap) -> VenueMap:
    """Another map in the same state."""
    other = VenueMap(_ladders(), arithmetic=venue.arithmetic)
    restore(other, checkpoint(venue))
    return other


def _taken(venue: VenueMap, ahead: Iterator[Bar]) -> float:
    """CPU ns a bar."""

    def take() -> None:
        for bar in islice(ahead, MEASURED):
            venue.take(bar)

    return cpu_ns(take, MEASURED)


def _walk(count: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Closes, lows and highs of minutes: six basis points a minute."""
    rng = np.random.default_rng(seed)
    closes = 60_000.0 * np.exp(np.cumsum(rng.normal(0.0, 6e-4, count)))
    opens = np.concatenate([closes[:1], closes[:-1]])
    highs = np.maximum(opens, closes) * (1.0 + np.abs(rng.normal(0.0, 4e-4, count)))
    lows = np.minimum(opens, closes) * (1.0 - np.abs(rng.normal(0.0, 4e-4, count)))
    return closes, lows, highs


def _bars(seed: int) -> Iterator[Bar]:
    """Thirty days of minutes with open interest, volume, liquidations and funding."""
    closes, lows, highs = _walk(CANDLES, seed)
    rng = np.random.default_rng(seed + 1)
    held = 80_000.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-4, CANDLES)))
    volume = rng.gamma(1.0, 200.0, CANDLES)
    forced = rng.gamma(0.2, 2.0, (2, CANDLES))
    moved = np.diff(closes, prepend=closes[0])
    funding = np.repeat(rng.normal(1e-4, 1e-4, CANDLES // 480), 480)
    for at in range(CANDLES):
        yield Bar(
            ts=1_700_000_000_000_000_000 + at * MINUTE_NS,
            low=float(lows[at]),
            high=float(highs[at]),
            close=float(closes[at]),
            vwap=float(lows[at] + highs[at] + closes[at]) / 3.0,
            volume=float(volume[at]),
            open_interest=float(held[at]),
            liquidated_long=float(forced[0, at]) if moved[at] < 0.0 else 0.0,
            liquidated_short=float(forced[1, at]) if moved[at] > 0.0 else 0.0,
            funding_8h=float(funding[at]),
        )
