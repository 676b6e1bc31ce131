"""True totals for all tapes: floors hold, sides add up, doubt only widens, sums are sums."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from perpscope.analytics.totals.amounts import amount, summed
from perpscope.analytics.totals.bands import Bands, capped, estimated_bands, gathered, observed_bands, rescaled, widened
from perpscope.analytics.totals.calibration import needed_sigma
from perpscope.analytics.totals.fusion import Rival, fuse, fused
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Prints, prints, thinned
from perpscope.analytics.totals.sizes import sizes_of
from perpscope.analytics.totals.unseen import common_rate, occupancy_rate, unseen
from perpscope.analytics.totals.venue import own_minutes
from perpscope.model.market import Sampling

MODES = (Sampling.LARGEST_1S, Sampling.LATEST_1S)
SPAN_S = 600
NEAR = 1e-9
patient = settings(deadline=None, max_examples=80)
events = st.tuples(st.integers(0, SPAN_S - 1), st.floats(1.0, 1e7), st.booleans())
gaps = st.tuples(st.integers(0, SPAN_S), st.integers(0, SPAN_S)).map(lambda pair: (min(pair), max(pair)))


@st.composite
def tapes(draw: st.DrawFn) -> Prints:
    """Some liquidations of ten minutes, some of them in one crowded stretch."""
    rows = draw(st.lists(events, min_size=1, max_size=80))
    if draw(st.booleans()):
        at = draw(st.integers(0, SPAN_S - 40))
        rows += [(at + i // 2, draw(st.floats(1.0, 1e6)), i % 3 == 0) for i in range(draw(st.integers(1, 60)))]
    second, usd, is_long = zip(*rows, strict=True)
    return prints(np.array(second), np.array(usd), np.array(is_long))


watches = st.one_of(st.just(()), gaps.map(lambda gap: (gap,))).map(lambda missed: Watchtime(0, SPAN_S, missed))


def ends_are_ordered(of: Bands) -> bool:
    """Floor, lower end, estimate and upper end do not cross, and none is not a number."""
    ends = [of.observed_usd, of.low, of.estimated_usd, of.high]
    return not any(np.isnan(end).any() for end in ends) and all(
        bool((one <= other * (1 + NEAR) + NEAR).all()) for one, other in pairwise(ends)
    )


@given(tapes(), st.sampled_from(MODES), st.booleans())
@patient
def test_thinning_keeps_one_of_each_second(tape: Prints, mode: Sampling, per_side: bool) -> None:
    """Every occupied second (of a side) keeps one print that was there; thinning again changes nothing."""
    told = thinned(tape, mode, per_side=per_side)
    cells = [
        (s, long if per_side else None) for s, long in zip(told.second.tolist(), told.is_long.tolist(), strict=True)
    ]
    assert len(set(cells)) == len(cells)
    assert set(told.second.tolist()) == set(tape.second.tolist())
    rows = set(zip(tape.second.tolist(), tape.usd.tolist(), tape.is_long.tolist(), strict=True))
    assert rows >= set(zip(told.second.tolist(), told.usd.tolist(), told.is_long.tolist(), strict=True))
    assert thinned(told, mode, per_side=per_side).usd.tolist() == told.usd.tolist()
    largest = thinned(tape, Sampling.LARGEST_1S, per_side=per_side).usd.sum()
    assert told.usd.sum() <= largest * (1 + NEAR) <= tape.usd.sum() * (1 + 2 * NEAR)


@given(tapes(), watches, st.sampled_from(MODES), st.booleans(), st.booleans(), st.sampled_from([1.0, 3.0, 10.0]))
@patient
def test_an_estimate_is_never_below_its_floor(
    tape: Prints, watch: Watchtime, mode: Sampling, per_side: bool, is_causal: bool, tau_s: float
) -> None:
    """Whatever was published and missed: finite, nothing left out is negative, sides add up, bands are in order."""
    told = thinned(tape, mode, per_side=per_side)
    sizes = sizes_of(tape.usd)
    left_out = unseen(told, watch, mode, sizes, tau_s=tau_s, per_side=per_side, is_causal=is_causal)
    for column in (left_out.events, left_out.usd, left_out.squares, left_out.wobble):
        assert np.isfinite(column).all()
        assert (column >= 0).all()
    assert ((left_out.long_share >= 0) & (left_out.long_share <= 1)).all()
    both, long, short = (estimated_bands(told, left_out, of_longs=side) for side in (None, True, False))
    assert all(ends_are_ordered(each) for each in (both, long, short))
    assert math.isclose(both.observed_usd.sum(), told.usd.sum(), rel_tol=NEAR)
    sides = gathered([long, short], 60)
    assert np.allclose(sides.estimated_usd, both.estimated_usd, rtol=NEAR)
    assert sides.start.tolist() == both.start.tolist()


@given(tapes(), tapes(), watches, st.sampled_from([(mode,) for mode in MODES] + [MODES]), st.integers(1, 9))
@patient
def test_what_comes_later_changes_no_minute(
    tape: Prints, other: Prints, watch: Watchtime, modes: tuple[Sampling, ...], cut: int
) -> None:
    """As it could be told at the time: with any other future, every minute before it is the same to the last bit."""
    at = cut * 60
    before, after = thinned(tape, modes[0]).between(0, at), thinned(other, modes[0]).between(at, SPAN_S)
    if not len(before):
        return
    both = prints(*(np.concatenate([getattr(p, name) for p in (before, after)]) for name in Prints.__struct_fields__))
    sizes = sizes_of(tape.usd)
    then, now = (own_minutes(each, watch, modes, sizes, {}, is_causal=True).both for each in (before, both))
    known = now.only(now.start < at)
    for name in Bands.__struct_fields__:
        assert getattr(known, name).tolist() == getattr(then, name).tolist(), name


@given(tapes(), st.integers(-10_000, 10_000), st.sampled_from(MODES))
@patient
def test_totals_do_not_depend_on_when(tape: Prints, minutes: int, mode: Sampling) -> None:
    """The same tape some minutes later has the same totals."""
    shift = minutes * 60
    told = thinned(tape, mode)
    later = prints(told.second + shift, told.usd, told.is_long)
    one = unseen(told, Watchtime(0, SPAN_S), mode, sizes_of(tape.usd))
    other = unseen(later, Watchtime(shift, SPAN_S + shift), mode, sizes_of(tape.usd))
    assert np.allclose(one.usd, other.usd)


@given(tapes(), st.floats(0.01, 100.0), st.sampled_from(MODES))
@patient
def test_totals_have_no_scale_of_their_own(tape: Prints, scale: float, mode: Sampling) -> None:
    """In another currency everything is multiplied by its rate."""
    told = thinned(tape, mode)
    other = prints(told.second, told.usd * scale, told.is_long)
    found = [
        estimated_bands(each, unseen(each, Watchtime(0, SPAN_S), mode, sizes_of(tape.usd * by)))
        for each, by in ((told, 1.0), (other, scale))
    ]
    for name in ("low", "estimated_usd", "high"):
        assert np.allclose(getattr(found[0], name) * scale, getattr(found[1], name), rtol=1e-6)


@given(st.lists(st.floats(0.0, 0.999), min_size=1, max_size=50), st.integers(0, 100))
@patient
def test_the_closed_form_is_a_maximum(passed: list[float], empty: int) -> None:
    """No other rate makes what was seen likelier: the likelihood falls to both sides of λ̂ (METHOD eq. 2)."""
    below = np.array(passed)
    rate = common_rate(below, empty)

    def log_likelihood(at: float) -> float:
        return len(below) * math.log(at) - at * (float((1 - below).sum()) + empty)

    assert log_likelihood(rate) >= max(log_likelihood(rate * by) for by in (0.9, 0.99, 1.01, 1.1)) - 1e-9


@given(st.floats(0.0, 0.999))
@patient
def test_occupancy_and_rate_are_one(p: float) -> None:
    """A share p of occupied seconds and its rate imply one another: p = 1 − e^−λ."""
    assert math.isclose(1 - math.exp(-float(occupancy_rate(np.array([p]))[0])), p, abs_tol=1e-12)


@st.composite
def some_bands(draw: st.DrawFn) -> Bands:
    """Minutes whose ends are in order, some open above."""
    n = draw(st.integers(1, 12))
    starts = sorted(draw(st.sets(st.integers(0, 500), min_size=n, max_size=n)))
    ends = [sorted(draw(st.lists(st.floats(1.0, 1e9), min_size=4, max_size=4))) for _ in starts]
    floor, low, estimated, high = (np.array(column) for column in zip(*ends, strict=True))
    is_open = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    return Bands(
        np.array(starts) * 60,
        np.ones(n, np.int64),
        floor,
        np.full(n, 1.5),
        estimated,
        low,
        np.where(is_open, np.inf, high),
        is_open,
    )


@given(some_bands(), st.floats(0.0, 3.0), st.floats(0.1, 10.0))
@patient
def test_doubt_only_widens(of: Bands, sigma: float, factor: float) -> None:
    """More doubt never narrows a band; rescaled, widened or capped, its ends stay in order."""
    n = len(of)
    wide = widened(of, np.full(n, sigma))
    assert (wide.low <= of.low * (1 + NEAR)).all()
    assert (wide.high >= of.high * (1 - NEAR)).all()
    for changed in (wide, rescaled(of, np.full(n, factor)), capped(of, of.estimated_usd * factor)):
        assert ends_are_ordered(changed)


@given(some_bands(), st.floats(0.05, 20.0))
@patient
def test_the_doubt_that_was_needed_is_enough(of: Bands, by: float) -> None:
    """A band widened by what it lacked holds the truth, unless that lies below what was observed."""
    truth = np.maximum(of.estimated_usd * by, of.observed_usd)
    wide = widened(of, needed_sigma(of, truth))
    assert ((wide.low <= truth * (1 + 1e-6)) & (truth <= wide.high * (1 + 1e-6))).all()


@given(some_bands(), some_bands())
@patient
def test_sums_are_sums(one: Bands, other: Bands) -> None:
    """However minutes are grouped, observed and estimated add up, and the sum of amounts is the amount of the sum."""
    whole = gathered([one, other], 3600)
    assert ends_are_ordered(whole)
    assert math.isclose(whole.estimated_usd.sum(), one.estimated_usd.sum() + other.estimated_usd.sum(), rel_tol=NEAR)
    parts = [amount(each, 1.0, is_told=True) for each in (one, other)]
    together, direct = summed(parts, 1.0), amount(gathered([one, other], 60), 1.0, is_told=True)
    assert math.isclose(together.estimated_usd or 0, direct.estimated_usd or 0, rel_tol=NEAR)
    assert math.isclose(together.low_usd, direct.low_usd, rel_tol=1e-6)
    assert (together.high_usd is None) == (direct.high_usd is None)
    assert together.high_usd is None or math.isclose(together.high_usd, direct.high_usd or 0, rel_tol=1e-6)


@given(some_bands(), st.floats(1.0, 1e9), st.floats(0.01, 3.0))
@patient
def test_a_rival_never_breaks_the_floor(of: Bands, usd: float, sigma: float) -> None:
    """Joined estimates lie between their parts or on the floor, their ends in order; weights are one in all."""
    found, weights = fused(of, [Rival("venues", np.full(len(of), usd), sigma)])
    assert ends_are_ordered(found)
    assert np.allclose(weights.sum(axis=0), 1.0)
    low, high = np.minimum(of.estimated_usd, usd), np.maximum(of.estimated_usd, usd)
    assert (found.estimated_usd <= high * (1 + NEAR)).all()
    assert (found.estimated_usd >= np.maximum(np.minimum(low, of.observed_usd), of.observed_usd) * (1 - NEAR)).all()


@given(st.lists(st.tuples(st.floats(1.0, 1e9), st.floats(0.01, 3.0)), min_size=1, max_size=5))
@patient
def test_joining_lessens_doubt(estimates: list[tuple[float, float]]) -> None:
    """The joined amount lies among its parts, with no more doubt than the surest of them."""
    usd, sigma = (np.array(column)[:, np.newaxis] for column in zip(*estimates, strict=True))
    total, doubt, _ = fuse(usd, sigma)
    assert usd.min() * (1 - NEAR) <= total[0] <= usd.max() * (1 + NEAR)
    assert doubt[0] <= sigma.min() * (1 + NEAR)


@given(tapes())
@patient
def test_a_complete_tape_needs_no_estimate(tape: Prints) -> None:
    """Observed, estimated and both ends of a complete feed are one."""
    found = observed_bands(tape)
    assert math.isclose(found.high.sum(), tape.usd.sum(), rel_tol=NEAR)
    assert found.low.tolist() == found.high.tolist() == found.observed_usd.tolist()
