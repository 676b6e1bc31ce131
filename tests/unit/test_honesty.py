"""The honesty gate: drags, luck, intervals and METHOD 12.8 condition by condition, by hand. Keeps B20."""

import math

import msgspec
import numpy as np
import pytest
from tests.unit.runs_made import BEGIN_MS, DAY_MS, trade, walked

from perpscope.model.run import Run, RunKind
from perpscope.trading import honesty
from perpscope.trading.economics import Plan
from perpscope.trading.honesty import Condition
from perpscope.trading.significance.bootstrap import expectancy_interval

PLAN = Plan(capital=10_000.0, leverage=10.0, fee=0.0005, slip=0.0001, stop=0.01, risk=0.01)
_BLANK = walked(minutes=600, trades=4)


def run(
    nets: list[float], *, days: float = 100.0, kind: RunKind = RunKind.PAPER, first_day: float = 0.0, trials: int = 1
) -> Run:
    """A run whose trades close at equal steps, each with 2 of fees, 1 of funding and 0.5 of slippage."""
    begin = BEGIN_MS + round(first_day * DAY_MS)
    step = round(days * DAY_MS / max(1, len(nets)))
    trades = [
        trade(net, at_ms=begin + k * step, size=10.0, fees=2.0, funding=1.0, slippage=0.5) for k, net in enumerate(nets)
    ]
    summary = msgspec.structs.replace(
        _BLANK.summary, kind=kind, from_ms=begin, to_ms=begin + round(days * DAY_MS), deposit=10_000.0, coverage=1.0
    )
    return msgspec.structs.replace(_BLANK, summary=summary, trades=trades, performance={}, trials=trials)


def edge(count: int, *, mean: float = 1.0, seed: int = 1) -> list[float]:
    """Nets with a mean and a deviation of 3."""
    drawn: list[float] = np.random.default_rng(seed).normal(mean, 3.0, count).tolist()
    return drawn


def test_drags_are_fractions_of_capital_a_year() -> None:
    """100 trades in 100 days: fees 200, funding 100, slippage 50 and net 100 of 10,000, times 3.65."""
    found = honesty.honest(run([1.0, 3.0, -1.0, 1.0] * 25), PLAN, smallest=100.0)
    assert found.fee_drag == pytest.approx(0.02 * 3.65)
    assert found.funding_drag == pytest.approx(0.01 * 3.65)
    assert found.slippage_drag == pytest.approx(0.005 * 3.65)
    assert found.net_a_year == pytest.approx(0.01 * 3.65)
    assert found.break_even_move == pytest.approx(0.0012)


def test_whether_wins_are_luck() -> None:
    """6 wins of 2 and 4 losses of 2 need half to be won: the chance of 6 or more of 10 is 386/1024."""
    found = honesty.honest(run([2.0] * 6 + [-2.0] * 4), PLAN, smallest=100.0)
    assert found.needed_win_rate == pytest.approx(0.5)
    assert found.luck == pytest.approx(386 / 1024)
    assert found.win_rate == pytest.approx(0.6)
    assert found.win_low is not None
    assert found.win_high is not None
    assert found.win_low < 0.6 < found.win_high


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_binomial_tail_is_exact(rate: float) -> None:
    """Against the sum of whole binomial coefficients."""
    for wins in (0, 3, 20):
        whole = sum(math.comb(20, k) * rate**k * (1 - rate) ** (20 - k) for k in range(wins, 21))
        assert honesty.at_least(wins, 20, rate) == pytest.approx(whole)


def test_only_wins_or_only_losses_need_no_rate() -> None:
    """What there is none of cannot be weighed; trades that lost nothing are no losses."""
    assert honesty.needed_win_rate([1.0, 2.0]) is None
    assert honesty.needed_win_rate([-1.0]) is None
    assert honesty.needed_win_rate([1.0, 0.0]) is None
    assert honesty.honest(run([1.0] * 5), PLAN, smallest=100.0).luck is None


def test_ruin_is_where_the_smallest_order_cannot_be_opened() -> None:
    """10,000 open 99,009.9 at most; the smallest order is 100: ruin at 0.101 % of it. Both ways agree here."""
    found = honesty.honest(run(edge(300)), PLAN, smallest=100.0)
    assert found.ruin_floor == pytest.approx(100.0 / 99_009.9, rel=1e-6)
    assert found.ruin_trades == 1000
    assert found.is_agreed is True
    assert found.ruin_closed == pytest.approx(0.0, abs=1e-6)
    assert found.half_drawn == 0.0
    wide = honesty.honest(run([400.0, -400.0] * 50, days=365.0), PLAN, smallest=50_000.0)
    assert wide.ruin_trades == 100
    assert wide.ruin_floor == pytest.approx(0.505)
    assert wide.ruin_drawn is not None
    assert wide.ruin_drawn > 0.02
    assert honesty.honest(run([1.0, -1.0]), PLAN, smallest=1e9).ruin_floor == 0.95


def test_trades_after_ruin_do_not_count() -> None:
    """An account with nothing left makes no returns."""
    trades = [trade(net) for net in (-5_000.0, -6_000.0, 100.0)]
    assert honesty.of_equity(trades, 10_000.0).tolist() == [-0.5, -1.2]


def test_a_run_without_trades_says_nothing() -> None:
    """No trade, no figure; no time, no year."""
    found = honesty.honest(run([], days=0.0), PLAN, smallest=100.0)
    assert (found.win_rate, found.expectancy, found.luck, found.fee_drag, found.is_agreed) == (None,) * 5
    assert found.ruin_trades == honesty.AHEAD


def test_the_interval_of_the_mean_draws_days() -> None:
    """With a trade a day it is near the textbook's ±1.96 s/√n; of fewer than ten days there is none."""
    nets = edge(400)
    low, high = expectancy_interval(run(nets, days=400.0).trades, seed=3)
    half = 1.96 * float(np.std(nets)) / math.sqrt(400)
    assert low == pytest.approx(float(np.mean(nets)) - half, abs=0.05)
    assert high == pytest.approx(float(np.mean(nets)) + half, abs=0.05)
    assert expectancy_interval(run(nets, days=9.0).trades, seed=3) == (None, None)
    assert expectancy_interval([], seed=3) == (None, None)


def conditions(runs: list[Run], modelled: float | None = 160.0, incidents: int | None = 0) -> dict[str, Condition]:
    """The gate by name."""
    return {one.name: one for one in honesty.gate(runs, modelled_slippage=modelled, incidents=incidents)}


def test_the_gate_opens_when_all_is_shown() -> None:
    """100 days, 320 trades, a clear edge, slippage as modelled, nothing unsettled: every condition is met."""
    found = conditions([run(edge(320))])
    assert [name for name, one in found.items() if not one.is_met] == ["deflated-sharpe"]
    measured = msgspec.structs.replace(run(edge(320)), performance={"dsr": 0.97})
    assert all(one.is_met for one in conditions([measured]).values())
    assert found["slippage"].figure == pytest.approx(1.0)


def test_runs_together_are_judged_by_their_trades() -> None:
    """Two halves on paper count as one whole; what was a backtest does not count at all."""
    halves = [run(edge(160, seed=1), days=50.0), run(edge(160, seed=2), days=50.0, first_day=50.0)]
    found = conditions(halves)
    assert all(one.is_met for one in found.values())
    assert found["days-on-paper"].figure == pytest.approx(100.0)
    backtests = [run(edge(320), kind=RunKind.BACKTEST), run(edge(320), kind=RunKind.LIVE)]
    found = conditions(backtests)
    assert found["trades"].figure == 0.0
    assert not any(one.is_met for name, one in found.items() if name != "incidents")


@pytest.mark.parametrize(
    ("spoilt", "name"),
    [
        (run(edge(320), days=59.9), "days-on-paper"),
        (run(edge(299)), "trades"),
        (run(edge(320, mean=0.05)), "expectancy"),
    ],
    ids=["days", "trades", "expectancy"],
)
def test_each_condition_stops_alone(spoilt: Run, name: str) -> None:
    """A day, a trade or an edge too little: that condition is not met."""
    found = conditions([spoilt])
    assert not found[name].is_met
    assert name == "expectancy" or found["expectancy"].is_met


@pytest.mark.parametrize(("modelled", "is_met"), [(128.0, True), (127.0, False), (None, False), (0.0, False)], ids=str)
def test_realised_slippage_against_the_model(modelled: float | None, is_met: bool) -> None:
    """160 realised is 1.25 times 128; what nobody modelled is not known, and not met."""
    assert conditions([run(edge(320))], modelled=modelled)["slippage"].is_met is is_met


@pytest.mark.parametrize(("incidents", "is_met"), [(0, True), (1, False), (None, False)], ids=str)
def test_unsettled_incidents(incidents: int | None, is_met: bool) -> None:
    """One difference nobody settled is too many; nobody counted is not none."""
    assert conditions([run(edge(320))], incidents=incidents)["incidents"].is_met is is_met


def test_luck_of_many_trials_counts() -> None:
    """The same trades as the best of 1,000 tried prove less."""
    few = [run(edge(160, mean=0.5, seed=1)), run(edge(160, mean=0.5, seed=2), first_day=100.0)]
    many = [msgspec.structs.replace(one, trials=1000) for one in few]
    before, after = conditions(few)["deflated-sharpe"].figure, conditions(many)["deflated-sharpe"].figure
    assert before is not None
    assert after is not None
    assert after < before
