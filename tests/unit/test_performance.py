"""Figures of a run beside what a hand reckons."""

from math import exp, log, sqrt

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.made_desk import made
from tests.unit.runs_made import BEGIN_MS, DAY_MS, MINUTE_MS, course, trade, walked

from perpscope.model.run import RunCurve
from perpscope.trading.account import filled, fund, liquidation_price
from perpscope.trading.performance import Course, Grounds, measure, thinned
from perpscope.trading.performance.capacity import Impact, capacity, impact_of
from perpscope.trading.performance.concentration import of_trades, rests_on_few, top_share
from perpscope.trading.performance.costs import of_costs
from perpscope.trading.performance.drawdown import drawdown
from perpscope.trading.performance.liquidation import liquidation_prices
from perpscope.trading.performance.ratios import annual_return, calmar, expected_shortfall, sharpe, sortino
from perpscope.trading.performance.returns import day_ends, months, of_ends
from perpscope.trading.performance.trades import of_trades as figures_of
from perpscope.trading.significance.placebo import Prices


def test_a_drawdown_is_measured_from_its_peak_to_its_recovery() -> None:
    """100 → 120 → 90 → 108 → 120 → 119: a quarter of 120, three days until 120 is there again. Keeps S4-60."""
    path = course([100.0, 120.0, 90.0, 108.0, 120.0, 119.0])
    found = drawdown(path.at_ms, path.equity, 100.0, BEGIN_MS)
    assert found.depth == pytest.approx(0.25, abs=1e-15)
    assert (found.days, found.is_recovered, found.longest_days) == (3.0, True, 3.0)


def test_a_drawdown_that_lasts_is_counted_to_the_end() -> None:
    """A run that never sees its deposit again is under water from its first moment to its last."""
    path = course([90.0, 80.0, 95.0])
    found = drawdown(path.at_ms, path.equity, 100.0, BEGIN_MS)
    assert found.depth == pytest.approx(0.2)
    assert (found.days, found.is_recovered, found.longest_days) == (3.0, False, 3.0)


def test_a_rising_course_has_no_drawdown() -> None:
    """Rows far apart are no time under water while each is a peak."""
    path = course([101.0, 102.0, 103.0])
    found = drawdown(path.at_ms, path.equity, 100.0, BEGIN_MS)
    assert (found.depth, found.days, found.is_recovered, found.longest_days) == (0.0, 0.0, True, 0.0)


def test_the_longest_wait_need_not_be_the_deepest_fall() -> None:
    """Two days at half, then four days a little lower than the peak: each is told by its own name."""
    path = course([50.0, 100.0, 99.0, 99.0, 99.0, 100.0])
    found = drawdown(path.at_ms, path.equity, 100.0, BEGIN_MS)
    assert (found.depth, found.days, found.longest_days) == (0.5, 2.0, 4.0)


def test_days_are_of_utc_and_the_ends_may_be_short() -> None:
    """A run from noon to noon has two days; what stands at midnight is the end of the day before."""
    noon = BEGIN_MS + DAY_MS // 2
    path = Course(
        at_ms=np.array([noon + 1, BEGIN_MS + DAY_MS, BEGIN_MS + DAY_MS + 1, noon + DAY_MS]),
        equity=np.array([101.0, 110.0, 105.0, 99.0]),
        position=np.zeros(4),
    )
    ends = day_ends(path, 100.0, noon, noon + DAY_MS)
    assert ends.tolist() == [100.0, 110.0, 99.0]
    assert of_ends(ends).tolist() == pytest.approx([0.1, -0.1], abs=1e-15)


def test_a_run_that_ends_at_midnight_begins_no_day() -> None:
    """Three days of rows at their very ends are three returns, not four; a day without a row is the one before."""
    path = course([110.0, 99.0, 120.0])
    assert day_ends(path, 100.0, BEGIN_MS, BEGIN_MS + 3 * DAY_MS).tolist() == [100.0, 110.0, 99.0, 120.0]
    seldom = Course(at_ms=path.at_ms[::2], equity=path.equity[::2], position=path.position[::2])
    assert day_ends(seldom, 100.0, BEGIN_MS, BEGIN_MS + 3 * DAY_MS).tolist() == [100.0, 110.0, 110.0, 120.0]


def test_a_run_of_no_length_has_one_day_without_return() -> None:
    """No rows, no time: one day, and equity is the deposit."""
    nothing = Course(at_ms=np.array([], np.int64), equity=np.array([]), position=np.array([]))
    assert day_ends(nothing, 100.0, BEGIN_MS, BEGIN_MS).tolist() == [100.0, 100.0]
    with pytest.raises(ValueError, match="cannot end"):
        day_ends(nothing, 100.0, BEGIN_MS, BEGIN_MS - 1)


def test_a_ruined_account_has_no_returns() -> None:
    """What follows a day that ended with nothing is 0, not infinite."""
    assert of_ends(np.array([100.0, 0.0, 50.0])).tolist() == [-1.0, 0.0]


def test_months_compound_their_days() -> None:
    """+10 % and −10 % in May, +1 % in June: −1 % and +1 %. Keeps S4-65, S4-67."""
    at = BEGIN_MS + DAY_MS * np.array([1, 2, 3]) - 1
    path = Course(at_ms=at, equity=np.array([110.0, 99.0, 99.99]), position=np.zeros(3))
    names, gains = zip(*months(path, 100.0, BEGIN_MS, BEGIN_MS + 3 * DAY_MS), strict=True)
    assert names == ("2026-05", "2026-06")
    assert gains == pytest.approx((-0.01, 0.01), abs=1e-12)


def test_ratios_are_those_of_a_hand() -> None:
    """Returns 1 %, −2 %, 3 %: mean 2/3 %, deviation √(19/3) %, downside √(4/3) %."""
    returns = np.array([0.01, -0.02, 0.03])
    assert sharpe(returns) == pytest.approx((2 / 3) / sqrt(19 / 3) * sqrt(365), rel=1e-12)
    assert sortino(returns) == pytest.approx((2 / 3) / sqrt(4 / 3) * sqrt(365), rel=1e-12)


@pytest.mark.parametrize("ratio", [sharpe, sortino], ids=["sharpe", "sortino"])
def test_ratios_are_not_said_of_one_day_or_of_no_risk(ratio: object) -> None:
    """One day has no deviation and a constant has no risk: None, never infinity."""
    assert callable(ratio)
    assert ratio(np.array([0.01])) is None
    assert ratio(np.array([0.01, 0.01, 0.01])) is None


def test_a_year_is_spoken_of_after_four_weeks() -> None:
    """+21 % in 73 days is 1.21⁵ − 1 a year; in 27 days nothing is said; what is lost is lost."""
    assert annual_return(1.21, 73.0) == pytest.approx(1.21**5 - 1, rel=1e-12)
    assert annual_return(1.21, 27.0) is None
    assert annual_return(0.0, 365.0) == -1.0
    assert calmar(1.21, 73.0, 0.1) == pytest.approx((1.21**5 - 1) / 0.1, rel=1e-12)
    assert calmar(1.21, 27.0, 0.1) is None
    assert calmar(1.21, 73.0, 0.0) is None


def test_expected_shortfall_is_the_mean_of_the_worst_twentieth() -> None:
    """Of 40 days −1 %, −2 % … −40 % the two worst are −40 % and −39 %; of 19 days nothing is said."""
    assert expected_shortfall(-np.arange(1, 41) / 100) == pytest.approx(-0.395)
    assert expected_shortfall(np.zeros(19)) is None


def test_trades_are_counted_as_a_hand_counts_them() -> None:
    """+3, −1, −2, 0, +4 on 100 each: 2 of 5 won, payoff 3.5 ÷ 1.5, factor 7 ÷ 3. Keeps S4-64, S4-66."""
    found = figures_of([trade(net) for net in (3.0, -1.0, -2.0, 0.0, 4.0)])
    assert (found["trades"], found["wins"], found["hit_rate"]) == (5.0, 2.0, 0.4)
    assert found["payoff"] == pytest.approx(3.5 / 1.5)
    assert found["profit_factor"] == pytest.approx(7 / 3)
    assert found["expectancy"] == pytest.approx(0.8)
    assert found["expectancy_bps"] == pytest.approx(4.0 / 500 * 1e4)
    assert (found["longest_losing_streak"], found["minutes_held"]) == (2.0, 10.0)
    assert found["mae_worst"] == pytest.approx(-0.021)
    assert found["mfe_best"] == pytest.approx(0.041)
    z = 1.959964
    middle, half = (0.4 + z * z / 10) / (1 + z * z / 5), z * sqrt(0.4 * 0.6 / 5 + z * z / 100) / (1 + z * z / 5)
    assert (found["hit_low"], found["hit_high"]) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_no_trades_leave_nothing_to_say() -> None:
    """Sums are 0 and rates None: nothing is divided by nothing."""
    found = {**figures_of([]), **of_costs([])}
    assert {name for name, value in found.items() if value == 0.0} >= {"trades", "wins", "net", "fees", "traded"}
    unsaid = {
        "hit_rate",
        "hit_low",
        "payoff",
        "profit_factor",
        "expectancy",
        "expectancy_bps",
        "mae_worst",
        "fee_share",
    }
    assert unsaid <= {name for name, value in found.items() if value is None}


def test_only_losses_have_no_payoff_but_a_factor() -> None:
    """Three losses: profit factor 0, no payoff, and the interval ends inside [0, 1]."""
    found = figures_of([trade(-1.0)] * 3)
    assert (found["profit_factor"], found["payoff"]) == (0.0, None)
    assert found["hit_low"] == pytest.approx(0.0, abs=1e-12)
    assert (found["hit_low"] or 0.0) >= 0.0


def test_costs_lead_from_prices_to_net() -> None:
    """Before costs less slippage, fees and funding is net, and shares are of what they say. Keeps S4-73."""
    found = of_costs(
        [trade(5.0, fees=2.0, funding=1.0, slippage=4.0), trade(-3.0, fees=2.0, funding=-1.0, slippage=1.0)]
    )
    assert (found["gross"], found["before_costs"], found["net"]) == (6.0, 11.0, 2.0)
    assert found["fee_share"] == pytest.approx(4 / 6)
    assert found["fee_share_of_gains"] == pytest.approx(4 / 8)
    assert found["traded"] == pytest.approx(2 * 100 + 108 + 98)
    assert found["slippage_bps"] == pytest.approx(5 / 406 * 1e4)


def test_a_share_of_next_to_nothing_is_not_said() -> None:
    """A gain so small that fees are infinitely many times of it has no share: every figure is finite, or none."""
    found = of_costs([replace(trade(-2.0, fees=2.0), gross=1e-308)])
    assert (found["fee_share"], found["fee_share_of_gains"]) == (None, None)


def test_a_gain_that_few_trades_made_is_flagged() -> None:
    """One trade of 20 that earned all: without it the rest lost. Twenty alike are not flagged, nor is a loss."""
    assert rests_on_few(np.array([19.0] + [-0.5] * 19))
    assert rests_on_few(np.array([1.0] * 20)) is False
    assert rests_on_few(np.array([19.0] + [-2.0] * 19)) is False
    assert rests_on_few(np.array([19.0] * 19)) is None
    assert top_share(np.array([6.0, 3.0, 1.0]), 1) == pytest.approx(0.6)
    assert (of_trades(100, 0.01), of_trades(101, 0.01), of_trades(1, 0.05)) == (1, 2, 1)


def test_capacity_is_the_cost_models_own_curve() -> None:
    """100 in and out at 5 bps each way cost .1, and .2 is earned: best at 2² times the size, nothing left at 3²."""
    impact = Impact(y=1.0, sigma=0.05, volume=1e6)
    alike = [trade(0.2, funding=-0.2)] * 10  # in and out at 100
    found = capacity(alike, impact)
    assert found.net[1.0] == pytest.approx(2.0)
    assert found.net[2.0] == pytest.approx(4.0 - (2**1.5 - 2))
    assert found.best_multiple == pytest.approx(4.0)
    assert found.best_net == pytest.approx(4 * 2.0 - (8 - 4))
    assert found.zero_multiple == pytest.approx(9.0)
    assert found.best_net == pytest.approx(max(k * 3.0 - k**1.5 for k in np.linspace(0.1, 20, 2000)), abs=1e-3)


@pytest.mark.parametrize(("net", "y"), [(-0.2, 1.0), (0.2, 0.0)], ids=["lost-without-impact", "impact-free"])
def test_capacity_is_not_said_where_there_is_none(net: float, y: float) -> None:
    """What loses before impact has no size at which it earns; where impact costs nothing there is no end."""
    found = capacity([trade(net, funding=-net)] * 3, Impact(y, 0.05, 1e6))
    assert (found.best_multiple, found.best_net, found.zero_multiple) == (None, None, None)
    assert found.net[2.0] == pytest.approx(6 * net - (2**1.5 - 2) * 0.3 * y)


def test_impact_is_of_the_market_as_it_was() -> None:
    """±1 % a quarter of a day, 250 traded in each: 2 % a day, 1,000 a day; nothing is said without trades or prices."""
    price = np.array([100.0, 101.0, 100.0, 101.0, 100.0])
    found = impact_of(0.8, price, np.full(4, 250.0), 1.0)
    assert found is not None
    assert (found.y, found.volume) == (0.8, 1000.0)
    assert found.sigma == pytest.approx(sqrt(2 * 0.01**2 + 2 * (1 / 101) ** 2))
    assert found.cost(1000.0) == pytest.approx(0.8 * found.sigma * 1000.0)
    assert impact_of(1.0, price[:2], np.ones(1), 1.0) is None
    assert impact_of(1.0, price, np.ones(4), 0.0) is None
    assert impact_of(1.0, price, np.zeros(4), 1.0) is None
    assert impact_of(1.0, np.array([1.0, np.nan, 1.0]), np.ones(2), 1.0) is None


def test_liquidation_prices_are_those_of_the_account() -> None:
    """Long and short: at opening what the account says, at the end what it says after the funding. Keeps B23."""
    for side, way in (("LONG", 1), ("SHORT", -1)):
        d = made(deposit=100_000.0, leverage=10.0)
        filled(d.account, way, 1000, 600_000, 0, 1, 1)
        opening = liquidation_price(d.account)
        one = trade(0.0, at_ms=BEGIN_MS + MINUTE_MS, minutes=10, entry=60_000.0, funding=120.0, side=side)
        at_ms = BEGIN_MS + MINUTE_MS * np.arange(15)
        found = liquidation_prices([one, trade(0.0, at_ms=BEGIN_MS + 99 * MINUTE_MS)], at_ms, d.account)
        assert np.isnan(found).tolist() == [not 1 <= minute < 11 for minute in range(15)]
        assert found[1] == pytest.approx(opening)
        fund(d.account, way * 0.002, 60_000.0)  # 120 of 60,000
        assert found[10] == pytest.approx(opening + 0.9 * (liquidation_price(d.account) - opening))
        assert way * (found[10] - found[1]) > 0.0


def test_funding_makes_a_whole_margin_less_than_whole() -> None:
    """Without leverage a long has no liquidation price until funding has eaten into it; a short has one throughout."""
    at_ms = BEGIN_MS + MINUTE_MS * np.arange(11)
    account = made(deposit=100_000.0, leverage=1.0).account
    one = trade(0.0, minutes=10, entry=60_000.0, funding=5_970.0)
    found = liquidation_prices([one], at_ms, account)
    assert np.isnan(found).tolist() == [True, *[False] * 9, True]
    assert found[5] == pytest.approx(2_985.0 / 0.995)  # of 60,000 less 2,985, maintenance .5 %
    short = liquidation_prices([trade(0.0, minutes=10, entry=60_000.0, side="SHORT")], at_ms, account)
    assert short[5] == pytest.approx(120_000.0 / 1.005)


def test_thinning_keeps_every_extreme_and_both_ends() -> None:
    """Of 50,000 rows with one spike each way, 400 are left, the spikes, the ends and the deepest fall among them."""
    generator = np.random.default_rng(3)
    equity = 1000.0 + np.cumsum(generator.normal(0.0, 1.0, 50_000))
    equity[12_345], equity[33_333] = 1e4, 1.0
    held = np.where(np.arange(50_000) % 2, np.nan, 90.0)
    whole = Course(
        at_ms=BEGIN_MS + MINUTE_MS * np.arange(50_000),
        equity=equity,
        position=np.zeros(50_000),
        price=np.full(50_000, 100.0),
        liquidation=held,
    )
    kept = thinned(whole, 400)
    assert len(kept.at_ms) <= 400
    assert {1e4, 1.0, equity[0], equity[-1]} <= set(kept.equity)
    assert kept.at_ms == sorted(set(kept.at_ms))
    again = Course.of(kept)
    of = [drawdown(one.at_ms, one.equity, 1000.0, BEGIN_MS).depth for one in (whole, again)]
    assert of[0] == of[1]
    assert set(kept.liquidation) == {None, 90.0}
    assert again.price is not None
    assert again.liquidation is not None
    assert np.isnan(again.liquidation).any()


def test_a_short_course_is_kept_whole() -> None:
    """Nothing is thinned that is short enough, and fewer rows than the extremes need are refused."""
    path = course([1.0, 2.0, 3.0])
    kept = thinned(path)
    assert kept == RunCurve(at_ms=path.at_ms.tolist(), equity=[1.0, 2.0, 3.0], position=[0.0] * 3)
    assert Course.of(kept).price is None
    with pytest.raises(ValueError, match="4 or more"):
        thinned(path, 3)


def test_every_figure_has_its_name_and_none_is_infinite() -> None:
    """A month's run of 300 trades: every name is there, every value a finite number or None. Keeps S4-60."""
    found = walked().performance
    assert {"sharpe", "sortino", "calmar", "es95", "dsr", "pbo", "placebo_p", "capacity_net_x10"} <= set(found)
    assert all(value is None or np.isfinite(value) for value in found.values())
    assert found["before_costs"] == pytest.approx(
        sum(found[name] or 0.0 for name in ("slippage", "fees", "funding", "net")), rel=1e-12
    )
    assert found["return"] == pytest.approx((found["net"] or 0.0) / 10_000.0, rel=1e-9)
    assert 0.3 < (found["max_leverage"] or 0.0) < 0.5
    assert 0.05 < (found["nearest_liquidation"] or 0.0) < 0.11
    assert found["sharpe_low"] is not None
    assert found["sharpe_high"] is not None
    assert found["sharpe_low"] < (found["sharpe"] or 0.0) < found["sharpe_high"]


def test_use_of_time_and_money_is_what_a_hand_reckons() -> None:
    """Two hours held of two days is 1/24; 100 in and 103 out, 1,000 of equity, two days: .1015 a day."""
    few = [trade(3.0, minutes=120)]
    found = measure(few, course([1000.0, 1000.0]), 1000.0, from_ms=BEGIN_MS, to_ms=BEGIN_MS + 2 * DAY_MS)
    assert found["exposure"] == pytest.approx(1 / 24)
    assert found["turnover"] == pytest.approx(203 / 1000 / 2)
    unsaid = ("max_leverage", "nearest_liquidation", "placebo_p", "pbo", "capacity_best", "dsr", "es95", "sharpe_low")
    assert [found[name] for name in unsaid] == [None] * len(unsaid)


def test_leverage_and_room_are_of_the_course() -> None:
    """2 of 100 held on 50 is 4×; liquidated at 92 it is 8 % away; a row without equity does not count."""
    path = Course(
        at_ms=BEGIN_MS + DAY_MS * np.array([1, 2]),
        equity=np.array([50.0, -1.0]),
        position=np.array([2.0, 2.0]),
        price=np.array([100.0, 100.0]),
        liquidation=np.array([92.0, np.nan]),
    )
    found = measure([], path, 100.0, from_ms=BEGIN_MS, to_ms=BEGIN_MS + 2 * DAY_MS)
    assert found["max_leverage"] == pytest.approx(4.0)
    assert found["nearest_liquidation"] == pytest.approx(0.08)
    assert found["rests_on_few"] is None


def test_a_run_of_no_length_is_measured_all_the_same() -> None:
    """Nothing traded, no time: no exposure, no turnover, return 0, and a deposit of nothing is refused."""
    curve = RunCurve(at_ms=[], equity=[], position=[])
    found = measure([], curve, 100.0, from_ms=BEGIN_MS, to_ms=BEGIN_MS, grounds=Grounds(impact=Impact(1.0, 0.02, 1e9)))
    assert (found["return"], found["exposure"], found["turnover"], found["trade_notional"]) == (0.0, None, None, None)
    with pytest.raises(ValueError, match="deposit of 0"):
        measure([], curve, 0.0, from_ms=BEGIN_MS, to_ms=BEGIN_MS)


def test_luck_is_judged_by_days_or_by_trades() -> None:
    """Under 20 days trades are the periods; from 20 on days are, with the spread of the trials' own ratios."""
    alike = [trade(net) for net in (1.0, 2.0, -0.5, 1.5)]
    few = measure(alike, course([100.0] * 3), 100.0, from_ms=BEGIN_MS, to_ms=BEGIN_MS + 3 * DAY_MS)
    assert few["dsr_of_days"] == 0.0
    path = course([100.0 * exp(0.001 * day + 0.002 * (-1) ** day) for day in range(1, 41)])
    end = BEGIN_MS + 40 * DAY_MS
    grounds = Grounds(trials=3, sharpes=(1.0, 2.0, 3.0), daily=np.array([[0.1, 0.0], [0.0, 0.1]] * 40))
    many = measure(alike, path, 100.0, from_ms=BEGIN_MS, to_ms=end, grounds=grounds)
    alone = measure(alike, path, 100.0, from_ms=BEGIN_MS, to_ms=end)
    assert many["dsr_of_days"] == 1.0
    assert (many["dsr"] or 0.0) < (alone["dsr"] or 0.0)
    assert many["pbo"] is not None
    assert log(1.0 + (alone["return"] or 0.0)) == pytest.approx(0.042)


def test_a_placebo_is_drawn_where_prices_are_known() -> None:
    """Prices of the day and one trade: its own net is told beside the draws'."""
    prices = Prices(BEGIN_MS + MINUTE_MS * np.arange(1440), np.linspace(100.0, 110.0, 1440))
    found = measure(
        [trade(1.0)], course([101.0]), 100.0, from_ms=BEGIN_MS, to_ms=BEGIN_MS + DAY_MS, grounds=Grounds(prices=prices)
    )
    assert found["placebo_net"] == 1.0
    assert found["placebo_mean"] == pytest.approx(10 * 10 / 1439, rel=1e-9)
