"""Reading a map: bins, statuses, force, curves, clusters, heat, scores, and the formulas it is compared with."""

from math import exp, log, nan

import msgspec
import numpy as np
import pytest
from tests.unit.map_histories import COARSE, FEW, LEVERAGED, history

from perpscope.analytics.liqmap import curves, force, heat, levels, public_rule, seed
from perpscope.analytics.liqmap.force import Bias
from perpscope.analytics.liqmap.levels import Bins, Levels, Status
from perpscope.analytics.liqmap.public_rule import Hours
from perpscope.analytics.liqmap.venue_map import VenueMap, rebuilt
from perpscope.analytics.scorecard import scores


def flat(long: list[float], short: list[float], mark: float = 100.0) -> Levels:
    """Levels of 1 % below and above 100, all of it forced."""
    gross = np.array([long, short])
    return Levels(
        start=log(100.0) - 0.01 * len(long) / 2,
        step=0.01,
        mark=mark,
        open_interest=10.0,
        gross=gross,
        forced=gross * 0.5,
        cleared=gross * 0.0,
        beyond=10.0 - gross.sum(axis=1),
        parts=gross[:, None, :],
        conversions=np.full((2, 1), 0.5),
    )


def table(long: list[float], short: list[float]) -> Bins:
    """Bins of 10 from 60 up, mark 100, dollars as given."""
    usd = np.array([long, short])
    return Bins(
        edges=np.linspace(60.0, 60.0 + 10.0 * len(long), len(long) + 1),
        usd=usd,
        gross_usd=2.0 * usd,
        cleared_usd=0.0 * usd,
        status=np.ones(usd.shape, np.int64),
        mark=100.0,
        open_interest_usd=1_000.0,
        beyond_usd=np.zeros(2),
    )


@pytest.mark.parametrize(
    ("gross", "cleared", "before", "expected"),
    [
        pytest.param(50.0, 0.0, None, Status.ACTIVE, id="never-touched"),
        pytest.param(50.0, 50.0, None, Status.PARTIAL, id="scratched"),
        pytest.param(0.0, 50.0, None, Status.CLEARED, id="swept"),
        pytest.param(0.01, 0.0, None, Status.EMPTY, id="nothing-there"),
        pytest.param(0.0, 0.01, None, Status.EMPTY, id="nothing-was-there"),
        pytest.param(94.0, 6.0, Status.ACTIVE, Status.ACTIVE, id="stays-active"),
        pytest.param(94.0, 6.0, None, Status.PARTIAL, id="just-partial"),
        pytest.param(96.0, 4.0, Status.PARTIAL, Status.PARTIAL, id="not-yet-active"),
        pytest.param(98.0, 2.0, Status.PARTIAL, Status.ACTIVE, id="active-again"),
        pytest.param(6.0, 94.0, Status.CLEARED, Status.CLEARED, id="stays-cleared"),
        pytest.param(4.0, 96.0, Status.PARTIAL, Status.PARTIAL, id="not-yet-cleared"),
        pytest.param(8.0, 92.0, Status.CLEARED, Status.PARTIAL, id="rebuilt"),
    ],
)
def test_a_bin_says_what_became_of_it(gross: float, cleared: float, before: Status | None, expected: Status) -> None:
    """METHOD 6.9, with hysteresis. Keeps S3-22, S3-23, S3-24."""
    old = None if before is None else np.array([int(before)], np.int64)
    assert levels.statuses(np.array([gross]), np.array([cleared]), 1_000.0, old).tolist() == [int(expected)]


def test_bins_remember_their_status() -> None:
    """The bins before decide where a bin is on the border."""
    found = msgspec.structs.replace(flat([94.0, 0.0], [0.0, 0.0]), cleared=np.array([[6.0, 0.0], [0.0, 0.0]]))
    edges = np.exp(found.edges)
    first = levels.binned([found], edges, 100.0)
    assert first.status[0, 0] == Status.PARTIAL
    active = msgspec.structs.replace(first, status=np.ones((2, 2), np.int64))
    assert levels.binned([found], edges, 100.0, active).status[0, 0] == Status.ACTIVE


def test_venues_are_aligned_by_their_marks() -> None:
    """A venue that trades 2 % higher has its levels moved 2 % down to the reference. METHOD 6.8."""
    here, there = flat([1.0, 2.0], [3.0, 4.0]), flat([1.0, 2.0], [3.0, 4.0], mark=102.0)
    moved = msgspec.structs.replace(there, start=there.start + log(1.02))
    edges = np.exp(here.edges)
    one, two = levels.binned([here], edges, 100.0), levels.binned([moved], edges, 100.0)
    assert two.usd == pytest.approx(one.usd)
    assert one.usd[0] == pytest.approx([0.5 * 100.0 * exp(-0.005), 100.0 * exp(0.005)])
    assert one.gross_usd.sum() == pytest.approx(2.0 * one.usd.sum())
    assert one.beyond_usd == pytest.approx([700.0, 300.0])


def test_a_borrowed_shape_is_scaled_to_the_borrower() -> None:
    """A venue of twice the open interest at another mark gets the shape, moved and doubled. METHOD 6.8."""
    shape = levels.levels(rebuilt([FEW], history(3, 5), COARSE))
    found = levels.borrowed(shape, 2.0 * shape.open_interest, 2.0 * shape.mark)
    assert found.gross == pytest.approx(2.0 * shape.gross)
    assert found.prices == pytest.approx(2.0 * shape.prices)
    assert found.parts == pytest.approx(2.0 * shape.parts)
    assert levels.borrowed(flat([1.0, 1.0], [1.0, 1.0]), 5.0, 100.0).beyond == pytest.approx([4.0, 4.0])


def test_levels_out_of_the_grid_still_count() -> None:
    """Longs at 2× lie 70 % below: they are in no level within 35 %, and beyond, to the last unit. METHOD 6.2."""
    venue = rebuilt([LEVERAGED], history(3, 5, calm=1e-4), inflows=["oi_flow"])
    near, far = levels.levels(venue), levels.levels(venue, reach=0.8)
    assert near.open_interest == far.open_interest
    for found in (near, far):
        assert found.gross.sum(axis=1) + found.beyond == pytest.approx([found.open_interest] * 2)
    at_two = float(LEVERAGED.weights[0, 0] + LEVERAGED.weights[0, 1])
    assert (near.beyond - far.beyond)[0] / near.open_interest > 0.9 * at_two
    assert far.beyond[0] / far.open_interest == pytest.approx(0.35, abs=0.01)


@pytest.mark.parametrize(
    ("width", "says"),
    [(0.0, "must be above 0"), (-5.0, "must be above 0"), (nan, "must be above 0"), (1e-3, "more than 20,000")],
)
def test_bins_that_cannot_be_are_refused(width: float, says: str) -> None:
    """A width that is none, or one that would make millions of bins."""
    with pytest.raises(ValueError, match=says):
        levels.edges_around(60_000.0, width=width)


def test_edges_are_multiples_of_the_width() -> None:
    """$500 bins begin at round prices. Keeps S3-20."""
    edges = levels.edges_around(60_123.0, width=500.0)
    assert (edges % 500.0 == 0.0).all()
    assert edges[0] < 60_123.0 * exp(-0.34)
    assert edges[-1] > 60_123.0 * exp(0.34)
    assert levels.edges_around(1.0, width=2.0)[0] == 0.0


@pytest.mark.parametrize(
    ("balance", "low", "high", "before", "expected"),
    [
        (0.16, 0.1, 0.2, Bias.UNBIASED, Bias.UP),
        (0.12, 0.1, 0.2, Bias.UNBIASED, Bias.UNBIASED),
        (0.12, 0.1, 0.2, Bias.UP, Bias.UP),
        (0.09, 0.01, 0.2, Bias.UP, Bias.UNBIASED),
        (-0.16, -0.2, -0.1, Bias.UNBIASED, Bias.DOWN),
        (-0.12, -0.2, -0.1, Bias.UNBIASED, Bias.UNBIASED),
        (-0.12, -0.2, -0.1, Bias.DOWN, Bias.DOWN),
        (0.5, -0.1, 0.9, Bias.UP, Bias.UNBIASED),
    ],
)
def test_a_bias_is_told_only_when_it_is_one(
    balance: float, low: float, high: float, before: Bias, expected: Bias
) -> None:
    """METHOD 6.10: .15 to enter, .10 to leave, none where the interval includes 0. Keeps S3-03, S3-35."""
    assert force.bias_of(balance, low, high, before) is expected


def test_force_of_a_map_has_an_interval() -> None:
    """Its balance is that of Σ β M; with draws of β an interval around it; without a deviation nothing is told."""
    venue = rebuilt([FEW], history(8, 60), COARSE)
    found, drawn = levels.levels(venue, horizon_min=60.0), levels.posterior(venue)
    told = force.force([found], 0.05, [drawn])
    alone = force.force([levels.levels(venue)], 0.05)
    twice = force.force([found, found], 0.05, [drawn, drawn])
    assert told.balance == pytest.approx(alone.balance)
    assert (twice.up, twice.low, twice.high) == pytest.approx((told.up, told.low, told.high))
    assert told.low <= told.balance <= told.high
    assert told.low < told.high
    assert alone.low == alone.high == alone.balance
    assert force.force([found], nan).bias is Bias.UNBIASED
    assert force.force([], 0.05).bias is Bias.UNBIASED
    plain = force.force([flat([4.0, 0.0], [0.0, 1.0])], 0.01)
    assert plain.low == plain.balance < 0.0
    assert plain.bias is Bias.DOWN
    with pytest.raises(ValueError, match="never told"):
        levels.posterior(VenueMap([FEW]))
    assert float(force.balance_of(0.0, 0.0, 0.0)) == 0.0


def test_the_documents_force_does_not_divide_by_nothing() -> None:
    """Σ USD ÷ distance², the bin at the price at half a width. Keeps S3-25, S3-26."""
    middles, usd = np.array([90.0, 100.0, 110.0, 120.0]), np.array([2.0, 7.0, 3.0, 8.0])
    active = np.array([True, True, True, False])
    assert force.seed_pulls(middles, usd, 100.0, 10.0, active) == pytest.approx((0.03, 0.02))
    assert force.seed_pulls(middles, usd, 99.0, 10.0, active)[0] == pytest.approx(7.0 / 25.0 + 3.0 / 121.0)


def test_curves_count_from_the_price_outwards() -> None:
    """Longs downwards, shorts upwards, what is on the wrong side of the price left out."""
    bins = table([4.0, 3.0, 2.0, 1.0, 9.0], [9.0, 9.0, 9.0, 9.0, 5.0])
    fell, rose = curves.cumulative(bins)
    assert fell.tolist() == [10.0, 6.0, 3.0, 1.0, 0.0, 0.0]
    assert rose.tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 5.0]


@pytest.mark.parametrize(
    ("price", "is_long", "usd", "is_covered"),
    [(85.0, True, 2.0, True), (105.0, False, 2.5, True), (100.0, False, 0.0, True), (30.0, True, 10.0, False)],
)
def test_what_if_the_price_goes_there(price: float, is_long: bool, usd: float, is_covered: bool) -> None:
    """About so much of whose positions; beyond the map it says so."""
    told = curves.what_if(table([4.0, 3.0, 2.0, 1.0, 9.0], [9.0, 9.0, 9.0, 9.0, 5.0]), price)
    assert told.is_long is is_long
    assert told.usd == pytest.approx(usd)
    assert told.gross_usd == pytest.approx(2.0 * usd)
    assert told.is_covered is is_covered
    assert told.distance_pct == pytest.approx(price - 100.0)
    assert told.share_of_open_interest == pytest.approx(usd / 1_000.0)
    nothing = msgspec.structs.replace(table([0.0] * 5, [0.0] * 5), open_interest_usd=0.0)
    assert curves.what_if(nothing, price).share_of_open_interest == 0.0


@pytest.mark.parametrize("price", [0.0, -1.0, nan])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    """The value is named."""
    with pytest.raises(ValueError, match="must be above 0"):
        curves.what_if(table([1.0], [1.0]), price)


def test_clusters_are_the_largest_neighbourhoods() -> None:
    """Bins half as large as the largest beside them belong to it; distance in per cent and deviations. Keeps S3-02."""
    bins = table([0.0, 8.0, 5.0, 1.0, 9.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0, 3.0, 2.0, 0.5])
    found = curves.clusters(bins, 0.1)
    assert [(c.is_long, c.low, c.high, c.usd) for c in found] == [
        (True, 70.0, 90.0, 13.0),
        (False, 100.0, 120.0, 5.0),
    ]
    assert found[0].peak == 75.0
    assert found[0].distance_pct == pytest.approx(-25.0)
    assert found[0].distance_sigma == pytest.approx(log(0.75) / 0.1)
    assert not found[0].is_validated
    assert curves.clusters(bins, nan, 1)[0].distance_sigma is None
    assert curves.clusters(table([0.0] * 3, [0.0] * 3), 0.1) == []


def test_clusters_do_not_overlap() -> None:
    """A bin that belongs to a larger neighbour is not told again, and growth stops at the ends."""
    bins = table([6.0, 10.0, 4.0, 9.0], [0.0] * 4)
    assert [(c.low, c.high) for c in curves.clusters(bins, 0.1)] == [(60.0, 80.0), (90.0, 100.0)]
    wall = table([3.0, 3.0, 3.0, 3.0], [0.0] * 4)
    assert [(c.low, c.high) for c in curves.clusters(wall, 0.1)] == [(60.0, 100.0)]
    shorts = table([0.0] * 6, [0.0, 0.0, 0.0, 0.0, 3.0, 4.0])
    assert [(c.low, c.high) for c in curves.clusters(shorts, 0.1)] == [(100.0, 120.0)]


def test_a_heatmap_is_in_order_and_small() -> None:
    """Columns go by time, empty bins take no room, and a column of other bins is refused."""
    edges = np.arange(5.0)
    late, early = (heat.column(ts, np.array(usd)) for ts, usd in ((2, [0.0, 5e6, 0.0, 1e3]), (1, [0.0] * 4)))
    found = heat.heatmap(edges, [late, early])
    assert found.times.tolist() == [1, 2]
    assert found.usd[0].tolist() == [0.0] * 4
    assert found.usd[1] == pytest.approx([0.0, 5e6, 0.0, 1e3], rel=0.01)
    assert found.bytes == 12
    with pytest.raises(ValueError, match="bin 3 of 2"):
        heat.heatmap(np.arange(3.0), [late])


def test_scores_need_something_realised() -> None:
    """Where nothing was liquidated there is no score; a map of nothing is the baseline. METHOD 10.3."""
    p0 = np.array([0.5, 0.25, 0.25])
    assert np.isnan(scores.gain_bits(np.zeros(3), p0, p0))
    assert np.isnan(scores.lift(np.zeros(3), p0, p0))
    assert scores.mixed(np.zeros(3), 4.0 * p0) == pytest.approx(p0)
    mixed = scores.mixed(np.array([0.0, 0.0, 2.0]), p0)
    assert mixed == pytest.approx([0.015, 0.0075, 0.9775])
    assert scores.gain_bits(np.array([0.0, 0.0, 1.0]), mixed, p0) == pytest.approx(np.log2(0.9775 / 0.25))
    assert scores.lift(np.array([1.0, 0.0, 3.0]), mixed, p0) == pytest.approx(0.75 / 0.25)


def test_the_documents_map_is_a_share_per_candle_and_leverage() -> None:
    """E·(1 ∓ 1/L) ± m·E, cleared by any later wick, by a loop over everything. Keeps S3-04, S3-19, S3-21."""
    rng = np.random.default_rng(3)
    entries = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 50)))
    lows, highs = entries * (1.0 - rng.uniform(0.0, 0.01, 50)), entries * (1.0 + rng.uniform(0.0, 0.01, 50))
    weights, leverages, shares = rng.uniform(1.0, 2.0, 50), np.array([5.0, 20.0, 100.0]), np.array([0.2, 0.5, 0.3])
    edges = np.linspace(70.0, 130.0, 61)
    found = seed.seed_map(entries, weights, (lows, highs), (leverages, shares), edges)
    active, cleared, outside = np.zeros((2, 60)), np.zeros((2, 60)), np.zeros(2)
    for number in range(50):
        for leverage, share in zip(leverages, shares, strict=True):
            for side, sign in ((0, 1.0), (1, -1.0)):
                price = entries[number] * (1.0 - sign / leverage + sign * 0.005)
                later = (lows[number + 1 :] <= price) if side == 0 else (highs[number + 1 :] >= price)
                place = int((price - 70.0) // 1.0)
                if not 0 <= place < 60:
                    outside[side] += weights[number] * share
                elif later.any():
                    cleared[side, place] += weights[number] * share
                else:
                    active[side, place] += weights[number] * share
    assert found.active == pytest.approx(active)
    assert found.cleared == pytest.approx(cleared)
    assert found.outside == pytest.approx(outside)
    with pytest.raises(ValueError, match="two edges"):
        seed.seed_map(entries, weights, (lows, highs), (leverages, shares), edges[:1])


def hours(closes: list[float], volumes: list[float], interest: list[float]) -> Hours:
    """Hours that open where the last closed."""
    close = np.array(closes)
    opened = np.concatenate([close[:1], close[:-1]])
    low, high = np.minimum(opened, close), np.maximum(opened, close)
    return Hours(
        open=opened,
        high=high,
        low=low,
        close=close,
        volume_usd=np.array(volumes),
        open_interest_usd=np.array(interest),
    )


def test_the_public_rule_finds_its_entries() -> None:
    """ANCHORS 7: hot zones .70, volume spikes .20, the average price .10; consecutive hours of one sign are one."""
    closes = [100.0, 100.1, 102.0, 104.0, 104.1, 101.0, 101.1, 101.0, 101.1, 101.0, 101.1, 101.0]
    volumes = [1.0, 1.0, 9.0, 9.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    interest = [100.0, 100.0, 110.0, 130.0, 130.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0]
    found = public_rule.entries(hours(closes, volumes, interest))
    assert found.at.tolist() == [3, 3, 5, 0]
    assert found.long.tolist() == [1.0, 1.0, 0.0, 0.5]
    assert found.prices[:3] == pytest.approx([103.0, 103.0, 101.0])
    assert found.shares == pytest.approx([0.70, 0.20 * 2 / 3, 0.20 / 3, 0.10])


@pytest.mark.parametrize("profile", ["conservative", "neutral", "aggressive", "dynamic"])
def test_the_public_rule_gives_the_same_twice(profile: str) -> None:
    """All of open interest is placed but what falls outside; where the original draws lots this does not."""
    closes = [100.0, 100.1, 102.0, 104.0, 104.1, 101.0, 101.1, 99.0]
    interest = [100.0, 100.0, 106.0, 107.0, 107.0, 107.0, 107.0, 107.0]
    asked = hours(closes, [1.0, 1.0, 9.0, 9.0, 1.0, 7.0, 1.0, 2.0], interest)
    found, again = public_rule.public_map(asked, profile), public_rule.public_map(asked, profile)
    placed = found.map.active.sum() + found.map.cleared.sum() + found.map.outside.sum()
    assert placed == pytest.approx(107.0)
    assert found.map.cleared.sum() > 0.0
    assert np.array_equal(found.map.active, again.map.active)
    assert found.bias in {"UP", "DOWN", "UNBIASED"}


@pytest.mark.parametrize(("last", "bias"), [(104.0, "DOWN"), (96.0, "UP")], ids=["longs-below", "shorts-above"])
def test_the_public_rule_leans_to_its_open_levels(last: float, bias: str) -> None:
    """After a rise its hot longs are below; after a fall its hot shorts are above."""
    closes = [100.0, 100.0, 100.0, last]
    found = public_rule.public_map(hours(closes, [1.0, 1.0, 1.0, 9.0], [100.0, 100.0, 100.0, 150.0]))
    assert found.bias == bias
    assert public_rule.public_map(hours([100.0] * 4, [1.0] * 4, [0.0] * 4)).bias == "UNBIASED"


def test_the_public_rule_refuses_what_it_cannot_use() -> None:
    """One hour, or a profile it does not have."""
    with pytest.raises(ValueError, match="1 hours are too few"):
        public_rule.public_map(hours([100.0], [1.0], [1.0]))
    with pytest.raises(ValueError, match="profile 'bold'"):
        public_rule.leverage_ladder("bold")
    assert public_rule.leverage_ladder("dynamic", 1e-4)[0].mean() > 40.0
