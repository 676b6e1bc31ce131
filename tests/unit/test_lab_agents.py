"""The crowd of the agent market and its virtual time: habits from stated ranges, the same bytes for the same seed."""

import json
import math
import pickle
from importlib import resources
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from perpscope.lab.agents.exchange import LOT
from perpscope.lab.agents.facts import (
    ROWS,
    branching,
    correlation,
    crash_facts,
    hill,
    impact_exponent,
    judged,
    quiet_facts,
    told_falls,
)
from perpscope.lab.agents.habits import LADDER, LADDER_WEIGHTS, RANGES, draw_habits, mean_size_usd
from perpscope.lab.agents.market import AgentMarket, record, run
from perpscope.lab.agents.steps import Setting, Step
from perpscope.lab.agents.tiers import BTCUSDT_2024_10
from perpscope.lab.agents.truth import OPEN
from perpscope.lab.agents.world import Shock, World, october

_SMALL = Setting(7, agents=600, dt_s=30.0)


def last(setting: Setting, days: float) -> Step:
    """The step a market ends with."""
    *_, step = run(setting, days)
    return step


def test_each_seed_draws_its_crowd_from_the_stated_ranges() -> None:
    """A hundred crowds lie within `RANGES` and fill them."""
    crowds = [msgspec.structs.asdict(draw_habits(np.random.default_rng(seed))) for seed in range(100)]
    for name, (low, high, _) in RANGES.items():
        values = [crowd[name] for crowd in crowds]
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high >= max(values) > high - 0.1 * (high - low)
    assert all(1.0 <= crowd["kappa"] <= 1.4 for crowd in crowds)


def test_the_ladder_is_a_distribution() -> None:
    """Weights of leverage add up to 1 and climb no step twice."""
    assert math.fsum(LADDER_WEIGHTS) == pytest.approx(1.0)
    assert all(low < high for low, high in pairwise(LADDER.tolist()))


def test_sizes_have_the_mean_that_is_said() -> None:
    """The mean of the capped lognormal, against a million draws."""
    mean, cap = mean_size_usd(6000)
    draws = np.minimum(np.exp(np.random.default_rng(1).normal(math.log(9000), 1.7, 1_000_000)), cap)
    assert mean == pytest.approx(draws.mean(), rel=0.01)
    assert cap == pytest.approx(0.01 * mean * 6000 * 0.3, rel=0.01)


@pytest.mark.unmeasured
def test_the_same_seed_gives_the_same_bytes() -> None:
    """Replay is byte-identical, another seed is another market."""
    first, second = (record(_SMALL, 0.4, map_every_s=3600).hash() for _ in range(2))
    assert first == second
    assert record(msgspec.structs.replace(_SMALL, seed=8), 0.4, map_every_s=3600).hash() != first


def test_a_pickled_market_goes_on_as_it_would_have() -> None:
    """A market that went through a pickle in mid-run steps as the one that stayed does, at another pace too."""
    stayed = AgentMarket(msgspec.structs.replace(_SMALL, shocks=october(20_000.0)))
    for _ in range(700):
        stayed.step()
    went = pickle.loads(pickle.dumps(stayed))
    for market in (stayed, went):
        market.pace(1.0)
    assert [stayed.step() for _ in range(900)] == [went.step() for _ in range(900)]
    assert stayed.ts == _SMALL.ts_start + (700 * 30 + 900) * 1_000_000_000
    for table in (AgentMarket.positions, AgentMarket.liquidations):
        for name, values in table(stayed).items():
            np.testing.assert_array_equal(values, table(went)[name])
    assert stayed.chronicle.forced


@pytest.mark.parametrize(
    ("price", "lot"),
    [(60_000.0, 0.0001), (3_000.0, 0.001), (150.0, 0.01), (0.2, 10.0)],
    ids=["btc", "eth", "sol", "doge"],
)
@pytest.mark.unmeasured
def test_a_coin_of_any_price_has_a_lot_of_a_few_dollars(price: float, lot: float) -> None:
    """Lots are powers of ten worth at most six dollars, and the open interest is what was asked for."""
    setting = Setting(7, agents=600, dt_s=60.0, price=price, typical_usd=3e8)
    assert setting.lot == lot
    step = last(setting, 1.0)
    assert 0.3 < sum(step.open_interest) * lot * step.price / 3e8 < 3.0
    assert price / 1.5 < step.price < price * 1.5


def test_the_lab_has_the_tiers_that_ship() -> None:
    """BTCUSDT of October 2024 in the lab is the dated table of the package, figure by figure."""
    shipped = json.loads((resources.files("perpscope.app") / "tables" / "binance_btcusdt_2024_10.json").read_text())
    floors, _, rates, leverages, deductions = zip(*shipped["tables"][0]["tiers"], strict=True)
    assert (BTCUSDT_2024_10.floors, BTCUSDT_2024_10.rates, BTCUSDT_2024_10.leverages) == (floors, rates, leverages)
    assert BTCUSDT_2024_10.deductions == pytest.approx(deductions)


def test_steps_come_one_by_one_at_their_times() -> None:
    """`run` yields what `record` writes down."""
    steps, truth = list(run(_SMALL, 0.1)), record(_SMALL, 0.1, map_every_s=0)
    assert [step.ts for step in steps] == truth["market"]["ts"].tolist()
    assert [step.ts - _SMALL.ts_start for step in steps[:2]] == [30_000_000_000, 60_000_000_000]
    np.testing.assert_array_equal([step.mark for step in steps], truth.by_venue("mark"))
    np.testing.assert_array_equal([step.opened for step in steps], truth.by_venue("opened"))
    assert truth["map"]["ts"].tolist() == []


def test_gross_opens_and_closes_explain_what_is_held() -> None:
    """Opened less closed, from the first step on, is what all agents hold; the log has every position once."""
    market, net = AgentMarket(_SMALL), 0.0
    for _ in range(1500):
        step = market.step()
        net += sum(step.opened) - sum(step.closed)
    assert net == np.abs(market.exchange.lots).sum()
    rows = market.chronicle.positions(market.exchange)
    assert len(set(rows["serial"].tolist())) == rows["serial"].size
    still = rows["ended"] == OPEN
    assert still.sum() == np.count_nonzero(market.exchange.lots)
    assert (rows["ts_closed"][~still] >= rows["ts_opened"][~still]).all()
    assert rows["serial"].size > 300


def test_a_scripted_shock_moves_the_index_by_what_it_says() -> None:
    """Shocks add up over their time whatever the length of a step."""
    moves = []
    for shocks in ((), october(600.0)):
        world = World(np.random.default_rng(5), 100.0, 0.02, shocks)
        for _ in range(300):
            world.step(7.0)
        moves.append(world.index)
    assert moves[1] - moves[0] == pytest.approx(math.log(0.9203), abs=1e-3)
    assert moves[1] - moves[0] == pytest.approx(-0.083)


def test_a_crash_liquidates_longs_and_takes_the_quotes_away() -> None:
    """After a fall of 15 % there are liquidations, nearly all of longs, and few quotes."""
    crash = msgspec.structs.replace(_SMALL, shocks=(Shock(43_200.0, 600.0, -0.15),))
    steps = list(run(crash, 0.52))
    longs, shorts = (
        sum(sum(getattr(step, f"liquidated_{side}")) for step in steps[-60:]) for side in ("longs", "shorts")
    )
    assert longs > 100 * LOT
    assert longs > 5 * shorts
    assert min(step.depth for step in steps[-60:]) < 0.2


@pytest.mark.parametrize("left_out", ["is_levered", "has_stops", "has_withdrawal"])
def test_an_ablation_leaves_its_part_out(left_out: str) -> None:
    """Without leverage no long is liquidated, without stops none fires, without withdrawal the depth stays."""
    setting = msgspec.structs.replace(_SMALL, shocks=(Shock(20_000.0, 600.0, -0.15),), **{left_out: False})
    market = AgentMarket(setting)
    steps = [market.step() for _ in range(800)]
    if left_out == "is_levered":
        assert not sum(sum(step.liquidated_longs) for step in steps)
        assert set(market.exchange.leverage.tolist()) == {1.0}
    elif left_out == "has_stops":
        long = market.exchange.lots > 0
        assert not market.traders.low[long].any()
    else:
        assert {step.depth for step in steps} == {1.0}


@pytest.mark.unmeasured
def test_the_wildest_crowd_does_not_pull_the_price_along_behind_itself() -> None:
    """With every habit at its wilder end, the price keeps to the news, and funding to its range. Keeps B13."""
    ends = {"depth_share": 0, "unlevered": 0, "half_life_d": 0, "daily_volatility": 1, "leverage_tilt": 1}
    ends |= {"trend_strength": 1, "stop_share": 1, "withdrawal": 1, "long_bias": 1}
    wild = {name: RANGES[name][end] for name, end in ends.items()}
    habits = msgspec.structs.replace(draw_habits(np.random.default_rng(5)), **wild)
    market = AgentMarket(Setting(5, agents=1000, dt_s=30.0, habits=habits))
    apart, funding = [], []
    for _ in range(2880):
        step = market.step()
        apart.append(abs(market.log_price - market.world.index))
        funding.append(max(map(abs, step.funding_rate)))
    assert max(apart) < 0.08
    assert np.median(apart) < 0.01
    assert max(funding) < 0.004


def test_venues_stay_together_and_have_their_share() -> None:
    """Prices of venues differ by basis points, open interest by their shares."""
    steps = list(run(_SMALL, 0.5))
    step = steps[-1]
    assert np.median([max(one.last) / min(one.last) for one in steps[-720:]]) < 1.003
    assert step.open_interest[0] > step.open_interest[-1]
    assert sum(step.bought) > 0


def test_figures_of_known_series() -> None:
    """Hill, correlation and Hawkes branching against series whose answers are known."""
    rng = np.random.default_rng(2)
    assert hill(rng.pareto(3.0, 200_000) + 1) == pytest.approx(3.0, rel=0.1)
    assert correlation(np.arange(9.0), 2 * np.arange(9.0)) == pytest.approx(1.0)
    assert math.isnan(correlation(np.ones(9), np.arange(9.0)))
    assert math.isnan(branching(np.arange(5.0)))
    assert branching(hawkes(rng, 0.6)) == pytest.approx(0.6, abs=0.1)
    assert branching(np.sort(rng.uniform(0, 1e5, 2000))) < 0.1


def hawkes(rng: np.random.Generator, ratio: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Events with that many offspring each, on average 15 s later."""
    generation = rng.uniform(0, 200_000, 1500)
    events = [generation]
    while generation.size:
        children = np.repeat(generation, rng.poisson(ratio, generation.size))
        generation = children + rng.exponential(15.0, children.size)
        events.append(generation)
    return np.sort(np.concatenate(events))


@pytest.mark.unmeasured
def test_every_figure_of_the_table_is_computed() -> None:
    """The sixteen rows name figures that a market gives, and are judged by their medians."""
    setting = Setting(4, agents=800, dt_s=60.0)
    truth = record(setting, 1.0, map_every_s=0)
    found = quiet_facts(truth) | crash_facts(setting) | {"impact_exponent": impact_exponent(setting, trials=1)}
    assert len(ROWS) == 16
    assert {key for row in ROWS for key, _, _ in row.keys} <= set(found)
    table = judged([found, found])
    assert all(medians[0] == pytest.approx(found[row.keys[0][0]], nan_ok=True) for row, medians, _ in table)
    assert math.isnan(told_falls(record(setting, 0.001, map_every_s=0)))
