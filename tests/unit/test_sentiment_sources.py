"""Several venues for one figure: who is believed, and what happens when one falls silent."""

import numpy as np
import pytest

from perpscope.analytics.sentiment_scale import Floats, robust_z
from perpscope.analytics.sentiment_sources import Bounds, Pool, Source, Verdict, chain, pool

STEPS = 200


def wave(level: float, seed: int = 0, noise: float = 0.01) -> Floats:
    """A figure around a level, with the same market in it for every venue."""
    market = 0.05 * np.sin(np.arange(STEPS) / 9.0)
    return np.asarray(level + market + noise * np.random.default_rng(seed).standard_normal(STEPS))


def three(**changed: Source) -> list[Source]:
    """Three venues at three levels, the first with most open interest."""
    usual = {
        "binance": Source(venue="binance", values=wave(0.5, 1), weight=6.0),
        "bybit": Source(venue="bybit", values=wave(0.1, 2), weight=3.0),
        "okx": Source(venue="okx", values=wave(-0.2, 3), weight=1.0),
    }
    return [changed.get(name, source) for name, source in usual.items()]


def verdicts(found: Pool) -> dict[str, str]:
    """What was made of each venue."""
    return {source.venue: source.verdict.value for source in found.sources}


def test_all_that_agree_are_used() -> None:
    """Levels differ between venues; their moves do not: all are believed, by weight. Keeps S0-48."""
    found = pool(three(), Bounds())
    assert verdicts(found) == {"binance": "used", "bybit": "used", "okx": "used"}
    assert [source.share for source in found.sources] == pytest.approx([0.6, 0.3, 0.1])
    assert found.level == pytest.approx(sum(s.weight / 10.0 * float(s.values[-1]) for s in three()))
    assert (found.told_by, found.age_s) == (1.0, 0.0)


def test_the_pool_is_the_weighted_mean_as_far_as_a_robust_z_sees() -> None:
    """With every venue there all the time, z of the pool is z of the weighted mean that METHOD §9 asks for."""
    found = pool(three(), Bounds()).values
    mean = np.sum([source.weight / 10.0 * source.values for source in three()], axis=0)
    assert np.ptp(found - mean) == pytest.approx(0.0, abs=1e-12)
    assert robust_z(found[-1], found[:-1])[0] == pytest.approx(robust_z(mean[-1], mean[:-1])[0])


@pytest.mark.parametrize(
    ("venue", "verdict"),
    [
        pytest.param(Source(venue="bybit", values=wave(0.1, 2), weight=3.0, age_s=1300.0), "stale", id="stale"),
        pytest.param(Source(venue="bybit", values=np.full(STEPS, np.nan), weight=3.0), "absent", id="absent"),
        pytest.param(Source(venue="bybit", values=np.r_[wave(0.1)[:-1], 7.0], weight=3.0), "implausible", id="bounds"),
        pytest.param(
            Source(venue="bybit", values=np.r_[wave(0.1)[:-12], np.full(12, 0.1)], weight=3.0), "frozen", id="frozen"
        ),
        pytest.param(Source(venue="bybit", values=np.r_[wave(0.1)[:-1], 2.0], weight=3.0), "odd", id="odd"),
    ],
)
def test_the_others_stand_in_for_one_that_fails(venue: Source, verdict: str) -> None:
    """One venue's failure is named, its share goes to the others, and the series does not jump. Keeps S0-51."""
    found = pool(three(bybit=venue), Bounds(low=-3.0, high=3.0))
    assert verdicts(found) == {"binance": "used", "bybit": verdict, "okx": "used"}
    assert [source.share for source in found.sources] == pytest.approx([6 / 7, 0.0, 1 / 7])
    assert found.told_by == pytest.approx(1.0 if verdict == "absent" else 0.7)
    jump = np.abs(np.diff(found.values)).max()
    assert jump < 0.1, "levels of venues are 0.7 apart"


def test_a_venue_that_dies_within_the_window_makes_no_step() -> None:
    """Half of a venue's history missing changes the pool by its own noise only, not by its level."""
    dying = Source(venue="binance", values=np.r_[wave(0.5, 1)[:100], np.full(100, np.nan)], weight=6.0, age_s=300.0)
    found = pool(three(binance=dying), Bounds())
    assert verdicts(found)["binance"] == "used"
    assert np.abs(np.diff(found.values)).max() < 0.1


def test_an_older_figure_has_a_smaller_share() -> None:
    """A venue two periods old has half its weight in the pool, and the pool is as old as its freshest."""
    old = Source(venue="binance", values=wave(0.5, 1), weight=6.0, age_s=600.0)
    found = pool(three(binance=old), Bounds())
    assert [source.share for source in found.sources] == pytest.approx([3 / 7, 3 / 7, 1 / 7])
    assert found.age_s == 0.0


def test_two_that_contradict_each_other_are_disputed_and_kept() -> None:
    """With two venues nobody can tell who is wrong: both count, and it is said."""
    apart = Source(venue="bybit", values=np.r_[wave(0.1)[:-1], 2.0], weight=3.0)
    found = pool([three()[0], apart], Bounds())
    assert verdicts(found) == {"binance": "disputed", "bybit": "disputed"}
    assert [source.share for source in found.sources] == pytest.approx([2 / 3, 1 / 3])


def test_others_who_disagree_among_themselves_outvote_nobody() -> None:
    """Odd is only who stands against others that agree."""
    wild = [
        Source(venue=n, values=np.r_[wave(0.0, i)[:-1], v], weight=1.0)
        for i, (n, v) in enumerate({"a": 0.0, "b": 2.0, "c": -2.0, "d": 5.0}.items())
    ]
    assert "odd" not in verdicts(pool(wild, Bounds())).values()


def test_two_that_side_with_each_other_are_disputed() -> None:
    """Two venues of six that both jumped may know something: they count, and it is said."""
    calm = [Source(venue=name, values=wave(0.1, at), weight=1.0) for at, name in enumerate("abcd")]
    jumped = [Source(venue=name, values=np.r_[wave(0.1, 9)[:-1], 2.0], weight=1.0) for name in ("x", "y")]
    found = verdicts(pool([*calm, *jumped], Bounds()))
    assert [found[name] for name in "abcdxy"] == ["used"] * 4 + ["disputed"] * 2
    assert verdicts(pool([*calm, jumped[0]], Bounds()))["x"] == "odd"


def test_what_may_stand_still_is_not_frozen() -> None:
    """Funding at its clamp is the same for days."""
    still = Source(venue="bybit", values=np.full(STEPS, 1e-4), weight=3.0)
    assert verdicts(pool(three(bybit=still), Bounds(moves=False, least_scale=1.0)))["bybit"] == "used"


def test_all_frozen_together_is_a_quiet_market() -> None:
    """Where nobody moves, nobody is frozen."""
    still = [Source(venue=name, values=np.full(STEPS, 0.5), weight=1.0) for name in ("a", "b")]
    assert set(verdicts(pool(still, Bounds())).values()) == {"used"}


def test_a_short_history_is_not_judged_against_others() -> None:
    """With 20 points or fewer there is no z, and nobody is called odd by it."""
    new = Source(venue="bybit", values=np.r_[np.full(STEPS - 20, np.nan), np.full(20, 9.0)], weight=3.0)
    found = pool(three(bybit=new), Bounds(moves=False))
    assert verdicts(found)["bybit"] == "used"
    assert found.sources[1].z is None


def test_nobody_left() -> None:
    """With every source dead there is no series, no level, and it is infinitely old."""
    found = pool([Source(venue="okx", values=np.full(3, np.nan), weight=1.0)], Bounds())
    assert (found.level, found.age_s, found.told_by, found.values.size) == (None, float("inf"), 0.0, 0)
    assert found.sources[0].verdict is Verdict.ABSENT
    assert pool([], Bounds()).sources == []


def test_a_path_of_several_has_no_jump_where_one_comes_or_goes() -> None:
    """Prices at different levels: only their changes count, and a short hole is bridged."""
    steady = np.linspace(0.0, 0.19, 20)
    late = Source(venue="late", values=np.r_[np.full(10, np.nan), steady[10:] + 5.0], weight=3.0)
    holed = Source(venue="holed", values=np.where(np.arange(20) == 5, np.nan, steady), weight=1.0)
    found = chain([late, holed])
    assert found[np.arange(20) != 5] == pytest.approx(steady[np.arange(20) != 5])
    assert np.isnan(found[5]), "nobody told of that step"
    still = Source(venue="still", values=np.r_[steady[:12], np.full(8, np.nan)], weight=9.0)
    assert chain([late, still])[12:] == pytest.approx(steady[12:]), "one that is silent holds nobody back"
    assert chain([Source(venue="alone", values=steady, weight=0.0)]) == pytest.approx(steady)
    assert chain([]).size == 0
