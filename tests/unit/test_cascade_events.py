"""Cascades that happened: both rules, both sides, where they begin and end, and what was not watched."""

import msgspec
import numpy as np
import pytest

from perpscope.analytics.cascade_events import Forced, Rule, Steps, detect, severity
from perpscope.analytics.sentiment_scale import Floats
from perpscope.model.market import PositionSide

MINUTE_NS = 60_000_000_000
DAY = 1440
#: Nine quiet days, then a fall of 8 % in ten minutes, then quiet again.
CRASH = 9 * DAY
END = CRASH + 10


def market(sign: float = 1.0, *, f8: float = 0.002, seed: int = 5) -> Steps:
    """A market of minutes with one cascade: of longs (`sign` +1) or of shorts (−1)."""
    rng, steps = np.random.default_rng(seed), CRASH + 300
    moves = 1e-4 * rng.standard_normal(steps)
    moves[CRASH:END] += sign * np.log(0.92) / 10.0
    volume = np.exp(0.2 * rng.standard_normal(steps))
    volume[CRASH:END] *= 20.0
    interest = np.full(steps, 1000.0)
    interest[CRASH:] *= 0.8
    interest[CRASH:END] = 1000.0 * np.linspace(0.98, 0.8, 10)
    calm = [np.where(rng.random(steps) < 0.5, 1000.0 * rng.random(steps), 0.0) for _ in range(2)]
    mine, other = calm
    mine[CRASH:END] = 1e6 * np.array([1, 2, 3, 4, 9, 4, 3, 2, 1, 1])
    long, short = (mine, other) if sign > 0.0 else (other, mine)
    return Steps(
        ts_first=0,
        step_s=60.0,
        close=100.0 * np.exp(np.cumsum(moves)),
        volume=volume,
        open_interest=interest,
        f8=np.full(steps, sign * f8),
        long=Forced(usd=long, low=0.9 * long, high=1.2 * long),
        short=Forced(usd=short),
    )


def changed(given: Steps, **arrays: Floats | Forced) -> Steps:
    """The same market with other arrays."""
    return msgspec.structs.replace(given, **arrays)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["longs", "shorts"])
@pytest.mark.parametrize("rule", list(Rule), ids=lambda rule: str(rule.value))
def test_a_cascade_is_found_once(rule: Rule, sign: float) -> None:
    """Both rules find the one cascade, on its side, with its size. Keeps S0-33, S0-34, S0-35 and S0-36."""
    (event,) = detect(market(sign), rule)
    assert event.side is (PositionSide.LONG if sign > 0 else PositionSide.SHORT)
    assert CRASH - 6 <= event.ts_start / MINUTE_NS <= CRASH
    assert CRASH < event.ts_detected / MINUTE_NS < END
    assert event.ts_peak == (CRASH + 4) * MINUTE_NS
    assert event.ts_end is not None
    assert event.ts_start < event.ts_detected < event.ts_end
    assert event.trough_return == pytest.approx(-0.08 if sign > 0 else 1 / 0.92 - 1.0, abs=0.004)
    assert event.open_interest_change == pytest.approx(-0.2)
    assert event.forced_usd == pytest.approx(30e6, rel=0.01)
    assert event.watched == 1.0
    assert 0.0 < event.severity < 100.0
    assert sum(condition.share for condition in event.conditions) == pytest.approx(1.0)
    if sign > 0.0:
        assert (event.forced_low_usd, event.forced_high_usd) == pytest.approx((27e6, 36e6), rel=0.01)
    else:
        assert (event.forced_low_usd, event.forced_high_usd) == (None, None)


def test_the_end_of_a_score_event_is_its_first_calm_minute() -> None:
    """Five minutes of less than the 90 % quantile end it; it ends where they begin."""
    given = market()
    given.long.usd[END : END + 10] = 0.0
    (event,) = detect(given, Rule.SCORE)
    assert event.ts_end == END * MINUTE_NS


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        pytest.param({"f8": np.full(CRASH + 300, 0.001)}, Rule.SEED, id="funding not above 0.1 %"),
        pytest.param({"volume": np.ones(CRASH + 300)}, Rule.SEED, id="no volume"),
        pytest.param({"f8": np.full(CRASH + 300, np.nan)}, Rule.SEED, id="funding unknown"),
        pytest.param({"open_interest": np.full(CRASH + 300, 1000.0)}, Rule.SCORE, id="open interest stays"),
        pytest.param({"long": Forced(usd=np.zeros(CRASH + 300))}, Rule.SCORE, id="nothing forced"),
        pytest.param({"long": Forced(usd=np.full(CRASH + 300, np.nan))}, Rule.SCORE, id="nobody watched"),
    ],
)
def test_every_condition_is_needed(changes: dict[str, Floats | Forced], rule: Rule) -> None:
    """Without any one of its conditions there is no cascade."""
    assert detect(changed(market(), **changes), rule) == []


def test_a_move_within_the_usual_volatility_is_none() -> None:
    """In a market that moves 1 % a minute, 8 % are less than four of its 15-minute deviations."""
    given = market()
    wild = np.cumsum(
        np.where(np.arange(given.close.size) % 2, 0.01, -0.01) * (np.arange(given.close.size) < CRASH - 20)
    )
    assert detect(changed(given, close=given.close * np.exp(wild)), Rule.SCORE) == []


def test_one_extreme_minute_is_not_enough() -> None:
    """Two of three minutes must be beyond the week's quantile."""
    given = market()
    given.long.usd[CRASH:END] = 0.0
    given.long.usd[CRASH + 6] = 9e6
    assert detect(given, Rule.SCORE) == []


def test_the_history_is_long_enough_or_there_is_no_event() -> None:
    """With less than a day of forced orders the score rule says nothing."""
    given = market()
    given.long.usd[: CRASH - DAY // 2] = np.nan
    assert detect(given, Rule.SCORE) == []


def test_two_that_are_close_are_one() -> None:
    """Cascades less than ten minutes apart are merged; those further apart are two."""
    given = market()
    close = given.close.copy()
    for start in (END + 9, END + 250):
        close[start:] *= 0.93
        given.long.usd[start : start + 3] = 5e6
    interest = given.open_interest.copy()
    interest[END + 9 :] *= 0.9
    interest[END + 250 :] *= 0.9
    found = detect(changed(given, close=close, open_interest=interest), Rule.SCORE)
    assert len(found) == 2
    assert found[0].ts_end is not None
    assert found[0].ts_end >= (END + 12) * MINUTE_NS
    assert found[0].forced_usd == pytest.approx(45e6, rel=0.01)


def test_one_that_lasts_has_no_end() -> None:
    """At the end of the data a cascade may go on."""
    given = market()
    cut = slice(0, END)
    short = Steps(
        ts_first=0,
        step_s=60.0,
        close=given.close[cut],
        volume=given.volume[cut],
        open_interest=given.open_interest[cut],
        f8=given.f8[cut],
        long=Forced(usd=given.long.usd[cut]),
        short=Forced(usd=given.short.usd[cut]),
    )
    for rule in Rule:
        (event,) = detect(short, rule)
        assert event.ts_end is None


def test_the_seed_rule_needs_nobody_to_watch_liquidations() -> None:
    """Without any forced orders the peak is the extreme price, and nothing is claimed about them."""
    given = market()
    unknown = Forced(usd=np.full(given.close.size, np.nan), low=np.full(given.close.size, np.nan))
    interest = np.full(given.close.size, np.nan)
    (event,) = detect(changed(given, long=unknown, short=unknown, open_interest=interest), Rule.SEED)
    assert (event.forced_usd, event.forced_low_usd, event.open_interest_change, event.watched) == (
        None,
        None,
        None,
        0.0,
    )
    top, bottom = given.close[CRASH - 1], given.close[event.ts_peak // MINUTE_NS]
    assert bottom / top == pytest.approx(1.0 + event.trough_return, abs=1e-3)


def test_a_quiet_week_is_no_threshold() -> None:
    """Where nothing was forced for a week any forced order exceeds it, by a hundredfold at most."""
    given = market()
    given.long.usd[:CRASH] = 0.0
    (event,) = detect(given, Rule.SCORE)
    assert event.conditions[0].threshold == 0.0
    assert event.conditions[0].share == max(condition.share for condition in event.conditions)


def test_holes_within_an_event_are_counted() -> None:
    """Minutes nobody watched are calm, and lower what was watched."""
    given = market()
    given.long.usd[CRASH + 7 : CRASH + 20] = np.nan
    (event,) = detect(given, Rule.SCORE)
    assert event.ts_end == (CRASH + 7) * MINUTE_NS
    given.volume[END - 3] = np.nan
    full = detect(market(), Rule.SEED)[0].forced_usd
    found = detect(given, Rule.SEED)[0]
    assert found.watched < 1.0
    assert full is not None
    assert found.forced_usd is not None
    assert found.forced_usd < full


def test_arrays_of_different_lengths_are_refused() -> None:
    """A column that lost a row would shift the market against itself."""
    with pytest.raises(ValueError, match="of one length"):
        detect(changed(market(), volume=np.ones(3)), Rule.SEED)


def test_severity() -> None:
    """At the thresholds 0, at twice all of them 50, at four times 75; what falls short takes nothing away."""
    assert severity([1.0]) == 0.0
    assert severity([2.0, 2.0, 2.0]) == pytest.approx(50.0)
    assert severity([4.0, 4.0]) == pytest.approx(75.0)
    assert severity([0.1, 4.0]) == pytest.approx(50.0)
    assert severity([1e9]) == pytest.approx(99.0)


def test_an_event_says_how_far_it_was_amplified() -> None:
    """x* ÷ x₀ by the square-root law with the day before: x₀² = x*² − (Yσ)² · Q ÷ V. Keeps B9."""
    turnover = np.full(market().close.size, 1e5)
    (event,) = detect(changed(market(), turnover=turnover), Rule.SCORE)
    given = market()
    moves = np.diff(np.log(given.close[CRASH - DAY : CRASH]))
    sigma, traded = float(np.sqrt((moves**2).mean() * DAY)), 1e5 * DAY
    assert event.forced_usd is not None
    assert event.amplification is not None
    stop = float(np.log(0.92))
    start = np.sqrt(stop**2 - sigma**2 * event.forced_usd / traded)
    assert event.amplification == pytest.approx(abs(stop) / start, rel=0.01)
    assert event.amplification > 1.0


@pytest.mark.parametrize(
    ("turnover", "long", "rule"),
    [
        pytest.param(None, None, Rule.SCORE, id="no-turnover"),
        pytest.param(np.full(CRASH + 300, np.nan), None, Rule.SCORE, id="turnover-not-known"),
        pytest.param(np.zeros(CRASH + 300), None, Rule.SCORE, id="nothing-traded"),
        pytest.param(np.full(CRASH + 300, 0.1), None, Rule.SCORE, id="forced-explain-all"),
        pytest.param(np.full(CRASH + 300, 1e5), Forced(usd=np.full(CRASH + 300, np.nan)), Rule.SEED, id="not-watched"),
    ],
)
def test_amplification_is_not_guessed(turnover: Floats | None, long: Forced | None, rule: Rule) -> None:
    """Where turnover or forced orders are not known, or these would explain more than the whole move, it is none."""
    given = market() if long is None else changed(market(), long=long)
    (event,) = detect(msgspec.structs.replace(given, turnover=turnover), rule)
    assert event.amplification is None


def test_an_open_bound_of_one_step_leaves_the_event_open() -> None:
    """A floor among the steps: nothing bounds the sum from above, and no number pretends to."""
    given = market()
    high = np.where(np.arange(given.close.size) == CRASH + 2, np.inf, 1.2 * given.long.usd)
    (event,) = detect(changed(given, long=Forced(usd=given.long.usd, low=given.long.usd, high=high)), Rule.SCORE)
    assert event.forced_high_usd is None
    assert event.forced_low_usd is not None
