"""The scoreboard: outcomes, chance, evidence and verdicts, against hand calculation and simulated rules."""

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest

from perpscope.analytics.alerts import score as scoring
from perpscope.analytics.alerts.evidence import ENOUGH, FLOOR, Evidence
from perpscope.analytics.alerts.grammar import Mistake
from perpscope.analytics.alerts.minutes import Minute, Path, Seen, calm, growing
from perpscope.analytics.alerts.outcomes import Ahead, measured, read
from perpscope.analytics.alerts.score import Rate, RuleScore, interval

DAY = 1440


def minutes(closes: Sequence[float], start: int = 0, usd: float | None = 1.0) -> list[Minute]:
    """Minutes without shadows."""
    return [Minute(start + at, close, close, close, usd, usd) for at, close in enumerate(closes)]


def test_an_outcome_is_what_came_after() -> None:
    """Moves are from the close of the alert's minute to the extremes after it; sums are of the minutes after it."""
    ahead = Ahead(base=100.0, high=103.0, low=99.0, long_usd=7.0, short_usd=2.0, sigma=0.001)
    found = measured(ahead, "long", 4)
    assert {name: round(value, 9) for name, value in found.items() if isinstance(value, float)} == {
        "move_pct": 3.0,
        "rise_pct": 3.0,
        "fall_pct": 1.0,
        "follow_pct": 1.0,
        "move_sigma": 15.0,
        "liq_usd": 9.0,
        "long_liq_usd": 7.0,
        "short_liq_usd": 2.0,
        "follow_liq_usd": 7.0,
    }
    assert measured(ahead, None, 4)["follow_pct"] == found["move_pct"]
    blind = measured(Ahead(base=100.0, high=100.0, low=100.0, long_usd=None, short_usd=2.0, sigma=0.0), "short", 4)
    assert (blind["liq_usd"], blind["long_liq_usd"], blind["follow_liq_usd"], blind["move_sigma"]) == (
        None,
        None,
        2.0,
        None,
    )


@pytest.mark.parametrize(("text", "horizon"), [("move_pct >= 1 in 15m", 15), ("liq_usd > 5M in 2 h", 120)])
def test_an_expectation_has_a_time(text: str, horizon: int) -> None:
    """Minutes and hours are understood, and which expectations ask for a side."""
    assert (read(text).horizon_min, read(text).is_directed) == (horizon, False)
    assert read("follow_pct >= 1 in 15m").is_directed


@pytest.mark.parametrize("text", ["move_pct > 1", "move_pct > 1 in 9h", "move_pct in 5m", "move_pct > 1 in 5d"])
def test_an_expectation_without_sense_is_refused(text: str) -> None:
    """No time, too long a time, no condition."""
    with pytest.raises(Mistake):
        read(text)


def test_a_path_judges_each_minute_once_its_time_is_over() -> None:
    """What came after a minute is known when the horizon has passed, with the extremes of exactly those minutes."""
    path = Path([2, 3])
    found = [path.take(minute) for minute in minutes([10.0, 12.0, 9.0, 11.0, 20.0])]
    told = [
        {horizon: (of.base.minute.at, of.ahead.high, of.ahead.low) for horizon, of in each.items()} for each in found
    ]
    assert told == [
        {},
        {},
        {2: (0, 12.0, 9.0)},
        {2: (1, 11.0, 9.0), 3: (0, 12.0, 9.0)},
        {2: (2, 20.0, 11.0), 3: (1, 20.0, 9.0)},
    ]
    assert path.take(Minute(4, 1.0, 1.0, 1.0, 0.0, 0.0)) == {}
    assert path.newest == 4


def test_holes_and_unwatched_minutes_are_no_outcome() -> None:
    """Too much unseen: not judged. Liquidations nobody watched: unknown, and the price is judged all the same."""
    path = Path([10])
    whole = minutes([100.0] * 30)
    found: dict[int, Ahead] = {}
    for minute in [*whole[:5], *whole[8:12], msgspec.structs.replace(whole[12], long_usd=None), *whole[13:]]:
        found |= {of.base.minute.at: of.ahead for of in path.take(minute).values()}
    assert sorted(found) == [*range(8, 20)]
    assert (found[8].long_usd, found[12].long_usd, found[12].short_usd) == (None, 10.0, 10.0)


def test_restlessness_is_known_after_half_an_hour() -> None:
    """Volatility of the hour before: unknown at first, then the root of the mean squared return."""
    path = Path([1])
    for minute in minutes([100.0 * 1.001 ** (at % 2) for at in range(40)]):
        path.take(minute)
    seen = list(path.seen)
    assert seen[-1].sigma == pytest.approx(0.0009995, rel=1e-3)
    assert (calm(seen[-1].sigma), calm(None), calm(1.0), calm(0.0)) == ("3", "?", "9", "-1")
    assert next(iter(Path([1], [Seen(minutes([1.0])[0], None)]).seen)).sigma is None


def test_what_had_come_grows_minute_by_minute() -> None:
    """The lead is found where the outcome first holds."""
    base = Seen(minutes([100.0])[0], None)
    after = [*minutes([101.0, 99.0], 1), msgspec.structs.replace(minutes([105.0], 3)[0], short_usd=None)]
    found = [(at.at, of.high, of.low, of.long_usd, of.short_usd) for at, of in growing(base, after)]
    assert found == [(1, 101.0, 101.0, 1.0, 1.0), (2, 101.0, 99.0, 2.0, 2.0), (3, 105.0, 99.0, 3.0, None)]


def scored(
    closes: Sequence[float], alerts: dict[int, str | None], expects: str, coin: str = "BTC"
) -> tuple[RuleScore, scoring.Score]:
    """A score after minutes, with an alert half a minute into each of some of them."""
    expected, score = read(expects), RuleScore(mark="x")
    path = Path([expected.horizon_min])
    for minute in minutes(closes):
        if minute.at in alerts:
            side = alerts[minute.at]
            assert side in {None, "long", "short"}
            sigma = path.seen[-1].sigma if path.seen else None
            scoring.raised(score, expected, coin, minute.at * 60_000 + 30_000, side, sigma)  # type: ignore[arg-type]
        found = path.take(minute)
        scoring.passed(score, expected, coin, path, found.get(expected.horizon_min))
    return score, scoring.told(score, expected)


def test_hits_lead_and_chance_by_hand() -> None:
    """Ten minutes, two alerts: one hit after two minutes, one miss; chance is of the other minutes alone."""
    closes = [100.0, 100.0, 100.0, 102.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0]
    score, told = scored(closes, {1: None, 5: None}, "rise_pct >= 1 in 2m")
    # judged: 0..7; rises within two minutes of 1 and 2; alerts at 1 (hit) and 5 (miss); others 0,2,3,4,6,7: one of six
    assert (told.n, told.hits, told.pending, told.lost) == (2, 1, 0, 0)
    assert (told.chance, told.chance_alike, told.lead_s) == (1 / 6, 1 / 6, 3 * 60 - 90)
    assert told.days == pytest.approx(10 / DAY)
    assert (told.false_alarms_per_day, told.alerts_per_day, told.verdict) == (None, None, "unproven")
    assert [(each.at_ms, each.hit, each.lead_s) for each in score.fresh] == [
        (90_000, True, 90.0),
        (330_000, False, None),
    ]


def test_a_directed_outcome_is_compared_with_the_same_direction() -> None:
    """An alert about longs is measured against falls, and so is its chance."""
    closes = [100.0 + at for at in range(60)] + [160.0 - 2 * at for at in range(60)]
    _, long = scored(closes, {10: "long", 70: "long"}, "follow_pct >= 1 in 3m")
    _, short = scored(closes, {10: "short", 70: "short"}, "follow_pct >= 1 in 3m")
    assert (long.hits, short.hits) == (1, 1)
    assert long.chance != short.chance
    assert (long.false_alarms_per_day, long.alerts_per_day) == (12.0, 24.0)


def test_an_alert_that_nobody_saw_the_end_of_is_lost() -> None:
    """An outcome in a hole is neither a hit nor a miss; one that is unknown is neither, too."""
    expected, score = read("move_pct >= 1 in 3m"), RuleScore(mark="x")
    path = Path([3])
    for minute in [*minutes([100.0] * 5), *minutes([100.0] * 20, 100)]:
        if minute.at == 4:
            scoring.raised(score, expected, "BTC", 4 * 60_000, None, None)
        scoring.passed(score, expected, "BTC", path, path.take(minute).get(3))
    assert (scoring.told(score, expected).lost, score.pending) == (1, [])
    blind = read("liq_usd >= 1 in 3m")
    score, path = RuleScore(mark="x"), Path([3])
    for minute in minutes([100.0] * 9, usd=None):
        if minute.at == 2:
            scoring.raised(score, blind, "BTC", 2 * 60_000, None, None)
        scoring.passed(score, blind, "BTC", path, path.take(minute).get(3))
    assert (score.lost, score.others, [each.hit for each in score.fresh]) == (1, {}, [None])


@pytest.mark.parametrize(
    ("hits", "n", "days", "low", "high"),
    [
        (0, 0, [], None, None),
        (5, 10, [], 0.2366, 0.7634),
        (0, 10, [Rate(10, 0)], 0.0, 0.2775),
        (5, 10, [Rate(5, 5), Rate(5, 0)], 0.0945, 0.9055),
    ],
    ids=["none", "wilson", "never", "clustered"],
)
def test_the_interval_is_wilsons_and_wider_where_days_hang_together(
    hits: int, n: int, days: list[Rate], low: float | None, high: float | None
) -> None:
    """Wilson 1927 for independent alerts; two days that are all or nothing are worth two alerts."""
    found = interval(hits, n, days)
    assert [None if edge is None else round(edge, 3) for edge in found] == [
        None if edge is None else round(edge, 3) for edge in (low, high)
    ]


def betting(chance: float, truth: Callable[[random.Random], bool], blocks: int, seed: int) -> Evidence:
    """Evidence that a rule is worse than chance, after some blocks of one alert."""
    random_of, found = random.Random(seed), Evidence()
    for _ in range(blocks):
        found.bet([(chance, truth(random_of))], on_fewer=True)
        if found.is_enough:
            break
    return found


def test_a_rule_as_good_as_chance_is_hardly_ever_muted() -> None:
    """Ville's bound in simulation: a tenth at most of rules at chance is ever muted, of better ones hardly any."""
    at_chance = sum(betting(0.2, lambda of: of.random() < 0.2, 400, seed).is_enough for seed in range(200))
    better = sum(betting(0.2, lambda of: of.random() < 0.3, 400, seed).is_enough for seed in range(200))
    assert (at_chance <= 20, better <= 2) == (True, True), (at_chance, better)


def test_a_rule_that_is_worse_is_muted_and_one_that_recovers_is_heard_again() -> None:
    """Evidence builds up against a decoy, and is given back by hits."""
    muted = sum(betting(0.25, lambda of: of.random() < 0.05, 200, seed).is_enough for seed in range(200))
    assert muted >= 190
    found = betting(0.25, lambda of: of.random() < 0.0, 200, 1)
    stood = [found.is_enough]
    for _ in range(10):
        found.bet([(0.25, True)], on_fewer=True)
        stood.append(found.is_enough)
    assert (stood[0], stood[1], stood[-1]) == (True, True, False)
    assert found.value <= 1.0


def test_a_good_past_does_not_shield_a_rule_for_ever() -> None:
    """Wealth has a floor: years of hits are worth a factor of a hundred, and no more."""
    found = Evidence()
    for _ in range(1000):
        found.bet([(0.2, True)], on_fewer=True)
    assert found.value == pytest.approx(FLOOR)
    found.bet([], on_fewer=True)
    assert found.blocks == 1000
    assert found.value < ENOUGH


def test_verdicts_need_twenty_alerts() -> None:
    """Unproven below twenty, whatever the evidence; then worse before better."""
    score = RuleScore(mark="x", worse=Evidence(is_enough=True), better=Evidence(is_enough=True))
    score.alerts["BTC|"] = Rate(19, 1)
    assert scoring.verdict(score) == "unproven"
    score.alerts["BTC|"] = Rate(20, 1)
    assert scoring.verdict(score) == "worse"
    score.worse = Evidence()
    assert scoring.verdict(score) == "better"
    score.better = Evidence()
    assert scoring.verdict(score) == "like chance"
    found = scoring.record(score, read("move_pct > 1 in 5m"))
    assert (found.n, found.hits, found.verdict) == (20, 1, "like chance")


def test_alerts_of_one_cause_are_one_bet() -> None:
    """Many alerts within one horizon are one block; those between two blocks are scored and bet on by nobody."""
    rising = [100.0 * (1.0 + 0.01 * (at // 100 % 2)) for at in range(3000)]
    alerts: dict[int, str | None] = dict.fromkeys((1500, 1503, 1509, 1512, 1519), None)
    score, told = scored(rising, alerts, "move_pct >= 0.5 in 10m")
    assert (told.n, told.blocks, score.blocks) == (5, 1, 1)
    score, told = scored(rising, {100: None}, "move_pct >= 0.5 in 10m")
    assert (told.n, told.blocks) == (1, 0)


def test_days_and_leads_that_are_remembered_are_bounded() -> None:
    """A score does not grow with the years."""
    expected, score = read("move_pct >= 0 in 1m"), RuleScore(mark="x")
    score.days = {str(day): Rate(1, 1) for day in range(-400, 0)}
    score.leads = [0.0] * 500
    path = Path([1])
    for minute in minutes([100.0] * 5):
        if minute.at == 1:
            scoring.raised(score, expected, "BTC", 60_000, None, None)
        scoring.passed(score, expected, "BTC", path, path.take(minute).get(1))
    assert (len(score.days), len(score.leads), "0" in score.days) == (400, 500, True)
