"""Totals as they could be told then: nearer to the truth than the observed, with nothing of the future in them."""

import msgspec
import numpy as np
import pytest
from tests.unit.sampled_days import DAY_S, hawkes_day

from perpscope.analytics.totals import causal
from perpscope.analytics.totals.calibration import Calibration
from perpscope.analytics.totals.causal import HOUR_S, LEAD_S, LEARN_S, Lesson, Tapes, Told
from perpscope.analytics.totals.kernels import Watchtime
from perpscope.analytics.totals.prints import Prints, nothing, prints, thinned
from perpscope.analytics.totals.sizes import sizes_of
from perpscope.analytics.totals.venue import PRIOR_SIGMA
from perpscope.model.market import Sampling

LARGEST, LATEST, UNKNOWN, NONE = Sampling.LARGEST_1S, Sampling.LATEST_1S, Sampling.UNKNOWN, Sampling.NONE
WATCH = Watchtime(0, 2 * DAY_S)


@pytest.fixture(scope="module")
def days() -> tuple[Prints, Prints]:
    """Two days at two venues that share their bursts: three in five here, the others there."""
    rng = np.random.default_rng(11)
    parts = [hawkes_day(rng, branching=0.8, kind="logn", mu=0.03) for _ in range(2)]
    seconds = np.concatenate([parts[0].second, parts[1].second + DAY_S])
    both = prints(seconds, *(np.concatenate([getattr(p, name) for p in parts]) for name in ("usd", "is_long")))
    here = rng.random(len(both)) < 0.6
    return both.only(here), both.only(~here)


@pytest.fixture(scope="module")
def learnt(days: tuple[Prints, Prints]) -> dict[Sampling, Calibration]:
    """What the complete venue's first day teaches."""
    return causal.learn(days[1], Watchtime(DAY_S - LEARN_S, DAY_S), DAY_S)


def taught(own: Prints, other: Prints | None, stated: Sampling, known: dict[Sampling, Calibration]) -> Lesson:
    """The lesson of the first midnight."""
    watch = Watchtime(DAY_S - LEARN_S, DAY_S)
    return causal.lesson(Tapes(own=own, watch=watch, stated=stated, complete=other), DAY_S, known)


@pytest.mark.parametrize("mode", [LARGEST, LATEST], ids=["largest", "latest"])
def test_the_next_day_comes_nearer_to_its_truth(
    days: tuple[Prints, Prints], learnt: dict[Sampling, Calibration], mode: Sampling
) -> None:
    """Learnt on one day, a sampled second day is told better than by what was observed. Keeps B3."""
    own = thinned(days[0], mode)
    shown = {key: msgspec.structs.replace(each, deciles=[0.0], top_bias=0.0) for key, each in learnt.items()}
    told = causal.stretch(own, WATCH, taught(own, days[1], mode, shown), (DAY_S, 2 * DAY_S))
    both = told.minutes.both
    true = float(days[0].between(DAY_S, 2 * DAY_S).usd.sum())
    observed, estimated = float(both.observed_usd.sum()), float(both.estimated_usd.sum())
    print(f"{mode.value}: observed {observed / true - 1:+.3f}, estimated {estimated / true - 1:+.3f}")
    assert told.is_told
    assert abs(estimated / true - 1.0) < abs(observed / true - 1.0)
    assert (both.start >= DAY_S).all()


@pytest.mark.parametrize("mode", [LARGEST, LATEST], ids=["largest", "latest"])
def test_a_minute_knows_nothing_later(
    days: tuple[Prints, Prints], learnt: dict[Sampling, Calibration], mode: Sampling
) -> None:
    """Whatever comes after a minute, and wherever the stretch begins, the minute stays as it is, to the last bit."""
    own = thinned(days[0], mode)
    known = taught(own, days[1], mode, learnt)
    whole = causal.stretch(own, WATCH, known, (DAY_S, DAY_S + 8 * HOUR_S)).minutes
    for at in (DAY_S + HOUR_S, DAY_S + 3 * HOUR_S + 60):
        before = own.between(0, at)
        cut = causal.stretch(before, WATCH, known, (DAY_S, at)).minutes
        late = causal.stretch(own, WATCH, known, (at, DAY_S + 8 * HOUR_S)).minutes
        for name in ("long", "short", "both"):
            want, got, rest = (getattr(each, name) for each in (whole, cut, late))
            assert got.estimated_usd.tolist() == want.estimated_usd[want.start < at].tolist()
            assert got.high.tolist() == want.high[want.start < at].tolist()
            assert rest.estimated_usd == pytest.approx(want.estimated_usd[want.start >= at], rel=1e-9)


def test_lessons_are_learnt_when_there_is_something_new() -> None:
    """Each midnight, each hour of the first day; the last one before a stretch is the stretch's own."""
    hours = causal.borders(first=30 * HOUR_S, start=30 * HOUR_S, end=60 * HOUR_S)
    assert hours[0] == 30 * HOUR_S
    assert len(hours) == 25, "24 hours, a midnight among them, and the end"
    end = 11 * DAY_S + 5
    assert causal.borders(first=0, start=10 * DAY_S + 70, end=end) == [10 * DAY_S, 11 * DAY_S, end]


def test_what_is_not_documented_is_detected(days: tuple[Prints, Prints]) -> None:
    """The rule is told from the days before; undecided means both; several prints of a second fit no rule: a floor."""
    own, other = thinned(days[0], LARGEST), days[1]
    assert taught(own, other, LATEST, {}).modes == (LATEST,)
    assert taught(own, other, UNKNOWN, {}).modes == (LARGEST,)
    assert set(taught(own, None, UNKNOWN, {}).modes) == {LARGEST, LATEST}
    repeated = taught(days[0], other, UNKNOWN, {})
    assert (repeated.modes, repeated.is_told, repeated.sigma) == ((), False, 0.0)


def test_without_enough_to_learn_from_there_is_a_floor(days: tuple[Prints, Prints]) -> None:
    """No sizes, or a calibration that is not accepted: the observed, open above."""
    own = thinned(days[0], LARGEST)
    young = taught(own.between(0, 0), None, LARGEST, {})
    assert (young.sizes, young.is_told) == (None, False)
    few = taught(own.only(np.arange(len(own)) < 3), None, LARGEST, {})
    assert few.sizes is None
    told = causal.stretch(own, WATCH, young, (DAY_S, DAY_S + HOUR_S))
    assert not told.is_told
    assert np.isinf(told.minutes.both.high).all()
    assert not told.minutes.both.saturated.any()
    assert (told.minutes.both.estimated_usd == told.minutes.both.observed_usd).all()


def test_a_calibration_that_fails_leaves_the_floor(
    days: tuple[Prints, Prints], learnt: dict[Sampling, Calibration]
) -> None:
    """METHOD §3.5: what is not accepted is not used."""
    own = thinned(days[0], LARGEST)
    failed = {LARGEST: msgspec.structs.replace(learnt[LARGEST], top_bias=1.0)}
    assert not taught(own, days[1], LARGEST, failed).is_told
    assert taught(own, days[1], LARGEST, {}).is_told


def test_a_quiet_stretch_is_told_as_nothing(days: tuple[Prints, Prints]) -> None:
    """No prints in a stretch whose feed can be told: no minutes, and no floor either."""
    known = taught(thinned(days[0], LARGEST), days[1], LARGEST, {})
    told = causal.stretch(nothing(), WATCH, known, (DAY_S, DAY_S + HOUR_S))
    assert (told.is_told, len(told.minutes.both)) == (True, 0)


def test_doubt_of_a_usual_minute(learnt: dict[Sampling, Calibration]) -> None:
    """By a calibration's strata, or the doubt stated before; of two rules the larger."""
    sizes = sizes_of(np.ones(20))
    assert Lesson((LARGEST,), sizes, {}).sigma == PRIOR_SIGMA[LARGEST][0]
    strata = learnt[LARGEST].strata
    mean = sum(each.sigma * each.minutes for each in strata) / sum(each.minutes for each in strata)
    assert Lesson((LARGEST,), sizes, learnt).sigma == pytest.approx(mean)
    assert Lesson((LARGEST, LATEST), sizes, {}).sigma == PRIOR_SIGMA[LATEST][0]


def test_learning_takes_the_newest_prints(days: tuple[Prints, Prints], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long tape the newest; of a short one nothing is learnt."""
    watch = Watchtime(DAY_S - LEARN_S, DAY_S)
    monkeypatch.setattr(causal, "_MOST_PRINTS", 1_000)
    found = causal.learn(days[1], watch, DAY_S)
    assert found[LARGEST].minutes < 1_000
    assert causal.learn(days[1].between(0, 600), watch, DAY_S) == {}


def test_a_complete_feed_is_its_own_total_at_once(days: tuple[Prints, Prints]) -> None:
    """Observed is all; stretches follow one another; doubt by its width, and trust by doubt."""
    first, second = (causal.whole(days[1], at, at + HOUR_S) for at in (DAY_S, DAY_S + HOUR_S))
    both = causal.chained([first, second]).both
    assert both.estimated_usd.sum() == pytest.approx(days[1].between(DAY_S, DAY_S + 2 * HOUR_S).usd.sum())
    assert causal.variance(both).max() == 0.0
    assert isinstance(first, Told)
    assert causal.trust(10.0, 100.0) == pytest.approx(0.5)
    assert LEAD_S == 60
