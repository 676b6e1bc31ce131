"""A venue's map as its bars come: what it is fed, what it learns, what it says when something is missing. Keeps B4."""

from math import log, nan

import msgspec
import numpy as np
import pytest
from tests.unit.map_histories import COARSE, FEW, START, both, history, quiet

from perpscope.analytics.liqmap import distance, inflow, learning, levels, price_moves
from perpscope.analytics.liqmap.bars import HOUR_NS, MINUTE_NS, Bar, Setting
from perpscope.analytics.liqmap.checkpoint import checkpoint, restore
from perpscope.analytics.liqmap.explain import explain
from perpscope.analytics.liqmap.ladder import distance_ladder
from perpscope.analytics.liqmap.tracing import Tracer
from perpscope.analytics.liqmap.venue_map import VenueMap, rebuilt


def bar(**fields: float) -> Bar:
    """A bar at 100 with what is given."""
    told: dict[str, float] = {"low": 99.0, "high": 101.0, "close": 100.0, "open_interest": 10.0, **fields}
    return Bar(ts=int(told.pop("ts", START)), **told)  # type: ignore[arg-type]  # only `ts` is an int


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        pytest.param({"low": 100.5}, "prices must be 0 < low 100.5", id="close-below-low"),
        pytest.param({"high": 99.5}, "<= high 99.5", id="close-above-high"),
        pytest.param({"low": 0.0}, "low 0 <=", id="zero"),
        pytest.param({"low": nan}, "low nan", id="nan"),
        pytest.param({"open_interest": -1.0}, "open_interest -1 must be 0 or more", id="negative"),
        pytest.param({"volume": float("inf")}, "volume inf must be", id="endless"),
        pytest.param({"trust": 0.0}, "trust 0 must lie in", id="trust"),
    ],
)
def test_a_bar_that_cannot_be_is_refused(fields: dict[str, float], says: str) -> None:
    """The value and the rule are named."""
    with pytest.raises(ValueError, match=says):
        VenueMap([FEW]).take(bar(**fields))


def test_bars_come_in_order() -> None:
    """A bar that is not later than the last is no bar of this map."""
    venue = VenueMap([FEW])
    venue.take(bar())
    with pytest.raises(ValueError, match="cannot follow"):
        venue.take(bar())


@pytest.mark.parametrize("inflows", [["guess"], []], ids=["unknown", "none"])
def test_a_map_needs_known_models(inflows: list[str]) -> None:
    """A guess of entries that is none is named, and a map of nothing is refused."""
    with pytest.raises(ValueError, match="a map needs ladders"):
        VenueMap([FEW], None, inflows)


def test_there_is_no_map_before_open_interest() -> None:
    """Without open interest there is nothing to place: no levels, no checkpoint, no explanation."""
    venue = VenueMap([FEW])
    assert venue.take(bar(open_interest=nan)) is None
    assert venue.weights.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="never told"):
        levels.levels(venue)
    with pytest.raises(ValueError, match="never told"):
        checkpoint(venue)
    with pytest.raises(ValueError, match="never told"):
        explain(venue, VenueMap([FEW]), [], 1.0, 2.0, is_long=True)


def test_silence_makes_a_map_stale() -> None:
    """Six minutes without open interest, or without a bar, and the map says so; the mass is held. METHOD 6.5."""
    venue = VenueMap([FEW], COARSE)
    states = []
    state = None
    for minute in range(9):
        told = 10.0 if minute == 0 else nan
        step = venue.take(bar(ts=START + minute * MINUTE_NS, open_interest=told))
        assert step is not None
        states.append(step.is_stale)
        state = venue.state
        assert state is not None
        assert state.books[0].mass.sum() == pytest.approx(20.0)
    assert states == [False] * 6 + [True] * 3
    back = venue.take(bar(ts=START + 9 * MINUTE_NS, open_interest=14.0))
    assert back is not None
    assert not back.is_stale
    assert state is not None
    assert state.books[0].mass.sum() == pytest.approx(28.0)
    late = venue.take(bar(ts=START + 20 * MINUTE_NS, open_interest=13.0))
    assert late is not None
    assert late.is_stale


def test_no_volume_still_turns_positions_over() -> None:
    """Where no volume is told a small share of open interest is opened and closed each minute."""
    venue = VenueMap([FEW], COARSE)
    steps = [venue.take(bar(ts=START + minute * MINUTE_NS)) for minute in range(3)]
    last = steps[-1]
    assert last is not None
    assert last.passed[0].closed.min() >= 0.0
    assert last.passed[0].opened.min() > 0.0


def test_a_fall_takes_the_longs_below_it() -> None:
    """After a fall of 3 % the longs .4 % and 1.1 % away are gone from there, and are CLEARED. Keeps S3-23."""
    venue = rebuilt([FEW], quiet([100.0] * 4 + [97.0]), COARSE, ["oi_flow"])
    found = levels.levels(venue)
    bins = levels.binned([found], levels.edges_around(97.0, width=0.5), 97.0)
    passed = (bins.edges[:-1] >= 97.5) & (bins.edges[1:] <= 99.5)
    assert bins.gross_usd[0, passed].sum() == pytest.approx(0.0, abs=1e-6)
    assert bins.cleared_usd[0, passed].min() > 0.0
    assert (bins.status[0, passed] == levels.Status.CLEARED).all()
    assert (bins.status[1, bins.edges[:-1] >= 100.5] != levels.Status.CLEARED).all()
    assert bins.remaining[0, passed] == pytest.approx(np.zeros(passed.sum()), abs=1e-9)


def test_what_is_swept_teaches_how_much_of_it_is_forced() -> None:
    """Where a hundredth of what the price passes is liquidated, a hundredth is learnt. METHOD 6.7."""
    bars = history(4, 400)
    setting = msgspec.structs.replace(COARSE, prior_exposure=1e-3)
    teacher = VenueMap([FEW], setting, ["oi_flow"])
    pupil = VenueMap([FEW], setting, ["oi_flow"])
    for one in bars:
        shown = msgspec.structs.replace(one, liquidated_long=nan, liquidated_short=nan)
        step = teacher.take(shown)
        assert step is not None
        long, short = (float(amount) * 0.01 for amount in step.passed[0].exposure.sum(axis=1))
        pupil.take(msgspec.structs.replace(one, liquidated_long=long, liquidated_short=short))
    assert teacher.state is not None
    assert pupil.state is not None
    learnt = pupil.state.books[0].learnt
    assert teacher.state.books[0].learnt.conversion == pytest.approx(np.full((2, 4), setting.prior_conversion))
    swept = learnt.exposed.sum(axis=0)
    often = swept > 0.5 * swept.max()
    assert learnt.conversion[0, often] == pytest.approx(np.full(often.sum(), 0.01), rel=0.1)
    low, high = learning.interval(learnt, pupil.state.open_interest, setting)
    assert ((low <= learnt.conversion) & (learnt.conversion <= high))[:, :3].all()
    assert (high - low)[0, -1] > (high - low)[0, 0]


def test_a_side_that_was_swept_enough_learns_for_itself() -> None:
    """Only longs are liquidated; once each side was swept 50 times over, shorts are expected none of it. METHOD 6.7."""
    setting = Setting(prior_exposure=1e-3, side_exposure=1.0)
    learnt = learning.begin(2, setting)
    exposure = np.array([[30.0, 30.0], [30.0, 30.0]])
    weights = np.ones((2, 2))
    learning.learn(learnt, exposure, np.array([6.0, 0.0]), 1.0, 1.0, setting)
    learning.settle(learnt, 100.0, weights, setting)
    assert learnt.conversion == pytest.approx(np.full((2, 2), 0.05), rel=0.02)
    learning.learn(learnt, exposure, np.array([6.0, 0.0]), 1.0, 1.0, setting)
    learning.settle(learnt, 100.0, weights, setting)
    assert learnt.conversion[0] == pytest.approx([0.1, 0.1], rel=0.02)
    assert learnt.conversion[1].max() < 1e-3
    before = learnt.conversion.copy()
    learning.settle(learnt, 0.0, weights, setting)
    assert np.array_equal(before, learnt.conversion)


def test_draws_stay_in_range_where_nothing_was_learnt() -> None:
    """A posterior of nothing is the prior's, and the same each time."""
    learnt = learning.begin(3, Setting())
    drawn = learning.draws(learnt, 100.0, Setting())
    assert drawn.shape == (200, 2, 3)
    assert ((drawn >= 0.0) & (drawn <= 1.0)).all()
    assert np.array_equal(drawn, learning.draws(learnt, 100.0, Setting()))


def test_the_better_model_earns_its_weight() -> None:
    """A model that expects what happens gains on one that expects ten times as much; nothing seen, nothing scored."""
    scores = learning.Scores(np.zeros(2))
    free = np.array([False, False])
    learning.judge(scores, np.array([[1.0, 1.0], [1.0, 1.0]]), np.zeros(2), 0.01, Setting())
    assert scores.total.tolist() == [0.0, 0.0]
    for amount in (1.0, 0.0, 2.0, 1.0):
        learning.judge(scores, np.array([[1.0, 1.0], [10.0, 10.0]]), np.array([amount, nan]), 0.001, Setting())
    weights = learning.stack(scores, 0.05, free)
    assert weights[0] > 0.9
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("lead", "weight"),
    [pytest.param(2.0, 0.0, id="not-yet"), pytest.param(4.0, 0.93, id="earned")],
)
def test_a_barred_model_has_to_earn_its_place(lead: float, weight: float) -> None:
    """METHOD 14b: the day's average price counts for nothing until its score leads by 3."""
    scores = learning.Scores(np.array([0.0, lead]))
    found = learning.stack(scores, 0.05, np.array([False, True]))
    assert found[1] == pytest.approx(weight, abs=0.01)
    assert learning.stack(scores, 0.0, np.array([True, True])).sum() == pytest.approx(1.0)


def test_hot_zones_are_where_interest_and_volume_jumped() -> None:
    """One loud bar in a calm hour: what is opened afterwards goes to its prices. Keeps S3-05, S3-06, S3-07."""
    calm = quiet([100.0 + 0.01 * (number % 3) for number in range(40)], volume=1.0)
    calm = [msgspec.structs.replace(one, open_interest=100.0 + number % 2) for number, one in enumerate(calm)]
    loud = msgspec.structs.replace(
        calm[-1], ts=calm[-1].ts + MINUTE_NS, low=99.0, high=104.0, close=103.0, volume=90.0, open_interest=130.0
    )
    after = msgspec.structs.replace(loud, ts=loud.ts + MINUTE_NS, low=102.9, high=103.1, volume=2.0)
    venue = rebuilt([FEW], [*calm, loud, after], COARSE)
    assert venue.state is not None
    tape = venue.state.tape
    assert not tape.is_hot
    share = inflow.hot_zones(tape, inflow.at_price(1.0, 0.0, 1.0))
    prices = np.exp(venue.state.anchor + (share.first + np.arange(share.parts.size) + 0.5) * COARSE.step)
    assert share.parts.sum() == pytest.approx(1.0)
    assert 98.8 < prices[0] < 99.2
    assert 103.8 < prices[-1] < 104.2
    again = msgspec.structs.replace(
        loud, ts=after.ts + MINUTE_NS, low=95.0, high=106.0, volume=400.0, open_interest=190.0
    )
    venue.take(again)
    assert venue.state.tape.is_hot
    assert venue.state.tape.hot.size > share.parts.size
    inside = msgspec.structs.replace(
        again, ts=again.ts + MINUTE_NS, low=102.0, high=104.0, volume=400.0, open_interest=260.0
    )
    size = venue.state.tape.hot.size
    venue.take(inside)
    assert venue.state.tape.hot.size == size


def test_the_average_price_is_of_the_last_day() -> None:
    """What was traded 25 hours ago no longer counts; where nothing was, the price at hand does."""
    tape = inflow.begin()
    share = inflow.at_price(100.0, 0.0, 1.0)
    old, new = (bar(ts=ts, volume=5.0, vwap=vwap) for ts, vwap in ((START, 50.0), (START + 25 * HOUR_NS, 110.0)))
    assert inflow.average_price(tape, START, 77.0) == 77.0
    inflow.take(tape, old, 0.0, 0.0, share, 1.0, Setting())
    assert inflow.average_price(tape, START, 77.0) == pytest.approx(50.0)
    inflow.take(tape, new, 0.0, 0.0, share, 1.0, Setting())
    inflow.take(tape, bar(ts=START + 25 * HOUR_NS + 1, volume=5.0), 0.0, 0.0, share, 1.0, Setting())
    assert inflow.average_price(tape, START + 25 * HOUR_NS, 77.0) == pytest.approx(105.0)


def test_trades_say_where_positions_were_opened() -> None:
    """A histogram of trades is taken as it is; prices beyond the extremes count at them."""
    traded = (np.array([99.0, 100.5, 300.0]), np.array([1.0, 2.0, 1.0]))
    share = inflow.spread_of(msgspec.structs.replace(bar(), traded=traded), log(99.0), log(101.0 / 99.0) / 4.0 - 1e-9)
    assert share.parts == pytest.approx([0.25, 0.0, 0.0, 0.5, 0.25])
    nothing = (np.array([99.0]), np.array([0.0]))
    flat = msgspec.structs.replace(bar(), traded=nothing)
    assert inflow.spread_of(flat, 0.0, 1e-3).parts.sum() == pytest.approx(1.0)
    assert inflow.spread_of(bar(low=100.0, high=100.0), 0.0, 1e-3).parts.tolist() == [1.0]


@pytest.mark.parametrize("middle", [1.0, 3.0, 2.2], ids=["at-the-low", "at-the-high", "between"])
def test_a_triangle_is_whole(middle: float) -> None:
    """Its parts sum to 1 wherever the average lies, and lean towards it."""
    share = inflow.triangle(1.0, middle, 3.0, 0.3, 0.5)
    assert share.parts.sum() == pytest.approx(1.0)
    mean = float((share.parts * (0.3 + (share.first + np.arange(share.parts.size) + 0.5) * 0.5)).sum())
    assert mean == pytest.approx((1.0 + middle + 3.0) / 3.0, abs=0.13)


def test_distance_is_learnt_hour_by_hour() -> None:
    """Before anything is seen a guess; then what was liquidated where, per time the price came there. METHOD 10.3."""
    kernel = distance.begin()
    guess = distance.density(kernel, np.array([0.001, 0.011]))
    assert guess[0] / guess[1] == pytest.approx(np.e)
    distance.take(kernel, bar())
    for minute in range(1, 61):
        distance.take(
            kernel,
            bar(ts=START + minute * MINUTE_NS, low=98.5, high=100.2, liquidated_long=2.0, liquidated_short=nan),
        )
    assert kernel.visits[:16].tolist() == [2.0, 2.0] + [1.0] * 14
    assert kernel.realised[15] == pytest.approx(120.0)
    found = distance.density(kernel, np.array([0.0005, 0.0155, 0.04, 9.0]))
    assert found[1] > 5.0 * found[0]
    assert (found > 0.0).all()


def test_the_blend_keeps_the_sum() -> None:
    """METHOD 10.6: .6 of the map and .4 of distance up to an hour; an empty map stays empty."""
    amounts, kernel = np.array([3.0, 0.0, 1.0]), np.array([1.0, 2.0, 1.0])
    mixed = distance.blend(amounts, kernel, distance.map_share(15.0))
    assert mixed == pytest.approx([0.6 * 3.0 + 0.4, 0.8, 0.6 + 0.4])
    assert distance.blend(np.zeros(3), kernel, 0.6).sum() == 0.0
    assert distance.blend(amounts, np.zeros(3), 0.6) == pytest.approx(amounts)


def test_moves_have_a_floor() -> None:
    """After a week of unrest an hour of silence does not bring the forecast below a quarter of what is usual."""
    moves = price_moves.Moves()
    assert np.isnan(price_moves.deviation(moves, 60.0))
    for minute in range(3_000):
        price_moves.take(moves, 100.0 + minute % 2, 1.0)
    usual = price_moves.deviation(moves, 240.0)
    assert usual == pytest.approx(log(1.01) * np.sqrt(240.0), rel=0.02)
    for _ in range(1_200):
        price_moves.take(moves, 100.0, 1.0)
    assert price_moves.deviation(moves, 240.0) == pytest.approx(0.25 * usual, rel=0.02)


def test_a_foreign_checkpoint_is_refused() -> None:
    """Another form, other classes or other books: named, and nothing is taken over."""
    venue = rebuilt(both(), history(1, 3))
    kept = checkpoint(venue)
    with pytest.raises(ValueError, match="form 9"):
        restore(VenueMap(both()), {**kept, "form": np.array([9])})
    with pytest.raises(ValueError, match="not of 4 classes"):
        restore(VenueMap([FEW]), kept)
    with pytest.raises(ValueError, match="more than 3 books"):
        restore(VenueMap(both()[:1]), kept)
    with pytest.raises(ValueError, match="book 6 of the checkpoint"):
        restore(VenueMap([*both(), distance_ladder()]), kept)


def test_an_explanation_wants_a_range() -> None:
    """A range that ends before it begins is refused; one where nothing is held has no parts."""
    bars = history(2, 3)
    venue = rebuilt([FEW], bars, COARSE)
    with pytest.raises(ValueError, match="a range of prices"):
        explain(venue, VenueMap([FEW], COARSE), bars, 2.0, 1.0, is_long=True)
    assert explain(venue, VenueMap([FEW], COARSE), bars, 1.0, 2.0, is_long=True).parts == []


def test_a_cell_that_was_never_there_has_no_entries() -> None:
    """Watching a price no grid reaches finds nothing, and harms nothing."""
    tracer = Tracer({0: [(0, 0, 10**6)]})
    venue = VenueMap([FEW], COARSE)
    for one in history(2, 3):
        venue.take(one, tracer)
    assert tracer.entries == {(0, (0, 0, 10**6)): []}


def test_a_step_expects_what_its_models_expect() -> None:
    """The causal number of a bar is the blend of Σ β A, with conversions and weights from before it. METHOD 14b."""
    bars = history(9, 30)
    venue = rebuilt([FEW], bars[:-1], COARSE)
    weights = venue.weights
    step = venue.take(bars[-1])
    assert step is not None
    assert step.weights == pytest.approx(weights)
    by_hand = sum(w * (p.conversion * p.exposure).sum(axis=1) for w, p in zip(weights, step.passed, strict=True))
    assert step.expected == pytest.approx(by_hand)
